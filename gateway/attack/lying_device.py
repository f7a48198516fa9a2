"""An enrolled device lies: it encrypts what it likes instead of a face.

It wants a match on a document whose holder is not there. It may encrypt any vector of any length,
copy what passes through it, and sign it all with an enrolled key. What it cannot do without the
face is what an impostor cannot do: the false match rate (protocol, section 5).
"""

from collections import Counter as Tally

import numpy as np
from numpy.typing import NDArray

from gateway.attack.counter import Answer, Counter, Opened, expect
from gateway.attack.deployment import Site
from gateway.attack.faces import Face, another_picture, face
from gateway.attack.report import Progress, Report
from gateway.attack.weakened import sealed_in_the_open
from gateway.he.encryption import lane_slots
from gateway.he.engine import default_engine
from gateway.issuer.issuer import IssuedTemplate, Pins
from gateway.wire.errors import MalformedMessage
from gateway.wire.host.clock import unix_time
from gateway.wire.ids import KeyId, SessionId
from gateway.wire.polynomials import FRESH_BYTES, Ciphertext
from gateway.wire.profile import T
from gateway.wire.sealing import SEALED_BYTES, SealingPublicKey
from gateway.wire.subject import Subject

NAME = "lying-device"
HOLDS = "has an enrolled device's key and encrypts what it likes; has no face"
DEFENCES = ("scale-proof", "replay-bound", "sealing")

_HONEST_LENGTH = 100.0
_NOISE_LENGTH = 70.0
"""Added to a copied template: far enough not to be identical, near enough to be accepted."""
_ENCAPSULATION_BYTES = SEALED_BYTES - FRESH_BYTES - 16

RANDOM, LONG, WRAPPING, COPIES = 4, 12, 4, 3
"""Tries; with weights that measure no length, three of these twelve long vectors pass."""


class OpenSealingKey(SealingPublicKey):
    """What an issuer uses that does not seal."""

    def seal(self, template: bytes, _: SessionId, __: KeyId) -> bytes:
        return sealed_in_the_open(template, SEALED_BYTES)


class Device:
    """The lying device, with the counter that it stands in."""

    def __init__(self, counter: Counter, *, sealing: bool) -> None:
        self._counter = counter
        self._sealing = sealing
        self._documents = 0
        self.victim = face("victim of a device")

    def attempt(self, values: NDArray[np.int64]) -> Answer:
        """A vector of the device's own against the victim's template, on a fresh document."""
        opened, issued = self.begin()
        probe = self._counter.encrypt(opened.key, values).encoded
        return self._counter.submit(opened, issued, probe)

    def begin(self) -> tuple[Opened, IssuedTemplate]:
        """A session with the victim's template in it; a new document, so that no cap helps."""
        self._documents += 1
        subject = Subject.of("passport", f"L{self._documents:07}")
        opened = self._counter.open()
        pins = None if self._sealing else self._open_pins()
        to_serve = opened.to_serve(self._counter.device.party)
        issuer = self._counter.issuer(pins=pins)
        issued = issuer.issue(self.victim, subject, to_serve, unix_time())
        return opened, issued

    def copied(self) -> Answer:
        """The template that the device carries, made a little different, as its probe."""
        opened, issued = self.begin()
        carried = issued.sealed_template[_ENCAPSULATION_BYTES:][:FRESH_BYTES]
        try:
            template = Ciphertext.decode(carried, polynomials=2)
        except MalformedMessage:
            return self._counter.submit(opened, issued, carried)  # sealed bytes, handed in as such
        engine = default_engine()
        noise = scaled(face(f"noise {self._documents}"), _NOISE_LENGTH)
        added = engine.add_slots(engine.load(template.words), lane_slots(noise, noise))
        return self._counter.submit(opened, issued, engine.ciphertext(added).encoded)

    def carried_over(self) -> Answer:
        """A template that was sealed for another session."""
        _, earlier = self.begin()
        opened, _ = self.begin()
        live = another_picture(self.victim, 0.7, "carried over")
        return self._counter.submit(opened, earlier, self._counter.probe(opened, live))

    def _open_pins(self) -> Pins:
        pins = self._counter.pins
        return Pins(pins.authority, pins.gateway, OpenSealingKey(pins.sealing.raw))


def run(site: Site, disabled: str | None, tell: Progress) -> Report:
    """All sorts of vectors, and the template itself."""
    report = Report(NAME, HOLDS, disabled)
    ground = site.ground(disabled)
    with Counter(ground) as counter:
        device = Device(counter, sealing=disabled != "sealing")
        tell("an honest registration, so that refusing everybody would be noticed")
        honest = another_picture(device.victim, 0.7, "the victim, live")
        expect(device.attempt(scaled(honest)), "MATCH")
        tell(f"strangers' faces ({RANDOM}), long vectors ({LONG}), wrapping vectors ({WRAPPING})")
        strangers = [scaled(face(f"stranger {i}")) for i in range(RANDOM)]
        long = [scaled(face(f"long {i}"), 10 * _HONEST_LENGTH) for i in range(LONG)]
        wrapping = [wrapped(face(f"wrapping {i}"), 10.0 ** (5 + i)) for i in range(WRAPPING)]
        _report(report, "a stranger's face", [device.attempt(v) for v in strangers])
        _report(report, "random vectors of ten times the length", [device.attempt(v) for v in long])
        _report(report, "vectors whose score wraps around", [device.attempt(v) for v in wrapping])
        tell("the portrait itself, and the template that passes through")
        portrait = [device.attempt(scaled(device.victim))]
        _report(report, "the document's own portrait as the live face", portrait)
        copies = [device.copied() for _ in range(COPIES)]
        _report(report, "the encrypted template, copied and altered", copies)
        carried = [device.carried_over() for _ in range(COPIES)]
        _report(report, "a template sealed for another session", carried)
    return report


def scaled(vector: Face, length: float = _HONEST_LENGTH) -> NDArray[np.int64]:
    """A vector of any length in integers; 100 is the honest one."""
    return np.rint(length * vector).astype(np.int64)


def wrapped(vector: Face, length: float) -> NDArray[np.int64]:
    """A vector so long that its score wraps around modulo t, many times."""
    return np.mod(np.rint(length * vector).astype(np.int64), T)


def _report(report: Report, what: str, answers: list[Answer]) -> None:
    matched = sum(answer.matched for answer in answers)
    others = Tally(answer.outcome for answer in answers if not answer.matched)
    instead = ", ".join(f"{count} {outcome}" for outcome, count in others.items())
    found = f"{matched} of {len(answers)} matches with {what}"
    report.add(f"hand in {what}", len(answers), matched, found, instead)
