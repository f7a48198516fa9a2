"""What both servers' operator commands have in common."""

from pathlib import Path

from gateway.wire.errors import CallerMisuse

_MAX_TABLE_BYTES = 16 * 2**20


def read_table(file: Path) -> list[tuple[int, list[str]]]:
    """Lines of a text file with their numbers, each as its words; empty ones are left out.

    Raises:
        CallerMisuse: too long, or not text.
        OSError: unreadable.
    """
    with file.open("rb") as opened:
        content = opened.read(_MAX_TABLE_BYTES + 1)
    if len(content) > _MAX_TABLE_BYTES:
        raise CallerMisuse(f"{file.name} is too long")
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        raise CallerMisuse(f"{file.name} is not a text") from None
    return [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
