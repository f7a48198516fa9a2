"""The key authority is curious: it follows the protocol and computes what it can from its view.

It has the secret key of every session, its own encrypted bits with their exact noise, the masked
product, the blinded rows and the public policy. What it wants is the score, which tells more about
two faces than the bit does. Three attacks, each stopped by one defence: masking, re-randomisation,
flooding (protocol, sections 6 and 7). One lane, which is the authority's best case.
"""

from collections.abc import Callable, Iterator
from itertools import product as pairs

from gateway.attack import division
from gateway.attack.counter import Counter, expect
from gateway.attack.deployment import SEEN_BY_THE_AUTHORITY, Site
from gateway.attack.faces import another_picture, face, score
from gateway.attack.report import Progress, Report
from gateway.attack.spying_authority import View, take_view
from gateway.he.engine import Slots, default_engine
from gateway.wire.policy import LanePolicy
from gateway.wire.profile import T
from gateway.wire.subject import Subject

NAME = "curious-authority"
HOLDS = "runs the key authority: every session's secret key, and all that is sent to it"
DEFENCES = ("masking", "rerandomisation", "flooding")
SESSIONS = 6

Guess = Callable[[View, LanePolicy], Iterator[int]]
"""Candidates for the score of the only lane."""


def run(site: Site, disabled: str | None, tell: Progress) -> Report:
    """Registrations of people at various cosines; after each, all three attacks."""
    report = Report(NAME, HOLDS, disabled)
    ground = site.ground(disabled, authority="gateway.attack.spying_authority", lanes="1")
    seen = ground.directories.root / SEEN_BY_THE_AUTHORITY
    found: dict[str, list[tuple[int, int]]] = {what: [] for what in ATTACKS}
    with Counter(ground) as counter:
        for number in range(SESSIONS):
            tell(f"registration {number + 1} of {SESSIONS}, then three attacks on what was seen")
            portrait = face(f"curious {number}")
            cosine = (0.75, 0.30, 0.45, 0.60, 0.05, 0.90)[number % 6]
            live = another_picture(portrait, cosine, f"curious live {number}")
            opened = counter.open()
            issued = counter.issue(opened, portrait, Subject.of("passport", f"C{number:07}"))
            answer = counter.submit(opened, issued, counter.probe(opened, live))
            rule = opened.policy.lanes[0]
            truth = score(rule, live, portrait)
            expect(answer, "MATCH" if rule.accepts(truth) else "NO_MATCH")
            view = take_view(seen)
            for what, guesses in ATTACKS.items():
                if truth % T in set(guesses(view, rule)):
                    found[what].append((truth, number))
    for what, hits in found.items():
        first = hits[0][0] if hits else 0
        recovered = f"score {first:,} of {first:,}, in {len(hits)} of {SESSIONS} sessions"
        report.add(what, SESSIONS, len(hits), recovered, "not the score")
    return report


def read_the_mask(view: View, _: LanePolicy) -> Iterator[int]:
    """The masked value is the score, if nobody masked it."""
    yield from view.masked


def divide_ciphertexts(view: View, rule: LanePolicy) -> Iterator[int]:
    """The rows are the bits times the gateway's multiplier, if nobody re-randomised them."""
    engine = default_engine()
    slots = division.multiplier_from_second_polynomial(view.rows, view.bits, engine)
    return _scores(slots, view, rule)


def divide_noise(view: View, rule: LanePolicy) -> Iterator[int]:
    """The noise of the rows is that of the bits times the multiplier, if nobody flooded it."""
    slots = division.multiplier_from_phases(*view.phases(), default_engine())
    return _scores(slots, view, rule)


ATTACKS: dict[str, Guess] = {
    "take the masked value for the score": read_the_mask,
    "divide the rows by the bits, as ciphertexts": divide_ciphertexts,
    "divide the rows' noise by the bits' noise": divide_noise,
}


def _scores(slots: Slots, view: View, rule: LanePolicy) -> Iterator[int]:
    """Scores that the multiplier's slots allow: the bounds must be as far apart as the policy's."""
    width = rule.hi + 1 - rule.lo
    for left, right in pairs(*division.lane_bounds(slots, 0)):
        if (right - left) % T == width:
            yield (view.masked[0] - (left - rule.lo)) % T
