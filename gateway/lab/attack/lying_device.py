"""An enrolled device lies: it hands in ring elements of its choice instead of an encrypted probe.

It wants a match on any document whose holder is not there, with one probe for all. It may hand in
any two polynomials and sign them with an enrolled key. What once worked is tried here. One defence
stops each (protocol, sections 5 and 13): values that are not signs, phases that are not signs but
whose square is 1, honest signs with so much noise that the product wraps. Without the face, the
device is left with the false match rate of the best sign vector, or 2^-14 an attempt.

``tests/simulation/test_lying_device.py`` tries these and many more, often enough to count.
"""

from collections import Counter as Tally
from collections.abc import Iterator
from typing import Final

import numpy as np

from gateway.he.engine import Engine, default_engine
from gateway.he.frame import probe_signs
from gateway.issuer.issuer import IssuedTemplate
from gateway.lab.attack import forging
from gateway.lab.attack.counter import Answer, Counter, Opened, expect
from gateway.lab.attack.deployment import Site
from gateway.lab.attack.faces import Face, another_picture, face
from gateway.lab.attack.forging import Values
from gateway.lab.attack.report import AttackReport, Progress
from gateway.wire.polynomials import Ciphertext, Words
from gateway.wire.profile import LANE
from gateway.wire.subject import Subject

NAME = "lying-device"
HOLDS = "has an enrolled device's key and hands in any ring elements; has no face"
DEFENCES = ("rho", "beta", "omega", "replay-bound")

STRANGERS, SLOTS, ROOTS, NOISY, CARRIED = 4, 12, 12, 8, 3
"""Tries; together fewer than the 60 an hour that the cap per device allows."""
UNTIL_ACCEPTED = 250
"""Most tries of an attack that succeeds one time in ten: all of them fail once in 10^11."""
_SCALE: Final = 12
"""Of the square root: twelve times a stranger's score is often in the window."""
_SPREAD: Final = 2.0
"""Of the noise, in units of Q: the best found."""
_ALONE: Final = 3000
"""Value of the only slot that counts: times a template value of 1 or 2, it is in the window."""


class Device:
    """The lying device, at its counter."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._documents = 0
        self._engine = default_engine()

    def begin(self, victim: Face) -> tuple[Opened, IssuedTemplate]:
        """A session with a victim's template. Each has a new document, so that no cap stops it."""
        self._documents += 1
        subject = Subject.of("passport", f"L{self._documents:07}")
        opened = self._counter.open()
        return opened, self._counter.issue(opened, victim, subject)

    def values(self, victim: Face, values: Values) -> Answer:
        """Any 8192 values, encrypted as a probe is."""
        opened, issued = self.begin(victim)
        return self._submit(opened, issued, self._counter.encrypt(opened.key, values))

    def phase(self, victim: Face, family: forging.Family, signs: Values) -> Answer:
        """Any phase, on top of an encryption of zero."""
        opened, issued = self.begin(victim)
        phase = family(self._engine, signs)
        probe = forging.probe_with(self._engine, opened.key.public_key, phase, "full")
        return self._submit(opened, issued, probe)

    def carried_over(self, victim: Face) -> Answer:
        """A template that was sealed for another session, and an honest probe."""
        _, earlier = self.begin(victim)
        opened, _ = self.begin(victim)
        live = another_picture(victim, 0.7, "carried over")
        return self._counter.submit(opened, earlier, self._counter.probe(opened, live))

    def _submit(self, opened: Opened, issued: IssuedTemplate, probe: Ciphertext) -> Answer:
        return self._counter.submit(opened, issued, probe.encoded)


def run(site: Site, disabled: str | None, tell: Progress) -> AttackReport:
    """Every sort of probe, one for all victims.

    With a defence disabled, only the probes that it stops.
    """
    report = AttackReport(NAME, HOLDS, disabled)
    until = UNTIL_ACCEPTED if disabled == "omega" else 0
    ground = site.ground(disabled)
    with Counter(ground) as counter:
        device = Device(counter)
        tell("an honest registration, so that refusing everybody would be noticed")
        victim = face("victim of a device")
        honest = another_picture(victim, 0.7, "the victim, live")
        expect(device.values(victim, _both(probe_signs(honest))), "MATCH")
        if disabled in (None, "rho"):
            tell(f"values that are no signs ({SLOTS})")
            alone = [device.values(v, one_slot()) for v in victims(SLOTS)]
            _report(report, "one large value and no signs", alone)
        if disabled in (None, "beta"):
            tell(f"square roots of one ({ROOTS})")
            signs = _both(probe_signs(face("everybody")))
            roots = [device.phase(v, _root, signs) for v in victims(ROOTS)]
            _report(report, "a phase that is no sign and whose square is one", roots)
        if disabled in (None, "omega"):
            tell(f"a stranger's signs with inflated noise (up to {until or NOISY})")
            noisy = _wrap(device, until) if until else [_noise(device, v) for v in victims(NOISY)]
            _report(report, "a stranger's signs and noise that wraps", noisy)
        if disabled in (None, "replay-bound"):
            tell("the portrait itself")
            shown = probe_signs(victim), probe_signs(another_picture(victim, 0.93, "shown again"))
            portrait = [device.values(victim, np.concatenate(shown))]
            _report(report, "the document's own portrait as the live face", portrait)
        if disabled is None:
            tell("strangers' faces, and templates of other sessions")
            strangers = [device.values(victim, stranger(i)) for i in range(STRANGERS)]
            _report(report, "a stranger's face", strangers)
            carried = [device.carried_over(victim) for _ in range(CARRIED)]
            _report(report, "a template sealed for another session", carried)
    return report


def victims(count: int) -> Iterator[Face]:
    """People about whom the device knows nothing."""
    return (face(f"somebody {i}") for i in range(count))


def stranger(number: int) -> Values:
    """An honest probe of somebody else."""
    return _both(probe_signs(face(f"stranger {number}")))


def one_slot() -> Values:
    """One large value in the second slot, a sign in the first, zero elsewhere, in both lanes.

    Without the sign, rho would have nothing to cancel against.
    """
    values = np.zeros(LANE, dtype=np.int64)
    values[:2] = 1, _ALONE
    return _both(values)


def _root(engine: Engine, signs: Values) -> Words:
    return forging.square_root(engine, signs, _SCALE)


def _noisy(engine: Engine, signs: Values) -> Words:
    return forging.inflated(engine, signs, _SPREAD)


def _noise(device: Device, victim: Face) -> Answer:
    """A stranger's signs with inflated noise."""
    return device.phase(victim, _noisy, stranger(0))


def _wrap(device: Device, tries: int) -> list[Answer]:
    """The same, until it is accepted."""
    answers: list[Answer] = []
    for victim in victims(tries):
        answers.append(_noise(device, victim))
        if answers[-1].matched:
            break
    return answers


def _both(lane: Values) -> Values:
    """The same in both lanes."""
    return np.tile(lane, 2)


def _instead(answers: list[Answer]) -> str:
    others = Tally(answer.outcome for answer in answers if not answer.matched)
    return ", ".join(f"{count} {outcome}" for outcome, count in others.items())


def _report(report: AttackReport, what: str, answers: list[Answer]) -> None:
    matched = sum(answer.matched for answer in answers)
    found = f"{matched} of {len(answers)} matches with {what}"
    report.add(f"hand in {what}", len(answers), matched, found, _instead(answers))
