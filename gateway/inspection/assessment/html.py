"""A draft as one HTML page: no script, nothing from elsewhere, made to be printed on A4."""

from collections.abc import Iterator
from html import escape

from gateway.inspection.assessment.document import (
    NOTICE,
    TO_BE_WRITTEN,
    TO_LOOK_AT,
    Blank,
    Document,
    Heading,
    Part,
    Said,
    Table,
)

_STYLE = """
@page { size: A4; margin: 18mm; }
body { font: 11pt/1.45 "Noto Sans", "Noto Sans CJK SC", system-ui, sans-serif; color: #1b1f24;
  max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 20pt; margin: 0 0 .2em; } h2 { font-size: 14pt; margin: 1.8em 0 .2em; }
h3 { font-size: 11.5pt; margin: 1.4em 0 .3em; } h1, h2, h3 { break-after: avoid; }
.answers, .source { color: #57606a; font-size: 9pt; }
.notice { border-left: .25rem solid #57606a; padding: .2rem .8rem; }
.blank { border: 1px dashed #9a6700; background: #fff8e5; padding: .5rem .7rem;
  min-height: 3.2rem; break-inside: avoid; }
.look { border-left: .25rem solid #cf222e; padding-left: .7rem; }
.blank b { color: #7a5200; } .look b { color: #a40e26; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 9pt; }
th, td { border: 1px solid #d0d7de; padding: .25rem .4rem; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; } td:first-child { min-width: 7rem; } tr { break-inside: avoid; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def as_html(document: Document) -> str:
    """The whole draft."""
    title = escape(document.title)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        f"<p>Made on {escape(document.made_on)}: {escape(document.summary)}.</p>",
        f'<p class="notice">{escape(NOTICE)}</p>',
    ]
    for number, section in enumerate(document.sections, 1):
        parts.append(f"<h2>{number}. {escape(section.title)}</h2>")
        parts.append(f'<p class="answers">{escape(section.answers)}</p>')
        for part in section.parts:
            parts += _part(part)
    return "\n".join((*parts, "</body></html>", ""))


def _part(part: Part) -> Iterator[str]:
    match part:
        case Said():
            source = f'<span class="source">[{escape(part.source)}]</span>'
            if part.look:
                yield f'<p class="look"><b>{TO_LOOK_AT}:</b> {escape(part.text)} {source}</p>'
            else:
                yield f"<p>{escape(part.text)} {source}</p>"
        case Blank():
            yield f'<p class="blank"><b>{TO_BE_WRITTEN}:</b> {escape(part.what)}</p>'
        case Heading():
            yield f"<h3>{escape(part.text)}</h3>"
        case Table():
            yield '<div class="wide"><table>'
            yield f"<thead><tr>{_cells('th', part.header)}</tr></thead><tbody>"
            yield from (f"<tr>{_cells('td', row)}</tr>" for row in part.rows)
            yield f'</tbody></table></div><p class="source">[{escape(part.source)}]</p>'


def _cells(tag: str, cells: tuple[str, ...]) -> str:
    return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)
