"""Pictures for the report, as SVG: what is kept, and how old the oldest of it is against its limit.

They are drawn from the exhibit ``ages.json``, so they show what the lines on retention say.
"""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final, NamedTuple

AGES: Final = "ages.json"

_DAY: Final = 86_400
_WIDTH, _LABEL, _ROW = 680, 170, 30
_BAR: Final = 330
"""Width of a bar that reaches its limit."""


class Age(NamedTuple):
    """One kind of row."""

    kind: str
    kept: int
    days: int
    """The limit."""
    oldest: float | None
    """Age of the oldest row in days; None: there is none."""


def ages_picture(exhibits: Mapping[str, bytes], now: int) -> Iterator[str]:
    """The section with its picture; nothing without the exhibit."""
    ages = _ages(exhibits.get(AGES), now)
    if not ages:
        return
    yield "<section><h2>What is kept, and how old the oldest of it is</h2>"
    height = _ROW * len(ages) + 26
    told = "; ".join(_told(one) for one in ages)
    yield f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(told)}">'
    limit = _LABEL + _BAR
    yield (
        f'<line x1="{limit}" y1="16" x2="{limit}" y2="{height - 4}" stroke="#a40e26" '
        'stroke-dasharray="4 3"/>'
        f'<text x="{limit}" y="11" font-size="11" text-anchor="middle" fill="#a40e26">limit</text>'
    )
    for number, one in enumerate(ages):
        yield from _row(one, 22 + number * _ROW)
    yield "</svg>"
    yield (
        '<p class="quiet">A bar is the age of the oldest row; it must not cross the line. Rows on '
        "legal hold are kept longer; the lines on holds tell of them.</p></section>"
    )


def _ages(content: bytes | None, now: int) -> list[Age]:
    """Kinds with a limit in days. What the exhibit does not say is not drawn."""
    try:
        kinds: dict[str, Any] = {} if content is None else json.loads(content)["kinds"]
        return [
            Age(kind, one["kept"], one["days"], _oldest(one, now))
            for kind, one in sorted(kinds.items())
            if one["days"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _oldest(one: Mapping[str, Any], now: int) -> float | None:
    due = one["oldestDue"]
    return None if due is None else max(0.0, one["days"] - (due - now) / _DAY)


def _told(one: Age) -> str:
    if one.oldest is None:
        return f"{one.kind}: none kept, limit {one.days} days"
    return f"{one.kind}: {one.kept:,} kept, the oldest {one.oldest:.0f} of {one.days} days"


def _row(one: Age, at: int) -> Iterator[str]:
    part = 0.0 if one.oldest is None else one.oldest / one.days
    colour = "#a40e26" if part > 1 else "#1a6b3c"
    width = min(part, 1.25) * _BAR
    yield (
        f'<text x="0" y="{at + 13}" font-size="12">{escape(one.kind)}'
        f'<tspan fill="#57606a"> {one.kept:,}</tspan></text>'
        f'<rect x="{_LABEL}" y="{at + 2}" width="{_BAR}" height="14" fill="#eef1f4"/>'
        f'<rect x="{_LABEL}" y="{at + 2}" width="{width:.1f}" height="14" fill="{colour}"/>'
    )
    told = "none" if one.oldest is None else f"{one.oldest:.0f} of {one.days} days"
    yield (
        f'<text x="{_WIDTH}" y="{at + 13}" font-size="12" text-anchor="end">{escape(told)}</text>'
    )
