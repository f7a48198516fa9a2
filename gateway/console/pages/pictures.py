"""Pictures as SVG, with their words beside them or in them. Colours come from the style sheet."""

import math
from collections.abc import Iterator
from typing import Final

from gateway.console.figures import Clock
from gateway.console.flows import DAYS, Flows, Series
from gateway.console.language import Speech
from gateway.console.pages.html import Html, el, joined

_ABOVE: Final[tuple[Series, ...]] = ("match", "no_match", "ended")
"""Stacked above the axis; registrations without a face hang below it."""
_WIDTH, _LEFT, _TOP = 600, 52, 16
_UP, _DOWN = 112, 38
_BAR: Final = (_WIDTH - _LEFT) / DAYS
_GAP: Final = 4
_RADIUS: Final = 80


def bar(clock: Clock) -> Html:
    """The oldest row's age against its limit. The words beside it say the same."""
    part = _part(clock)
    return el(
        "svg",
        el("rect", class_="track", width=100, height=8, rx=2),
        el("rect", class_=tone(clock), width=f"{100 * part:.1f}", height=8, rx=2),
        class_="bar",
        viewBox="0 0 100 8",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _part(clock: Clock) -> float:
    """Of its limit."""
    if clock.overdue:
        return 1.0
    return 0.0 if clock.oldest is None else min(1.0, clock.oldest / clock.limit)


def tone(clock: Clock) -> str:
    """Its colour: over the limit, near it, or far from it."""
    if clock.overdue:
        return "over"
    return "near" if clock.oldest and clock.oldest >= clock.limit else "well"


def dial(clock: Clock, speech: Speech) -> Html:
    """The records' clock: full when the oldest is as old as it may be."""
    length = 2 * math.pi * _RADIUS
    part = _part(clock)
    ticks = joined(_tick(number) for number in range(36))
    age = "–" if clock.oldest is None else f"≤{speech.number(clock.oldest)}"
    age = f">{speech.number(clock.limit)}" if clock.overdue else age
    arc = el(
        "circle",
        class_=f"arc {tone(clock)}",
        cx=110,
        cy=110,
        r=_RADIUS,
        stroke_dasharray=f"{part * length:.1f} {length:.1f}",
        transform="rotate(-90 110 110)",
    )
    return el(
        "svg",
        el("circle", class_="arc track", cx=110, cy=110, r=_RADIUS),
        arc if part else None,
        ticks,
        el("text", age, class_="hand", x=110, y=118, text_anchor="middle"),
        el("text", speech("clock.of", limit=speech.number(clock.limit)), class_="small", x=110,
           y=142, text_anchor="middle"),
        class_="dial",
        viewBox="0 0 220 220",
        role="img",
        aria_label=age_told(clock, speech),
    )  # fmt: skip


def _tick(number: int) -> Html:
    return el("line", class_="tick", x1=110, y1=12, x2=110, y2=18 if number % 9 else 22,
              transform=f"rotate({10 * number} 110 110)")  # fmt: skip


def age_told(clock: Clock, speech: Speech) -> str:
    """The oldest row's age against its limit, in words."""
    limit = speech.days(clock.limit)
    if clock.overdue:
        return speech("clock.overdue", limit=limit)
    if clock.oldest is None:
        return speech("clock.none", limit=limit)
    return speech("clock.age", age=speech.number(clock.oldest), limit=limit)


def flows_picture(flows: Flows, speech: Speech) -> Html:
    """Outcomes of the finished days. A day with fewer than five of a kind shows none of it."""
    highest = max((sum(one) for one in zip(*_above(flows), strict=True)), default=0)
    deepest = max(flows.cells["without_face"], default=0)
    up, down = _round_up(highest), _round_up(deepest)
    height = _TOP + _UP + _DOWN + 20
    axis = _TOP + _UP
    told = speech("flows.picture", first=speech.day(flows.days[0]), last=speech.day(flows.days[-1]))
    return el(
        "svg",
        _grid(up, axis, speech),
        el("text", speech.number(down), x=_LEFT - 6, y=axis + _DOWN, text_anchor="end",
           class_="small") if deepest else None,
        (el("g", el("title", _told(flows, place, speech)), _bars(flows, place, up, down, axis))
         for place in range(DAYS)),
        el("line", class_="axis", x1=_LEFT, y1=axis, x2=_WIDTH, y2=axis),
        el("text", speech.day(flows.days[0]), x=_LEFT, y=height - 4, class_="small"),
        el("text", f"{speech.day(flows.days[-1])} UTC", x=_WIDTH, y=height - 4, class_="small",
           text_anchor="end"),
        class_="flows",
        viewBox=f"0 0 {_WIDTH} {height}",
        role="img",
        aria_label=told,
    )  # fmt: skip


def _above(flows: Flows) -> list[tuple[int, ...]]:
    return [flows.cells[one] for one in _ABOVE]


def _grid(up: int, axis: float, speech: Speech) -> Iterator[Html]:
    for part in (1, 2):
        y = axis - _UP * part / 2
        yield el("line", class_="grid", x1=_LEFT, y1=y, x2=_WIDTH, y2=y)
        yield el("text", speech.number(up * part // 2), x=_LEFT - 6, y=y + 4, text_anchor="end",
                 class_="small")  # fmt: skip


def _bars(flows: Flows, place: int, up: int, down: int, axis: float) -> Iterator[Html]:
    x, at = _LEFT + place * _BAR + _GAP / 2, axis
    # The whole column, so that a pointer anywhere over the day shows its words.
    yield el("rect", class_="day", x=f"{x:.1f}", y=_TOP, width=f"{_BAR - _GAP:.1f}",
             height=_UP + _DOWN)  # fmt: skip
    for one in _ABOVE:
        tall = _UP * flows.cells[one][place] / up
        at -= tall
        if tall:
            yield _bar(one, x, at, tall)
    if below := flows.cells["without_face"][place]:
        yield _bar("without_face", x, axis, _DOWN * below / down)


def _bar(series: Series, x: float, y: float, height: float) -> Html:
    return el("rect", class_=series, x=f"{x:.1f}", y=f"{y:.1f}", width=f"{_BAR - _GAP:.1f}",
              height=f"{height:.1f}")  # fmt: skip


def _told(flows: Flows, place: int, speech: Speech) -> str:
    parts = (
        f"{speech(f'series.{one}')} {speech.cell(flows.cells[one][place])}"
        for one in (*_ABOVE, "without_face")
    )
    return f"{speech.day(flows.days[place])}: {speech.listed(parts)}"


def _round_up(number: int) -> int:
    """The next round number of which the half is whole: 10, 20, 40, 60, 80, 100, 200, ..."""
    unit = 10
    while number > 10 * unit:
        unit *= 10
    return next(unit * part for part in (1, 2, 4, 6, 8, 10) if number <= unit * part)
