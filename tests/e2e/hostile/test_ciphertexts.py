"""Ciphertexts that are none, or another's: refused before anything is computed with them."""

import numpy as np
import pytest

from gateway.wire.host.clock import unix_time
from gateway.wire.policy import MatchPolicy
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import DATA_PRIMES
from tests.support.counter import Counter
from tests.support.drafts import ciphertexts, draft
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
    assert_problem(answer, 400, 403)
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
    assert_problem(answer, 400, 403)
    assert session_state(deployment, opened.session) == "FAILED"


@pytest.mark.parametrize("header", [b"\0\2", b"\1\0", b"\1\1", b"\1\3", b"\2\2", b"\xff\xff"])
def test_another_header(deployment: Observed, counter: Counter, header: bytes) -> None:
    opened = counter.open()
    template, probe = ciphertexts(opened, TEMPLATE, PROBE)
    submission = draft(counter.keys, opened, template, header + probe[2:], unix_time())
    assert_problem(counter.submit(opened, submission), 400, 403)


def test_ciphertexts_whose_product_vanishes(deployment: Observed, counter: Counter) -> None:
    """An issuer and a device together: nonzero inputs whose homomorphic product is zero."""
    opened = counter.open()
    lane = MatchPolicy.decode(opened.offer.policy).lanes[0]
    template, _ = ciphertexts(opened, TEMPLATE, PROBE)
    words = Ciphertext.decode(template).words
    sparse = np.zeros_like(words)
    for i, prime in enumerate(DATA_PRIMES):
        factor = lane.ks * pow(lane.kn, -1, prime) % prime
        for polynomial in range(2):
            sparse[polynomial, i, 0] = int(words[polynomial, i, 0]) * factor % prime
    probe = Ciphertext(sparse).encoded
    answer = counter.submit(opened, draft(counter.keys, opened, template, probe, unix_time()))
    assert_problem(answer, 400, 403)
    assert session_state(deployment, opened.session) == "FAILED"


def test_the_sealed_template_of_another_session(deployment: Observed, counter: Counter) -> None:
    """Replayed as it is, with the assertion of then, or with one of now."""
    earlier, opened = counter.open(), counter.open()
    old = counter.honest_submission(earlier)
    new = counter.honest_submission(opened)
    replayed = new.model_copy(update={"sealed_template": old.sealed_template})
    assert_problem(counter.submit(opened, replayed), 403)
    third = counter.open()
    wholly = counter.honest_submission(third).model_copy(
        update={
            "sealed_template": old.sealed_template,
            "template_assertion": old.template_assertion,
        }
    )
    assert_problem(counter.submit(third, wholly), 403)
    assert counter.state(opened) == counter.state(third) == "FAILED"


def test_a_template_encrypted_for_another_session(keys: Counter, deployment: Observed) -> None:
    """A dishonest issuer's affair: it decrypts to noise under this key: no match."""
    earlier, opened = keys.open(), keys.open()
    template, _ = ciphertexts(earlier, TEMPLATE, PROBE)
    _, probe = ciphertexts(opened, TEMPLATE, PROBE)
    answer = keys.submit(opened, draft(keys.keys, opened, template, probe, unix_time()))
    assert answer.status_code == 200
    assert answer.json()["outcome"] == "NO_MATCH"


def test_the_template_ciphertext_as_probe_is_no_match(keys: Counter) -> None:
    opened = keys.open()
    template, _ = ciphertexts(opened, TEMPLATE, PROBE)
    answer = keys.submit(opened, draft(keys.keys, opened, template, template, unix_time()))
    assert answer.status_code == 200
    assert answer.json()["outcome"] == "NO_MATCH"


def test_the_sealed_template_as_probe(counter: Counter) -> None:
    """The device has only the sealed form; its bytes are no ciphertext."""
    opened = counter.open()
    honest_one = counter.honest_submission(opened)
    probe = honest_one.probe[:2] + honest_one.sealed_template[1122:][: len(honest_one.probe) - 2]
    template, _ = ciphertexts(opened, TEMPLATE, PROBE)
    answer = counter.submit(opened, draft(counter.keys, opened, template, probe, unix_time()))
    assert_problem(answer, 400, 403)


def test_probe_and_template_exchanged_after_signing(counter: Counter) -> None:
    opened = counter.open()
    one, other = counter.honest_submission(opened), counter.honest_submission(opened)
    swapped = one.model_copy(update={"probe": other.probe})
    assert_problem(counter.submit(opened, swapped), 403)


def test_nothing_of_it_was_kept(deployment: Observed) -> None:
    """Comes last: the servers have by now seen everything above."""
    assert_nothing_kept(deployment)
