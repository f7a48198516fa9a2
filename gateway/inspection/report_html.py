"""The report for people: one HTML file that loads nothing, reads on a phone and prints on A4.

The first page has three sentences, a table of verdicts, and what rests on trust. Then pictures of
what is kept and how old the oldest of it is, and then every line. It shows what the lines say and
nothing else, so it holds nothing personal.
"""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any, Final

from gateway.inspection.inspection import NOTHING_LOOKED_AT, tally
from gateway.inspection.lines import Basis, Line, Verdict
from gateway.inspection.profiles.evaluation import Judgement
from gateway.inspection.report_pictures import ages_picture

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = """
@page { size: A4; margin: 16mm }
:root { --ok: #1a6b3c; --bad: #a40e26; --none: #57606a; --word: #7a5200; --rule: #d0d7de }
body { font: 10.5pt/1.45 "Noto Sans", "Noto Sans CJK SC", system-ui, sans-serif; color: #1b1f24;
  max-width: 178mm; margin: 8mm auto; padding: 0 4mm }
h1 { font-size: 20pt; line-height: 1.2; margin: 0 0 1mm }
h2 { font-size: 13pt; margin: 8mm 0 2mm; break-after: avoid }
h3 { font-size: 10.5pt; margin: 0; break-after: avoid }
p { margin: 0 0 2mm }
.made { color: var(--none); font-size: 9pt; overflow-wrap: anywhere }
.sum { border: 1.5pt solid currentColor; border-radius: 2mm; padding: 3mm 5mm; margin: 5mm 0 }
.sum p:first-child { font-size: 14pt; font-weight: 600 }
.sum p:last-child { margin: 0 }
.clean { color: var(--ok) } .violated { color: var(--bad) } .sum p { color: #1b1f24 }
.sum.clean p:first-child { color: var(--ok) } .sum.violated p:first-child { color: var(--bad) }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: 9.5pt }
th, td { border-bottom: 1px solid var(--rule); padding: 1mm 2mm; text-align: left }
th { font-weight: 600 } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
tr.total td { font-weight: 600; border-top: 1.5pt solid #1b1f24 }
.zero { color: #afb8c1 }
.first { break-after: page }
ul { margin: 1mm 0; padding-left: 5mm } li { margin: 0 0 .5mm }
article { border-left: 1.2mm solid var(--none); padding: 1mm 0 1mm 3mm; margin: 0 0 3.5mm;
  break-inside: avoid; overflow-wrap: anywhere }
article.PASSED { border-color: var(--ok) } article.VIOLATED { border-color: var(--bad) }
.verdict { font-weight: 600 } .PASSED .verdict { color: var(--ok) }
.VIOLATED .verdict { color: var(--bad) }
.NOTHING .verdict, .NO_ACCESS .verdict { color: var(--none) }
.found { color: var(--bad) } .NO_ACCESS .found { color: var(--none) }
.quiet { color: var(--none); font-size: 9pt }
code { font: 8.5pt/1.4 ui-monospace, monospace }
svg { display: block; width: 100%; height: auto; margin: 2mm 0 }
@media (prefers-color-scheme: dark) { body { background: #fff } }
"""

_MARKS: Final = {
    Verdict.PASSED: ("\u2713", "passed"),
    Verdict.VIOLATED: ("\u2717", "violated"),
    Verdict.NOTHING: ("\u25cb", "nothing to examine"),
    Verdict.NO_ACCESS: ("\u25cb", "no access"),
}
_BASES: Final = {
    Basis.PROVEN: "follows from the bundle; anybody can repeat it with <code>inspect verify</code>",
    Basis.SEEN: "the inspector looked, with access of the inspector's own",
    Basis.WORD: "rests on the operator's word",
}
_GROUPS: Final = {
    "data-map": "What is kept: tables and columns",
    "retention": "For how long it is kept",
    "contents": "What must not be kept",
    "counts": "Whether the counts add up",
    "log": "The log",
    "keys": "Keys",
    "parties": "Who is enrolled",
    "audits": "Audits",
    "activations": "Activations",
    "outcomes": "Outcomes",
    "consent": "Consent",
    "software": "Software",
    "backups": "Backups",
    "access": "Access",
    "canary": "Canary",
}


def page(
    report: Mapping[str, Any],
    lines: Sequence[Line],
    exhibits: Mapping[str, bytes],
    bundle: str | None = None,
) -> bytes:
    """The whole report.

    Args:
        report: of ``report_of``; its profiles, if it has any, are summed up.
        exhibits: those that pictures are drawn from.
        bundle: SHA-256 of the bundle's file, in hexadecimal, so that paper and file are matched.
    """
    made = datetime.datetime.fromtimestamp(report["madeAt"], datetime.UTC)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Inspection of {made:%Y-%m-%d}</title><style>{_STYLE}</style></head><body>",
        '<section class="first">',
        "<h1>Inspection of a Sealmatch deployment</h1>",
        f'<p class="made">{made:%Y-%m-%d %H:%M} UTC, sealmatch {escape(report["tool"])}'
        f"{_bundle(bundle)}</p>",
        *_sum(report["sentences"], lines),
        *_table(lines),
        *_trust(lines),
        "</section>",
        *ages_picture(exhibits, report["madeAt"]),
        *_profiles(report.get("profiles", [])),
        *_lines(lines),
        "</body></html>",
    ]
    return "\n".join((*parts, "")).encode()


