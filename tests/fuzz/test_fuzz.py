"""The short run: every parser, the command of the nightly run, fewer inputs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.registry import all_targets
from tests.support.fuzzing import DOCUMENTED
from tests.vectors import golden

INPUTS = 13_000
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the command reports of each target; in a process of its own, which may die."""
    file = tmp_path_factory.mktemp("fuzz") / "reports.json"
    command = [sys.executable, "-m", "tests.fuzz", "--inputs", str(INPUTS), "--hypothesis", "1"]
    done = subprocess.run(
        [*command, "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert file.exists(), done.stderr
    return {report["target"]: report for report in json.loads(file.read_text())}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(all_targets()))
def test_hostile_inputs_raise_what_is_documented_and_nothing_else(
    reports: dict[str, Any], name: str
) -> None:
    report = reports[name]
    assert [f"{f['detail']}: {f['replay'][:2000]}" for f in report["findings"]] == []
    assert report["inputs"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(all_targets()))
def test_the_inputs_reach_behind_the_first_check(reports: dict[str, Any], name: str) -> None:
    """Some inputs are accepted and some refused: neither noise alone nor valid messages alone."""
    report = reports[name]
    assert 0 < report["accepted"] < report["inputs"]


def test_every_row_of_the_table_has_a_target() -> None:
    targets = all_targets()
    messages = {name for name in targets if name.startswith("message-")}
    assert len(messages) == len(golden.MESSAGES)
    assert set(targets) - messages == set(DOCUMENTED) - {"message"}


@pytest.mark.parametrize("name", sorted(all_targets()))
def test_one_seed_gives_the_same_inputs(name: str) -> None:
    target = all_targets()[name]
    seeds = target.seeds()
    some = range(5)
    assert [target.input(1, n, seeds) for n in some] == [target.input(1, n, seeds) for n in some]
    assert [target.input(1, n, seeds) for n in some] != [target.input(2, n, seeds) for n in some]
