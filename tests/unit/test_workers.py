"""The servers' own workers: session keys and evaluations in processes that may die.

What a worker does with a key or a seed is tested where they are (``test_keys_steps`` and others);
here is what the processes around them change: nothing that an honest peer sees.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest

from gateway.he.engine import EngineName, default_engine
from gateway.he.evaluation import Inputs
from gateway.host.isolation import WorkerLimits
from gateway.server.evaluation import HELD, HELD_SECONDS, EvaluationWorkers, EvaluationWorkshop
from gateway.wire.errors import CallerMisuse, MalformedMessage, SessionNotFound, Unavailable
from gateway.wire.evaluation import DecisionResponse, MaskedValues, ProductRequest, SharesRequest
from gateway.wire.ids import Nonce
from gateway.wire.polynomials import PaddedProduct
from keys.workers import KeyWorkshop, SecretWorkers
from tests.support.asking import ask_attempt, ask_values, decision_of, nonce_of
from tests.support.parties import (
    GATEWAY,
    SESSION,
    Clock,
    InProcessAuthority,
    OpenSession,
    any_product,
    fixed_dealings,
    session_key_request,
)
from tests.support.processes import PATIENCE

LIMITS = WorkerLimits(4 * 2**30, PATIENCE)
DEALING = fixed_dealings("workers")[1]


@contextmanager
def running(workers: Any) -> Iterator[Any]:
    workers.start()
    try:
        yield workers
    finally:
        workers.stop()


@pytest.fixture(scope="module", params=["seal-python", "tenseal"])
def secrets(request: pytest.FixtureRequest) -> Iterator[SecretWorkers]:
    engine: EngineName = request.param
    with running(SecretWorkers(1, LIMITS, engine)) as workers:
        yield workers


@pytest.fixture(scope="module", params=["seal-python", "tenseal"])
def evaluations(request: pytest.FixtureRequest) -> Iterator[EvaluationWorkers]:
    engine: EngineName = request.param
    with running(EvaluationWorkers(1, LIMITS, engine)) as workers:
        yield workers


@pytest.fixture
def isolated(authority: InProcessAuthority, secrets: SecretWorkers) -> InProcessAuthority:
    """An authority whose session keys are in a worker."""
    authority.service._make_secret = secrets.make
    return authority


# --- session keys --------------------------------------------------------------------------------


@pytest.mark.parametrize(("cosine", "outcome"), [(0.7, "MATCH"), (0.1, "NO_MATCH")])
def test_keys_in_workers_decide_like_any(
    isolated: InProcessAuthority, cosine: float, outcome: str
) -> None:
    request = session_key_request()
    answer = isolated.service.open_session(request, GATEWAY.public)
    opened = OpenSession(isolated, request, answer, cosine=cosine)
    assert decision_of(opened.decided()).outcome == outcome


def secret_of(authority: InProcessAuthority) -> Any:
    session = authority.table.find(SESSION)
    assert session is not None
    return session.secret


def test_a_key_in_a_worker_answers_once(isolated: InProcessAuthority) -> None:
    """Also a service that forgot what it asked gets nothing: the worker has let go of the key."""
    opened = isolated.open()
    product = PaddedProduct.decode(any_product())
    secret = secret_of(isolated)
    secret.answer(product, 7, DEALING)
    with pytest.raises(Unavailable):
        secret.answer(product, 7, DEALING)
    assert repr(secret) == "IsolatedSecret()"
    assert opened.key


def test_what_is_malformed_within_the_worker_uses_no_key_up(secrets: SecretWorkers) -> None:
    """The service decodes before; the worker does not take its word for it."""
    with secrets._pool.on(0) as worker:
        worker.call("make", b"name", bytes(32))
        for product, dealing in ((b"junk", DEALING.encoded), (any_product(), b"junk")):
            with pytest.raises(MalformedMessage):
                worker.call("answer", b"name", product, 7, dealing)
        assert len(worker.call("answer", b"name", any_product(), 7, DEALING.encoded)) == 2


def test_a_key_whose_worker_died_is_not_found_and_the_next_session_passes(
    isolated: InProcessAuthority, secrets: SecretWorkers
) -> None:
    opened = isolated.open()
    ask_attempt(opened)
    pid = secrets._pool.workers[0].pid
    assert pid is not None
    secret = secret_of(isolated)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises((Unavailable, SessionNotFound)):
        ask_values(opened)
    secret.destroy()  # nothing is left to destroy, and nothing goes wrong
    with pytest.raises(SessionNotFound):
        secret.answer(PaddedProduct.decode(any_product()), 7, DEALING)
    assert decision_of(isolated.open(session=bytes(16)).decided()).outcome == "MATCH"


def test_a_destroyed_key_is_gone_from_the_worker(
    isolated: InProcessAuthority, clock: Clock
) -> None:
    isolated.open()
    secret = secret_of(isolated)
    clock.now += 300
    assert isolated.table.expire() == 0
    with pytest.raises(Unavailable):
        secret.answer(PaddedProduct.decode(any_product()), 7, DEALING)


def test_within_a_worker_a_key_that_is_not_used_is_overwritten() -> None:
    """And a worker holds nothing of sessions that have ended in either way."""
    workshop = KeyWorkshop(default_engine())
    for name in (b"used", b"unused"):
        workshop.make(name, bytes(32))
    held = dict(workshop._held)
    unused = held[b"unused"]._secret
    assert unused is not None
    assert unused.any()
    workshop.answer(b"used", any_product(), 7, DEALING.encoded)
    workshop.destroy(b"unused")
    assert not unused.any()
    assert [repr(one) for one in held.values()] == ["SessionSecret(destroyed)"] * 2
    assert workshop._held == {}
    workshop.destroy(b"unused")


# --- evaluations ---------------------------------------------------------------------------------


def inputs_of(opened: OpenSession) -> Inputs:
    return opened.evaluation._inputs


def conclude(opened: OpenSession, evaluation: Any) -> str:
    """An honest session with an evaluation that runs elsewhere."""
    service, session = opened.authority.service, opened.request.session
    answer = ask_attempt(opened, seed_commitment=evaluation.seed_commitment)
    product, omega = evaluation.padded_product(nonce_of(answer).nonce)
    request = ProductRequest(session=session, padded_product=product.encoded, omega=omega)
    masked = MaskedValues.decode(service.answer(request, GATEWAY.public)).masked
    made = evaluation.open(masked)
    shares = SharesRequest(session=session, values=made.values, shares=made.shares)
    response = DecisionResponse.decode(service.decide(shares, GATEWAY.public))
    return decision_of(response).outcome


@pytest.mark.parametrize(("cosine", "outcome"), [(0.7, "MATCH"), (0.1, "NO_MATCH")])
def test_evaluations_in_workers_decide_like_any(
    authority: InProcessAuthority, evaluations: EvaluationWorkers, cosine: float, outcome: str
) -> None:
    request = session_key_request()
    answer = authority.service.open_session(request, GATEWAY.public)
    opened = OpenSession(authority, request, answer, cosine=cosine)
    with closing(evaluations.begin(inputs_of(opened))) as evaluation:
        assert conclude(opened, evaluation) == outcome


def test_every_evaluation_has_a_seed_of_its_own(
    authority: InProcessAuthority, evaluations: EvaluationWorkers
) -> None:
    inputs, commitments, products = inputs_of(authority.open()), set(), set()
    for _ in range(3):
        with closing(evaluations.begin(inputs)) as evaluation:
            commitments.add(evaluation.seed_commitment)
            products.add(evaluation.padded_product(Nonce(bytes(32)))[0].digest)
    assert len(commitments) == len(products) == 3


ONCE: dict[str, Callable[[Any], Any]] = {
    "a second product": lambda e: e.padded_product(Nonce(b"\1" * 32)),
    "the same product again": lambda e: e.padded_product(Nonce(bytes(32))),
    "a second opening": lambda e: (e.open((1, 2)), e.open((3, 4))),
}


@pytest.mark.parametrize("name", ONCE)
def test_an_evaluation_makes_one_product_and_opens_one_answer(
    authority: InProcessAuthority, evaluations: EvaluationWorkers, name: str
) -> None:
    """Whatever goes wrong in the server's own code: more would tell differences of scores."""
    opened = authority.open()
    with closing(evaluations.begin(inputs_of(opened))) as evaluation:
        evaluation.padded_product(Nonce(bytes(32)))
        with pytest.raises(Unavailable):
            ONCE[name](evaluation)
        with pytest.raises(Unavailable, match="open a new session"):
            evaluation.open((1, 2))
    with closing(evaluations.begin(inputs_of(opened))) as evaluation:
        assert conclude(opened, evaluation) == "MATCH"


