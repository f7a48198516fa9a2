"""Ciphertexts and dealings that are none, or another's, and what they were sealed in."""

from collections.abc import Callable
from secrets import token_bytes

import numpy as np
import pytest

from gateway.he.interval import deal
from gateway.host.clock import unix_time
from gateway.wire.dealing import AUTHORITY, GATEWAY
from gateway.wire.ids import KeyId, SessionId, digest_of
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import DATA_PRIMES, T
from gateway.wire.sealing import Sealed
from tests.support.counter import Counter
from tests.support.drafts import Opened, ciphertexts, draft
from tests.support.leftovers import assert_nothing_kept
from tests.support.observation import (
    assert_problem,
    session_state,
)
from tests.support.observed import Observed
from tests.support.residues import residue, zero
from tests.support.samples import PROBE, TEMPLATE

pytestmark = [pytest.mark.processes, pytest.mark.slow]


@pytest.mark.parametrize("prime", [0, 1, 2])
@pytest.mark.parametrize("value", ["prime", "prime + 1", "largest word"])
@pytest.mark.parametrize("where", ["probe", "template"])
def test_a_residue_at_or_above_its_prime(
    deployment: Observed, counter: Counter, prime: int, value: str, where: str
) -> None:
    residues = {
        "prime": DATA_PRIMES[prime],
        "prime + 1": DATA_PRIMES[prime] + 1,
        "largest word": 2**56 - 1,
    }
    opened = counter.open()
    template, probe = ciphertexts(opened, TEMPLATE, PROBE)
    if where == "probe":
        probe = residue(probe, prime, residues[value])
    else:
        template = residue(template, prime, residues[value])
    answer = counter.submit(opened, draft(counter.keys, opened, template, probe, unix_time()))
    assert_problem(answer, 400)
    assert session_state(deployment, opened.session) == "FAILED"


@pytest.mark.parametrize("polynomial", [0, 1])
@pytest.mark.parametrize("where", ["probe", "template"])
def test_an_all_zero_polynomial(
    deployment: Observed, counter: Counter, polynomial: int, where: str
) -> None:
    opened = counter.open()
    template, probe = ciphertexts(opened, TEMPLATE, PROBE)
    if where == "probe":
        probe = zero(probe, polynomial)
    else:
        template = zero(template, polynomial)
    answer = counter.submit(opened, draft(counter.keys, opened, template, probe, unix_time()))
    assert_problem(answer, 400)
    assert session_state(deployment, opened.session) == "FAILED"


@pytest.mark.parametrize("header", [b"\0\2", b"\1\0", b"\1\1", b"\1\3", b"\2\2", b"\xff\xff"])
def test_another_header(deployment: Observed, counter: Counter, header: bytes) -> None:
    opened = counter.open()
    template, probe = ciphertexts(opened, TEMPLATE, PROBE)
    submission = draft(counter.keys, opened, template, header + probe[2:], unix_time())
    assert_problem(counter.submit(opened, submission), 400)
    assert session_state(deployment, opened.session) == "FAILED"


@pytest.mark.parametrize("where", ["probe", "both"])
def test_ciphertexts_of_one_residue(keys: Counter, where: str) -> None:
    """Sparse on purpose, so that a product may vanish: the masks fill it, and the score is noise.

    Noise is accepted once in 2^14: three times in a row it is not.
    """
    outcomes = set()
    for _ in range(3):
        opened = keys.open()
        template, probe = ciphertexts(opened, TEMPLATE, PROBE)
        probe = sparse(probe)
        if where == "both":
            template = sparse(template)
        answer = keys.submit(opened, draft(keys.keys, opened, template, probe, unix_time()))
        assert answer.status_code == 200
        outcomes.add(answer.json()["outcome"])
    assert "NO_MATCH" in outcomes


def sparse(ciphertext: bytes) -> bytes:
    """Its first residue of each polynomial and prime, and zeros."""
    words = Ciphertext.decode(ciphertext).words.copy()
    words[:, :, 1:] = 0
    words[:, :, 0] |= np.uint64(1)
    return Ciphertext(words).encoded


@pytest.mark.parametrize("part", ["sealed_template", "sealed_dealing", "sealed_probe"])
def test_what_was_sealed_for_another_session(
    deployment: Observed, counter: Counter, part: str
) -> None:
    """Replayed under the assertions of now, or with the template assertion of then."""
    earlier, opened, third = counter.open(), counter.open(), counter.open()
    old, new = counter.honest_submission(earlier), counter.honest_submission(opened)
    replayed = {part: getattr(old, part)}
    assert_problem(counter.submit(opened, new.model_copy(update=replayed)), 403)
    wholly = counter.honest_submission(third).model_copy(
        update={**replayed, "template_assertion": old.template_assertion}
    )
    assert_problem(counter.submit(third, wholly), 403)
    assert counter.state(opened) == counter.state(third) == "FAILED"


