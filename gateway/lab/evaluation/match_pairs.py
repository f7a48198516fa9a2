"""The file of pairs: which pictures are compared, whom they show, and to which groups they belong.

CSV in UTF-8 with a header, one pair a line:

    file_a, file_b            pictures below the root: the portrait, and the live picture
    same                      1 or same: one person; 0 or different: two
    subject_a, subject_b      optional: ids of the people shown (any text; none of it is printed)
    fold                      optional: pairs that share people share a fold
    NAME                      any other column: the group of the pair, e.g. a device
    NAME_a, NAME_b            such a pair of columns: the groups of both pictures, e.g. a skin tone

An empty field of a group says nothing. Without ids, people are told by the pictures' folders if no
line contradicts that, and else by the pairs alone: then nobody knows whether two people of
different lines are the same, and strangers are those of the list only.

Every fault names file and line. A picture's name, which may be a person's, is not repeated.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from gateway.wire.errors import SealmatchError

MAX_BYTES: Final = 64 * 2**20
MOST_GROUPS: Final = 12
MOST_VALUES: Final = 40
_REQUIRED: Final = ("file_a", "file_b", "same")
_OPTIONAL: Final = ("subject_a", "subject_b", "fold")
_SAME: Final = {"1": True, "same": True, "0": False, "different": False}
_COLUMN: Final = re.compile(r"[A-Za-z][A-Za-z0-9 _-]{0,39}")
_LONGEST: Final = 60
"""Characters of a group's value."""

Indices = npt.NDArray[np.int32]
SubjectsFrom = Literal["columns", "folders", "pairs"]


class PairsUnreadable(SealmatchError):
    """The file of pairs cannot be used; says in which line, and why."""


@dataclass(frozen=True)
class GroupColumn:
    """One grouping. An empty text: not stated, or two people of different groups."""

    name: str
    of_pairs: tuple[str, ...] = field(repr=False)
    of_pictures: tuple[str, ...] | None = field(default=None, repr=False)
    """None: the column says nothing of single pictures."""

    @property
    def values(self) -> list[str]:
        return sorted(set(self.of_pairs) - {""})


@dataclass(frozen=True)
class PairList:
    """The file, checked. Pictures and people are numbers from 0; arrays have one entry a pair."""

    digest: bytes
    pictures: tuple[Path, ...] = field(repr=False)
    template: Indices = field(repr=False)
    probe: Indices = field(repr=False)
    same: npt.NDArray[np.bool_] = field(repr=False)
    subjects: Indices = field(repr=False)
    """Of the pictures."""
    subjects_from: SubjectsFrom
    folds: Indices | None = field(repr=False)
    groups: tuple[GroupColumn, ...] = field(repr=False)

    @property
    def subject_count(self) -> int:
        return int(self.subjects.max()) + 1


@dataclass(frozen=True)
class _Row:
    line: int
    fields: Mapping[str, str] = field(repr=False)
    same: bool

    @property
    def files(self) -> tuple[str, str]:
        return self.fields["file_a"], self.fields["file_b"]


