"""A policy proposal as a file that people read before they sign: JSON, rates as decimals."""

import codecs
import json
import re
from decimal import Decimal
from typing import Any, Final

from pydantic import ValidationError

from gateway.wire.errors import SealmatchError
from gateway.wire.ids import Digest
from gateway.wire.policy import (
    KAPPA,
    RATE_UNIT,
    REPLAY_COSINE,
    LanePolicy,
    LaneRates,
    MatchPolicy,
    PolicyProposal,
)

FORMAT: Final = "sealmatch-match-policy/1"
MAX_BYTES: Final = 64 * 1024
_LANES: Final = ("probe", "actions")
_RATE: Final = re.compile(r"[01](\.[0-9]{1,9})?")


class ProposalUnreadable(SealmatchError):
    """The file is no policy proposal. Says what is wrong, never a value."""


def to_json(proposal: PolicyProposal) -> str:
    """The file's text, which ends with a line break."""
    policy = proposal.policy
    return (
        json.dumps(
            {
                "format": FORMAT,
                "policyId": policy.policy_id,
                "policyDigest": policy.digest.hex(),
                "modelId": policy.model_id,
                "modelDigest": policy.model_digest.hex(),
                "lanes": {
                    name: _lane_json(lane, rates)
                    for name, lane, rates in zip(_LANES, policy.lanes, proposal.rates, strict=True)
                },
                "targetFmr": rate_text(proposal.target_fmr),
                "targetProbeFmr": rate_text(proposal.target_probe_fmr),
                "measuredOn": proposal.measured_on,
                "evidence": proposal.evidence.hex(),
                "author": proposal.author,
                "calibratedAt": proposal.calibrated_at,
            },
            indent=2,
        )
        + "\n"
    )


def from_json(content: bytes) -> PolicyProposal:
    """Read such a file. Raises ``ProposalUnreadable``."""
    try:
        value = json.loads(content.removeprefix(codecs.BOM_UTF8))
        if value["format"] != FORMAT:
            raise ProposalUnreadable("it has another format than sealmatch calibrate writes")
        made = _proposal(value)
        digest = bytes.fromhex(value["policyDigest"])
    except ValidationError as error:
        where = sorted({str(one["loc"][0]) for one in error.errors() if one["loc"]})
        raise ProposalUnreadable(f"it is no policy proposal: check {', '.join(where)}") from None
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise ProposalUnreadable("it is no policy proposal of sealmatch calibrate") from None
    if made.policy.digest != digest:
        raise ProposalUnreadable("its policyDigest is another than that of the policy in it")
    return made


def lines(proposal: PolicyProposal) -> list[str]:
    """What it says, for whoever is to sign it."""
    policy = proposal.policy
    return [
        f"policy {policy.policy_id}, digest {policy.digest.hex()}",
        f"for face model {policy.model_id}, digest {policy.model_digest.hex()}",
        f"evidence {proposal.evidence.hex()}: {proposal.measured_on}",
        *(
            f"lane of the {name}: from cosine {cosine_text(lane)} to {upper_text(lane)}; "
            f"95 % bounds: strangers "
            f"{rate_text(rates.strangers)}, strongest probe {rate_text(rates.probe)}; FNMR "
            f"{rate_text(rates.genuine_lost)}"
            for name, lane, rates in zip(_LANES, policy.lanes, proposal.rates, strict=True)
        ),
        f"asked for: strangers at most {rate_text(proposal.target_fmr)}, strongest probe at most "
        f"{rate_text(proposal.target_probe_fmr)}",
        f"calibrated by {proposal.author}",
        *(
            f"WARNING: lane of the {name}: the upper end is above cosine {float(REPLAY_COSINE)}: "
            "the document's own portrait may be accepted in the place of a live face"
            for name, lane in zip(_LANES, policy.lanes, strict=True)
            if lane.hi > KAPPA * REPLAY_COSINE
        ),
    ]


def rate_text(rate: int) -> str:
    """A rate as a decimal without an exponent: 100000 is 0.0001."""
    return f"{Decimal(rate) / RATE_UNIT:f}"


def cosine_text(lane: LanePolicy) -> str:
    """About the least cosine that a lane accepts."""
    return f"{lane.lo / KAPPA:.3f}"


def upper_text(lane: LanePolicy) -> str:
    """About the largest cosine that a lane accepts."""
    return f"{lane.hi / KAPPA:.3f}"


def _lane_json(lane: LanePolicy, rates: LaneRates) -> dict[str, Any]:
    return {
        "lowest": lane.lo,
        "highest": lane.hi,
        "strangersAtMost": rate_text(rates.strangers),
        "strongestProbeAtMost": rate_text(rates.probe),
        "genuineLost": rate_text(rates.genuine_lost),
    }


def _proposal(value: dict[str, Any]) -> PolicyProposal:
    lanes = [value["lanes"][name] for name in _LANES]
    return PolicyProposal(
        policy=MatchPolicy(
            policy_id=value["policyId"],
            assurance="signed",
            model_id=value["modelId"],
            model_digest=Digest(bytes.fromhex(value["modelDigest"])),
            lanes=tuple(LanePolicy(lo=one["lowest"], hi=one["highest"]) for one in lanes),
        ),
        evidence=Digest(bytes.fromhex(value["evidence"])),
        measured_on=value["measuredOn"],
        target_fmr=_rate(value["targetFmr"]),
        target_probe_fmr=_rate(value["targetProbeFmr"]),
        rates=tuple(
            LaneRates(
                strangers=_rate(one["strangersAtMost"]),
                probe=_rate(one["strongestProbeAtMost"]),
                genuine_lost=_rate(one["genuineLost"]),
            )
            for one in lanes
        ),
        author=value["author"],
        calibrated_at=value["calibratedAt"],
    )


def _rate(text: str) -> int:
    if not _RATE.fullmatch(text):
        raise ProposalUnreadable("a rate is a decimal from 0 to 1 with at most nine digits")
    return int(Decimal(text) * RATE_UNIT)
