"""The mutants as data: small faults in security-relevant code, and the tests that must see each.

``data/*.toml``, one file an area. An entry says

    file     the module, from the tree's root
    before   text that occurs in it exactly once
    after    the fault
    tests    what must fail: a test file, or one test of it after ``::``
    why      what an attacker or user would gain or lose, in a line
    quick    true: a cheap one, which is killed at every run of the tests
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent / "data"


class CatalogueError(Exception):
    """A mutant that cannot be made: its text has changed, or a test that it names is gone."""


@dataclass(frozen=True)
class Mutant:
    """One fault."""

    file: str
    before: str
    after: str
    tests: tuple[str, ...]
    why: str
    quick: bool = False

    def __str__(self) -> str:
        return f"{self.file}: {self.why}"

    def source(self, root: Path) -> str:
        """The module with the fault.

        Raises:
            CatalogueError: the text does not occur exactly once, or the result is no Python.
        """
        try:
            original = (root / self.file).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise CatalogueError(f"{self}: no such file") from None
        found = original.count(self.before)
        if found != 1 or self.before == self.after:
            raise CatalogueError(f"{self}: its text occurs {found} times, not once")
        source = original.replace(self.before, self.after)
        try:
            ast.parse(source)
        except SyntaxError:
            raise CatalogueError(f"{self}: does not parse") from None
        return source

    def check(self, root: Path) -> None:
        """Raise ``CatalogueError`` unless the mutant can be made and its tests exist."""
        self.source(root)
        if not self.tests:
            raise CatalogueError(f"{self}: names no test")
        for named in self.tests:
            path, _, test = named.partition("::")
            found = _tests_of(root / path)
            if not found or test not in ("", *found):
                raise CatalogueError(f"{self}: there is no {named}")


def mutants(data: Path = DATA) -> list[Mutant]:
    """All mutants, in the order of their files' names.

    Raises:
        CatalogueError: a file is not as the docstring says, or an entry stands there twice.
    """
    found: list[Mutant] = []
    for path in sorted(data.glob("*.toml")):
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]:
            try:
                found.append(Mutant(**{**entry, "tests": tuple(entry["tests"])}))
            except (KeyError, TypeError) as error:
                raise CatalogueError(f"{path.name}: {error}") from None
    seen = [(one.file, one.before, one.after) for one in found]
    if len(set(seen)) != len(seen):
        raise CatalogueError("a mutant stands there twice")
    return found


def check(chosen: Sequence[Mutant], root: Path) -> list[str]:
    """What is wrong with these mutants in this tree; empty if nothing is."""
    wrong = []
    for one in chosen:
        try:
            one.check(root)
        except CatalogueError as error:
            wrong.append(str(error))
    return wrong


@cache
def _tests_of(path: Path) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(one.name for one in tree.body if isinstance(one, ast.FunctionDef))
