"""A gateway that has its key and no manners, at the key authority itself.

Whatever it sends there, the authority answers once for one key. A message that is none changes
nothing; a valid one for a step that was taken ends the session.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.wire import cbor
from gateway.wire.evaluation import AttemptRequest, ProductRequest, SharesRequest
from gateway.wire.ids import digest_of
from gateway.wire.polynomials import PADDED_BYTES
from gateway.wire.profile import SENT_MODULUS, SENT_PRIMES, N, T
from tests.support.attempts import Replayed
from tests.support.counter import Counter
from tests.support.leftovers import assert_nothing_kept
from tests.support.observation import REFUSAL, assert_problem
from tests.support.observed import Closed, Observed, honest
from tests.support.samples import ATTEMPTS, AUDITS, PRODUCTS, SESSION_KEYS, SHARES

pytestmark = [pytest.mark.processes, pytest.mark.slow]

TAIL = 28
"""Where a padded product's polynomials begin, after two numbers."""

STEPS = (ATTEMPTS, PRODUCTS, SHARES)


@pytest.fixture
def gateway(deployment: Observed) -> Iterator[Replayed]:
    """An attacker with the gateway's key, who has seen what the honest process sent."""
    yield Replayed(deployment)
    deployment.proxy.behaviour = honest


def stopped_before(path: str, gateway: Replayed, deployment: Observed, counter: Counter) -> bytes:
    """A session whose next message, for this path, is in the attacker's hands: its honest body."""
    held: list[bytes] = []

    def behave(asked: str, body: bytes, ask: Callable[[], tuple[int, bytes]]) -> Any:
        if asked == path:
            held.append(body)
            raise Closed
        return gateway.watch(asked, body, ask)

    deployment.proxy.behaviour = behave
    opened = counter.open()
    assert_problem(counter.submit(opened, counter.honest_submission(opened)), 503)
    deployment.proxy.behaviour = honest
    return held[0]


def changed(**fields: Any) -> Callable[[bytes], bytes]:
    """Fields of the message, replaced below its own bounds."""
    return lambda body: cbor.encode({**cbor.decode(body), **fields})


