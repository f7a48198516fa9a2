"""The laboratory's pictures, as SVG that loads nothing: curves, histograms, DET curves.

A picture follows from its values alone: no date, no random name is in it. Text stays text, so that
a reader may search it and a screen reader may speak it. matplotlib is loaded by the first picture,
and only the parts without windows.
"""

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values = npt.NDArray[np.floating]

COLOURS: Final = ("#0b5cad", "#a40e26", "#1a6b3c", "#7a5200", "#5b3f8c", "#57606a")
DASHES: Final = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
"""Lines differ by more than colour: paper is often grey, and some readers see no red."""
_SIZE: Final = (6.8, 4.2)
"""Inches: the width of an A4 page's text."""
_DEVIATES: Final = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.2, 0.4)
_SETTINGS: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sealmatch",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#d0d7de",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Line:
    """One named curve; ``low`` and ``high`` shade what lies between them."""

    name: str
    x: Values
    y: Values
    low: Values | None = None
    high: Values | None = None
    points: bool = False
    """Whether each value gets a mark, as where there are few."""


@dataclass(frozen=True)
class Bars:
    """One named histogram: ``counts[n]`` lies between ``edges[n]`` and ``edges[n + 1]``."""

    name: str
    edges: Values
    counts: Values


@dataclass(frozen=True)
class Mark:
    """A vertical line at a value of the x axis, with its name beside it."""

    x: float
    name: str


def line_chart(
    lines: Sequence[Line],
    x: str,
    y: str,
    told: str,
    *,
    log: str = "",
    marks: Sequence[Mark] = (),
) -> str:
    """Curves over common axes.

    Args:
        x, y: what the axes count, with unit.
        told: one sentence for those who do not see the picture.
        log: "x", "y" or "xy": those axes are logarithmic.
    """
    with _settings():
        figure, axes = _empty(x, y)
        for number, line in enumerate(lines):
            _draw(axes, line, number)
        for axis in log:
            _logarithmic(axes, axis)
        _mark(axes, marks)
        _legend(axes, len(lines))
        return _svg(figure, told)


def histogram(bars: Sequence[Bars], x: str, told: str, marks: Sequence[Mark] = ()) -> str:
    """Shares of each histogram's own sum, on a logarithmic axis: the tails decide."""
    with _settings():
        figure, axes = _empty(x, "share of the comparisons")
        for number, one in enumerate(bars):
            total = float(one.counts.sum()) or 1.0
            colour = COLOURS[number % len(COLOURS)]
            axes.stairs(one.counts / total, one.edges, color=colour, alpha=0.25, fill=True)
            axes.stairs(
                one.counts / total,
                one.edges,
                color=colour,
                linestyle=DASHES[number % len(DASHES)],
                label=one.name,
            )
        _logarithmic(axes, "y")
        _mark(axes, marks)
        _legend(axes, len(bars))
        return _svg(figure, told)


def det_chart(lines: Sequence[Line], told: str, points: Iterable[tuple[float, float, str]]) -> str:
    """Detection error trade-off (Martin and others, 1997): both axes are normal deviates.

    Args:
        lines: x is the false match rate, y the false non-match rate; rates of 0 and 1, which have
            no deviate, are left out.
        points: rates at thresholds of their own, with names.
    """
    from scipy.special import ndtri  # noqa: PLC0415  only here

    with _settings():
        figure, axes = _empty("false match rate", "false non-match rate")
        for number, line in enumerate(lines):
            inside = (line.x > 0) & (line.x < 1) & (line.y > 0) & (line.y < 1)
            _draw(axes, Line(line.name, ndtri(line.x[inside]), ndtri(line.y[inside])), number)
        for fmr, fnmr, name in points:
            if 0 < fmr < 1 and 0 < fnmr < 1:
                at = (float(ndtri(fmr)), float(ndtri(fnmr)))
                axes.plot(*at, "o", color="#1b1f24", markersize=4)
                axes.annotate(name, at, xytext=(5, 4), textcoords="offset points", fontsize=8)
        ticks, names = ndtri(np.array(_DEVIATES)), [_percent(rate) for rate in _DEVIATES]
        axes.set_xticks(ticks, names)
        axes.set_yticks(ticks[2:], names[2:])
        axes.set_xlim(ticks[0], ticks[-1])
        axes.set_ylim(ticks[2], ticks[-1])
        _legend(axes, len(lines))
        return _svg(figure, told)


def _percent(rate: float) -> str:
    return f"{100 * rate:g} %" if rate >= 1e-3 else f"{rate:.0e}".replace("e-0", "e-")


def _settings() -> Any:
    from matplotlib import rc_context  # noqa: PLC0415  heavy

    return rc_context(_SETTINGS)


def _empty(x: str, y: str) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure  # noqa: PLC0415  heavy

    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def _logarithmic(axes: "Axes", which: str) -> None:
    """With powers of ten as plain text, which stays text."""
    from matplotlib.ticker import FuncFormatter, NullFormatter  # noqa: PLC0415  heavy

    getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")
    axis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
    axis.set_minor_formatter(NullFormatter())


def _power(value: float) -> str:
    return f"{value:g}" if 1e-3 <= value < 1e5 else f"{value:.0e}".replace("e-0", "e-")


def _draw(axes: "Axes", line: Line, number: int) -> None:
    colour = COLOURS[number % len(COLOURS)]
    axes.plot(
        line.x,
        line.y,
        color=colour,
        linestyle=DASHES[number % len(DASHES)],
        marker="o" if line.points else "",
        markersize=3.5,
        label=line.name,
    )
    if line.low is not None and line.high is not None:
        axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.15, linewidth=0)


def _mark(axes: "Axes", marks: Sequence[Mark]) -> None:
    for mark in marks:
        axes.axvline(mark.x, color="#57606a", linewidth=0.9, linestyle=":")
        axes.annotate(
            mark.name,
            (mark.x, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, -9),
            textcoords="offset points",
            fontsize=8,
            color="#57606a",
        )


def _legend(axes: "Axes", lines: int) -> None:
    """Above the picture, where it hides nothing."""
    if lines > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=min(lines, 3))


def _svg(figure: "Figure", told: str) -> str:
    """The picture without prolog and without fixed size, with its sentence as label."""
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = text[text.index("<svg") :]
    return re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>',
        lambda found: (
            f'<svg viewBox="{found[1]}" xmlns="http://www.w3.org/2000/svg" '
            'xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
            f'aria-label="{escape(told)}">'
        ),
        text,
        count=1,
    )
