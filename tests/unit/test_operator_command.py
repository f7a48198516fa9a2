"""An operator's command as a part of another program, as a local deployment runs it."""

import argparse
import os
import subprocess
import sys

import pytest
from pydantic import Field

from gateway.host import memory
from gateway.host.cli import CommandFailed, OperatorCommand
from gateway.host.server_settings import HostSettings
from gateway.wire.errors import CallerMisuse


class KioskSettings(HostSettings):
    prefix = "sealmatch_kiosk"
    port: int = 0
    colour: str = Field(description="Its colour.")


def say(options: argparse.Namespace, settings: KioskSettings) -> int:
    print(f"{options.word} {settings.colour}")
    return int(options.status)


def refuse(_: argparse.Namespace, __: KioskSettings) -> int:
    print("half of")
    raise CallerMisuse("no such thing")


@pytest.fixture
def command() -> OperatorCommand[KioskSettings]:
    made = OperatorCommand("kiosk", "A kiosk.", KioskSettings, ())
    saying = made.add("say", say, "say a word")
    saying.add_argument("word")
    saying.add_argument("--status", default=0, type=int)
    made.add("refuse", refuse, "say no")
    return made


BLUE = {"SEALMATCH_KIOSK_COLOUR": "blue"}


def test_what_it_prints_is_returned_and_not_printed(
    command: OperatorCommand[KioskSettings], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.output(["say", "hello"], BLUE) == "hello blue\n"
    assert capsys.readouterr().out == ""


def test_its_settings_are_those_that_are_given(
    command: OperatorCommand[KioskSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEALMATCH_KIOSK_COLOUR", "red")
    assert command.output(["say", "hello"], BLUE) == "hello blue\n"
    with pytest.raises(CommandFailed, match=r"^kiosk: check the settings: colour$"):
        command.output(["say", "hello"], {})
    assert command.main(["say", "hello"]) == 0, "on its own, those of its process"
    assert os.environ["SEALMATCH_KIOSK_COLOUR"] == "red"


@pytest.mark.parametrize(
    ("words", "text"), [(["refuse"], "kiosk: no such thing"), (["say", "x", "--status", "1"], "1")]
)
def test_a_failure_is_raised_with_the_command_s_words(
    command: OperatorCommand[KioskSettings],
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    text: str,
) -> None:
    with pytest.raises(CommandFailed, match=text):
        command.output(words, BLUE)
    assert capsys.readouterr() == ("", "")


def test_the_other_program_s_memory_stays_as_it_is(
    command: OperatorCommand[KioskSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    protected: list[object] = []
    monkeypatch.setattr(memory, "protect", lambda *_, **__: protected.append(1))
    command.output(["say", "hello"], BLUE)
    assert protected == []
    monkeypatch.setenv("SEALMATCH_KIOSK_COLOUR", "red")
    command.main(["say", "hello"])
    assert protected == [1], "on its own, it protects its process"


@pytest.mark.parametrize(
    ("command", "unneeded"),
    [
        ("keys.cli", ("numpy", "seal", "tenseal", "fastapi", "uvicorn", "multiprocessing")),
        ("gateway.auditor.cli", ("numpy", "seal", "tenseal", "fastapi", "uvicorn")),
        ("gateway.server.cli", ("numpy", "seal", "tenseal", "fastapi", "uvicorn")),
    ],
)
def test_an_operator_command_starts_without_what_serves(
    command: str, unneeded: tuple[str, ...]
) -> None:
    code = f"import sys, {command}; print(sorted(set({unneeded}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
