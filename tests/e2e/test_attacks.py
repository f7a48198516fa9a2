"""``sealmatch attack``: with all defences on nothing is recovered; without its defence, something.

The second half is the positive control of the first: it shows that each attack is a real one, that
each figure of the threat model is measured by something that can fail.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.attack.catalogue import ATTACKERS, DEFENCES, attackers_stopped_by
from gateway.attack.counter import Counter
from gateway.attack.deployment import Site, prepare
from gateway.attack.disk_thief import _registered
from gateway.attack.report import Report
from gateway.attack.spying_authority import authority_secrets
from gateway.attack.thief_search import look_everywhere
from gateway.attack.weakened import _WEAKENINGS, replace
from gateway.cli.main import main
from gateway.he.frame import template_values

TRIES = {
    "curious-authority": {"public value": 6, "pads as they come": 6},
    "malicious-gateway": {
        "bits a day": 32,
        "more than once": 20,
        "second product": 3,
        "at the same time": 9,
        "part of another session": 4,
        "dictate a match": 3,
    },
    "authority-and-device": {"phase 0": 6, "phase x^-k / t": 6, "device carries": 6},
    "gateway-and-device": {"seed after the probe": 3},
    "lying-device": {"one large value": 12, "square is one": 12, "portrait": 1},
    "issuer-impostor": {"at the gateway": 3, "at the authority": 3},
    "disk-thief": {"handles": 100_000},
    "malicious-authority": {"turn one": 24, "in both lanes": 24, "in one lane": 24},
    "replayer": {"submission again": 3, "gateway's requests": 12},
    "enumerator": {"subject commitments": 1_200_000},
}
"""How often at least some attempts are made: an attack that tries nothing recovers nothing."""

SUCCESSES = [
    ("curious-authority", "halves", "the public value", r"score ([\d,]+) of \1, in 6 of 6"),
    ("authority-and-device", "pad", "phase x^-k / t", r"27 bits .* 6 of 6"),
    ("authority-and-device", "rerandomisation", "phase 0", r"8,192 values .* 6 of 6"),
    ("authority-and-device", "uniform-a", "phase 0", r"8,192 values .* 6 of 6"),
    ("authority-and-device", "sealing", "device carries", r"8,192 values .* 6 of 6"),
    ("malicious-gateway", "caps", "more than 5 bits", r"32 of 32 template bits"),
    ("malicious-gateway", "audit", "dictate a match", r"3 signed matches"),
    ("malicious-gateway", "one-answer", "more than once in one", r"score ([\d,]+) of \1"),
    ("malicious-gateway", "halves", "the authority's value", r"score ([\d,]+) of \1, in 3 of 3"),
    ("gateway-and-device", "nonce", "seed after the probe", r"3 of 3"),
    ("lying-device", "rho", "one large value", r"\d+ of 12 matches"),
    ("lying-device", "beta", "square is one", r"\d+ of 12 matches"),
    ("lying-device", "omega", "noise that wraps", r"1 of \d+ matches"),
    ("lying-device", "replay-bound", "own portrait", r"1 of 1 matches"),
    ("issuer-impostor", "trust", "key of its own", r"3 receipts"),
    ("disk-thief", "pepper", "in handles", r"3 of 3 document numbers"),
    ("malicious-authority", "known-answers", "turn one", r"8 of 24 wrong outcomes"),
    ("replayer", "nonces", "submission again", r"outcome and receipt"),
    ("enumerator", "openings", "subject commitments", r"3 of 3 \(E55\d{5}, E55\d{5}, E55"),
]
"""Attacker, disabled defence, the attempt that then succeeds, and what it recovers."""


@pytest.fixture(scope="module")
def everything() -> dict[str, Any]:
    """One run of the command with all attacks and all defences on."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = main(["attack", "--json"])
    result = json.loads(printed.getvalue())
    assert status == (0 if result["asExpected"] else 1)
    return {attack["attacker"]: attack for attack in result["attacks"]}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("attacks") / "prepared")


@pytest.fixture
def site(tmp_path: Path, prepared: Path) -> Iterator[Site]:
    with Site(tmp_path, prepared) as made:
        yield made


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKERS)
def test_with_all_defences_on_nothing_is_recovered(name: str, everything: dict[str, Any]) -> None:
    attack = everything[name]
    assert [(a["what"], a["recovered"]) for a in attack["attempts"] if a["successes"]] == []
    assert attack["recovered"] == "nothing"
    for part, tries in TRIES[name].items():
        (found,) = [a for a in attack["attempts"] if part in a["what"]][:1]
        assert found["tries"] == tries


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.parametrize(("name", "defence", "what", "recovered"), SUCCESSES)
def test_without_its_defence_an_attack_succeeds(
    name: str, defence: str, what: str, recovered: str, site: Site
) -> None:
    report = ATTACKERS[name].run(site, defence, lambda _: None)
    (attempt,) = [a for a in report.attempts if what in a.what]
    assert attempt.interval.low > 0
    assert re.search(recovered, attempt.recovered), attempt.recovered
    assert report.succeeded


def test_every_attacker_and_every_defence_is_shown_to_matter() -> None:
    assert {(name, defence) for name, defence, _, _ in SUCCESSES} == {
        (name, defence) for name, one in ATTACKERS.items() for defence in one.defences
    }
    assert {defence for _, defence, _, _ in SUCCESSES} == set(DEFENCES)
    # It gives them away, does not ask, or has an issuer that deals otherwise.
    by_the_counter = {"openings", "known-answers", "halves"}
    assert set(DEFENCES) - set(_WEAKENINGS) == by_the_counter
    assert all(attackers_stopped_by(defence) for defence in DEFENCES)


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


def test_a_thief_who_finds_something_says_so(prepared: Path, tmp_path: Path) -> None:
    """Positive control: what leaky servers would leave, one form of each kind.

    That the search finds every form in every place: ``unit/test_leaksearch.py`` and
    ``e2e/test_leak_search.py``.
    """
    report = Report("disk-thief", "", None)
    with Site(tmp_path, prepared) as site:
        ground = site.ground(inspectable="true")
        with Counter(ground) as counter:
            person = _registered(counter, "XKW7112345")
        leaked = [
            person.number,
            json.dumps(template_values(person.portrait).tolist()),
            person.sealed_template.hex(),
            person.dealings[1].encoded.hex(),
            authority_secrets(ground.authority_environment)["pepper"].hex(),
        ]
        (ground.directories.gateway / "leak").write_text("\n".join(leaked))
        look_everywhere(ground, [person], time.time(), report, lambda _: None)
    found = {a.what for a in report.attempts if a.successes}
    kinds = ("document number", "face", "ciphertext", "dealing", "key")
    assert found == {f"find a {kind} in a file" for kind in kinds}


def test_a_weakening_that_no_longer_fits_the_server_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="out of date"):
        replace(Site, "no_such_thing", None)
