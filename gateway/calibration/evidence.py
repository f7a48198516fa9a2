"""What ``sealmatch evaluate match --json`` prints, and ``sealmatch calibrate`` reads: the evidence.

Counts, rates and intervals; no name, no file's name, no measure of one face. Terms are those of
ISO/IEC 19795-1. *Rates* of the curve are functions of the threshold, a cosine; what the product
compares is ``lowest``, the integer that ``LanePolicy.for_cosine`` makes of it. An interval has 95 %
and is by person (``gateway.lab.evaluation.match_intervals``), not by comparison.

This module loads no numbers' library, so that operators' commands may read evidence.
"""

import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from gateway.wire.errors import SealmatchError
from gateway.wire.message import STRICT

FORMAT: Final = "sealmatch-match-evaluation/1"
MAX_BYTES: Final = 4 * 1024 * 1024

Count = Annotated[int, Field(ge=0, lt=2**53)]
Rate = Annotated[float, Field(ge=0, le=1)]
Hex256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
CosineText = Annotated[str, Field(pattern=r"^0\.[0-9]{3}$")]
Name = Annotated[str, Field(max_length=200)]
_ROUNDING: Final = 1e-12


class EvidenceUnreadable(SealmatchError):
    """The file is no evidence of ``sealmatch evaluate match --json``, or was changed by hand."""


class Part(BaseModel):
    """Frozen, strict, camelCase in JSON, unknown keys refused."""

    model_config = STRICT


class Share(Part):
    """``hits`` of ``of`` comparisons, with a 95 % interval by person; without any, 0 to 1."""

    hits: Count
    of: Count
    low: Rate
    high: Rate

    @property
    def rate(self) -> float | None:
        """None: nothing was compared."""
        return self.hits / self.of if self.of else None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.hits > self.of:
            raise ValueError("more hits than comparisons")
        rate = self.low if self.rate is None else self.rate
        if not self.low - _ROUNDING <= rate <= self.high + _ROUNDING:
            raise ValueError("an interval without the rate that it is of")
        return self


class Estimate(Part):
    """A figure that is no share of a count, such as an equal error rate."""

    value: Rate
    low: Rate
    high: Rate


class Pack(Part):
    """The model pack that made the vectors, and its quality gate."""

    model_id: Name
    digest: Hex256
    dimension: Annotated[int, Field(ge=1, le=512)]
    quality: Literal["passed", "uncalibrated"]
    quality_digest: Hex256


class Listed(Part):
    """The file of pairs."""

    digest: Hex256
    """SHA-256 of the file's bytes."""
    genuine: Count
    impostor: Count
    photographs: Count
    subjects: Count
    subjects_from: Literal["columns", "folders", "pairs"]
    """Who is who: by columns of the file, by the pictures' folders, or by the pairs alone."""
    folds: Count


class Policy(Part):
    """The threshold that was fixed beforehand."""

    cosine: CosineText
    lowest: Count
    highest: Count
    origin: Literal["pack", "option"]
    fmr: Rate | None
    """The false match rate that the pack's manifest states for it."""


class Failures(Part):
    """Pictures of which the product makes no vector, and what they cost."""

    portraits: Share
    """Failures to enrol, of the different pictures in the first column."""
    probes: Share
    """Failures to acquire, of the different pictures in the second column."""
    genuine_pairs: Share
    """Pairs of one person in which a picture failed."""
    impostor_pairs: Share
    reasons: dict[Name, Count]
    """Why, over all pictures: a name of ``gateway.vision.errors``."""


class Decisions(Part):
    """Decisions on the listed pairs at one threshold."""

    fnmr: Share
    """False non-matches of the genuine comparisons that were made: the matcher."""
    fmr: Share
    """False matches of the impostor comparisons that were made."""
    frr: Share
    """False rejections of all genuine pairs: failures to enrol and to acquire are errors."""
    far: Share
    """False acceptances of all impostor pairs: a pair that failed is not accepted."""
    accuracy: Share
    """Right decisions, of the comparisons that were made."""
    accuracy_of_all: Share
    """Right decisions, of all pairs; one that failed is wrong, whoever it shows."""


