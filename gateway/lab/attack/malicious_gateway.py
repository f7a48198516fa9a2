"""The gateway is malicious: it has the gateway's keys and ignores the protocol.

It speaks to the real key authority. Its counters are honest, so it gets sessions that device and
issuer signed, each about a document. In each it may ask one question of its own choosing instead
of the match ("is value 7 of the template positive?"), with any product, any omega, any m and any
shares. One question is one bit; a template has thousands. It is stopped by keys and dealings that
answer once, by halves of r that it does not have, by caps that it cannot move, because the
authority counts, and by audits (protocol, sections 6 and 8 to 10).
"""

import math
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.he.frame import template_values
from gateway.he.interval import deal
from gateway.host.clock import unix_time
from gateway.lab.attack.counter import Counter
from gateway.lab.attack.crooked_gateway import HONEST, OWN, CrookedGateway, Taken, matches
from gateway.lab.attack.deployment import Site
from gateway.lab.attack.faces import Face, another_picture, face, score
from gateway.lab.attack.report import AttackReport, Progress
from gateway.lab.attack.weakened import undivided_dealings
from gateway.proofs.statement import Circumstances, make_receipt, make_statement
from gateway.proofs.verify import ReceiptInvalid, verify_receipt
from gateway.wire import cose
from gateway.wire.cose import Signed, SigningKey
from gateway.wire.dealing import GATEWAY
from gateway.wire.errors import Refused, SealmatchError
from gateway.wire.evaluation import Decision
from gateway.wire.ids import new_record_id
from gateway.wire.liveness import not_performed
from gateway.wire.policy import MAX_WIDTH, MatchPolicy
from gateway.wire.profile import DIMENSION, LANE, T
from gateway.wire.sealing import Sealed
from gateway.wire.subject import Subject
from gateway.wire.submission import SubmissionAssertion, TemplateAssertion

NAME = "malicious-gateway"
HOLDS = "runs the gateway, with its keys, against the real key authority"
DEFENCES = ("caps", "one-answer", "halves", "audit")

QUESTIONS = 32
"""Sessions about one document in which a question is asked."""
GRANTED = 5
"""Answers a day about one document that the caps allow (protocol, sections 8 and 9)."""
DICTATED = 3
"""Matches to dictate."""
SCORE_QUESTIONS = 20
"""Questions that surely find a number between -8192 and 8191, with windows of 4096."""
PRODUCTS = 4
"""Different products for one key, sent at once."""
SESSIONS = 3
"""Sessions for each thing that is tried once per session."""


@dataclass(frozen=True)
class Victim:
    """Somebody whose sessions the gateway misuses."""

    subject: Subject
    template: Face = field(repr=False)
    live: Face = field(repr=False)

    @classmethod
    def of(cls, name: str) -> "Victim":
        """Somebody whose document was never seen before."""
        template = face(name)
        live = another_picture(template, 0.7, f"{name} live")
        number = f"M{secrets.randbelow(10**8):08}"
        return cls(Subject.of("passport", number), template, live)


def run(site: Site, disabled: str | None, tell: Progress) -> AttackReport:
    """Dictated outcomes, an oracle, second answers, foreign parts, forged and lax decisions.

    With a defence disabled, only what it stops.
    """
    report = AttackReport(NAME, HOLDS, disabled)
    if disabled in (None, "audit"):
        _dictate(site, disabled, report, tell)
    if disabled == "audit":
        return report
    # The issuer deals the halves of r, so this defence is in no server.
    ground = site.ground(None if disabled == "halves" else disabled)
    dealing = undivided_dealings(GATEWAY) if disabled == "halves" else nullcontext()
    with dealing, Counter(ground) as counter, CrookedGateway(ground, counter) as gateway:
        if disabled in (None, "halves"):
            tell("reading scores off the authority's values")
            _read_values(gateway, report)
        if disabled in (None, "caps"):
            tell(f"asking about one template in {QUESTIONS} sessions")
            _ask_about_template(gateway, report)
        if disabled in (None, "one-answer"):
            tell("asking again and again in one session")
            _ask_again(gateway, report)
        if disabled is None:
            tell("with parts of other sessions and of its own, forging decisions")
            _use_foreign_parts(gateway, counter, report)
            _forge_receipts(gateway, counter, report)
    report.remark("an outcome that it dictates goes unseen where no audit is demanded: the rate")
    return report


