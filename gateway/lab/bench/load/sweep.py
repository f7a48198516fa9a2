"""Latency against rate: the same deployment under one rate after the other, and the picture."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from gateway.lab.bench.load.figures import QUANTILES
from gateway.lab.charts import Line, line_chart

SUFFIX: Final = ".svg"
_DRAWN: Final = tuple(name for name, _ in QUANTILES if name != "max")


def sweep(rates: Sequence[float], at: Callable[[float], dict[str, Any]]) -> list[dict[str, Any]]:
    """A report for each rate, in ascending order. After an interrupted one there are no more.

    Args:
        at: runs at a rate and returns the report (``run.report``).
    """
    reports: list[dict[str, Any]] = []
    for rate in sorted(rates):
        reports.append({"rate": rate} | at(rate))
        if reports[-1]["interrupted"]:
            break
    return reports


def picture(reports: Sequence[dict[str, Any]], path: Path) -> None:
    """Write latency of whole verifications over the rate that was offered. Raises ``OSError``."""
    shown = [one for one in reports if one["latencyMs"]["whole"]]
    rates = np.array([one["rate"] for one in shown], dtype=float)
    lines = [
        Line(name, rates, np.array([one["latencyMs"]["whole"][name] for one in shown]), points=True)
        for name in _DRAWN
    ]
    told = "Latency of a verification against arrivals a second: " + "; ".join(
        f"at {one['rate']:g} p99 {one['latencyMs']['whole']['p99']:.0f} ms" for one in shown
    )
    chart = line_chart(lines, "arrivals a second", "milliseconds from the arrival", told, log="y")
    path.write_text(chart, encoding="utf-8")


def sweep_table(reports: Sequence[dict[str, Any]]) -> str:
    """One line for each rate."""
    titles = ("rate", "done a second", *(f"{name} ms" for name in _DRAWN), "CPU ms", "errors")
    lines = ["".join(f"{title:>15}" for title in titles)]
    for one in reports:
        whole = one["latencyMs"]["whole"]
        cells = [f"{one['rate']:g}", f"{one['verificationsPerSecond']:.2f}"]
        cells += [f"{whole[name]:.0f}" if whole else "-" for name in _DRAWN]
        cells += [f"{sum(one['cpuMs'].values()):.1f}", str(sum(one["errors"].values()))]
        lines.append("".join(f"{cell:>15}" for cell in cells))
    return "\n".join(lines)
