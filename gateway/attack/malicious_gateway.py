"""The gateway is malicious: it has the gateway's keys and ignores the protocol.

It speaks to the real key authority. Its counters are honest, so it gets sessions that device and
issuer signed, each about a document. In each it may ask one question of its own choosing instead
of the match ("is coordinate 7 of the template positive?"), and says what the interval test should
be. One question is one bit; a template has thousands. What stops it are keys that answer once and
caps that the gateway cannot move, because the authority counts (protocol, section 8).
"""

import math
import secrets
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from gateway.attack.counter import Counter
from gateway.attack.crooked_gateway import CrookedGateway, Taken, at_least
from gateway.attack.deployment import Site
from gateway.attack.faces import Face, another_picture, face, score
from gateway.attack.report import Progress, Report
from gateway.he.quantise import quantise
from gateway.proofs.statement import Circumstances, make_receipt, make_statement
from gateway.proofs.verify import ReceiptInvalid, verify_receipt
from gateway.wire import cose
from gateway.wire.cose import Signed, SigningKey
from gateway.wire.errors import Refused
from gateway.wire.evaluation import Decision
from gateway.wire.host.clock import unix_time
from gateway.wire.ids import new_record_id
from gateway.wire.liveness import not_performed
from gateway.wire.policy import MatchPolicy
from gateway.wire.profile import LANE
from gateway.wire.subject import Subject
from gateway.wire.submission import SubmissionAssertion, TemplateAssertion

NAME = "malicious-gateway"
HOLDS = "runs the gateway, with its keys, against the real key authority"
DEFENCES = ("caps", "one-answer", "audit")

QUESTIONS = 32
"""Sessions about one document in which a question is asked."""
GRANTED = 5
"""Answers a day about one document that the caps leave it (protocol, sections 8 and 9)."""
DICTATED = 3
"""Matches to dictate."""
SCORE_QUESTIONS = 20
"""Questions by which a number below 2^20 is found."""


@dataclass(frozen=True)
class Victim:
    """Somebody whose sessions the gateway misuses."""

    subject: Subject
    template: Face = field(repr=False)
    live: Face = field(repr=False)

    @classmethod
    def of(cls, name: str, number: str) -> "Victim":
        template = face(name)
        live = another_picture(template, 0.7, f"{name} live")
        return cls(Subject.of("passport", number), template, live)


def run(site: Site, disabled: str | None, tell: Progress) -> Report:
    """Oracle, second answers, swapped and forged assertions, forged and lax decisions."""
    report = Report(NAME, HOLDS, disabled)
    if disabled in (None, "audit"):
        _dictate(site, disabled, report, tell)
    if disabled == "audit":
        return report
    ground = site.ground(disabled)
    with Counter(ground) as counter, CrookedGateway(ground, counter) as gateway:
        tell(f"asking about one template in {QUESTIONS} sessions")
        _ask_about_template(gateway, report)
        tell("asking again and again in one session")
        _ask_again(gateway, report)
        tell("swapping and forging assertions, forging decisions")
        _swap(gateway, report)
        _forge_receipts(gateway, counter, report)
    report.remark("an outcome that it dictates goes unseen where no audit is demanded: the rate")
    return report


def _dictate(site: Site, disabled: str | None, report: Report, tell: Progress) -> None:
    """Matches for strangers, under the agreed policy, before an authority that audits them all."""
    tell("dictating outcomes")
    ground = site.ground(disabled, audit_one_in=1)
    accepted = 0
    with Counter(ground) as counter, CrookedGateway(ground, counter) as gateway:
        for number in range(DICTATED):
            victim = Victim.of(f"dictated {number}", f"M{secrets.randbelow(10**8):08}")
            taken = gateway.take(victim.subject, victim.template, face(f"passer-by {number}"))
            policy = gateway.policy(taken)
            try:
                decision = gateway.dictated(gateway.ask(taken, taken.probe, policy))
            except Refused:
                continue
            accepted += decision.message.outcome == "MATCH"
    report.add(
        "dictate a match for a stranger, every evaluation audited",
        DICTATED,
        accepted,
        f"{accepted} signed matches under the agreed policy",
        "no decision",
    )


def _ask_about_template(gateway: CrookedGateway, report: Report) -> None:
    """One coordinate's sign per session, until the authority no longer answers."""
    victim = Victim.of("oracle", f"M{secrets.randbelow(10**8):08}")
    truth = quantise(victim.template) >= 1
    signs: list[bool] = []
    for j in range(QUESTIONS):
        taken = gateway.take(victim.subject, victim.template, victim.live)
        unit = np.zeros(LANE, dtype=np.int64)
        unit[j] = 1
        probe = gateway.encrypt(taken, unit)
        try:
            # v = Ks b_j - Kn with weights 512 and 1: at least 1 iff b_j is
            signs.append(gateway.answer(taken, probe, at_least(1, ks=512, kn=1)))
        except Refused:
            continue
    right = int((np.array(signs, dtype=bool) == truth[: len(signs)]).sum())
    cosine = _cosine(signs, victim.template)
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


