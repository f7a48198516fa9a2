"""The key authority is malicious: it departs from the protocol, and signs what it likes.

Nothing prevents it (protocol, section 9). It can sign the opposite of what it decrypted; and it
can send "bits" that are not bits, to learn about the score, of which the protocol tells it one bit.
What it cannot do is tell a session that matters from one whose answer the carrier knows
(``gateway.audit.known_answers``, ``sealmatch probe-authority``): it is caught at the rate at which
it lies. One that learns has lost the true decision, has to guess it, and is caught by that.
"""

import secrets
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from gateway.attack.counter import Counter
from gateway.attack.deployment import SEEN_BY_THE_AUTHORITY, Ground, Site
from gateway.attack.faces import score
from gateway.attack.lying_authority import RULE, SCORES, TURNED_EVERY, take_learnt
from gateway.attack.report import AttackBroken, Progress, Report
from gateway.audit.known_answers import caught, draw
from gateway.proofs.verify import verify_receipt
from gateway.wire.subject import Subject

NAME = "malicious-authority"
HOLDS = "runs the key authority, sends and signs what it likes"
DEFENCES = ("known-answers",)

SESSIONS = 24
"""Registrations with each authority. A carrier's known answers are some of many; here all are."""
_NEAR = 2
"""The pairs close to the threshold, on either side, are numbers 2 and 3 of a carrier's series. An
authority that learns guesses the far ones right, and so is caught by these alone."""
_PER_COSINE = 10_000 * RULE.ks
"""How much a score grows with the cosine."""
_MODULE = "gateway.attack.lying_authority"


@dataclass
class Run:
    """What came of the registrations with one authority."""

    wrong: int = 0
    """Outcomes that are not the known ones; each with a receipt that verifies."""
    fitting: list[float] = field(default_factory=list)
    """Share of all possible scores that fits what the authority learnt, per session."""
    off: list[float] = field(default_factory=list)
    """How far its estimate of the cosine was from the truth, per session."""


def run(site: Site, disabled: str | None, tell: Progress) -> Report:
    """An authority that turns decisions round, and one that learns."""
    report = Report(NAME, HOLDS, disabled)
    found = {}
    for mode in ("turn", "learn"):
        tell(f"{SESSIONS} registrations with an authority that departs from the protocol: {mode}")
        ground = site.ground(authority=f"{_MODULE} {mode}", lanes="1")
        found[mode] = _register(ground, learning=mode == "learn")
    turned, learning = found["turn"], found["learn"]
    if disabled:
        _unnoticed(report, turned, learning)
    else:
        _noticed(report, turned, learning)
    return report


def _register(ground: Ground, *, learning: bool) -> Run:
    seen = ground.directories.root / SEEN_BY_THE_AUTHORITY
    done = Run()
    with Counter(ground) as counter:
        for number in range(SESSIONS):
            opened = counter.open()
            policy = opened.policy
            if policy.lanes != (RULE,):
                raise AttackBroken("the policy is not the one that the authority supposes")
            known = draw(_NEAR + number % 2 if learning else number, policy)
            subject = Subject.of("passport", f"KA{secrets.randbelow(10**9):09}")
            issued = counter.issue(opened, known.template, subject)
            answer = counter.submit(opened, issued, counter.probe(opened, known.live))
            verify_receipt(answer.receipt, counter.trust)
            done.wrong += answer.outcome != known.expected(policy)
            if learning:
                fitting = take_learnt(seen).candidates()
                truth = score(policy.lanes[0], known.live, known.template)
                if not fitting.size or np.abs(fitting - truth).min() > 16:
                    raise AttackBroken("the score is not among those that fit")
                done.fitting.append(fitting.size / SCORES.size)
                done.off.append(abs(float(np.median(fitting)) - truth) / _PER_COSINE)
    return done


def _noticed(report: Report, turned: Run, learning: Run) -> None:
    """The carrier compares outcomes with the answers that it knows."""
    for what, one in (
        (f"turn one outcome in {TURNED_EVERY} and stay unnoticed", turned),
        ("learn about scores and stay unnoticed", learning),
    ):
        unnoticed = SESSIONS if one.wrong == 0 else 0
        report.add(what, SESSIONS, unnoticed, "all of it", f"{one.wrong} wrong answers: caught")
    rate = 1 / TURNED_EVERY
    report.remark(
        f"an authority that lies in one session of {TURNED_EVERY} is caught by {SESSIONS} known "
        f"answers with probability {caught(rate, SESSIONS):.4f}; one session in 50, by 150: "
        f"{caught(0.02, 150):.2f}"
    )
    report.remark("nothing prevents a single lie, nor what one session tells")


def _unnoticed(report: Report, turned: Run, learning: Run) -> None:
    """Nobody asks what is known already."""
    report.add(
        f"turn one outcome in {TURNED_EVERY}",
        SESSIONS,
        turned.wrong,
        f"{turned.wrong} of {SESSIONS} wrong outcomes, each with a receipt that verifies",
        "left as they were",
    )
    narrowed = sum(share < 1 / 8 for share in learning.fitting)
    report.add(
        "learn about scores by bits that are none",
        SESSIONS,
        narrowed,
        f"the score to an eighth of its range or better in {narrowed} of {SESSIONS} sessions "
        f"(median {100 * median(learning.fitting):.1f} % of the range; best "
        f"{100 * min(learning.fitting):.2f} %), the cosine to {median(learning.off):.2f} (median)",
        "less",
    )