def _dictate(site: Site, disabled: str | None, report: AttackReport, tell: Progress) -> None:
    """Matches for strangers, under the agreed policy, before an authority that audits them all."""
    tell("dictating outcomes")
    ground = site.ground(disabled, audit_one_in=1)
    accepted = 0
    with Counter(ground) as counter, CrookedGateway(ground, counter) as gateway:
        for number in range(DICTATED):
            victim = Victim.of(f"dictated {number}")
            taken = gateway.take(victim.subject, victim.template, face(f"passer-by {number}"))
            try:
                asked = gateway.ask(taken, HONEST, taken.probe)
                accepted += matches(gateway.decision(asked, flipped=(1, 1)))
            except Refused:
                continue
    report.add(
        "dictate a match for a stranger, every evaluation audited",
        DICTATED,
        accepted,
        f"{accepted} signed matches under the agreed policy",
        "no decision",
    )


def _read_values(gateway: CrookedGateway, report: AttackReport) -> None:
    """m' less its own offsets is the score plus the authority's half of r."""
    truths, read = [], []
    for number in range(SESSIONS):
        victim = Victim.of(f"read {number}")
        taken = gateway.take(victim.subject, victim.template, victim.live)
        asked = gateway.ask(taken, HONEST, taken.probe)
        value = (asked.masked[0] - asked.offsets[0]) % T
        truths.append(score(victim.live, victim.template))
        read.append(value - T if value > T // 2 else value)
    right = sum(value == truth for value, truth in zip(read, truths, strict=True))
    found = f"score {read[0]:,} of {truths[0]:,}, in {right} of {SESSIONS} sessions"
    report.add("take the authority's value for the score", SESSIONS, right, found, "not the score")


def _ask_about_template(gateway: CrookedGateway, report: AttackReport) -> None:
    """One value's sign per session, until the authority no longer answers."""
    victim = Victim.of("oracle")
    values = template_values(victim.template)
    signs: dict[int, bool] = {}
    for place in range(QUESTIONS):
        taken = gateway.take(victim.subject, victim.template, victim.live)
        try:
            signs[place] = gateway.coordinate(taken, place)
        except Refused:
            continue
    right = sum(positive == (values[place] >= 1) for place, positive in signs.items())
    cosine = _cosine(signs, values / 2)
    gained = len(signs) > GRANTED
    report.add(
        f"ask more than {GRANTED} bits a day about one template",
        QUESTIONS,
        len(signs) if gained else 0,
        f"{right} of {QUESTIONS} template bits, a face at cosine {cosine:.2f} and rising",
    )
    if not gained:
        report.remark(
            f"{len(signs)} bits of its own choosing about one document, then no more that day: "
            f"a face at cosine {cosine:.2f}, a stranger's"
        )


def _cosine(signs: dict[int, bool], outputs: NDArray[np.float64]) -> float:
    """Cosine between the template and a face that is made from the signs alone.

    The first 512 outputs of the frame are one rotation, times sqrt(512).
    """
    if not signs:
        return 0.0
    along = sum(outputs[place] * (1 if positive else -1) for place, positive in signs.items())
    return float(along) / math.sqrt(DIMENSION * len(signs))


def _ask_again(gateway: CrookedGateway, report: AttackReport) -> None:
    """Many questions about one product find the score by bisection. Then more products are sent."""
    victim = Victim.of("again")
    truth = score(victim.live, victim.template)
    taken = gateway.take(victim.subject, victim.template, victim.live)
    asked = gateway.ask(taken, OWN, gateway.first_lane(taken), (LANE, 0))
    possible = np.arange(-(2**13), 2**13)
    answers = 0
    for _ in range(SCORE_QUESTIONS):
        start = _best_question(possible)
        inside = (possible >= start) & (possible < start + MAX_WIDTH)
        try:
            yes = gateway.begins_at(asked, start)
        except SealmatchError:  # refused, or the session is over
            continue
        answers += 1
        possible = possible[inside == yes]
    left = f"score {possible[0]:,} of {truth:,}" if possible.size == 1 else "more than a bit"
    report.add(
        "ask more than once in one session",
        SCORE_QUESTIONS,
        answers if answers > 1 else 0,
        left,
    )
    _more_products(gateway, report)


def _best_question(possible: NDArray[np.int64]) -> int:
    """Start of the interval that holds nearest to half of the possible values."""
    starts = possible[:: max(1, possible.size // 256)]
    ends = np.searchsorted(possible, starts + MAX_WIDTH)
    inside = ends - np.searchsorted(possible, starts)
    return int(starts[np.abs(2 * inside - possible.size).argmin()])


def _more_products(gateway: CrookedGateway, report: AttackReport) -> None:
    """The probe in one lane, then in the other: the difference of two values is the score."""
    found, read, truth = 0, 0, 0
    for number in range(SESSIONS):
        victim = Victim.of(f"second {number}")
        truth = score(victim.live, victim.template)
        taken = gateway.take(victim.subject, victim.template, victim.live)
        first = gateway.ask(taken, OWN, gateway.second_lane(taken), (0, LANE))
        try:
            second = gateway.product(taken, OWN, gateway.first_lane(taken), (LANE, 0))
        except SealmatchError:
            continue
        values = [(asked.masked[0] - asked.offsets[0]) % T for asked in (first, second)]
        read = (values[1] - values[0] + T // 2) % T - T // 2
        found += read == truth
    report.add("send a second product for one key", SESSIONS, found, f"score {read:,} of {truth:,}")
    extra = sum(_at_once(gateway, Victim.of(f"at once {number}")) for number in range(SESSIONS))
    tried = SESSIONS * (PRODUCTS - 1)
    report.add("send more products at the same time", tried, extra, f"{extra} more answers")


def _at_once(gateway: CrookedGateway, victim: Victim) -> int:
    """Of several different products, how many beyond the first are answered."""
    taken = gateway.take(victim.subject, victim.template, victim.live)
    gateway.attempt(taken, OWN)

    def send(omega: int) -> bool:
        try:
            gateway.product(taken, OWN, taken.probe, omega=omega)
        except SealmatchError:
            return False
        return True

    with ThreadPoolExecutor(PRODUCTS) as threads:
        return max(0, sum(threads.map(send, range(1, PRODUCTS + 1))) - 1)


def _use_foreign_parts(gateway: CrookedGateway, counter: Counter, report: AttackReport) -> None:
    """Assertions and dealings of another session, or made by the gateway in others' names."""
    victim = Victim.of("foreign")
    other = gateway.take(victim.subject, victim.template, victim.live)
    answered = {}
    for what, alter in _ALTERED.items():
        subject = Victim.of(what).subject
        taken = gateway.take(subject, victim.template, victim.live)
        try:
            gateway.attempt(alter(taken, other, counter), HONEST)
        except Refused:
            answered[what] = False
        else:
            answered[what] = True
    stolen = [yes for what, yes in answered.items() if what.startswith("another session's")]
    forged = [yes for what, yes in answered.items() if not what.startswith("another session's")]
    report.add("use a part of another session", len(stolen), sum(stolen), "an answer")
    report.add("make a part in another's name", len(forged), sum(forged), "an answer")
    swapped = sum(_swap_lanes(gateway, number) for number in range(SESSIONS))
    report.add("swap the lanes' values", SESSIONS, swapped, "a match", "no match")


Alter = Callable[[Taken, Taken, Counter], Taken]


def _forged_template(taken: Taken, _: Taken, __: Counter) -> Taken:
    issued = cose.peek(taken.template_assertion, TemplateAssertion)
    signed = cose.sign(issued, SigningKey.generate(issued.issuer))
    return taken.but(template_assertion=signed.encoded)


def _forged_submission(taken: Taken, _: Taken, __: Counter) -> Taken:
    made = cose.peek(taken.submission_assertion, SubmissionAssertion)
    signed = cose.sign(made, SigningKey.generate(made.device))
    return taken.but(submission_assertion=signed.encoded)


def _own_dealing(taken: Taken, _: Taken, counter: Counter) -> Taken:
    """A dealing whose whole r the gateway knows: it could read the score off m'."""
    authoritys = deal(secrets.token_bytes)[1]
    grant = taken.key.grant.message
    sealed = counter.pins.authority_sealing.seal(
        Sealed.DEALING, authoritys.encoded, grant.session, grant.key_id
    )
    return taken.but(sealed_dealing=sealed)


_ALTERED: dict[str, Alter] = {
    "another session's template assertion": lambda taken, other, _: taken.but(
        template_assertion=other.template_assertion
    ),
    "another session's submission assertion": lambda taken, other, _: taken.but(
        submission_assertion=other.submission_assertion
    ),
    "another session's assertions": lambda taken, other, _: taken.but(
        template_assertion=other.template_assertion,
        submission_assertion=other.submission_assertion,
    ),
    "another session's dealing": lambda taken, other, _: taken.but(
        sealed_dealing=other.sealed_dealing
    ),
    "a template assertion": _forged_template,
    "a submission assertion": _forged_submission,
    "a dealing": _own_dealing,
}


def _swap_lanes(gateway: CrookedGateway, number: int) -> bool:
    """Each lane's m in place of the other's: a score plus the other lane's r."""
    victim = Victim.of(f"swapped {number}")
    taken = gateway.take(victim.subject, victim.template, victim.live)
    asked = gateway.ask(taken, HONEST, taken.probe)
    first, second = (
        (masked - offset + lane.share) % T
        for masked, offset, lane in zip(
            asked.masked, asked.offsets, taken.dealing.lanes, strict=True
        )
    )
    return matches(gateway.decided(asked, (second, first)))


def _forge_receipts(gateway: CrookedGateway, counter: Counter, report: AttackReport) -> None:
    """An inverted outcome, and a genuine decision under a policy that accepts everybody."""
    stranger = Victim.of("forged")
    live = face("somebody else")
    taken = gateway.take(stranger.subject, stranger.template, live)
    decision = gateway.decision(gateway.ask(taken, HONEST, taken.probe))
    turned = decision.message.model_copy(update={"outcome": "MATCH"})
    forged = cose.sign(turned, gateway.signing_as(turned.authority))
    taken_again = gateway.take(stranger.subject, stranger.template, live)
    # With a low enough threshold half of all strangers pass; the number added lets in the others.
    asked = gateway.ask(taken_again, OWN, gateway.first_lane(taken_again), (LANE, 0))
    lenient = gateway.decision(asked, (MAX_WIDTH // 2, 1))
    accepted = [
        _verifies(gateway, counter, taken, forged, HONEST),
        _verifies(gateway, counter, taken_again, lenient, OWN),
    ]
    report.add(
        "sign a decision in the authority's name",
        1,
        int(accepted[0]),
        "a receipt",
        "does not verify",
    )
    report.add(
        "get a decision under a policy of its own",
        1,
        int(accepted[1]),
        "a receipt",
        "does not verify",
    )


def _verifies(
    gateway: CrookedGateway,
    counter: Counter,
    taken: Taken,
    decision: Signed[Decision],
    policy: MatchPolicy,
) -> bool:
    """Whether a stranger who pins both servers' keys accepts the receipt."""
    given = Circumstances(
        policy=policy,
        template=cose.peek(taken.template_assertion, TemplateAssertion),
        submission=cose.peek(taken.submission_assertion, SubmissionAssertion),
        consent=taken.consent,
        liveness=not_performed(),
    )
    statement = make_statement(decision, given, new_record_id(), unix_time(), gateway.signing)
    try:
        verify_receipt(make_receipt(statement.encoded).encode(), counter.trust)
    except ReceiptInvalid:
        return False
    return True
