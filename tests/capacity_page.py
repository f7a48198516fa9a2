"""Writes the tables of CAPACITY.md anew, from ``gateway/lab/bench/capacity/load.json``.

``python -m tests.capacity_page``, after that file was replaced by another run of ``sealmatch bench
load --database URL --json``. The text around the tables is a person's.
"""

import contextlib
import io
from pathlib import Path

from gateway import main as sealmatch

PAGE = Path(__file__).parents[1] / "gateway" / "docs" / "CAPACITY.md"
BEGIN, END = "<!-- sealmatch bench capacity --markdown -->\n", "<!-- end -->\n"


def with_tables(text: str) -> str:
    """The page with the command's tables between its two marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, "the page lost its marks"
    assert end, "the page lost its marks"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert sealmatch.main(["bench", "capacity", "--markdown"]) == 0
    return f"{before}{begin}{printed.getvalue()}{end}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
