"""Databases among the files of a deployment: by what a file begins with, or by its name."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.inspection.catalogs import ask
from gateway.inspection.data_map import parse, published
from gateway.inspection.found_schema import reading
from gateway.inspection.lines import shown_name
from gateway.wire.errors import SealmatchError, Unavailable

SQLITE_MAGIC: Final = b"SQLite format 3\0"
_ARCHIVES: Final = (b"sealmatch-gateway-backup", b"sealmatch-authority-backup")
"""Our own backups name their form at their beginning."""
_IN_TEXT: Final = (
    b"--\n-- PostgreSQL database dump",
    b"--\n-- PostgreSQL database cluster dump",
    b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;",
)
"""What pg_dump, pg_dumpall and SQLite's shell write."""
_ENOUGH: Final = 512
DATABASE_ENDINGS: Final = (
    *(".db", ".db3", ".sqlite", ".sqlite3", ".mdb", ".ldb", ".rdb", ".duckdb"),
    *(".parquet", ".lmdb", ".kch", ".dbf"),
)


def database_files(places: tuple[Path, ...], limit: int = 200_000) -> Iterator[tuple[Path, str]]:
    """Files that are databases by their content or name, with which of both. Links are not followed
    out of a place.

    Raises:
        Unavailable: a place cannot be read.
    """
    seen = 0
    for place in places:
        for path in _files(place):
            seen += 1
            if seen > limit:
                raise Unavailable(f"more than {limit:,} files: name narrower places with --paths")
            if (kind := _kind(path)) is not None:
                yield path, kind


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    elif place.is_dir():
        yield from sorted(p for p in place.rglob("*") if p.is_file() and not p.is_symlink())
    else:
        raise Unavailable(f"{shown_name(place.name)}: there is no such file or directory")


def _kind(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            start = file.read(_ENOUGH)
    except OSError:
        return "unreadable" if path.suffix.lower() in DATABASE_ENDINGS else None
    if start.startswith(SQLITE_MAGIC):
        return "sqlite"
    if any(form in start for form in _ARCHIVES):
        return "archive"
    if start.startswith((b"PGDMP", *_IN_TEXT)):
        return "dump"
    return "name" if path.suffix.lower() in DATABASE_ENDINGS else None


_INTERNAL: Final = re.compile("sqlite_.*")


def is_copy(file: Path) -> bool:
    """Whether a SQLite file has the tables of a gateway's or an authority's database: a backup."""
    try:
        with reading(file) as database:
            names = {
                r[0] for r in ask(database, "SELECT name FROM sqlite_master WHERE type = 'table'")
            }
    except SealmatchError:
        return False
    names = {name for name in names if not _INTERNAL.fullmatch(name)}
    return any(names and names <= set(tables) for tables in parse(published()).values())


def is_backup(path: Path, kind: str) -> bool:
    """Whether a file is a copy of one of our databases, or a dump that may be one."""
    return kind in ("dump", "archive") or (kind == "sqlite" and is_copy(path))