def _bundle(digest: str | None) -> str:
    return "" if digest is None else f"<br>bundle with SHA-256 <code>{escape(digest)}</code>"


def _sum(sentences: Sequence[str], lines: Sequence[Line]) -> Iterator[str]:
    kind = "violated" if tally(lines)[Verdict.VIOLATED] else "clean"
    kind = kind if any(one.verdict not in NOTHING_LOOKED_AT for one in lines) else "unknown"
    yield f'<div class="sum {kind}">'
    yield from (f"<p>{escape(one)}</p>" for one in sentences)
    yield "</div>"


def _group(line: Line) -> str:
    prefix = line.check.partition(".")[0]
    return _GROUPS.get(prefix, prefix)


def _grouped(lines: Sequence[Line]) -> Iterator[tuple[str, list[Line]]]:
    """By group, in the order of ``_GROUPS``; others at the end."""
    order = {name: place for place, name in enumerate(_GROUPS.values())}
    held = sorted(lines, key=lambda one: (order.get(_group(one), len(order)), _group(one)))
    for name, group in groupby(held, _group):
        yield name, list(group)


def _table(lines: Sequence[Line]) -> Iterator[str]:
    heads = "".join(f'<th class="n">{mark} {word}</th>' for mark, word in _MARKS.values())
    yield f'<div class="wide"><table><thead><tr><th>lines</th>{heads}</tr></thead><tbody>'
    for name, group in _grouped(lines):
        yield f"<tr><td>{escape(name)}</td>{_counts(group)}</tr>"
    yield f'<tr class="total"><td>all</td>{_counts(lines)}</tr></tbody></table></div>'


def _counts(lines: Sequence[Line]) -> str:
    counted = tally(lines)
    return "".join(
        f'<td class="n {"" if counted[one] else "zero"}">{counted[one]}</td>' for one in _MARKS
    )


def _trust(lines: Sequence[Line]) -> Iterator[str]:
    """What a reader believes, and whom."""
    judged = [one for one in lines if one.verdict not in NOTHING_LOOKED_AT]
    by = {basis: [one for one in judged if one.basis is basis] for basis in Basis}
    yield "<h2>What rests on trust</h2><ul>"
    yield (
        f"<li>{len(by[Basis.PROVEN])} lines follow from the bundle. That what is in it was read "
        "from this deployment rests on the inspector.</li>"
    )
    yield (
        f"<li>{len(by[Basis.SEEN])} lines rest on what the inspector saw, at one time, with the "
        "access that was given.</li>"
    )
    word = ", ".join(dict.fromkeys(escape(one.check) for one in by[Basis.WORD]))
    rests = f": {word}" if word else ""
    yield f"<li>{len(by[Basis.WORD])} lines rest on the operator's word{rests}.</li>"
    yield (
        "<li>Nobody sees from here what an operator keeps in places that were not named, or which "
        "programs its hosts run beside the published ones.</li></ul>"
    )


def _profiles(reports: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One row to each requirement of each profile."""
    for one in reports:
        yield f"<h2>Held against: {escape(str(one['title']))}</h2>"
        yield f'<p class="quiet">{escape(str(one["notice"]))}</p>'
        yield '<div class="wide"><table><thead><tr><th>requirement</th><th>what was shown</th></tr>'
        yield "</thead><tbody>"
        for line in one["lines"]:
            shown = Judgement[line["judgement"]].value
            yield f"<tr><td>{escape(line['requirement'])}</td><td>{escape(shown)}</td></tr>"
        yield "</tbody></table></div>"


def _lines(lines: Sequence[Line]) -> Iterator[str]:
    for name, group in _grouped(lines):
        yield f"<h2>{escape(name)}</h2>"
        for line in group:
            yield from _line(line)


def _line(line: Line) -> Iterator[str]:
    mark, word = _MARKS[line.verdict]
    yield f'<article class="{line.verdict.name}"><h3>{escape(line.title)}</h3>'
    against = f", against {escape(line.limit)}" if line.limit else ""
    examined = f": {line.count:,} {escape(line.examined)}{against}" if line.examined else ""
    yield f'<p><span class="verdict">{mark} {word}</span>{examined}</p>'
    yield from _list("found", line.found)
    yield from _list("notes", line.notes)
    yield f'<p class="quiet"><code>{escape(line.check)}</code> {_BASES[line.basis]}'
    if line.verdict is not Verdict.NO_ACCESS and line.repeat:
        yield f"<br>by hand: {escape(line.repeat)}"
    yield "</p></article>"


def _list(kind: str, sentences: Sequence[str]) -> Iterator[str]:
    if sentences:
        yield f'<ul class="{kind}">'
        yield from (f"<li>{escape(one)}</li>" for one in sentences)
        yield "</ul>"
