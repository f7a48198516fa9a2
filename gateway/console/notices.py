"""What needs attention, in plain words: what it is, and what to do. The most urgent first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.console.figures import Figures
from gateway.console.visit import Unreadable, Visit
from gateway.console.watch import Look
from gateway.inspection.lines import Verdict

Level = Literal["alarm", "warning", "note"]

LATE_DAYS: Final = 2
"""The reaper runs every hour and reports every day; so do scrubs."""
OLD_VISIT_DAYS: Final = 366
_DAY: Final = 86_400


@dataclass(frozen=True)
class Notice:
    """One thing. Its words are ``notice.KEY`` and, what to do, ``notice.KEY_do``."""

    level: Level
    key: str
    values: Mapping[str, object] = field(default_factory=dict)
    """Kinds and times that stand in its words: ``kinds`` names of kinds, ``at`` Unix seconds."""


def notices(look: Look) -> list[Notice]:
    """All of them, alarms first."""
    found = [*_of_figures(look), *_of_visit(look)]
    order: list[Level] = ["alarm", "warning", "note"]
    return sorted(found, key=lambda one: order.index(one.level))


def _of_figures(look: Look) -> Iterator[Notice]:
    figures = look.figures
    if figures is None:
        yield Notice("alarm", look.fault or "away")
        return
    if figures.halted is not None:
        yield Notice("alarm", "halted", {"at": figures.halted})
    overdue = tuple(one.kind for one in figures.clocks if one.overdue)
    if overdue:
        yield Notice("alarm", "overdue", {"kinds": overdue})
    yield from _of_reaper(figures)
    yield from _of_schedule(figures)
    yield from _of_policy(figures)
    yield from _of_signatures(figures)
    if not figures.texts:
        yield Notice("warning", "no-text")
    if figures.empty:
        yield Notice("note", "empty")


def _of_reaper(figures: Figures) -> Iterator[Notice]:
    run, late = figures.run, figures.at - LATE_DAYS * _DAY
    settled = figures.began_at is not None and figures.began_at < late
    if run is None:
        yield Notice("alarm" if settled else "note", "reaper-never" if settled else "reaper-new")
        return
    if run.guard == "broken":
        yield Notice("alarm", "guard-broken", {"kinds": run.stopped})
    if run.guard == "unreadable":
        yield Notice("alarm", "run-unreadable")
    if run.guard == "lifted":
        yield Notice("note", "guard-lifted")
    if run.ended_at < late:
        yield Notice("alarm", "reaper-late", {"at": run.ended_at})
    if settled and (figures.scrubbed_at is None or figures.scrubbed_at < late):
        yield Notice("warning", "scrub-late")


def _of_schedule(figures: Figures) -> Iterator[Notice]:
    if not figures.schedule_readable:
        yield Notice("alarm", "schedule-unreadable")
    elif figures.schedule is None:
        yield Notice("warning", "no-schedule")


def _of_policy(figures: Figures) -> Iterator[Notice]:
    if not figures.thresholds_readable:
        yield Notice("alarm", "policy-unreadable")
    elif figures.thresholds is None:
        yield Notice("note", "no-policy")


def _of_signatures(figures: Figures) -> Iterator[Notice]:
    run_signed = figures.run is None or figures.run.checked is not False
    if figures.key_checked is False or not run_signed:
        yield Notice("alarm", "not-pinned")
    if figures.log.checked is False:
        yield Notice("alarm", "log-not-pinned")
    if figures.log.quorum is False:
        yield Notice("alarm", "no-quorum")
    if figures.log.published and not figures.log.witnesses:
        yield Notice("warning", "no-witness")


def _of_visit(look: Look) -> Iterator[Notice]:
    match look.visit:
        case None:
            yield Notice("note", "no-visit")
        case Unreadable():
            yield Notice("warning", "visit-unreadable")
        case Visit() as visit:
            if visit.signature == "wrong":
                yield Notice("alarm", "visit-forged")
            if visit.counts[Verdict.VIOLATED]:
                yield Notice("alarm", "visit-violated")
            if visit.made_at < look.at - OLD_VISIT_DAYS * _DAY:
                yield Notice("warning", "visit-old", {"at": visit.made_at})
