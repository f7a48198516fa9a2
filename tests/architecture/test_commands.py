"""A command loads what it needs: not another command, nor what an installation does not have."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from gateway.main import COMMANDS, main
from tests.support.processes import PATIENCE

ROOT = Path(__file__).parents[2]

LOADED = """
import json, sys
from gateway.main import main
try:
    main(sys.argv[1:])
finally:
    print(json.dumps([name for name in sys.modules if name.startswith(("gateway", "keys"))]))
"""
WITHOUT = """
import sys

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name == "gateway.lab" or name.startswith("gateway.lab."):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, Wall())
from gateway.main import main
sys.exit(main(sys.argv[1:]))
"""
OF_ALL = {"gateway", "gateway.main", "gateway.cli", "gateway.wire", "gateway.wire.errors",
          "gateway.vision", "gateway.vision.errors",
          "gateway.host", "gateway.host.ending", "gateway.host.terminal"}  # fmt: skip
"""Docstrings, exit statuses, two trees of exceptions, what a terminal can show, and how to end."""


def python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def loaded(*arguments: str) -> set[str]:
    done = python(LOADED, *arguments)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_loads_no_command() -> None:
    assert loaded("--help") == OF_ALL


@pytest.mark.parametrize("verb", [["verify"], ["export"], ["page"], ["fetch"], ["erased"]])
def test_a_receipt_is_checked_without_the_counter(verb: list[str]) -> None:
    names = loaded("receipt", *verb, "--help")
    own = {name for name in names if name.startswith("gateway.cli.")}
    assert own == {
        f"gateway.cli.{name}"
        for name in (
            "receipt",
            "receipt_erased",
            "receipt_fetch",
            "receipt_report",
            "receipt_verify",
            "fallback_report",
            "guardian",
            "outputs",
            "subject",
        )
    }
    others = ("client", "issuer", "he", "store", "server", "lab", "inspection", "host")
    assert not {
        name
        for name in names - OF_ALL
        if name.startswith(tuple(f"gateway.{one}" for one in others))
    }
    assert {name for name in names if name.startswith("gateway.vision")} <= OF_ALL


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_is_there(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(import_module(COMMANDS[name].module).configure)
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: sealmatch {name} ")


@pytest.mark.parametrize("name", [n for n, one in COMMANDS.items() if ".lab." in one.module])
def test_without_the_laboratory_its_commands_say_so(name: str) -> None:
    done = python(WITHOUT, name)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "sealmatch: this command belongs to the laboratory (gateway.lab), which is not installed "
        "here\n"
    )


def test_without_the_laboratory_the_others_work() -> None:
    assert python(WITHOUT, "--help").returncode == 0
    assert python(WITHOUT, "receipt", "verify", "--help").returncode == 0
