"""Key authority and device work together: one knows s, the other hands in any probe (protocol, 7).

The device may send any pair of ring elements, and with s it knows their phase exactly. Two probes
are best for reading the template out of the product

    (c_0, c_1, c_2) = P (omega T + t beta + rho P):

- Phase 0, P = (-s, 1). Then c_1 + 2 s c_2 is the phase of omega T + t beta, whose slots are omega T
  over the integers: the whole template. It is hidden by u a + t e1 in c_1, which is a ring-LWE
  sample if nobody chose a. If the authority makes a = t g / f, the pair multiplies by f, and the
  sample becomes small and zero modulo t.
- Phase x^-k / t modulo Q. Its square is x^-2k / t^2. So the product's first coefficient is
  (t omega tau_k + rho_k) / t^2 of Q, plus little: modulo t it is rho_k, and divided by t it gives
  tau_k, a coefficient of the template's polynomial. It is hidden by the pad.

``rho``, beta and omega do not help here: they stop a device that works alone.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.he import ring
from gateway.he.engine import Engine, Slots, default_engine
from gateway.he.frame import lane_slots, template_values
from gateway.he.ring import multiply_modulo
from gateway.host.clock import unix_time
from gateway.issuer.issuer import IssuedTemplate
from gateway.lab.attack import phases
from gateway.lab.attack.counter import Counter, Opened, expect
from gateway.lab.attack.curious_authority import rest
from gateway.lab.attack.deployment import SEEN_BY_THE_AUTHORITY, Site
from gateway.lab.attack.faces import Face, face
from gateway.lab.attack.forging import added, constant, divided, monomial, multiplied
from gateway.lab.attack.report import AttackReport, Progress
from gateway.lab.attack.spying_authority import TRAPDOORED, View, secret_of, take_view
from gateway.lab.attack.trapdoor import everywhere, trapdoor
from gateway.lab.attack.weakened import opened_in_the_open
from gateway.wire.errors import MalformedMessage
from gateway.wire.polynomials import FRESH_BYTES, Ciphertext, Words
from gateway.wire.profile import DATA_PRIMES, SENT_MODULUS, SENT_PRIMES, N, T
from gateway.wire.subject import Subject

NAME = "authority-and-device"
HOLDS = "runs the key authority and an enrolled device, which knows the key and hands in anything"
DEFENCES = ("pad", "rerandomisation", "uniform-a", "sealing")

SESSIONS = 6
"""Sessions with each probe."""
_PLACE: Final = 5
"""k: any coefficient of the template's polynomial."""
_MODULE = "gateway.lab.attack.spying_authority"


@dataclass(frozen=True)
class Probe:
    """What the device hands in, and how the authority reads the template out of the product."""

    what: str
    make: Callable[[Engine, Words], Ciphertext]
    read: Callable[[Engine, View, Slots], int]
    """How many of ``whole`` values of the template come out right."""
    whole: int
    gained: str
    stopped_by: tuple[str, ...]


def run(site: Site, disabled: str | None, tell: Progress) -> AttackReport:
    """Sessions with each probe, against an honest gateway and an honest issuer.

    With a defence disabled, only the probes that it stops.
    """
    report = AttackReport(NAME, HOLDS, disabled)
    chosen = f"{_MODULE} {TRAPDOORED}" if disabled == "uniform-a" else _MODULE
    ground = site.ground(disabled, authority=chosen)
    seen = ground.directories.root / SEEN_BY_THE_AUTHORITY
    engine = default_engine()
    expanding = everywhere() if disabled == "uniform-a" else nullcontext()
    with expanding, Counter(ground) as counter:
        for index, probe in enumerate(PROBES):
            if disabled is not None and disabled not in probe.stopped_by:
                continue
            right = []
            for number in range(SESSIONS):
                tell(f"{probe.what}, session {number + 1} of {SESSIONS}")
                portrait = face(f"victim of two {number}")
                opened = counter.open()
                subject = Subject.of("passport", f"AD{index}{number:06}")
                issued = _issue(counter, disabled, opened, portrait, subject)
                made = probe.make(engine, _secret(engine, opened, seen))
                # The session goes on like any other, and ends in a mismatch.
                expect(counter.submit(opened, issued, made.encoded), "NO_MATCH")
                right.append(probe.read(engine, take_view(seen), _slots(portrait)))
            whole = sum(count == probe.whole for count in right)
            found = f"{probe.gained}, exactly, in {whole} of {SESSIONS} sessions"
            best = f"at best {max(right):,} of {probe.whole:,} right"
            report.add(probe.what, SESSIONS, whole, found, best)
        if disabled in (None, "sealing"):
            _read_what_is_carried(engine, counter, disabled, seen, report)
    report.remark("the device knows the probe that it made; only the template is protected from it")
    return report


def _issue(
    counter: Counter, disabled: str | None, opened: Opened, portrait: Face, subject: Subject
) -> IssuedTemplate:
    issuer = counter.open_issuer() if disabled == "sealing" else counter.issuer()
    to_serve = opened.to_serve(counter.device.party)
    return issuer.issue(portrait, subject, to_serve, unix_time())