def test_shares_before_the_product_end_the_evaluation(
    authority: InProcessAuthority, evaluations: EvaluationWorkers
) -> None:
    with (
        closing(evaluations.begin(inputs_of(authority.open()))) as evaluation,
        pytest.raises(Unavailable),
    ):
        evaluation.open((1, 2))


def test_a_worker_that_dies_within_an_evaluation_is_replaced(
    authority: InProcessAuthority, evaluations: EvaluationWorkers
) -> None:
    opened = authority.open()
    with closing(evaluations.begin(inputs_of(opened))) as evaluation:
        pid = evaluations._pool.workers[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(Unavailable):
            evaluation.padded_product(Nonce(bytes(32)))
    with closing(evaluations.begin(inputs_of(opened))) as evaluation:
        assert conclude(opened, evaluation) == "MATCH"


def test_a_worker_holds_several_evaluations_at_once_and_no_more_than_it_may(
    authority: InProcessAuthority, evaluations: EvaluationWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one waits for the authority, the others go on; their pads are not confused."""
    monkeypatch.setattr(evaluations, "_patience", 0)
    opened = authority.open()
    inputs = inputs_of(opened)
    with ExitStack() as several:
        begun = [several.enter_context(closing(evaluations.begin(inputs))) for _ in range(HELD)]
        with pytest.raises(Unavailable, match="busy") as full:
            evaluations.begin(inputs)
        assert full.value.retry_after
        begun[1].close()
        with closing(evaluations.begin(inputs)) as another:
            product, _ = another.padded_product(Nonce(bytes(32)))
        assert conclude(opened, begun[0]) == "MATCH"
        assert begun[2].padded_product(Nonce(bytes(32)))[0].digest != product.digest
        with pytest.raises(Unavailable):
            begun[1].padded_product(Nonce(bytes(32)))
    assert evaluations._held == [0]


def test_a_worker_forgets_an_evaluation_that_nobody_ended(authority: InProcessAuthority) -> None:
    now = [0.0]
    workshop = EvaluationWorkshop(default_engine(), lambda: now[0])
    encoded = inputs_of(authority.open()).encoded()
    workshop.begin(b"old", encoded)
    now[0] += HELD_SECONDS
    workshop.begin(b"young", encoded)
    workshop.padded_product(b"old", bytes(32))
    now[0] += 1
    workshop.begin(b"new", encoded)
    with pytest.raises(CallerMisuse):
        workshop.open(b"old", [1, 2])
    workshop.padded_product(b"young", bytes(32))
