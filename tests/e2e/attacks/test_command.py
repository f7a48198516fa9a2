"""``sealmatch attack`` as a command, and that no attacker and no defence is left out."""

import dataclasses
import json

import pytest

from gateway.lab.attack import enumerator
from gateway.lab.attack.catalogue import ATTACKERS, DEFENCES, attackers_stopped_by
from gateway.lab.attack.deployment import Site
from gateway.lab.attack.report import AttackReport, Progress
from gateway.lab.attack.weakened import _WEAKENINGS, replace
from gateway.main import main
from tests.support.attacks import BY_THE_COUNTER, SUCCESSES, TRIES


def test_every_attacker_and_every_defence_is_shown_to_matter() -> None:
    assert {(name, defence) for name, defence, _, _ in SUCCESSES} == {
        (name, defence) for name, one in ATTACKERS.items() for defence in one.defences
    }
    assert {defence for _, defence, _, _ in SUCCESSES} == set(DEFENCES)
    assert set(DEFENCES) - set(_WEAKENINGS) == BY_THE_COUNTER
    assert all(attackers_stopped_by(defence) for defence in DEFENCES)
    assert set(TRIES) == set(ATTACKERS)


@pytest.mark.processes
@pytest.mark.slow
def test_the_command_says_what_came_of_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enumerator, "GUESSES", 10_000)
    assert main(["attack", "enumerator", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["asExpected"]
    (attack,) = result["attacks"]
    assert (attack["attacker"], attack["disabled"]) == ("enumerator", None)
    assert (attack["succeeded"], attack["recovered"]) == (False, "nothing")
    assert [one["tries"] for one in attack["attempts"]] == [120_000, 120_000]


@pytest.mark.parametrize(
    ("options", "successes", "status"),
    [([], 0, 0), ([], 1, 1), (["--disable", "openings"], 1, 0), (["--disable", "openings"], 0, 1)],
)
def test_the_status_is_0_when_it_came_out_as_it_must(
    options: list[str],
    successes: int,
    status: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(_: Site, disabled: str | None, __: Progress) -> AttackReport:
        report = AttackReport("enumerator", "has receipts", disabled)
        report.add("guess a number", 1, successes, "E5500000")
        return report

    played = dataclasses.replace(ATTACKERS["enumerator"], run=run)
    monkeypatch.setitem(ATTACKERS, "enumerator", played)
    assert main(["attack", "enumerator", *options]) == status
    printed = capsys.readouterr().out
    assert f"recovered: {'E5500000' if successes else 'nothing'}" in printed


@pytest.mark.parametrize(
    "arguments", [["nobody"], ["disk-thief", "--disable", "pad"], ["--disable", "tls"]]
)
def test_what_cannot_be_shown_is_a_usage_error(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["attack", *arguments])
    assert ended.value.code == 2


def test_the_list_names_every_attacker_and_defence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attack", "--list"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*ATTACKERS, *DEFENCES))


def test_a_weakening_that_no_longer_fits_the_server_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="out of date"):
        replace(Site, "no_such_thing", None)
