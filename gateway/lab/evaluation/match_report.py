"""What evidence says, for people: sections of sentences and tables, printed as text or as a page.

Terms are those of ISO/IEC 19795-1 and -10, each explained where it first stands.
"""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.calibration.evidence import AtRate, Group, MatchEvidence, Point, Share


@dataclass(frozen=True)
class Table:
    """Heads and rows; the first column is text, the others are numbers."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """One part of the report. ``picture``: the name of one that belongs here."""

    title: str
    sentences: tuple[str, ...] = ()
    table: Table | None = None
    pictures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def headline(evidence: MatchEvidence) -> tuple[str, ...]:
    """Three sentences for those who read no more."""
    decisions, pairs = evidence.decisions, evidence.pairs
    return (
        f"At the threshold that was fixed beforehand, cosine {evidence.policy.cosine}, the product "
        f"wrongly refused {_share(decisions.frr)} of the pairs that show one person, and wrongly "
        f"accepted {_share(decisions.far)} of the pairs that show two.",
        f"{pairs.genuine + pairs.impostor:,} pairs of {pairs.photographs:,} photographs of "
        f"{pairs.subjects:,} people were tried.{_every_sentence(evidence)} Intervals have 95 % and "
        "are by person.",
        _probe_sentence(evidence),
    )


def sections(evidence: MatchEvidence) -> Iterator[Section]:
    """In the order in which they are read."""
    yield _decisions(evidence)
    yield _failures(evidence)
    yield _rates(evidence)
    yield _probe(evidence)
    if evidence.groups:
        yield _groups(evidence)
    yield _transactions(evidence)
    if evidence.frame is not None:
        yield _frame(evidence)
    yield _encrypted(evidence)
    yield _what(evidence)


def percent(rate: float | None) -> str:
    """With as many digits as tell rates apart."""
    if rate is None:
        return "-"
    return f"{100 * rate:.2f} %" if rate == 0 or rate >= 5e-4 else f"{rate:.1e}"


def interval(share: Share) -> str:
    return f"{percent(share.low)} to {percent(share.high)}"


def _share(share: Share) -> str:
    return f"{percent(share.rate)} ({interval(share)})"


def _row(name: str, share: Share) -> tuple[str, ...]:
    return (name, f"{share.hits:,}", f"{share.of:,}", percent(share.rate), interval(share))


_HEADS = ("", "counted", "of", "rate", "95 % interval")


def _decisions(evidence: MatchEvidence) -> Section:
    found = evidence.decisions
    beforehand = {
        "pack": "the model pack states it"
        + (
            ""
            if evidence.policy.fmr is None
            else f" for a false match rate of {evidence.policy.fmr:g}"
        ),
        "option": "whoever ran the evaluation named it",
    }[evidence.policy.origin]
    rows = (
        _row("false non-match rate, FNMR", found.fnmr),
        _row("false match rate, FMR", found.fmr),
        _row("false reject rate, FRR", found.frr),
        _row("false accept rate, FAR", found.far),
        _row("accuracy of the comparisons", found.accuracy),
        _row("accuracy of all pairs", found.accuracy_of_all),
    )
    return Section(
        "Decisions at the threshold fixed beforehand",
        (
            f"Accepted are scores from cosine {evidence.policy.cosine} ({beforehand}) up to the "
            "upper end, which refuses the portrait itself as a live face.",
            "FNMR and FMR count comparisons that were made: they judge the matcher. FRR and FAR "
            "count all pairs: a picture that the product refuses is an error for the person it "
            "shows, and no success for a stranger. Failures to enrol are included, so ISO/IEC "
            "19795-1 calls these rates generalised.",
            "The accuracy of all pairs counts every pair as wrong in which a picture failed.",
        ),
        Table(_HEADS, rows),
    )


def _failures(evidence: MatchEvidence) -> Section:
    found = evidence.failures
    reasons = ", ".join(f"{name} {n:,}" for name, n in sorted(found.reasons.items()))
    sentences = ["Pictures of which the product makes no vector, by its own rules."]
    if reasons:
        sentences.append(f"Reasons: {reasons}.")
    if evidence.face == "middle":
        sentences.append(
            "Of several faces the middle one was taken, as collections such as Labeled Faces in "
            "the Wild want it. A counter refuses such pictures: run without --face middle to count "
            "them."
        )
    warnings = (
        ()
        if evidence.gated
        else ("The quality gate was off. No counter works like that; compare, but do not rely.",)
    )
    return Section(
        "Failures to enrol and to acquire",
        tuple(sentences),
        Table(
            _HEADS,
            (
                _row("portraits: failures to enrol", found.portraits),
                _row("live pictures: failures to acquire", found.probes),
                _row("pairs of one person without a comparison", found.genuine_pairs),
                _row("pairs of two people without a comparison", found.impostor_pairs),
            ),
        ),
        warnings=warnings,
    )


def _rates(evidence: MatchEvidence) -> Section:
    sentences = [
        "Thresholds here follow from these data, so they flatter: a threshold for use is "
        "calibrated, and judged on other people.",
    ]
    if evidence.equal_error is not None:
        one = evidence.equal_error
        sentences.append(
            f"Equal error rate: {percent(one.value)} ({percent(one.low)} to {percent(one.high)})."
        )
    if evidence.fold_accuracy is not None:
        one = evidence.fold_accuracy
        sentences.append(
            f"Mean accuracy over {evidence.pairs.folds} folds, each at the threshold that suits "
            f"the others best: {percent(one.value)} ({percent(one.low)} to {percent(one.high)})."
        )
    if evidence.all_impostor is not None:
        sentences.append(
            f"All photographs with all: {evidence.all_genuine:,} genuine comparisons and "
            f"{evidence.all_impostor:,} of strangers, either photograph as portrait."
        )
    sentences.append(
        "A rate of which fewer than three false matches are expected is not supported by the data "
        "(rule of three); below thirty it is weak (rule of 30)."
    )
    heads = ["FMR", "strangers", "cosine", "listed FNMR", "interval"]
    if evidence.all_genuine is not None:
        heads += ["FNMR of all", "interval"]
    return Section(
        "Error rates at other thresholds",
        tuple(sentences),
        Table(tuple(heads), tuple(_rate_row(one, len(heads)) for one in evidence.rates)),
        ("det", "scores"),
    )


def _rate_row(one: AtRate, width: int) -> tuple[str, ...]:
    source = "of the list" if one.source == "listed" else "of all"
    if one.support == "none" or one.cosine is None:
        return (f"{one.fmr:g}", source, "not supported by the data", *[""] * (width - 3))
    weak = " (weak)" if one.support == "weak" else ""
    row: tuple[str, ...] = (f"{one.fmr:g}", f"{source}{weak}", f"{one.cosine:.4f}")
    for share in (one.fnmr, one.fnmr_all)[: (width - 3) // 2]:
        row += ("-", "-") if share is None else (percent(share.rate), interval(share))
    return row


def _every_sentence(evidence: MatchEvidence) -> str:
    point = at(evidence, evidence.policy.cosine)
    if point is None or point.all_strangers is None:
        return ""
    return (
        f" Of all photographs with all, {_share(point.all_strangers)} of "
        f"{point.all_strangers.of:,} comparisons of strangers match."
    )


def _probe_sentence(evidence: MatchEvidence) -> str:
    point = at(evidence, evidence.policy.cosine)
    if point is None or point.probe is None:
        return "No strongest probe was sought: who is who is not known, or too few people are."
    honest = "" if point.probe_strangers is None else percent(point.probe_strangers.rate)
    return (
        "A device that lies and has tuned its probe on other people is accepted by "
        f"{_share(point.probe)} of the people whom it does not know, an honest stranger by "
        f"{honest}."
    )


def _probe(evidence: MatchEvidence) -> Section:
    title = "The strongest probe: a device that lies"
    if evidence.probe is None:
        return Section(title, (_probe_sentence(evidence),))
    rows = tuple(
        (
            f"{one.kind}, for {one.cosine}",
            percent(one.seen),
            f"{one.met.hits:,} of {one.met.of:,}",
            percent(one.met.rate),
            interval(one.met),
        )
        for one in evidence.probe.rows
    )
    return Section(
        title,
        (
            "A device needs no face to send a vector. It may look for the vector that most "
            "strangers accept. Here it looks among half of the people, one photograph of each, and "
            "is tried on the other half.",
            f"{evidence.probe.people:,} people, {evidence.probe.halves} halves. Others may search "
            "better: the rates are lower bounds. What limits such a device is the cap of attempts, "
            "the enrolment of devices, and the threshold.",
        ),
        Table(("probe", "accepted by those seen", "by others", "rate", "95 % interval"), rows),
        ("probe",),
    )


def _groups(evidence: MatchEvidence) -> Section:
    small = [one for one in evidence.groups if one.too_small]
    warnings: tuple[str, ...] = ()
    if small:
        named = ", ".join(f"{one.column} {one.value}" for one in small)
        warnings = (
            f"Too small to say anything: {named}. An error rate twice as high would not be seen, "
            "and none is ruled out.",
        )
    compared = sum(one.fnmr_difference is not None for one in evidence.groups)
    return Section(
        "Differences between groups",
        (
            "Differential performance, ISO/IEC 19795-10. The difference is a group's FNMR less "
            "that of everybody else, in percentage points. The ratio is the FMR of strangers of "
            "one group over that of all people.",
            f"Of {compared} differences about one in twenty lies outside its interval by chance.",
        ),
        Table(
            (
                *("group", "people", "failed pairs", "FNMR", "interval", "difference"),
                *("FMR in the group", "ratio"),
            ),
            tuple(map(_group_row, evidence.groups)),
        ),
        warnings=warnings,
    )


def _group_row(one: Group) -> tuple[str, ...]:
    strangers = one.fmr if one.all_strangers is None else one.all_strangers
    difference = "-"
    if one.fnmr_difference is not None:
        value, low, high = (100 * part for part in one.fnmr_difference)
        difference = f"{value:+.2f} ({low:+.2f} to {high:+.2f})"
    ratio = "-"
    if one.fmr_ratio is not None:
        value, low, high = one.fmr_ratio
        ratio = f"{value:.1f} ({low:.1f} to {high:.1f})"
    return (
        f"{one.column}: {one.value}{' (too small)' if one.too_small else ''}",
        f"{one.subjects:,}",
        percent(one.failures.rate),
        f"{one.fnmr.hits:,} of {one.fnmr.of:,}",
        interval(one.fnmr),
        difference,
        f"{strangers.hits:,} of {strangers.of:,}",
        ratio,
    )


def _transactions(evidence: MatchEvidence) -> Section:
    found = evidence.transactions
    source = (
        "from the labelled clips, in which nobody follows a prompt: all three actions found"
        if found.liveness_from == "clips"
        else f"of {found.customers:,} customers of a counter"
    )
    rows = tuple(
        (f"{number}", percent(together), percent(apart))
        for number, (together, apart) in enumerate(
            zip(found.dependent, found.independent, strict=True), start=1
        )
    )
    return Section(
        "Whole transactions: liveness and match together",
        (
            f"An attempt succeeds if the liveness check is passed ({percent(found.liveness)}, "
            f"{source}) and the face matches (FRR {percent(found.frr)}).",
            "Assumed: a failed match is tried again with a new picture. How attempts of one person "
            "depend on each other is not known from pairs; the truth lies between the columns.",
            f"A stranger's {found.attempts} attempts together are accepted with at most "
            f"{percent(found.false_acceptance)}, liveness aside: the upper end of FMR's interval "
            "times the attempts.",
        ),
        Table(("attempts", "succeeded, if who fails a match always fails", "if independent"), rows),
    )


def _frame(evidence: MatchEvidence) -> Section:
    frame = evidence.frame
    if frame is None:
        raise TypeError("no frame")
    sentences = [
        "What is compared under encryption are signs and small integers. Their score, as a cosine, "
        f"differs from the float cosine by {frame.mean:+.4f} on average, with a standard deviation "
        f"of {frame.deviation:.4f} and at worst {frame.worst:.4f}.",
        f"Above the upper end lie {frame.genuine_above} listed genuine comparisons"
        + (
            "."
            if frame.largest_genuine is None
            else f"; the largest is {frame.largest_genuine:.3f}."
        ),
    ]
    if frame.identical is not None:
        mean, deviation, least, most = frame.identical
        sentences.append(
            f"A picture scores {mean:.3f} with itself (standard deviation {deviation:.3f}, "
            f"{least:.3f} to {most:.3f}); {frame.identical_accepted} would pass as their own live "
            "face."
        )
    rows = tuple(
        (
            f"from {one.cosine}",
            f"{one.changed} of {one.compared:,}",
            f"{one.genuine_lost} lost, {one.genuine_gained} gained",
            f"{one.impostors_gained} let in, {one.impostors_lost} kept out",
        )
        for one in frame.effects
    )
    return Section(
        "What the encrypted form changes",
        tuple(sentences),
        Table(("threshold", "decisions changed", "genuine", "strangers"), rows),
    )


def _encrypted(evidence: MatchEvidence) -> Section:
    found = evidence.encrypted
    if found is None:
        return Section(
            "Encrypted against plaintext",
            ("No pair was encrypted in this run; --encrypted N sends N pairs through it.",),
        )
    return Section(
        "Encrypted against plaintext",
        (
            f"{found.pairs:,} pairs went through the product, half of them those nearest to the "
            f"threshold: {found.matched:,} matched. {found.mismatches} decisions differ from those "
            "of the same integers in the open.",
        ),
        warnings=()
        if not found.mismatches
        else ("Encrypted decisions differ. Do not rely on this product.",),
    )


def _what(evidence: MatchEvidence) -> Section:
    pairs, pack = evidence.pairs, evidence.pack
    who = {
        "columns": "by ids in the file",
        "folders": "by the pictures' folders",
        "pairs": "by the pairs alone, so strangers are those of the list, and no probe was sought",
    }[pairs.subjects_from]
    made = datetime.datetime.fromtimestamp(evidence.made_at, datetime.UTC)
    rows = (
        ("product", f"sealmatch {evidence.product_version}"),
        ("made", f"{made:%Y-%m-%d %H:%M} UTC, seed {evidence.seed}"),
        ("model", pack.model_id),
        ("model pack, SHA-256", pack.digest),
        ("quality profile, SHA-256", f"{pack.quality_digest} ({pack.quality})"),
        ("pairs", f"{pairs.genuine:,} of one person, {pairs.impostor:,} of two"),
        ("file of pairs, SHA-256", pairs.digest),
        ("people are told", who),
        ("portraits", evidence.portrait or "as the files are"),
        ("this evidence, SHA-256", evidence.digest.hex()),
    )
    return Section(
        "What was measured, and what that does not say",
        (
            "Photographs of one collection are no sample of the customers of a counter. Cameras, "
            "light, age of the portrait and people differ; measure on your own population before "
            "you rely on a threshold.",
            "Photographs of a collection answer no challenge: frames of a video at a counter may "
            "match better or worse. Morphed portraits, masks and screens are not part of this.",
            "Intervals say how far rates would vary with other people of the same kind, and not "
            "what other cameras or years would do. They are exact, for as many independent "
            "comparisons as these are worth. Those of the strongest probe do not repeat the "
            "search.",
        ),
        Table(("", "value"), rows),
    )


def at(evidence: MatchEvidence, cosine: str) -> Point | None:
    """The point of the curve at a threshold."""
    return next((point for point in evidence.curve if point.cosine == cosine), None)


def as_text(evidence: MatchEvidence) -> str:
    """The report for a terminal."""
    lines: list[str] = [*headline(evidence)]
    for section in sections(evidence):
        lines += ["", section.title.upper()]
        lines += [f"  ! {one}" for one in section.warnings]
        lines += [f"  {one}" for one in section.sentences]
        if section.table is not None:
            lines += ["", *(f"  {line}" for line in _aligned(section.table))]
    return "\n".join(lines)


def _aligned(table: Table) -> Iterator[str]:
    rows: Sequence[tuple[str, ...]] = (table.heads, *table.rows)
    widths = [max(len(row[place]) for row in rows) for place in range(len(table.heads))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield "  ".join(cells).rstrip()
