"""The key authority is malicious: it departs from the protocol, and signs what it likes.

Nothing prevents this (protocol, section 9). It can sign the opposite of the outcome. It can also
answer wrong values, which moves each lane's interval where it likes: so it gets one bit of its own
choosing per lane and session, and no more. But it cannot tell a session that matters from one whose
answer the carrier knows (``gateway.inspection.known_answers``, ``sealmatch probe-authority``), so
it is caught at the rate at which it lies. If it uses a lane for a question of its own, it loses the
true decision, has to guess it, and is caught by wrong guesses.
"""

import secrets
from dataclasses import dataclass, field
from statistics import median

from gateway.inspection.known_answers import caught, draw
from gateway.lab.attack.counter import Counter
from gateway.lab.attack.deployment import SEEN_BY_THE_AUTHORITY, Ground, Site
from gateway.lab.attack.faces import score
from gateway.lab.attack.lying_authority import (
    ASK,
    ASK_ASIDE,
    RULES,
    SCORES,
    TURN,
    TURNED_EVERY,
    take_learnt,
)
from gateway.lab.attack.report import AttackBroken, AttackReport, Progress
from gateway.proofs.verify import verify_receipt
from gateway.wire.subject import Subject

NAME = "malicious-authority"
HOLDS = "runs the key authority, answers and signs what it likes"
DEFENCES = ("known-answers",)

SESSIONS = 24
"""Registrations with each authority. A carrier knows some answers of many; here all are known."""
_MODULE = "gateway.lab.attack.lying_authority"


@dataclass
class Run:
    """Results of the registrations with one authority."""

    wrong: int = 0
    """Outcomes that differ from the known ones. Each still has a receipt that verifies."""
    fitting: list[float] = field(default_factory=list)
    """Share of all scores that fit what the bit told, for each session and lane."""


def run(site: Site, disabled: str | None, tell: Progress) -> AttackReport:
    """An authority that inverts decisions, and two that ask their own questions.

    With known answers disabled, one of the two.
    """
    report = AttackReport(NAME, HOLDS, disabled)
    found = {}
    for mode in (TURN, ASK) if disabled else (TURN, ASK, ASK_ASIDE):
        tell(f"{SESSIONS} registrations with an authority that departs from the protocol: {mode}")
        ground = site.ground(authority=f"{_MODULE} {mode}")
        found[mode] = _register(ground, mode)
    if disabled:
        _unnoticed(report, found)
    else:
        _noticed(report, found)
    report.remark(_told(found[ASK]))
    return report


def _told(asking: Run) -> str:
    return (
        f"a session tells it one bit per lane: {100 * median(asking.fitting):.0f} % of a lane's "
        f"scores fit afterwards (median; at best {100 * min(asking.fitting):.0f} %)"
    )


def _register(ground: Ground, mode: str) -> Run:
    seen = ground.directories.root / SEEN_BY_THE_AUTHORITY
    done = Run()
    with Counter(ground) as counter:
        for number in range(SESSIONS):
            opened = counter.open()
            policy = opened.policy
            if policy.lanes != RULES:
                raise AttackBroken("the policy is not the one that the authority supposes")
            known = draw(number, policy)
            subject = Subject.of("passport", f"KA{secrets.randbelow(10**9):09}")
            issued = counter.issue(opened, known.template, subject)
            answer = counter.submit(opened, issued, counter.probe(opened, known.live, known.action))
            verify_receipt(answer.receipt, counter.trust)
            done.wrong += answer.outcome != known.expected(policy)
            if mode == TURN:
                continue
            learnt = take_learnt(seen, mode)
            for lane, vector in enumerate((known.live, known.action)):
                fitting = learnt.candidates(lane)
                if score(vector, known.template) not in fitting:
                    raise AttackBroken("the score is not among those that fit")
                done.fitting.append(fitting.size / SCORES.size)
    return done


def _noticed(report: AttackReport, found: dict[str, Run]) -> None:
    """The carrier compares outcomes with the answers that it knows."""
    for what, one in (
        (f"turn one outcome in {TURNED_EVERY} and stay unnoticed", found[TURN]),
        ("ask its own questions in both lanes and stay unnoticed", found[ASK]),
        ("ask its own question in one lane and stay unnoticed", found[ASK_ASIDE]),
    ):
        unnoticed = SESSIONS if one.wrong == 0 else 0
        report.add(what, SESSIONS, unnoticed, "all of it", f"{one.wrong} wrong answers: caught")
    rate = 1 / TURNED_EVERY
    report.remark(
        f"an authority that lies in one session of {TURNED_EVERY} is caught by {SESSIONS} known "
        f"answers with probability {caught(rate, SESSIONS):.4f}; one session in 50, by 150: "
        f"{caught(0.02, 150):.2f}"
    )
    report.remark("nothing prevents a single lie, nor the one bit per lane that a session tells")


def _unnoticed(report: AttackReport, found: dict[str, Run]) -> None:
    """Nobody compares outcomes with known answers."""
    turned, asking = found[TURN], found[ASK]
    report.add(
        f"turn one outcome in {TURNED_EVERY}",
        SESSIONS,
        turned.wrong,
        f"{turned.wrong} of {SESSIONS} wrong outcomes, each with a receipt that verifies",
        "left as they were",
    )
    report.add(
        "ask its own questions in both lanes, and guess the outcome",
        SESSIONS,
        asking.wrong,
        f"a bit about each lane's score in every session, and {asking.wrong} of {SESSIONS} "
        "outcomes guessed wrong",
        "guessed right",
    )