class AtRate(Part):
    """The threshold at a false match rate, as the data gives it, and what matches there."""

    fmr: Rate
    source: Literal["listed", "all"]
    """Which strangers the threshold is of."""
    support: Literal["supported", "weak", "none"]
    """At least 30 false matches, at least 3, or fewer: then nothing is said."""
    cosine: float | None
    lowest: int | None
    fnmr: Share | None
    """Of the listed genuine comparisons."""
    fnmr_all: Share | None = None
    """Of all genuine comparisons."""


class Point(Part):
    """Rates at one threshold. The upper end of the accepted interval is left aside."""

    cosine: CosineText
    lowest: Count
    genuine: Share
    """Listed genuine comparisons below the threshold: FNMR."""
    strangers: Share
    """Listed impostor comparisons that match: FMR."""
    all_strangers: Share | None
    """Impostor comparisons of all photographs with all."""
    probe: Share | None
    """People not seen in the search who accept the strongest probe found."""
    probe_strangers: Share | None
    """The same people, and honest strangers: what ``probe`` is to be compared with."""

    def may_precede(self, after: "Point") -> bool:
        """Whether as many comparisons were made at a higher threshold, and not more accepted."""
        pairs = (
            (self.strangers, after.strangers),
            (self.all_strangers, after.all_strangers),
            (self.probe, after.probe),
        )
        return all(
            low is high is None
            or (
                low is not None and high is not None and low.of == high.of and low.hits >= high.hits
            )
            for low, high in pairs
        )


class Effect(Part):
    """What signs and integers change against float cosines, at one threshold."""

    cosine: CosineText
    compared: Count
    changed: Count
    genuine_lost: Count
    genuine_gained: Count
    impostors_gained: Count
    impostors_lost: Count


class Frame(Part):
    """The error of the integer score in the cosine, what it changes, and the upper end."""

    mean: float
    deviation: float
    worst: float
    effects: tuple[Effect, ...] = Field(strict=False)
    largest_genuine: float | None
    """The largest score of a listed genuine comparison, as a cosine."""
    genuine_above: Count
    """Listed genuine comparisons above the upper end: refused as replays of the portrait."""
    identical: tuple[float, float, float, float] | None = Field(strict=False)
    """What a picture scores with itself: mean, standard deviation, least, most."""
    identical_accepted: Count
    """Pictures that the upper end would let through as their own live face."""


class Encrypted(Part):
    """Pairs that went through the product, encrypted."""

    pairs: Count
    matched: Count
    mismatches: Count


class Group(Part):
    """One value of a column, ISO/IEC 19795-10: differential performance."""

    column: Name
    value: Name
    subjects: Count
    failures: Share
    """Pairs of the group in which a picture failed."""
    fnmr: Share
    fmr: Share
    all_strangers: Share | None
    """Strangers of this group with strangers of this group, all photographs with all."""
    fnmr_difference: tuple[float, float, float] | None = Field(default=None, strict=False)
    """FNMR less that of all others: value, low, high. None: too few to say anything."""
    fmr_ratio: tuple[float, float, float] | None = Field(default=None, strict=False)
    """FMR of all strangers over that of all people: value, low, high."""
    too_small: bool
    """Whether an interval is so wide that a doubled rate would not be seen."""


class Probe(Part):
    """The search for the strongest probe."""

    people: Count
    halves: Count
    rows: tuple["ProbeRow", ...] = Field(strict=False)


class ProbeRow(Part):
    """A search tuned for one threshold, and who accepted what it found at that threshold."""

    cosine: CosineText
    kind: Name
    seen: Rate
    met: Share