def _cosine(signs: list[bool], template: Face) -> float:
    """How near the template a face of the signs alone comes."""
    if not signs:
        return 0.0
    guess = np.where(signs, 1.0, -1.0)
    return float(guess @ template[: len(signs)]) / math.sqrt(len(signs))


def _ask_again(gateway: CrookedGateway, report: Report) -> None:
    """One product, many questions: the score by bisection. And a second product for one key."""
    victim = Victim.of("again", f"M{secrets.randbelow(10**8):08}")
    taken = gateway.take(victim.subject, victim.template, victim.live)
    asked = gateway.ask(taken, taken.probe, gateway.policy(taken))
    low, high, answers = 1, 2**SCORE_QUESTIONS, 0
    for _ in range(SCORE_QUESTIONS):
        middle = (low + high) // 2
        try:
            reached = gateway.decide(asked, at_least(middle))
        except Refused:
            continue
        answers += 1
        low, high = (middle, high) if reached else (low, middle)
    truth = score(gateway.policy(taken).lanes[0], victim.live, victim.template)
    report.add(
        "ask more than once in one session",
        SCORE_QUESTIONS,
        answers if answers > 1 else 0,
        f"score {low:,} of {truth:,}",
    )
    twice = sum(_second(gateway) for _ in range(3))
    report.add("send a second product for one key", 3, twice, "a second answer")


def _second(gateway: CrookedGateway) -> bool:
    """Whether a key encrypts the bits of two products."""
    victim = Victim.of("second", f"M{secrets.randbelow(10**8):08}")
    taken = gateway.take(victim.subject, victim.template, victim.live)
    gateway.ask(taken, taken.probe, gateway.policy(taken))
    try:
        gateway.ask(taken, taken.probe, gateway.policy(taken))
    except Refused:
        return False
    return True


Swap = Literal["template", "submission", "forged template", "forged submission"]
_SWAPS: tuple[Swap, ...] = ("template", "submission", "forged template", "forged submission")


def _swap(gateway: CrookedGateway, report: Report) -> None:
    """Assertions of another session, and assertions that the gateway signs in others' names."""
    victim = Victim.of("swapped", f"M{secrets.randbelow(10**8):08}")
    accepted = dict.fromkeys(_SWAPS, 0)
    other = gateway.take(victim.subject, victim.template, victim.live)
    for swap in _SWAPS:
        taken = gateway.take(victim.subject, victim.template, victim.live)
        altered = _swapped(swap, taken, other)
        try:
            gateway.answer(altered, altered.probe, gateway.policy(altered))
        except Refused:
            continue
        accepted[swap] = 1
    stolen, forged = sum(accepted[s] for s in _SWAPS[:2]), sum(accepted[s] for s in _SWAPS[2:])
    report.add("use an assertion of another session", 2, stolen, "an answer")
    report.add("sign an assertion in the issuer's or device's name", 2, forged, "an answer")


def _swapped(swap: Swap, taken: Taken, other: Taken) -> Taken:
    if swap == "template":
        return taken.with_assertions(other.template_assertion, taken.submission_assertion)
    if swap == "submission":
        return taken.with_assertions(taken.template_assertion, other.submission_assertion)
    issued = cose.peek(taken.template_assertion, TemplateAssertion)
    made = cose.peek(taken.submission_assertion, SubmissionAssertion)
    if swap == "forged submission":
        forged = cose.sign(made, SigningKey.generate(made.device))
        return taken.with_assertions(taken.template_assertion, forged.encoded)
    template = cose.sign(issued, SigningKey.generate(issued.issuer))
    return taken.with_assertions(template.encoded, taken.submission_assertion)


def _forge_receipts(gateway: CrookedGateway, counter: Counter, report: Report) -> None:
    """An outcome turned round, and a genuine decision under a policy that accepts everybody."""
    stranger = Victim.of("forged", f"M{secrets.randbelow(10**8):08}")
    live = face("somebody else")
    taken = gateway.take(stranger.subject, stranger.template, live)
    honest = gateway.policy(taken)
    decision = gateway.decision(gateway.ask(taken, taken.probe, honest), honest)
    turned = decision.message.model_copy(update={"outcome": "MATCH"})
    forged = cose.sign(turned, gateway.signing_as(turned.authority))
    lax = at_least(1)
    taken_again = gateway.take(stranger.subject, stranger.template, live)
    # Any face passes a test for "below the threshold" that is given out for the threshold.
    lenient = gateway.decision(gateway.ask(taken_again, taken_again.probe, lax), lax)
    accepted = [
        _verifies(gateway, counter, taken, forged, honest),
        _verifies(gateway, counter, taken_again, lenient, lax),
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