@pytest.mark.parametrize("part", ["sealed_template", "sealed_dealing", "sealed_probe"])
def test_an_altered_byte_of_what_is_sealed(
    deployment: Observed, counter: Counter, part: str
) -> None:
    """In the encapsulated key, in the ciphertext and in the tag."""
    for at in (0, 1130, -1):
        opened = counter.open()
        submission = counter.honest_submission(opened)
        altered = bytearray(getattr(submission, part))
        altered[at] ^= 1
        changed = submission.model_copy(update={part: bytes(altered)})
        assert_problem(counter.submit(opened, changed), 403)
        assert session_state(deployment, opened.session) == "FAILED"


def test_sealed_parts_in_each_others_places(counter: Counter) -> None:
    """A probe sealed as such opens as nothing else, and neither does a dealing."""
    opened = counter.open()
    one = counter.honest_submission(opened)
    template, _ = ciphertexts(opened, TEMPLATE, PROBE)
    gateways, authoritys = deal(token_bytes)
    sealed = counter.keys.sealing.seal(Sealed.PROBE, template + gateways.encoded, *bound(opened))
    changed = one.model_copy(update={"sealed_template": sealed})
    assert_problem(counter.submit(opened, changed), 403)
    opened = counter.open()
    one = counter.honest_submission(opened)
    sealed = counter.keys.sealing.seal(Sealed.DEALING, authoritys.encoded, *bound(opened))
    assert_problem(counter.submit(opened, one.model_copy(update={"sealed_dealing": sealed})), 403)


def bound(opened: Opened) -> tuple[SessionId, KeyId]:
    return opened.session, opened.key.grant.message.key_id


DEALINGS: dict[str, Callable[[bytes], bytes]] = {
    "another format": lambda d: b"\2" + d[1:],
    "the other party's": lambda d: d[:1] + bytes((1 - d[1],)) + d[2:],
    "a share of t": lambda d: d[:-4] + T.to_bytes(4, "little"),
    "the largest share": lambda d: d[:-4] + b"\xff" * 4,
    "a fourth bit of a correction": lambda d: d[: 2 + 64] + b"\x08" + d[2 + 65 :],
    "a last correction that is no bit": lambda d: d[:-5] + b"\2" + d[-4:],
}


@pytest.mark.parametrize("name", DEALINGS)
@pytest.mark.parametrize("party", [GATEWAY, AUTHORITY])
def test_a_malformed_dealing(deployment: Observed, counter: Counter, party: int, name: str) -> None:
    """A dishonest issuer's: asserted as it is, sealed as it is. The authority says no reason."""
    opened = counter.open()
    dealings = deal(token_bytes)
    dealings[party].__dict__["encoded"] = DEALINGS[name](dealings[party].encoded)
    submission = counter.honest_submission(opened, dealings=dealings)
    status = 400 if party == GATEWAY else 403
    assert_problem(counter.submit(opened, submission), status)
    assert session_state(deployment, opened.session) == "FAILED"


@pytest.mark.parametrize("party", ["gateway", "authority"])
def test_a_dealing_that_the_issuer_did_not_assert(
    deployment: Observed, counter: Counter, party: str
) -> None:
    opened = counter.open()
    other = {f"{party}_dealing_digest": digest_of(b"another")}
    assert_problem(counter.submit(opened, counter.honest_submission(opened, issued=other)), 403)
    assert session_state(deployment, opened.session) == "FAILED"


def test_two_dealings_that_do_not_belong_together(keys: Counter) -> None:
    """A dishonest issuer's affair: each lane's bit is a coin, for the shares say nothing together.

    Faces that match are refused in three sessions of four: in none of 20 once in 2^40 runs.
    """
    for _ in range(20):
        opened = keys.open()
        dealings = deal(token_bytes)[0], deal(token_bytes)[1]
        answer = keys.submit(opened, keys.honest_submission(opened, dealings=dealings))
        assert answer.status_code == 200
        if answer.json()["outcome"] == "NO_MATCH":
            return
    pytest.fail("dealings of two hands decide like one")


@pytest.mark.parametrize("what", ["an earlier session's template", "the template as probe"])
def test_ciphertexts_that_decrypt_to_something_else(keys: Counter, what: str) -> None:
    """Noise under this key, or values that are no signs: no match, but once in 2^14."""
    outcomes = set()
    for _ in range(3):
        earlier, opened = keys.open(), keys.open()
        template, probe = ciphertexts(opened, TEMPLATE, PROBE)
        if what == "the template as probe":
            probe = template
        else:
            template, _ = ciphertexts(earlier, TEMPLATE, PROBE)
        answer = keys.submit(opened, draft(keys.keys, opened, template, probe, unix_time()))
        assert answer.status_code == 200
        outcomes.add(answer.json()["outcome"])
    assert "NO_MATCH" in outcomes


@pytest.mark.parametrize("part", ["sealed_template", "sealed_dealing", "sealed_probe"])
def test_parts_exchanged_after_signing(counter: Counter, part: str) -> None:
    """Sealed for this very session, of another submission for it."""
    opened = counter.open()
    one, other = counter.honest_submission(opened), counter.honest_submission(opened)
    swapped = one.model_copy(update={part: getattr(other, part)})
    assert_problem(counter.submit(opened, swapped), 403)


def test_nothing_of_it_was_kept(deployment: Observed) -> None:
    """Comes last: the servers have by now seen everything above."""
    assert_nothing_kept(deployment)
