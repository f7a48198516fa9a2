"""The catalogue of mutants stays usable: every fault can still be made, and cheap ones are killed.

All of them run by hand: ``python -m tests.mutants``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutants.__main__ import ROOT, main, status, table
from tests.mutants.catalogue import CatalogueError, Mutant, check, mutants
from tests.mutants.runner import Copy, Run

TOY = Mutant("toy.py", "a > b", "a >= b", ("test_toy.py::test_it",), "an edge")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "toy.py").write_text("def more(a, b):\n    return a > b\n")
    (tmp_path / "test_toy.py").write_text("def test_it():\n    pass\n")
    return tmp_path


def test_every_mutant_can_be_made_and_its_tests_exist() -> None:
    found = mutants()
    assert check(found, ROOT) == []
    assert len(found) >= 150


@pytest.mark.parametrize(
    "change",
    [
        {"before": "a < b"},
        {"before": "a"},
        {"after": "a > b"},
        {"after": "a >"},
        {"file": "gone.py"},
        {"tests": ()},
        {"tests": ("test_toy.py::test_another",)},
        {"tests": ("test_gone.py",)},
    ],
    ids=lambda change: str(*change.items()),
)
def test_a_mutant_that_cannot_be_made_is_an_error(tree: Path, change: dict[str, object]) -> None:
    assert check([TOY], tree) == []
    assert TOY.source(tree) == "def more(a, b):\n    return a >= b\n"
    assert len(check([replace(TOY, **change)], tree)) == 1  # type: ignore[arg-type]


def test_data_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text('[[mutant]]\nfile = "a"\nbefore = "b"\ntests = []\n')
    with pytest.raises(CatalogueError):
        mutants(tmp_path)


def test_survivors_and_errors_are_told() -> None:
    killed, survived = Run(TOY, "killed", ""), Run(TOY, "SURVIVED", "1 passed")
    error = Run(TOY, "error", "cannot be imported")
    assert status([killed]) == 0
    assert status([killed, survived]) == 1
    assert status([killed, survived, error]) == 2
    told = table([killed, survived, error], 3)
    assert told.count("an edge") == 2
    assert "3 mutants: 1 killed, 1 survived, 1 error; 3 s" in told


def test_a_pattern_that_fits_nothing_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "no such mutant", "--list"]) == 2
    assert main(["--only", "keys/caps", "--list"]) == 0
    assert "keys/caps.py: " in capsys.readouterr().out


def test_cheap_mutants_are_killed_in_a_copy(tmp_path: Path) -> None:
    """And without its fault the copy passes; with a fault that is none it survives."""
    cheap = [one for one in mutants() if one.quick]
    assert len(cheap) >= 3
    before = {one.file: (ROOT / one.file).read_bytes() for one in cheap}
    copy = Copy(ROOT, tmp_path / "copy", 600)
    assert copy.control([test for one in cheap for test in one.tests]) is None
    assert [copy.run(one).verdict for one in cheap] == ["killed"] * len(cheap)
    harmless = replace(cheap[0], after=f"({cheap[0].before})")
    assert copy.run(harmless).verdict == "SURVIVED"
    assert {name: (ROOT / name).read_bytes() for name in before} == before