def read_pairs(file: Path, root: Path) -> PairList:
    """Read and check the file; every picture is there, below ``root``.

    Raises:
        PairsUnreadable: names file and line.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise PairsUnreadable(f"cannot read {file.name}: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise PairsUnreadable(f"{file.name} is larger than {MAX_BYTES // 2**20} MiB")
    if not root.is_dir():
        raise PairsUnreadable("--root names no directory")
    return _Reader(file.name, root).read(content)


class _Reader:
    def __init__(self, name: str, root: Path) -> None:
        self._name, self._root = name, root

    def read(self, content: bytes) -> PairList:
        header, rows = self._rows(content)
        numbers = self._numbered(rows)
        template, probe = (
            np.array([numbers[row.files[side]] for row in rows], np.int32) for side in (0, 1)
        )
        subjects, subjects_from = self._subjects(header, rows, numbers)
        return PairList(
            digest=hashlib.sha256(content).digest(),
            pictures=tuple(self._root / name for name in numbers),
            template=template,
            probe=probe,
            same=np.array([row.same for row in rows]),
            subjects=subjects,
            subjects_from=subjects_from,
            folds=self._folds(rows) if "fold" in header else None,
            groups=tuple(self._groups(header, rows, numbers)),
        )

    def _fault(self, line: int, what: str) -> PairsUnreadable:
        return PairsUnreadable(f"{self._name}, line {line}: {what}")

    # --- lines ---------------------------------------------------------------------------------

    def _rows(self, content: bytes) -> tuple[list[str], list[_Row]]:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise self._fault(line, "not UTF-8") from None
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows: list[_Row] = []
        header: list[str] = []
        try:
            for fields in reader:
                if not header:
                    header = self._header([name.strip() for name in fields], reader.line_num)
                elif fields:
                    rows.append(self._row(header, fields, reader.line_num))
        except csv.Error as error:
            raise self._fault(reader.line_num, f"not CSV: {error}") from None
        if not rows:
            raise self._fault(max(1, reader.line_num), "there is no pair")
        return header, rows

    def _header(self, names: list[str], line: int) -> list[str]:
        for name in _REQUIRED:
            if name not in names:
                raise self._fault(line, f"the header has no column {name}")
        if ("subject_a" in names) != ("subject_b" in names):
            raise self._fault(line, "subject_a and subject_b go together")
        for name in names:
            if not _COLUMN.fullmatch(name):
                raise self._fault(
                    line,
                    "a column's name has at most 40 letters, digits, blanks, hyphens and "
                    "underscores, and begins with a letter",
                )
            if names.count(name) > 1:
                raise self._fault(line, f"the column {name} stands there twice")
        return names

    def _row(self, header: Sequence[str], fields: Sequence[str], line: int) -> _Row:
        if len(fields) != len(header):
            raise self._fault(line, f"{len(fields)} fields, and the header has {len(header)}")
        named = dict(zip(header, (one.strip() for one in fields), strict=True))
        same = _SAME.get(named["same"].lower())
        if same is None:
            raise self._fault(line, "same is none of: 1, same, 0, different")
        if named["file_a"] == named["file_b"]:
            raise self._fault(line, "a picture is compared with itself")
        return _Row(line, named, same)

    # --- pictures ------------------------------------------------------------------------------

    def _numbered(self, rows: Sequence[_Row]) -> dict[str, int]:
        """The different pictures in order, each looked for once."""
        numbers: dict[str, int] = {}
        seen: dict[tuple[str, str], int] = {}
        for row in rows:
            if (before := seen.setdefault(row.files, row.line)) != row.line:
                raise self._fault(row.line, f"the same pair stands in line {before}")
            for column in ("file_a", "file_b"):
                name = row.fields[column]
                if name not in numbers:
                    self._require_picture(name, column, row.line)
                    numbers[name] = len(numbers)
        return numbers

    def _require_picture(self, name: str, column: str, line: int) -> None:
        parts = PurePosixPath(name)
        if not name or "\0" in name or parts.is_absolute() or ".." in parts.parts:
            raise self._fault(line, f"{column} is no path below --root")
        try:
            there = (self._root / name).is_file()
        except OSError:
            there = False
        if not there:
            raise self._fault(line, f"{column} names no picture below --root")

    # --- people --------------------------------------------------------------------------------

    def _subjects(
        self, header: Sequence[str], rows: Sequence[_Row], numbers: Mapping[str, int]
    ) -> tuple[Indices, SubjectsFrom]:
        if "subject_a" in header:
            return _indices(self._by_columns(rows, numbers)), "columns"
        folders = [str(PurePosixPath(name).parent) for name in numbers]
        if all((_parent(row, 0) == _parent(row, 1)) == row.same for row in rows):
            return _indices(folders), "folders"
        return _indices(self._by_pairs(rows, numbers)), "pairs"

    def _by_columns(self, rows: Sequence[_Row], numbers: Mapping[str, int]) -> list[str]:
        known: dict[int, tuple[str, int]] = {}
        for row in rows:
            for side in ("a", "b"):
                subject = row.fields[f"subject_{side}"]
                if not subject:
                    raise self._fault(row.line, f"subject_{side} is empty")
                picture = numbers[row.fields[f"file_{side}"]]
                given, line = known.setdefault(picture, (subject, row.line))
                if given != subject:
                    raise self._fault(
                        row.line, f"the picture of file_{side} shows another person in line {line}"
                    )
            if (row.fields["subject_a"] == row.fields["subject_b"]) != row.same:
                raise self._fault(row.line, "the subjects contradict what same says")
        return [known[number][0] for number in range(len(numbers))]

    def _by_pairs(self, rows: Sequence[_Row], numbers: Mapping[str, int]) -> list[int]:
        """Pictures that pairs of one person join are of one person; no more is known."""
        parent = list(range(len(numbers)))

        def root(picture: int) -> int:
            while parent[picture] != picture:
                parent[picture] = parent[parent[picture]]
                picture = parent[picture]
            return picture

        for row in rows:
            if row.same:
                a, b = (root(numbers[name]) for name in row.files)
                parent[max(a, b)] = min(a, b)
        for row in rows:
            a, b = (root(numbers[name]) for name in row.files)
            if not row.same and a == b:
                raise self._fault(row.line, "other lines say that both pictures show one person")
        return [root(number) for number in range(len(numbers))]

    # --- folds and groups ----------------------------------------------------------------------

    def _folds(self, rows: Sequence[_Row]) -> Indices:
        for row in rows:
            if not row.fields["fold"]:
                raise self._fault(row.line, "fold is empty")
        return _indices([row.fields["fold"] for row in rows])

    def _groups(
        self, header: Sequence[str], rows: Sequence[_Row], numbers: Mapping[str, int]
    ) -> Iterator[GroupColumn]:
        others = [name for name in header if name not in (*_REQUIRED, *_OPTIONAL)]
        both = [n[:-2] for n in others if n.endswith("_a") and f"{n[:-2]}_b" in others]
        single = [n for n in others if not (n[-2:] in ("_a", "_b") and n[:-2] in both)]
        if len(both) + len(single) > MOST_GROUPS:
            raise self._fault(1, f"at most {MOST_GROUPS} columns of groups")
        for name in both:
            yield self._of_pictures(name, rows, numbers)
        for name in single:
            self._require_groups(rows, name)
            yield GroupColumn(name, tuple(row.fields[name] for row in rows))

    def _of_pictures(
        self, name: str, rows: Sequence[_Row], numbers: Mapping[str, int]
    ) -> GroupColumn:
        self._require_groups(rows, f"{name}_a", f"{name}_b")
        known: dict[int, tuple[str, int]] = {}
        for row in rows:
            for side in ("a", "b"):
                value = row.fields[f"{name}_{side}"]
                picture = numbers[row.fields[f"file_{side}"]]
                given, line = known.setdefault(picture, (value, row.line))
                if given != value:
                    raise self._fault(
                        row.line, f"{name}_{side} says otherwise of this picture than line {line}"
                    )
        pictures = tuple(known[number][0] for number in range(len(numbers)))
        pairs = tuple(
            a if (a := row.fields[f"{name}_a"]) == row.fields[f"{name}_b"] else "" for row in rows
        )
        return GroupColumn(name, pairs, pictures)

    def _require_groups(self, rows: Sequence[_Row], *columns: str) -> None:
        values: set[str] = set()
        for row in rows:
            for column in columns:
                value = row.fields[column]
                if len(value) > _LONGEST or not value.isprintable():
                    raise self._fault(
                        row.line, f"{column} is longer than {_LONGEST} characters, or not printable"
                    )
                values.add(value)
            if len(values) > MOST_VALUES + 1:
                raise self._fault(
                    row.line,
                    f"{columns[0]} has more than {MOST_VALUES} different values: these are no "
                    "groups",
                )


def _parent(row: _Row, side: int) -> PurePosixPath:
    return PurePosixPath(row.files[side]).parent


def _indices(values: Sequence[str] | Sequence[int]) -> Indices:
    """Numbers from 0 for the different values."""
    order: dict[str | int, int] = {}
    return np.array([order.setdefault(value, len(order)) for value in values], np.int32)
