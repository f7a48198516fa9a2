"""``sealmatch calibrate``: an evaluation becomes the proposal of a match policy.

Two operators sign it afterwards (``sealmatch-gateway policy``). With ``--check`` whoever signs
repeats the calculation. Exit status: 0 done, 1 the data does not support the targets or the
proposal does not follow, 2 usage.
"""

import argparse
import sys
from fractions import Fraction
from pathlib import Path

from gateway.calibration.evidence import MatchEvidence, read_evidence
from gateway.calibration.proposal import (
    MAX_BYTES,
    ProposalUnreadable,
    from_json,
    lines,
    rate_text,
    to_json,
)
from gateway.calibration.shipped import RESTS_ON, SHIPPED, shipped_evidence
from gateway.calibration.thresholds import NotSupported, Targets, calibrate
from gateway.host.cli import read_bytes
from gateway.host.clock import unix_time
from gateway.host.newfile import new_file
from gateway.wire.errors import CallerMisuse
from gateway.wire.policy import RATE_UNIT, PolicyProposal


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments; sets ``run(args) -> exit status``."""
    parser.add_argument(
        "--evidence",
        type=Path,
        required=True,
        metavar="EVALUATION.json",
        help="as sealmatch evaluate match --json printed it; 'shipped': the product's own, of the "
        "default face model on LFW, photographs of the press",
    )
    parser.add_argument(
        "--target-fmr",
        type=_rate,
        metavar="F",
        help="at most so many honest strangers are accepted, e.g. 1e-4",
    )
    parser.add_argument(
        "--target-probe-fmr",
        type=_rate,
        metavar="F",
        help="at most so many people accept the strongest probe, e.g. 5e-3",
    )
    parser.add_argument("--author", default="not-named", metavar="NAME", help="who calibrated")
    made = parser.add_mutually_exclusive_group(required=True)
    made.add_argument("--out", type=Path, metavar="FILE", help="for the proposal; must be new")
    made.add_argument(
        "--check", type=Path, metavar="FILE", help="repeat the calculation of this proposal"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    shipped = options.evidence == Path(SHIPPED)
    evidence = shipped_evidence() if shipped else read_evidence(options.evidence)
    if shipped:
        print(f"WARNING: {RESTS_ON}", file=sys.stderr)
    if options.check is not None:
        return _check(options.check, evidence)
    if options.target_fmr is None or options.target_probe_fmr is None:
        raise CallerMisuse("--target-fmr and --target-probe-fmr are needed for a proposal")
    targets = Targets(options.target_fmr, options.target_probe_fmr)
    proposal = calibrate(evidence, targets, options.author, unix_time())
    with new_file(options.out) as file:
        file.write(to_json(proposal).encode())
    _tell(proposal, evidence)
    print(f"two operators sign it: sealmatch-gateway policy propose {options.out.name}")
    return 0


def _check(path: Path, evidence: MatchEvidence) -> int:
    try:
        given = from_json(read_bytes(path, MAX_BYTES))
    except ProposalUnreadable as error:
        raise ProposalUnreadable(f"{path.name}: {error}") from None
    targets = Targets(
        Fraction(given.target_fmr, RATE_UNIT), Fraction(given.target_probe_fmr, RATE_UNIT)
    )
    if given.evidence != evidence.digest:
        raise NotSupported("the proposal names another evaluation than this one")
    again = calibrate(evidence, targets, given.author, given.calibrated_at)
    if again != given:
        raise NotSupported("the proposal does not follow from the evaluation: do not sign it")
    _tell(given, evidence)
    print("the proposal follows from the evaluation")
    return 0


def _tell(proposal: PolicyProposal, evidence: MatchEvidence) -> None:
    """What it rests on and what it costs, for people."""
    print("\n".join(lines(proposal)))
    both = min(RATE_UNIT, sum(one.genuine_lost for one in proposal.rates))
    failed = evidence.failures.genuine_pairs
    print(
        f"expected FNMR: {rate_text(proposal.rates[0].genuine_lost)} to {rate_text(both)} of "
        "genuine attempts (both lanes must accept)"
    )
    print(f"besides, {failed.hits} of {failed.of} genuine pairs had a picture that was refused")
    if evidence.encrypted_mismatches is None:
        print("WARNING: the evaluation did not go through the encryption", file=sys.stderr)


def _rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError("a rate is a number such as 1e-4 or 0.001") from None
    if not Fraction(1, RATE_UNIT) <= rate <= Fraction(1, 10):
        raise argparse.ArgumentTypeError("a target lies between 1e-9 and 0.1")
    return rate
