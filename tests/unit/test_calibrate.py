"""From an evaluation to a match policy: what the data supports, and what is refused."""

import contextlib
import copy
import io
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from gateway.calibration.evidence import (
    EvidenceUnreadable,
    MatchEvidence,
    Point,
    Probe,
    Share,
    read_evidence,
)
from gateway.calibration.proposal import ProposalUnreadable, from_json, lines, to_json
from gateway.calibration.shipped import shipped_evidence
from gateway.calibration.thresholds import (
    NotSupported,
    Targets,
    bound,
    calibrate,
    strangers,
)
from gateway.main import main
from gateway.server.config import GatewaySettings
from gateway.vision.manifest import DEFAULT_PACK_ID, shipped_manifest
from gateway.wire.policy import RATE_UNIT, LanePolicy, PolicyProposal
from tests.support.evidence import evidence
from tests.support.parties import MODEL_DIGEST, NOW
from tests.vectors.ordered import PROPOSAL

FMR, PROBE = Fraction("1e-4"), Fraction("5e-3")


def calibrated(
    given: MatchEvidence, fmr: Fraction = FMR, probe: Fraction = PROBE
) -> PolicyProposal:
    return calibrate(given, Targets(fmr, probe), "analyst", NOW)


@pytest.mark.parametrize("decides", ["strangers", "probe"])
def test_the_least_threshold_at_which_both_upper_bounds_hold(decides: str) -> None:
    """Whichever of the two is harder to meet decides."""
    given = evidence()
    probe = Fraction("1e-1") if decides == "strangers" else Fraction("1e-3")
    found = calibrated(given, probe=probe)
    assert (found.policy.assurance, found.policy.model_digest) == ("signed", MODEL_DIGEST)
    assert found.evidence == given.digest
    for lane, rates, factor in zip(found.policy.lanes, found.rates, (1, 10), strict=True):
        at = [one.lowest for one in given.curve].index(lane.lo)
        point, before = given.curve[at], given.curve[at - 1]

        def holds(one: Point, factor: int = factor) -> bool:
            return bound(strangers(one)) <= FMR * factor and bound(one.probe) <= probe * factor

        assert holds(point)
        assert at == 0 or not holds(before)
        found_rate = strangers(point).rate
        assert found_rate is not None
        assert rates.strangers / RATE_UNIT >= bound(strangers(point)) > found_rate
        assert rates.probe / RATE_UNIT >= bound(point.probe)
        assert rates.genuine_lost == round((point.genuine.rate or 0) * RATE_UNIT)
    assert found.policy.lanes[1].lo < found.policy.lanes[0].lo
    assert calibrated(given, FMR / 10, probe).policy.lanes[0].lo > found.policy.lanes[0].lo


@pytest.mark.parametrize(
    ("given", "fmr", "probe", "reason"),
    [
        (evidence(strangers=2000), FMR, PROBE, "2000 comparisons of honest strangers support"),
        (evidence(trials=500), FMR, PROBE, "500 comparisons of the strongest probe support"),
        (evidence(strangers=35_000), FMR, PROBE, "least upper bound that the evaluation has"),
        (evidence(), Fraction("1e-9"), PROBE, "at least 3000000000 are needed"),
        (evidence(encrypted_mismatches=1), FMR, PROBE, "did not decide as it was evaluated"),
        (evidence(gated=False), FMR, PROBE, "quality gate"),
        (evidence(curve=()), FMR, PROBE, "no curve"),
        (
            evidence(curve=tuple(o.model_copy(update={"probe": None}) for o in evidence().curve)),
            FMR,
            PROBE,
            "no strongest probe",
        ),
        (
            evidence(
                curve=tuple(o.model_copy(update={"lowest": o.lowest + 1}) for o in evidence().curve)
            ),
            FMR,
            PROBE,
            "other integers",
        ),
    ],
    ids=[
        "strangers",
        "probe",
        "interval",
        "target",
        "encrypted",
        "ungated",
        "curve",
        "no-probe",
        "integers",
    ],
)
def test_what_the_data_does_not_support_is_refused_with_the_reason(
    given: MatchEvidence, fmr: Fraction, probe: Fraction, reason: str
) -> None:
    with pytest.raises(NotSupported, match=reason):
        calibrated(given, fmr, probe)
    calibrated(evidence())  # the control


def test_no_bound_is_better_than_the_rule_of_three() -> None:
    """Whoever writes an interval of nothing into the evidence gains nothing."""
    assert bound(Share(hits=0, of=1000, low=0.0, high=0.0)) == pytest.approx(3e-3)
    assert bound(Share(hits=0, of=1000, low=0.0, high=0.01)) == pytest.approx(1e-2)
    assert bound(Share(hits=0, of=0, low=0.0, high=0.0)) == 1
    assert bound(None) == 1


def test_a_proposal_is_read_as_it_was_written() -> None:
    assert from_json(to_json(PROPOSAL).encode()) == PROPOSAL
    edited = (
        to_json(PROPOSAL).replace('"0.0001"', rate)
        for rate in ('"1e-11"', '"1e999999999"', '"NaN"', '"0.00000000001"', "0.0001", '"2"')
    )
    for wrong in (b"", b"[]", b"{}", b"[" * 10**5, *(one.encode() for one in edited)):
        with pytest.raises(ProposalUnreadable):
            from_json(wrong)


