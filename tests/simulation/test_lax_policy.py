"""A gateway that asks for a policy of its own: every step honest, and half of all strangers match.

The widest window that a policy can have, from the smallest score on, is well-formed; no message is
forged, so an audit of such a session passes. What stops it are lists of accepted policies: the
authority's, the auditor's, and that of whoever verifies a receipt (protocol, sections 4 and 10).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.he.frame import probe_signs, template_values
from gateway.wire.policy import MAX_WIDTH, LanePolicy
from tests.support.asking import counted, decision_of
from tests.support.he import unit
from tests.support.parties import Clock, InProcessAuthority, OpenSession, policy, refused

USUAL = policy()
LAX = USUAL.model_copy(update={"lanes": (LanePolicy(lo=1, hi=MAX_WIDTH),) * 2})
STRANGERS = 0.03
"""A cosine that two strangers have as often as any: the standard deviation is 0.044."""


def asking(authority: InProcessAuthority, lax: bool) -> OpenSession:
    """A session with two strangers' faces, under a policy."""
    opened = authority.open()
    opened.cosine = STRANGERS
    opened.policy = LAX if lax else USUAL
    return opened


def test_half_of_all_strangers_score_above_zero() -> None:
    """500 pairs of directions, fixed: what either policy makes of them."""
    rng = np.random.default_rng(1)
    scores = [int(probe_signs(unit(rng)) @ template_values(unit(rng))) for _ in range(500)]
    lax, usual = (sum(p.lanes[0].accepts(v) for v in scores) for p in (LAX, USUAL))
    assert 200 < lax < 300
    assert usual == 0


@pytest.mark.parametrize(("lax", "outcome"), [(True, "MATCH"), (False, "NO_MATCH")])
def test_an_authority_without_a_list_lets_strangers_match(
    tmp_path: Path, lax: bool, outcome: str
) -> None:
    """The control: the very session that a list refuses, and the same faces as they should be."""
    opened = asking(InProcessAuthority(tmp_path, Clock()), lax)
    decision = decision_of(opened.decided())
    assert decision.outcome == outcome
    # All that is left then is the policy's digest, which a verifier looks up in a list of its own.
    assert decision.policy_digest == opened.policy.digest


def test_an_authority_with_a_list_refuses_before_it_counts(tmp_path: Path) -> None:
    listed = frozenset({USUAL.digest.hex()})
    authority = InProcessAuthority(tmp_path, Clock(), policies=listed)
    opened = asking(authority, lax=True)
    with refused("policy is not one"):
        opened.counted()
    assert counted(authority) == []


def test_a_list_holds_whole_policies(tmp_path: Path) -> None:
    """A listed policy with one lane widened, or renamed, is another."""
    authority = InProcessAuthority(tmp_path, Clock(), policies=frozenset({USUAL.digest.hex()}))
    opened = asking(authority, lax=False)
    for changes in (
        {"lanes": (USUAL.lanes[0], LAX.lanes[0])},
        {"lanes": (LAX.lanes[0], USUAL.lanes[1])},
        {"policy_id": "cosine-0.420"},
        {"assurance": "signed"},
    ):
        opened.policy = USUAL.model_copy(update=changes)
        with refused("policy is not one"):
            opened.counted()
    opened.policy = USUAL
    assert decision_of(opened.decided()).outcome == "NO_MATCH"