def product(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """The padded product within the message, changed."""
    return lambda body: changed(paddedProduct=change(cbor.decode(body)["paddedProduct"]))(body)


def number(place: int, value: int) -> Callable[[bytes], bytes]:
    return product(lambda p: p[: 14 * place] + value.to_bytes(14, "little") + p[14 * (place + 1) :])


def word(polynomial: int, prime: int, value: int) -> Callable[[bytes], bytes]:
    at = TAIL + 2 + 7 * N * (len(SENT_PRIMES) * polynomial + prime)
    return product(lambda p: p[:at] + value.to_bytes(7, "little") + p[at + 7 :])


def emptied(polynomial: int) -> Callable[[bytes], bytes]:
    size = 7 * N * len(SENT_PRIMES)
    at = TAIL + 2 + size * polynomial
    return product(lambda p: p[:at] + bytes(size) + p[at + size :])


MALFORMED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    **{f"no message ({path})": (path, lambda _: b"\xa0") for path in STEPS},
    **{f"truncated ({path})": (path, lambda b: b[:-1]) for path in STEPS},
    **{f"a byte too many ({path})": (path, lambda b: b + b"\0") for path in STEPS},
    **{f"an unknown field ({path})": (path, changed(canary=1)) for path in STEPS},
    **{f"another version ({path})": (path, changed(version=2)) for path in STEPS},
    **{f"a short session id ({path})": (path, changed(session=bytes(15))) for path in STEPS},
    "a short sealed dealing": (
        ATTEMPTS,
        lambda b: changed(sealedDealing=cbor.decode(b)["sealedDealing"][:-1])(b),
    ),
    "a short commitment": (ATTEMPTS, changed(seedCommitment=bytes(31))),
    "no policy": (ATTEMPTS, changed(policy=b"\xa0")),
    "an assertion that is none": (ATTEMPTS, changed(templateAssertion=b"\xd2\x80")),
    "another assertion that is none": (ATTEMPTS, changed(submissionAssertion=b"\xd2\x80")),
    "omega of zero": (PRODUCTS, changed(omega=0)),
    "omega of t": (PRODUCTS, changed(omega=T)),
    "a negative omega": (PRODUCTS, changed(omega=-1)),
    "omega that is no number": (PRODUCTS, changed(omega=True)),
    "a short product": (PRODUCTS, product(lambda p: p[:-1])),
    "an empty product": (PRODUCTS, changed(paddedProduct=b"")),
    "a product of zeros": (PRODUCTS, changed(paddedProduct=bytes(PADDED_BYTES))),
    "a first number of Q'": (PRODUCTS, number(0, SENT_MODULUS)),
    "a second number of Q'": (PRODUCTS, number(1, SENT_MODULUS)),
    "the largest number": (PRODUCTS, number(1, 2**112 - 1)),
    "another format": (PRODUCTS, product(lambda p: p[:TAIL] + b"\2" + p[TAIL + 1 :])),
    "three polynomials": (PRODUCTS, product(lambda p: p[: TAIL + 1] + b"\3" + p[TAIL + 2 :])),
    **{
        f"a residue at its prime ({polynomial}, {prime})": (
            PRODUCTS,
            word(polynomial, prime, SENT_PRIMES[prime]),
        )
        for polynomial in range(2)
        for prime in range(2)
    },
    "the largest residue": (PRODUCTS, word(1, 1, 2**56 - 1)),
    "an all-zero second polynomial": (PRODUCTS, emptied(0)),
    "an all-zero third polynomial": (PRODUCTS, emptied(1)),
    "a value of t": (SHARES, changed(values=[T, 0])),
    "a negative value": (SHARES, changed(values=[0, -1])),
    "the value of one lane": (SHARES, changed(values=[0])),
    "values of three lanes": (SHARES, changed(values=[0, 0, 0])),
    "a share of two": (SHARES, changed(shares=[0, 2])),
    "a share that is no number": (SHARES, changed(shares=[False, 0])),
    "the share of one lane": (SHARES, changed(shares=[0])),
    "shares of three lanes": (SHARES, changed(shares=[0, 0, 0])),
}


@pytest.mark.parametrize("path", STEPS)
def test_a_message_that_is_none_changes_nothing(
    deployment: Observed, counter: Counter, gateway: Replayed, path: str
) -> None:
    """All of one step's, in one session: after them the honest message still gets its answer."""
    body = stopped_before(path, gateway, deployment, counter)
    for name, (at, change) in MALFORMED.items():
        if at != path:
            continue
        status, answer = gateway.send(path, change(body))
        assert status == 400, name
        assert b"canary" not in answer
    assert gateway.send(path, body)[0] == 200


