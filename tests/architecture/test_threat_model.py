"""The threat model names tests that exist, and every attack and defence that there is."""

import ast
import re
from pathlib import Path

import pytest

from gateway.attack.catalogue import ATTACKERS, DEFENCES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "gateway" / "docs" / "THREAT_MODEL.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", TEXT)))


def test_there_is_something_to_check() -> None:
    assert len(NAMED) >= 10


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_named_test_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / "tests" / file).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", [*ATTACKERS, *DEFENCES])
def test_every_attacker_and_defence_is_in_the_threat_model(name: str) -> None:
    assert f"`{name}`" in TEXT


def test_the_table_of_defences_names_the_pairs_that_there_are() -> None:
    pairs = set(re.findall(r"^\| `([\w-]+)` \| `([\w-]+)` \|", TEXT, re.MULTILINE))
    assert pairs == {(defence, one.name) for one in ATTACKERS.values() for defence in one.defences}
