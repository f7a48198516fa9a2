"""The report as one HTML file that loads nothing, reads on a phone and prints on A4."""

from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Final

import numpy as np

from gateway.calibration.evidence import MatchEvidence, Point
from gateway.lab.charts import Bars, Line, Mark, det_chart, histogram, line_chart
from gateway.lab.evaluation.match_measure import Measured
from gateway.lab.evaluation.match_rates import Counts, Errors
from gateway.lab.evaluation.match_rates import histogram as counts_of
from gateway.lab.evaluation.match_report import Section, Table, headline, sections
from gateway.lab.evaluation.match_scores import REACH
from gateway.wire.policy import KAPPA

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = """
@page { size: A4; margin: 16mm }
:root { --bad: #a40e26; --none: #57606a; --rule: #d0d7de }
body { font: 10.5pt/1.45 "Noto Sans", "Noto Sans CJK SC", system-ui, sans-serif; color: #1b1f24;
  max-width: 178mm; margin: 8mm auto; padding: 0 4mm; background: #fff }
h1 { font-size: 20pt; line-height: 1.2; margin: 0 0 3mm }
h2 { font-size: 13pt; margin: 8mm 0 2mm; break-after: avoid }
p { margin: 0 0 2mm; max-width: 150mm }
.sum { border: 1.5pt solid #1b1f24; border-radius: 2mm; padding: 3mm 5mm; margin: 4mm 0 }
.sum p:first-child { font-size: 12pt; font-weight: 600 } .sum p:last-child { margin: 0 }
.sum p { max-width: none }
.warning { color: var(--bad); border-left: 1.2mm solid var(--bad); padding-left: 3mm }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: 8.5pt; margin: 2mm 0 }
th, td { border-bottom: 1px solid var(--rule); padding: 1mm 1.1mm; text-align: right;
  font-variant-numeric: tabular-nums; vertical-align: top }
th { font-weight: 600; vertical-align: bottom } tr { break-inside: avoid }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
td + td { white-space: nowrap }
.facts td { text-align: left; overflow-wrap: anywhere; white-space: normal }
figure { margin: 4mm 0; break-inside: avoid } svg { display: block; width: 100%; height: auto }
figcaption { color: var(--none); font-size: 9pt }
"""
_BINS: Final = np.arange(-0.3, 1.021, 0.02)


def page(evidence: MatchEvidence, measured: Measured) -> bytes:
    """The whole report."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Evaluation of a face match</title><style>{_STYLE}</style></head><body>",
        "<h1>How well this face match tells people apart</h1>",
        '<div class="sum">',
        *(f"<p>{escape(one)}</p>" for one in headline(evidence)),
        "</div>",
    ]
    for section in sections(evidence):
        parts.extend(_section(section, evidence, measured))
    return "\n".join((*parts, "</body></html>", "")).encode()


def _section(section: Section, evidence: MatchEvidence, measured: Measured) -> Iterator[str]:
    yield f"<section><h2>{escape(section.title)}</h2>"
    yield from (f'<p class="warning">{escape(one)}</p>' for one in section.warnings)
    yield from (f"<p>{escape(one)}</p>" for one in section.sentences)
    if section.table is not None:
        yield from _table(section.table)
    for name in section.pictures:
        picture, caption = _PICTURES[name]
        drawn = picture(evidence, measured)
        if drawn:
            yield f"<figure>{drawn}<figcaption>{escape(caption)}</figcaption></figure>"
    yield "</section>"


def _table(table: Table) -> Iterator[str]:
    kind = ' class="facts"' if len(table.heads) == 2 else ""
    yield f'<div class="wide"><table{kind}><thead><tr>'
    yield from (f"<th>{escape(head)}</th>" for head in table.heads)
    yield "</tr></thead><tbody>"
    for row in table.rows:
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
    yield "</tbody></table></div>"


# --- pictures ------------------------------------------------------------------------------------


def _det(evidence: MatchEvidence, measured: Measured) -> str:
    lines = [_errors("listed pairs", measured.listed.errors())]
    every = measured.everybody
    if every is not None:
        lines.append(_errors("all photographs with all", Errors.of(every.genuine, every.strangers)))
        cosines = Errors.of(every.genuine_cosine, every.strangers_cosine)
        lines.append(_errors("the same by float cosines", cosines))
    lowest = evidence.policy.lowest
    points = [
        (float(line.x[lowest + REACH]), float(line.y[lowest + REACH]), "policy")
        for line in lines[-2 if every is not None else 0 :][:1]
    ]
    return det_chart(
        lines,
        "Detection error trade-off: false non-match rate against false match rate.",
        points,
    )


def _errors(name: str, errors: Errors) -> Line:
    return Line(name, errors.fmr, errors.fnmr)


def _scores(evidence: MatchEvidence, measured: Measured) -> str:
    listed, every = measured.listed, measured.everybody
    genuine, strangers = (
        counts_of(listed.scores.values[among]) for among in (listed.genuine, listed.strangers)
    )
    if every is not None:
        genuine, strangers = every.genuine, every.strangers
    return histogram(
        [_bars("one person", genuine), _bars("two people", strangers)],
        "score, as a cosine",
        "Scores of genuine comparisons and of strangers.",
        [Mark(float(evidence.policy.cosine), "threshold"), Mark(0.955, "upper end")],
    )


def _bars(name: str, counts: Counts) -> Bars:
    cosines = (np.arange(len(counts)) - REACH) / KAPPA
    inside, _ = np.histogram(cosines, _BINS, weights=counts)
    return Bars(name, _BINS, inside)


def _probe(evidence: MatchEvidence, _measured: Measured) -> str:
    curve = [point for point in evidence.curve if point.probe is not None]
    if not curve:
        return ""
    lines = [_line("the strongest probe found", curve, "probe")]
    honest = "probe_strangers" if curve[0].all_strangers is None else "all_strangers"
    lines.append(_line("an honest stranger", curve, honest))
    return line_chart(
        lines,
        "threshold, as a cosine",
        "accepted",
        "How many people accept the strongest probe, and an honest stranger, by threshold.",
        log="y",
        marks=[Mark(float(evidence.policy.cosine), "threshold")],
    )


def _line(name: str, curve: list[Point], which: str) -> Line:
    """Down to the last threshold at which anybody was accepted."""
    shares = [(float(one.cosine), getattr(one, which)) for one in curve]
    rows = np.array([(x, s.rate, s.low, s.high) for x, s in shares if s is not None and s.hits])
    x, y, low, high = rows.T if rows.size else np.zeros((4, 0))
    return Line(name, x, y, np.maximum(low, y / 100), high)


_Picture = Callable[[MatchEvidence, Measured], str]
_PICTURES: Final[Mapping[str, tuple[_Picture, str]]] = {
    "det": (
        _det,
        "Detection error trade-off on normal-deviate axes. Nearer to the corner below left is "
        "better. Rates at the right and left end rest on few errors.",
    ),
    "scores": (
        _scores,
        "Scores as shares of the comparisons, on a logarithmic axis. What matters is where the "
        "tails cross the threshold.",
    ),
    "probe": (
        _probe,
        "How many people accept the strongest probe found against others, and an honest stranger. "
        "Shaded: 95 % intervals by person.",
    ),
}
