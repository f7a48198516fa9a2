"""Runs checks one after the other. None of them stops another, and none passes by breaking down."""

from collections.abc import Iterable, Sequence
from typing import Final

from gateway.inspection.evidence import Evidence, NoAccess
from gateway.inspection.lines import Basis, Check, Line, Progress, Verdict, unseen
from gateway.wire.errors import Refused, SealmatchError

NOTHING_LOOKED_AT: Final = (Verdict.NOTHING, Verdict.NO_ACCESS)


def inspect(evidence: Evidence, checks: Iterable[Check], progress: Progress) -> tuple[Line, ...]:
    """The lines of all checks, in their order."""
    found: list[Line] = []
    for check in checks:
        progress.begin(f"{check.id}: {check.title}")
        found += examined(check, evidence, progress)
    return tuple(found)


def examined(check: Check, evidence: Evidence, progress: Progress) -> Sequence[Line]:
    """The lines of one check. What it raises becomes a line without access, with the reason where
    the reason is one of ours: others' texts may repeat values."""
    try:
        lines = check.examine(evidence, progress)
    except NoAccess as error:
        return (unseen(check, str(error)),)
    except Refused as error:
        return (unseen(check, f"could not be examined: {error.detail}"),)
    except SealmatchError as error:
        return (unseen(check, f"could not be examined: {error}"),)
    except Exception as error:  # noqa: BLE001  a check that breaks down is a line, and no pass
        _undo(evidence)
        return (unseen(check, f"could not be examined ({type(error).__name__})"),)
    return (lines,) if isinstance(lines, Line) else tuple(lines) or (unseen(check, "no line"),)


def _undo(evidence: Evidence) -> None:
    """After a failed statement PostgreSQL takes no other one in this transaction."""
    if evidence.database_given is not None:
        evidence.database_given.again()


def tally(lines: Iterable[Line]) -> dict[Verdict, int]:
    """How many lines have each verdict."""
    counted = dict.fromkeys(Verdict, 0)
    for line in lines:
        counted[line.verdict] += 1
    return counted


def sentences(lines: Sequence[Line]) -> tuple[str, str, str]:
    """The three sentences of the first page: what was found, what was not looked at, and on what
    the rest rests."""
    counted, judged = tally(lines), [one for one in lines if one.verdict not in NOTHING_LOOKED_AT]
    passed, violated = counted[Verdict.PASSED], counted[Verdict.VIOLATED]
    first = (
        f"{violated} of {len(lines)} lines are violated."
        if violated
        else f"No violation was found: {passed} of {len(lines)} lines passed."
    )
    unlooked = counted[Verdict.NOTHING] + counted[Verdict.NO_ACCESS]
    second = (
        f"{unlooked} lines were NOT examined and say nothing: {counted[Verdict.NOTHING]} found "
        f"nothing to examine, and {counted[Verdict.NO_ACCESS]} had no access."
        if unlooked
        else "Every line was examined."
    )
    by = {basis: sum(one.basis is basis for one in judged) for basis in Basis}
    third = (
        f"Of the examined lines, {by[Basis.PROVEN]} follow from what is in the bundle, "
        f"{by[Basis.SEEN]} rest on the inspector's own access, and {by[Basis.WORD]} on the "
        "operator's word."
    )
    return first, second, third