def edited(**changes: Share) -> tuple[Point, ...]:
    return tuple(one.model_copy(update=changes) for one in evidence().curve)


NOBODY = Share(hits=0, of=2 * 10**7, low=0.0, high=2e-7)
FEW = evidence().pairs.model_copy(update={"subjects": 30, "photographs": 9000})


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (evidence(pairs=FEW), "435 comparisons of honest strangers support no rate below 0.0069"),
        (
            evidence(probe=Probe(people=30, halves=1000, rows=())),
            "30 comparisons of the strongest probe support no rate below 0.1",
        ),
        (evidence(curve=edited(all_strangers=NOBODY)), "at no threshold 10 of honest strangers"),
        (
            evidence(curve=edited(genuine=Share(hits=0, of=0, low=0.0, high=1.0))),
            "compared nobody with himself",
        ),
    ],
    ids=["pairs of few people", "few people met often", "no variance", "nobody genuine"],
)
def test_many_comparisons_of_few_people_support_nothing(given: MatchEvidence, reason: str) -> None:
    with pytest.raises(NotSupported, match=reason):
        calibrated(given)
    calibrated(evidence())  # the control


def test_evidence_that_contradicts_itself_is_unreadable(tmp_path: Path) -> None:
    """Somebody writes what a target needs into the file, and leaves the counts."""
    file, honest = tmp_path / "evaluation.json", json.loads(evidence().canonical)

    def read(edit: Callable[[dict[str, Any]], object]) -> MatchEvidence:
        given = copy.deepcopy(honest)
        edit(given)
        file.write_text(json.dumps(given))
        return read_evidence(file)

    assert read(lambda _: None) == evidence()
    for edit in (
        lambda given: given["curve"][0]["allStrangers"].update(high=1e-9),
        lambda given: given["curve"][0]["probe"].update(low=1e-6, high=1e-6),
        lambda given: given["curve"][-1]["probe"].update(of=10**9),
        lambda given: given["curve"][-1]["allStrangers"].update(hits=10**7, high=1.0),
        lambda given: given["curve"][3].update(allStrangers=None),
    ):
        with pytest.raises(EvidenceUnreadable):
            read(edit)


def test_whoever_signs_sees_that_the_portrait_itself_would_be_accepted() -> None:
    """Nothing that was measured says so: an evaluation leaves the upper end aside."""
    told = "\n".join(lines(PROPOSAL))
    assert "from cosine 0.431 to 0.955" in told
    assert "WARNING" not in told  # the control
    policy = PROPOSAL.policy
    wide = (policy.lanes[0], LanePolicy(lo=policy.lanes[1].lo, hi=policy.lanes[1].lo + 4095))
    widened = policy.model_copy(update={"lanes": wide})
    told = "\n".join(lines(PROPOSAL.model_copy(update={"policy": widened})))
    assert "from cosine 0.352 to 0.979" in told
    assert "WARNING: lane of the actions: the upper end is above cosine 0.955" in told


def run(*words: object) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["calibrate", *map(str, words)])
    return status, out.getvalue(), err.getvalue()


def test_the_command_writes_a_proposal_and_checks_another_ones(tmp_path: Path) -> None:
    file, out = tmp_path / "evaluation.json", tmp_path / "policy.json"
    file.write_bytes(evidence().canonical)
    targets = ("--target-fmr", "1e-4", "--target-probe-fmr", "5e-3")
    made = ("--evidence", file, *targets, "--author", "analyst", "--out", out)
    status, said, _ = run(*made)
    assert status == 0
    assert "expected FNMR: 0.0" in said
    assert evidence().digest.hex() in said
    assert run(*made)[0] == 1, "a file is never overwritten"
    assert run("--evidence", file, "--check", out)[:2][0] == 0
    proposal = from_json(out.read_bytes())
    laxer = proposal.model_copy(
        update={
            "policy": proposal.policy.model_copy(update={"lanes": (proposal.policy.lanes[1],) * 2})
        }
    )
    out.write_text(to_json(laxer))
    status, _, said = run("--evidence", file, "--check", out)
    assert (status, "does not follow" in said) == (1, True)
    file.write_bytes(evidence(made_at=2).canonical)
    status, _, said = run("--evidence", file, "--check", out)
    assert (status, "another evaluation" in said) == (1, True)


def test_the_shipped_evaluation_is_that_of_the_default_thresholds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They rest on LFW, whoever signs them is told so, and they hold there."""
    shipped, default = shipped_evidence(), shipped_manifest(DEFAULT_PACK_ID)
    assert default is not None
    assert shipped.pack.digest == default.digest.hex()
    assert shipped.pack.model_id == f"{default.id}/{default.embedder}"
    settings = GatewaySettings.model_fields
    for name, rate in (("threshold_cosine", 1e-4), ("action_cosine", 1e-3)):
        (at,) = (one for one in shipped.curve if one.cosine == settings[name].default)
        assert rate / 3 < bound(strangers(at)) <= rate
    monkeypatch.chdir(tmp_path)
    targets = ("--target-fmr", "1e-4", "--target-probe-fmr", "5e-3")
    status, said, warned = run("--evidence", "shipped", *targets, "--out", "policy.json")
    assert (status, "LFW, photographs of the press" in warned) == (0, True)
    assert "5367 photographs of" in said
