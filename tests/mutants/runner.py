"""Runs tests against one fault at a time, in a copy of the tree; the tree itself is never touched.

A fault is *killed* when a test fails. It *survives* when all tests pass. If pytest ends in another
way, say because the module cannot be imported any more, the run says nothing: the mutant is an
error. So is a mutant whose tests already fail without it.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.mutants.catalogue import CatalogueError, Mutant

Verdict = Literal["killed", "SURVIVED", "error"]

_LEFT_OUT: Final = (".*", "__pycache__", "dist", "build", "*.egg-info", "node_modules")
"""Of the copy: nothing that other programs write meanwhile, and no compiled modules."""
_PASSED, _FAILED = 0, 1
"""Exit statuses of pytest; all others mean that it did not get that far."""


@dataclass(frozen=True)
class Run:
    """What became of one mutant."""

    mutant: Mutant
    verdict: Verdict
    told: str
    """The first test that failed, or what went wrong."""


class Copy:
    """A copy of the tree, for one thread."""

    def __init__(self, root: Path, directory: Path, seconds: float) -> None:
        """Copy ``root`` into ``directory``; ``seconds`` is how long the tests of a mutant may take.

        Raises:
            CatalogueError: Python would import the product from elsewhere.
        """
        self.root = directory
        self._seconds = seconds
        self._times = itertools.count(1)
        shutil.copytree(root, directory, symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        self._environment = os.environ | {"PYTHONPATH": str(directory)}
        self._check_imports()

    def control(self, tests: Sequence[str]) -> Run | None:
        """Run tests without a fault. Returns None if they pass."""
        status, told = self._pytest(tests)
        nothing = Mutant("(none)", "", "", tuple(tests), "the tests without any fault")
        return None if status == _PASSED else Run(nothing, "error", told)

    def run(self, mutant: Mutant) -> Run:
        """Put the fault in, run its tests, take it out again."""
        path = self.root / mutant.file
        original = path.read_text(encoding="utf-8")
        try:
            self._write(path, mutant.source(self.root))
            status, told = self._pytest(mutant.tests)
        except CatalogueError as error:
            return Run(mutant, "error", str(error))
        finally:
            self._write(path, original)
        verdicts: dict[int, Verdict] = {_PASSED: "SURVIVED", _FAILED: "killed"}
        return Run(mutant, verdicts.get(status, "error"), told)

    def _write(self, path: Path, text: str) -> None:
        """Write with a time of its own: Python knows compiled modules by time and length."""
        path.write_text(text, encoding="utf-8")
        written = int(path.stat().st_mtime) + next(self._times)
        os.utime(path, (written, written))

    def _pytest(self, tests: Sequence[str]) -> tuple[int, str]:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=line"]
        process = subprocess.Popen(
            [*command, "-p", "no:cacheprovider", "-p", "no:randomly", *tests],
            cwd=self.root,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=self._seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return _FAILED, f"did not end within {self._seconds:.0f} s"
        lines = said.strip().splitlines() or [""]
        named = (line for line in lines if line.startswith(("FAILED", "ERROR")))
        return process.returncode, next(named, lines[-1])

    def _check_imports(self) -> None:
        where = "import gateway, keys; print(gateway.__file__, keys.__file__)"
        found = subprocess.run(
            [sys.executable, "-c", where],
            cwd=self.root,
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        if not all(Path(one).is_relative_to(self.root.resolve()) for one in found):
            raise CatalogueError("the product is imported from elsewhere than the copy")
