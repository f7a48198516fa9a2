"""Looks at every cell of a database: its form, its texts, and what lies in it.

Most cells are small, and detectors are made for blocks. So the cells of a column are put side by
side, with bytes between them that belong to nothing. A long cell is looked at by itself, and so is
one that has the size of an object of the product.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.inspection.contents import entropy, magic, vectors
from gateway.inspection.contents.blocks import Block
from gateway.inspection.contents.cells import Cell
from gateway.inspection.contents.scanner import ALWAYS, BETWEEN, Scan, Scanner
from gateway.inspection.contents.shapes import SHAPES, may_be_signs
from gateway.inspection.leaks.findings import Finding
from gateway.wire.errors import SealmatchError

OTHER_FORM: Final = "a value that is not of its column's form"
SIGNS: Final = "bytes that may be the signs of a vector"

_TOGETHER: Final = 1 << 20
"""Bytes of cells that are looked at together."""
_LONG: Final = 12 * 1024
"""Bytes of a cell that is looked at by itself. A legal one has 8 KiB."""
_REPORT: Final = 10_000
_PIECES: Final = frozenset({16, 32})
"""Lengths of ids and digests. Whoever cuts up a vector to put it in their place leaves it in the
order of the rows, so such cells are looked at end to end as well."""
_CUT_UP: Final = (vectors.floats, vectors.integers, vectors.whole_floats)


@dataclass
class _Column:
    """Cells of one column that wait."""

    values: list[bytes] = field(default_factory=list)
    size: int = 0


@dataclass
class CellSearch:
    """Looks at cells as they come; ``finish`` looks at the last ones."""

    place: str
    """Names the database in findings."""
    shaped: bool = True
    """Whether the columns of the gateway's tables have their form."""
    scan: Scan = field(default_factory=Scan)
    count: int = 0
    tables: set[str] = field(default_factory=set)
    _waiting: dict[str, _Column] = field(default_factory=dict)
    _side_by_side: Scanner = field(default_factory=lambda: Scanner(ALWAYS))
    _alone: Scanner = field(default_factory=Scanner)
    _joined: Scanner = field(default_factory=lambda: Scanner(_CUT_UP, depth=0))

    def run(self, cells: Iterable[Cell], tell: Callable[[int], None] = lambda _: None) -> Scan:
        """Look at all of them.

        Args:
            tell: called with the number of cells so far.
        """
        for cell in cells:
            self._cell(cell)
            if self.count % _REPORT == 0:
                tell(self.count)
        for place in list(self._waiting):
            self._flush(place)
        return self.scan

    def _cell(self, cell: Cell) -> None:
        self.count += 1
        self.tables.add(cell.table)
        place = f"{self.place}, {cell.place}"
        shape = SHAPES.get((cell.table, cell.column)) if self.shaped else None
        if shape is not None:
            self._shaped(cell, place, shape)
        elif may_be_signs(cell.value):
            self._found(SIGNS, place, len(cell.value))
        if cell.rest is not None or len(cell.value) >= _LONG:
            self._long(cell, place)
            return
        if len(cell.value) >= 48 and any(magic.beginnings(Block(cell.value))):
            self._found(magic.MODEL, place, len(cell.value))
        if len(cell.value) > 3:
            self._wait(place, cell.value)

    def _shaped(self, cell: Cell, place: str, shape: Callable[[bytes], list[bytes]]) -> None:
        try:
            texts = shape(cell.value)
        except SealmatchError:
            self._found(OTHER_FORM, place, len(cell.value))
            return
        for text in texts:
            if len(text) > 3 and text != cell.value:
                self._wait(place, text)

    def _long(self, cell: Cell, place: str) -> None:
        if cell.rest is None and (name := entropy.polynomials(cell.value)) is not None:
            self._found(entropy.CIPHERTEXT, place, len(cell.value), name)
        self.scan.add(self._alone.stream(cell.parts(), place))

    def _found(self, kind: str, place: str, size: int, encoding: str = "as it is") -> None:
        self.scan.findings.append(Finding(kind, encoding, place, 0, size))

    def _wait(self, place: str, value: bytes) -> None:
        column = self._waiting.setdefault(place, _Column())
        column.values.append(value)
        column.size += len(value) + len(BETWEEN)
        if column.size > _TOGETHER:
            self._flush(place)

    def _flush(self, place: str) -> None:
        column = self._waiting.pop(place)
        joined = BETWEEN.join(column.values)
        scan = self._side_by_side.data(joined, place)
        scan.size = sum(map(len, column.values))
        self.scan.add(scan)
        if {len(one) for one in column.values} <= _PIECES:
            self.scan.add(replace(self._joined.data(b"".join(column.values), place), size=0))


def summed(findings: Iterable[Finding]) -> list[str]:
    """Sentences: how often each kind was found in each place, never a value."""
    counted = Counter((one.kind, one.encoding, one.place) for one in findings)
    return [
        f"{kind} ({encoding}): {place}{f', {count:,} times' if count > 1 else ''}"
        for (kind, encoding, place), count in sorted(counted.items())
    ]
