"""The key authority is curious: it follows the protocol and computes what it can from its view.

It has the secret key of every session, the padded product and omega, its own dealing, both values
and the gateway's shares. It wants a score, which tells more about two faces than a bit does. Each
attack assumes that one of the numbers that hide the score is missing: the gateway's half of r, the
pads, or what rho adds to a lane (protocol, sections 6 and 7).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

from gateway.he import ring
from gateway.he.ring import multiply_modulo
from gateway.lab.attack.counter import Counter, expect
from gateway.lab.attack.deployment import SEEN_BY_THE_AUTHORITY, Site
from gateway.lab.attack.faces import another_picture, face, score
from gateway.lab.attack.report import AttackReport, Progress
from gateway.lab.attack.spying_authority import View, take_view
from gateway.lab.attack.weakened import undivided_dealings
from gateway.wire.dealing import AUTHORITY
from gateway.wire.evaluation import PerLane
from gateway.wire.profile import SENT_MODULUS, SENT_PRIMES, T
from gateway.wire.subject import Subject

NAME = "curious-authority"
HOLDS = "runs the key authority: every session's secret key, and all that is sent to it"
DEFENCES = ("halves",)
SESSIONS = 6
_COSINES = (0.75, 0.30, 0.45, 0.60, 0.05, 0.90)

Guess = Callable[[View], Iterator[PerLane]]
"""Candidates for the scores of both lanes."""


def run(site: Site, disabled: str | None, tell: Progress) -> AttackReport:
    """Register people at various cosines, and after each try every attack."""
    report = AttackReport(NAME, HOLDS, disabled)
    ground = site.ground(authority="gateway.lab.attack.spying_authority")
    seen = ground.directories.root / SEEN_BY_THE_AUTHORITY
    found: dict[str, list[int]] = {what: [] for what in ATTACKS}
    dealing: AbstractContextManager[None] = nullcontext()
    if disabled == "halves":
        dealing = undivided_dealings(AUTHORITY)
    with dealing, Counter(ground) as counter:
        for number in range(SESSIONS):
            tell(f"registration {number + 1} of {SESSIONS}, then every attack on what was seen")
            portrait = face(f"curious {number}")
            live = another_picture(portrait, _COSINES[number % 6], f"curious live {number}")
            opened = counter.open()
            issued = counter.issue(opened, portrait, Subject.of("passport", f"C{number:07}"))
            answer = counter.submit(opened, issued, counter.probe(opened, live))
            truth = score(live, portrait)
            matched = all(rule.accepts(truth) for rule in opened.policy.lanes)
            expect(answer, "MATCH" if matched else "NO_MATCH")
            view = take_view(seen)
            for what, guesses in ATTACKS.items():
                if any(truth % T in pair for pair in guesses(view)):
                    found[what].append(truth)
    for what, hits in found.items():
        first = hits[0] if hits else 0
        recovered = f"score {first:,} of {first:,}, in {len(hits)} of {SESSIONS} sessions"
        report.add(what, SESSIONS, len(hits), recovered, "not the score")
    report.remark("it knows whether each lane accepted, and which device asked, and when")
    return report


def public_value(view: View) -> Iterator[PerLane]:
    """m is the score plus both halves of r, of which the authority has one."""
    yield _without_own_half(view, view.values)


def own_value(view: View) -> Iterator[PerLane]:
    """m' is the score plus the authority's half of r, if nothing was added to the product."""
    yield _without_own_half(view, view.masked)


def decrypted(view: View) -> Iterator[PerLane]:
    """Decrypt as if the two numbers had no pad: add them, leave them out, or take them off.

    Each result is tried as it is and divided by omega.
    """
    numbers = rest(view)
    heads = view.product.head
    inverse = pow(view.omega, -1, T)
    for sign in (0, 1, -1):
        pair = [(n + sign * h) % SENT_MODULUS for n, h in zip(numbers, heads, strict=True)]
        lanes = ring.lanes((ring.centred(pair[0]), ring.centred(pair[1])))
        yield lanes
        yield lanes[0] * inverse % T, lanes[1] * inverse % T


def difference(view: View) -> Iterator[PerLane]:
    """m - m' and m' - m: what the gateway added, its half of r less pads and rho."""
    for sign in (1, -1):
        first, second = (
            sign * (m - own) % T for m, own in zip(view.values, view.masked, strict=True)
        )
        yield first, second


def rest(view: View) -> ring.LaneNumbers:
    """The two numbers of c1 s + c2 s^2, which the authority can compute."""
    phase = view.product.tail.words[0].copy()
    for i, prime in enumerate(SENT_PRIMES):
        c1, c2 = view.product.tail.words[:, i]
        inner = (multiply_modulo(c2, view.secret[i], prime) + c1) % phase.dtype.type(prime)
        phase[i] = multiply_modulo(inner, view.secret[i], prime)
    return ring.pair(phase)


ATTACKS: dict[str, Guess] = {
    "take its own half of r off the public value": public_value,
    "take its own half of r off its own value": own_value,
    "decrypt the product with the pads as they come": decrypted,
    "compare its own value with the public one": difference,
}


def _without_own_half(view: View, values: PerLane) -> PerLane:
    first, second = (
        (value - lane.share) % T for value, lane in zip(values, view.dealing.lanes, strict=True)
    )
    return first, second
