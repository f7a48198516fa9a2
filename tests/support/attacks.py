"""``sealmatch attack`` as tests run it: what must come of each attacker, in few tries.

Most attacks either always succeed or never do. A device that lies is different: whatever it sends,
a session accepts it once in 2^14 (SOUNDNESS). So it tries three times, on people with whom it
succeeds each time without the defence, and not all three may be accepted: once in 2^42.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from types import ModuleType
from typing import Any

import pytest

from gateway.lab.attack import (
    authority_and_device,
    curious_authority,
    disk_thief,
    enumerator,
    gateway_and_device,
    lying_device,
    malicious_authority,
    malicious_gateway,
)
from gateway.lab.attack.catalogue import ATTACKERS
from gateway.lab.attack.deployment import Site
from gateway.lab.attack.faces import Face, face
from gateway.lab.attack.report import AttackReport, Attempt

EXPOSED = (17, 27, 40)
"""People whose first two template values are 0 to 2 and 1 or 2, and whose score with everybody's
signs, times twelve, is in the window."""


def exposed(count: int) -> Iterator[Face]:
    return (face(f"somebody {i}") for i in islice(chain(EXPOSED, range(count)), count))


FEWER: dict[ModuleType, dict[str, Any]] = {
    curious_authority: {"SESSIONS": 2},
    # Each mode goes once and a half through the series: twice 17 and 3.6 SDs from a right guess.
    # A multiple of TURNED_EVERY: a later run with the same authority goes on counting from there.
    malicious_authority: {"SESSIONS": 18},
    authority_and_device: {"SESSIONS": 2},
    malicious_gateway: {"QUESTIONS": 8, "DICTATED": 2, "SESSIONS": 2},
    lying_device: {
        "SLOTS": 3,
        "ROOTS": 3,
        "NOISY": 3,
        "STRANGERS": 2,
        "CARRIED": 2,
        "victims": exposed,
    },
    disk_thief: {"PEOPLE": 1, "GUESSES": 10_000},
    enumerator: {"GUESSES": 10_000},
}
"""What the command tries more often, to state intervals."""

FEWER_STILL: dict[ModuleType, dict[str, Any]] = {
    malicious_authority: {"SESSIONS": 6},
    gateway_and_device: {"TRIES": 1},
}
"""For what succeeds at once."""

TRIES = {
    "curious-authority": {"public value": 2, "pads as they come": 2},
    "malicious-gateway": {
        "bits a day": 8,
        "more than once": 20,
        "second product": 2,
        "at the same time": 6,
        "part of another session": 4,
        "dictate a match": 2,
    },
    "authority-and-device": {"phase 0": 2, "phase x^-k / t": 2, "device carries": 2},
    "gateway-and-device": {"seed after the probe": 3},
    "lying-device": {
        "one large value": 3,
        "square is one": 3,
        "noise that wraps": 3,
        "portrait": 1,
        "another session": 2,
    },
    "issuer-impostor": {"at the gateway": 3, "at the authority": 3},
    "disk-thief": {"handles": 10_000},
    "malicious-authority": {"turn one": 18, "in both lanes": 18, "in one lane": 18},
    "replayer": {"submission again": 3, "gateway's requests": 12},
    "enumerator": {"subject commitments": 120_000},
}
"""How often at least some attempts are made: an attack that tries nothing recovers nothing."""

BY_CHANCE = ("one large value", "square is one", "noise that wraps", "seed after the probe")
"""Attempts of a lying device, each accepted once in 2^14 with all defences on."""

SUCCESSES = [
    ("curious-authority", "halves", "the public value", r"score ([\d,]+) of \1, in 2 of 2"),
    ("authority-and-device", "pad", "phase x^-k / t", r"27 bits .* 2 of 2"),
    ("authority-and-device", "rerandomisation", "phase 0", r"8,192 values .* 2 of 2"),
    ("authority-and-device", "uniform-a", "phase 0", r"8,192 values .* 2 of 2"),
    ("authority-and-device", "sealing", "device carries", r"8,192 values .* 2 of 2"),
    ("malicious-gateway", "caps", "more than 5 bits", r"8 of 8 template bits"),
    ("malicious-gateway", "audit", "dictate a match", r"2 signed matches"),
    ("malicious-gateway", "one-answer", "more than once in one", r"score ([\d,]+) of \1"),
    ("malicious-gateway", "halves", "the authority's value", r"score ([\d,]+) of \1, in 2 of 2"),
    ("gateway-and-device", "nonce", "seed after the probe", r"1 of 1"),
    ("lying-device", "rho", "one large value", r"3 of 3 matches"),
    ("lying-device", "beta", "square is one", r"3 of 3 matches"),
    ("lying-device", "omega", "noise that wraps", r"1 of \d+ matches"),
    ("lying-device", "replay-bound", "own portrait", r"1 of 1 matches"),
    ("issuer-impostor", "trust", "key of its own", r"3 receipts"),
    ("disk-thief", "pepper", "in handles", r"1 of 1 document numbers"),
    ("malicious-authority", "known-answers", "turn one", r"2 of 6 wrong outcomes"),
    ("replayer", "nonces", "submission again", r"outcome and receipt"),
    ("enumerator", "openings", "subject commitments", r"3 of 3 \(E55\d{5}, E55\d{5}, E55"),
]
"""Attacker, disabled defence, the attempt that then succeeds, and what it recovers."""


BY_THE_COUNTER = {"openings", "known-answers", "halves"}
"""Defences that no server has: the counter gives openings away, does not ask, or its issuer deals
otherwise. The servers are those with all defences on."""


def successes(names: tuple[str, ...]) -> list[tuple[str, str, str, str]]:
    """Those of some attackers."""
    return [one for one in SUCCESSES if one[0] in names]


def let_loose(site: Site, name: str, disabled: str | None) -> AttackReport:
    """One attacker's run."""
    with _patched(FEWER), _patched(FEWER_STILL if disabled else {}):
        return ATTACKERS[name].run(site, disabled, lambda _: None)


def recovers_nothing(site: Site, name: str) -> None:
    """With all defences on an attacker gets nothing, and it has tried."""
    report = let_loose(site, name, None)
    assert [(a.what, a.recovered) for a in report.attempts if succeeded(a)] == []
    for part, tries in TRIES[name].items():
        found = next(a for a in report.attempts if part in a.what)
        assert found.tries == tries


def succeeded(attempt: Attempt) -> bool:
    """Whether it was more than luck."""
    if any(part in attempt.what for part in BY_CHANCE):
        assert attempt.tries >= 3
        return attempt.successes == attempt.tries
    return attempt.successes > 0


def succeeds(site: Site, name: str, defence: str, what: str, recovered: str) -> None:
    """Without its defence it gets something: the attack is a real one."""
    report = let_loose(site, name, defence)
    (attempt,) = [a for a in report.attempts if what in a.what]
    assert attempt.interval.low > 0
    assert re.search(recovered, attempt.recovered), attempt.recovered
    assert report.succeeded


@contextmanager
def _patched(constants: Mapping[ModuleType, Mapping[str, Any]]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module, values in constants.items():
            for name, value in values.items():
                patch.setattr(module, name, value)
        yield
