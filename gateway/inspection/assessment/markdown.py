"""A draft as Markdown."""

import re
from collections.abc import Iterable, Iterator

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

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")


def as_markdown(document: Document) -> str:
    """The whole draft. Texts from outside cannot make Markdown or HTML of their own."""
    lines = [
        f"# {document.title}",
        "",
        f"Made on {document.made_on}: {document.summary}.",
        "",
        NOTICE,
    ]
    for number, section in enumerate(document.sections, 1):
        lines += ["", f"## {number}. {section.title}", "", f"*{section.answers}*", ""]
        for part in section.parts:
            lines += [*_part(part), ""]
    return "\n".join(lines).rstrip() + "\n"


def _part(part: Part) -> Iterator[str]:
    match part:
        case Said():
            mark = f"**{TO_LOOK_AT}:** " if part.look else ""
            yield f"{mark}{_safe(part.text)} *[{_safe(part.source)}]*"
        case Blank():
            yield f"**{TO_BE_WRITTEN}:** {_safe(part.what)}"
        case Heading():
            yield f"### {_safe(part.text)}"
        case Table():
            yield _row(_safe(cell) for cell in part.header)
            yield _row("---" for _ in part.header)
            for row in part.rows:
                yield _row(_safe(cell) for cell in row)
            yield ""
            yield f"*[{_safe(part.source)}]*"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _safe(text: str) -> str:
    """One line, with nothing that Markdown takes for its own."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