def _read_what_is_carried(
    engine: Engine, counter: Counter, disabled: str | None, seen: Path, report: AttackReport
) -> None:
    """The device carries the template from issuer to gateway; the authority has the key to it."""
    whole = 0
    for number in range(SESSIONS):
        portrait = face(f"carried {number}")
        opened = counter.open()
        subject = Subject.of("passport", f"AC{number:06}")
        issued = _issue(counter, disabled, opened, portrait, subject)
        try:
            carried = Ciphertext.decode(opened_in_the_open(issued.sealed_template)[:FRESH_BYTES])
        except MalformedMessage:
            continue
        secret = _secret(engine, opened, seen)
        phase = added(carried.words[0], multiplied(carried.words[1], secret))
        read = phases.slots_of(engine, phases.coefficients(engine, phase))
        whole += bool((read == _slots(portrait)).all())
    found = f"all 8,192 values of the template, exactly, in {whole} of {SESSIONS} sessions"
    report.add("decrypt the template that the device carries", SESSIONS, whole, found, "sealed")


def zero_phase(_: Engine, secret: Words) -> Ciphertext:
    """P = (-s, 1)."""
    return _with_phase(constant(0), secret)


def part_of_the_modulus(engine: Engine, secret: Words) -> Ciphertext:
    """P_0 + P_1 s = x^-k / t. In the ring x^-k is -x^(N-k), here divided by t modulo Q."""
    return _with_phase(divided(monomial(engine, -1, N - _PLACE), T), secret)


def template_values_read(engine: Engine, view: View, slots: Slots) -> int:
    """How many slots of the template come out right."""
    wanted = phases.divided_slots(slots, 1)
    return max(int((values == wanted).sum()) for values in readings(engine, view))


def readings(engine: Engine, view: View) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Slots of the second polynomial, over omega: read as they are, and through a trapdoor of a."""
    factor, door = factor_phase(view), trapdoor(view.seed)
    plain = phases.slots_of(engine, phases.coefficients(engine, factor))
    opened = np.stack(
        [multiply_modulo(factor[i], door.f_words[i], p) for i, p in enumerate(SENT_PRIMES)]
    )
    through = phases.slots_of(engine, phases.coefficients(engine, opened))
    divided = multiply_modulo(through, pow(view.omega, -1, T), T)
    return (
        phases.divided_slots(plain, view.omega),
        phases.divided_slots(divided, phases.slots_of(engine, door.f)),
    )


def factor_phase(view: View) -> Words:
    """c_1 + 2 s c_2: the phase of omega T + t beta if the probe is (-s, 1).

    NTT form modulo Q', shape (2, 8192).
    """
    phase: Words = view.product.tail.words[0].copy()
    for i, prime in enumerate(SENT_PRIMES):
        c1, c2 = view.product.tail.words[:, i]
        twice = 2 * view.secret[i] % np.uint64(prime)
        phase[i] = (multiply_modulo(c2, twice, prime) + c1) % np.uint64(prime)
    return phase


def template_coefficient_read(engine: Engine, view: View, slots: Slots) -> int:
    """1 if coefficient k of the template's polynomial comes out right, else 0."""
    number = (rest(view)[0] + view.product.head[0]) % SENT_MODULUS
    square = T * T
    # number / Q' is -n / Q / t^2 modulo 1, where n = t omega tau_k + rho_k
    nearest = (2 * number * square // SENT_MODULUS + 1) // 2
    n = -nearest * phases.Q % square
    rho = ring.centred(n, T)
    found = (n - rho) // T * pow(view.omega, -1, T) % T
    return int(found == int(_polynomial(engine, slots)[_PLACE]))


PROBES: Final = (
    Probe(
        "hand in a probe of phase 0, read the second polynomial",
        zero_phase,
        template_values_read,
        N,
        "all 8,192 values of the template",
        ("rerandomisation", "uniform-a"),
    ),
    Probe(
        "hand in a probe of phase x^-k / t, read the first polynomial",
        part_of_the_modulus,
        template_coefficient_read,
        1,
        "27 bits of the template, of its choosing",
        ("pad",),
    ),
)


def _with_phase(phase: Words, secret: Words) -> Ciphertext:
    minus = np.stack([(np.uint64(p) - secret[i]) % np.uint64(p) for i, p in enumerate(DATA_PRIMES)])
    return Ciphertext(np.stack([added(phase, minus), constant(1)]))


def _secret(engine: Engine, opened: Opened, seen: Path) -> Words:
    """s modulo all three data primes. The authority keeps it modulo two, but it is ternary."""
    kept = secret_of(seen, opened.key.grant.message.key_id)
    small = phases.coefficients(engine, kept).astype(np.int64)
    words: Words = engine.transformed(np.stack([ring.residues(small)] * 2))[0].copy()
    return words


def _slots(portrait: Face) -> Slots:
    values = template_values(portrait)
    return lane_slots(values, values)


def _polynomial(engine: Engine, slots: Slots) -> phases.Integers:
    """The plaintext polynomial with these slots, modulo t."""
    return np.mod(phases.coefficients(engine, phases.polynomial_of(engine, slots)), T)