REFUSED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "the wrong session's dealing": (
        ATTEMPTS,
        lambda b: changed(sealedDealing=cbor.decode(b)["sealedDealing"][::-1])(b),
    ),
    "assertions in each other's places": (
        ATTEMPTS,
        lambda b: changed(
            templateAssertion=cbor.decode(b)["submissionAssertion"],
            submissionAssertion=cbor.decode(b)["templateAssertion"],
        )(b),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_attempt_that_is_not_the_sessions(
    deployment: Observed, counter: Counter, gateway: Replayed, name: str
) -> None:
    path, change = REFUSED[name]
    body = stopped_before(path, gateway, deployment, counter)
    status, answer = gateway.send(path, change(body))
    assert status in (400, 403)
    assert status == 400 or answer == REFUSAL


OTHERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "another commitment": (ATTEMPTS, changed(seedCommitment=digest_of(b"another seed"))),
    "another omega": (
        PRODUCTS,
        lambda b: changed(omega=ProductRequest.decode(b).omega % (T - 1) + 1)(b),
    ),
    "another first number": (PRODUCTS, number(0, 1)),
    "another residue": (PRODUCTS, word(0, 0, 1)),
    "other values": (
        SHARES,
        lambda b: changed(values=[(SharesRequest.decode(b).values[0] + 1) % T, 0])(b),
    ),
    "other shares": (
        SHARES,
        lambda b: changed(shares=[1 - share for share in SharesRequest.decode(b).shares])(b),
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_step_is_taken_once(
    deployment: Observed, keys: Counter, gateway: Replayed, name: str
) -> None:
    """A repeat gets the same bytes; another message of the kind is refused and ends the session."""
    path, change = OTHERS[name]
    body = stopped_before(path, gateway, deployment, keys)
    first = gateway.send(path, body)
    assert first[0] == 200
    assert gateway.send(path, body) == first
    status, answer = gateway.send(path, change(body))
    assert (status, answer) == (403, REFUSAL)
    assert gateway.send(path, body) == first, "what was answered may be asked for again"
    if path == ATTEMPTS:
        asked = ProductRequest(
            session=AttemptRequest.decode(body).session,
            padded_product=bytes(14) + bytes(14) + b"\1\2" + b"\1" * (PADDED_BYTES - TAIL - 2),
            omega=1,
        )
        assert gateway.send(PRODUCTS, asked.encode())[0] in (403, 503), "its key is destroyed"


def test_steps_out_of_their_order_end_the_session(
    deployment: Observed, counter: Counter, gateway: Replayed
) -> None:
    body = stopped_before(PRODUCTS, gateway, deployment, counter)
    session = ProductRequest.decode(body).session
    early = SharesRequest(session=session, values=(1, 2), shares=(0, 1))
    assert gateway.send(SHARES, early.encode()) == (403, REFUSAL)
    assert gateway.send(PRODUCTS, body)[0] in (403, 503), "its key is destroyed"


def test_after_a_decision_everything_is_refused_but_repeats(
    deployment: Observed, keys: Counter, gateway: Replayed
) -> None:
    deployment.proxy.behaviour = gateway.watch
    opened = keys.open()
    assert keys.submit(opened, keys.honest_submission(opened)).status_code == 200
    for path in STEPS:
        status, answer = gateway.send(path)
        assert status == 200
        assert answer == gateway.seen[path][1]
    status, _ = gateway.send(SESSION_KEYS)
    assert status == 404, "its key went when the attempt was counted, and so did this answer"
    for path, change in OTHERS.values():
        assert gateway.send(path, change(gateway.seen[path][0])) == (403, REFUSAL)


def test_another_sessions_messages(
    deployment: Observed, counter: Counter, gateway: Replayed
) -> None:
    """Its attempt with this session's name on it: the assertions in it speak of another."""
    theirs = stopped_before(ATTEMPTS, gateway, deployment, counter)
    mine = stopped_before(ATTEMPTS, gateway, deployment, counter)
    session = AttemptRequest.decode(mine).session
    assert gateway.send(ATTEMPTS, changed(session=session)(theirs)) == (403, REFUSAL)
    assert gateway.send(ATTEMPTS, mine)[0] == 200, "it was never counted"


def test_a_report_of_an_audit_that_nobody_demanded(
    deployment: Observed, counter: Counter, gateway: Replayed
) -> None:
    body = stopped_before(SHARES, gateway, deployment, counter)
    report = cbor.encode(
        {"version": 1, "session": SharesRequest.decode(body).session, "report": b"\xd2\x80"}
    )
    assert gateway.send(AUDITS, report)[0] in (400, 403)


def test_session_keys_with_another_nonce_under_the_same_id(
    deployment: Observed, counter: Counter, gateway: Replayed
) -> None:
    """The half of the key that nobody chooses follows from it: one session has one."""
    deployment.proxy.behaviour = gateway.watch
    counter.open()
    body, answer = gateway.seen[SESSION_KEYS]
    assert gateway.send(SESSION_KEYS) == (200, answer)
    for change in (changed(gatewayNonce=bytes(32)), changed(clientNonce=bytes(32))):
        assert gateway.send(SESSION_KEYS, change(body)) == (403, REFUSAL)
    assert gateway.send(SESSION_KEYS, changed(gatewayNonce=bytes(31))(body))[0] == 400


def test_nothing_of_it_was_kept(deployment: Observed) -> None:
    """Comes last: the servers have by now seen everything above."""
    assert_nothing_kept(deployment)
