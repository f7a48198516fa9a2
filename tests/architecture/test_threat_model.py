"""The threat model names tests that exist, and every attack and defence that there is."""

import ast
import re
from pathlib import Path

import pytest

from gateway.lab.attack.catalogue import ATTACKERS, DEFENCES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "gateway" / "docs" / "THREAT_MODEL.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", TEXT)))


def test_there_is_something_to_check() -> None:
    assert len(NAMED) >= 10


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_named_test_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / "tests" / file).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_attacker_is_let_loose_with_its_defences_and_without() -> None:
    """What the model calls *attack* and *control*, for the attackers that a file names."""
    let_loose: list[str] = []
    for file in (ROOT / "tests" / "e2e" / "attacks").glob("test_*.py"):
        tree = ast.parse(file.read_text())
        named = [
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NAMES"
        ]
        if named:
            let_loose += named[0]
            functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert set(re.findall(r"is `(test_\w+)`", TEXT)) <= functions
    assert sorted(let_loose) == sorted(ATTACKERS)
    assert len(re.findall(r"is `(test_\w+)`", TEXT)) == 2


@pytest.mark.parametrize("name", [*ATTACKERS, *DEFENCES])
def test_every_attacker_and_defence_is_in_the_threat_model(name: str) -> None:
    assert f"`{name}`" in TEXT


def test_the_table_of_defences_names_the_pairs_that_there_are() -> None:
    pairs = set(re.findall(r"^\| `([\w-]+)` \| `([\w-]+)` \|", TEXT, re.MULTILINE))
    assert pairs == {(defence, one.name) for one in ATTACKERS.values() for defence in one.defences}