class Transactions(Part):
    """Whole transactions: liveness and match together, and attempts to success."""

    liveness: Rate
    liveness_from: Literal["clips", "counter"]
    frr: Rate
    attempts: Count
    """That are allowed."""
    independent: tuple[Rate, ...] = Field(strict=False)
    """Genuine people who succeeded after 1, 2, ... attempts, if attempts are independent."""
    dependent: tuple[Rate, ...] = Field(strict=False)
    """The same, if who fails the match once always fails: further attempts help with liveness
    alone."""
    false_acceptance: Rate
    """Upper bound for a stranger with as many attempts, liveness aside: all of them add up."""
    customers: Count | None = None
    """Of a counter, whose attempts were read."""


class MatchEvidence(Part):
    """Everything that was measured."""

    format: Literal["sealmatch-match-evaluation/1"] = FORMAT
    product_version: Name
    made_at: Count
    """Whole seconds since 1970-01-01T00:00:00Z."""
    seed: Count
    pack: Pack
    pairs: Listed
    portrait: Name | None
    """How portraits were compressed, e.g. ``jpeg:102x126:3000``; None: they were not."""
    face: Literal["only", "middle"]
    """Whether pictures with several faces fail, as at a counter, or the middle face counts."""
    gated: bool
    """Whether pictures had to pass the quality gate, as at a counter."""
    policy: Policy

    accuracy: Rate
    """Of the listed comparisons, at thresholds fixed beforehand: see ``accuracy_at``."""
    accuracy_at: Literal["folds", "policy"]
    """With folds, each is judged at the threshold that suits the others best (the protocol of
    Labeled Faces in the Wild); without, all pairs are judged at the policy's threshold, where
    accuracy is mostly FNMR. ``decisions`` has the latter in any case."""
    eer: Rate | None
    tmr_at_fmr: dict[str, Rate | None]
    """True match rate at false match rates: of all photographs with all where these were compared,
    else of the list. None: the data does not support the rate."""
    encrypted_mismatches: Count | None
    """None: nothing was encrypted."""
    failures_to_enrol: Count

    decisions: Decisions
    fold_accuracy: Estimate | None
    """The mean over folds, each at the threshold that suits the others best (LFW's protocol)."""
    equal_error: Estimate | None
    failures: Failures
    rates: tuple[AtRate, ...] = Field(strict=False)
    curve: tuple[Point, ...] = Field(strict=False)
    all_genuine: Count | None
    all_impostor: Count | None
    frame: Frame | None
    encrypted: Encrypted | None
    groups: tuple[Group, ...] = Field(strict=False)
    probe: Probe | None
    transactions: Transactions

    @model_validator(mode="after")
    def _rises(self) -> Self:
        """A curve whose rates do not fall with the threshold, or are of other comparisons at each
        point, was not measured."""
        for before, after in pairwise(self.curve):
            if not (before.lowest < after.lowest and before.may_precede(after)):
                raise ValueError("the curve is not in order")
        return self

    @property
    def canonical(self) -> bytes:
        """UTF-8 JSON with sorted keys and without spaces: the bytes that the digest covers."""
        values = self.model_dump(mode="json", by_alias=True)
        return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()

    @property
    def digest(self) -> bytes:
        """SHA-256 of the canonical bytes, 32 bytes: how a policy names its evidence."""
        return hashlib.sha256(self.canonical).digest()


def read_evidence(path: Path) -> MatchEvidence:
    """The evidence in a file, however its JSON is laid out.

    Raises:
        EvidenceUnreadable: it cannot be read, is too long, or is no evidence of this format.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise EvidenceUnreadable(f"cannot read {path.name}: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise EvidenceUnreadable(f"{path.name} is longer than {MAX_BYTES} bytes")
    try:
        return MatchEvidence.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        raise EvidenceUnreadable(
            f"{path.name} is no output of `sealmatch evaluate match --json`: {where}: "
            f"{first['msg']}"
        ) from None
