"""Somebody who collected receipts guesses the numbers in them.

Document numbers and orders are few enough to try them all, so a salted hash with its salt beside it
protects nobody (protocol, section 11). Receipts hold commitments. Their random salts, the openings,
go to the subscriber apart from the receipt. (Records hold keyed handles; ``disk_thief`` tries
those.)
"""

import time
from collections.abc import Callable
from hashlib import sha256

from gateway.lab.attack.counter import Answer, Counter, expect
from gateway.lab.attack.deployment import Site
from gateway.lab.attack.faces import another_picture, face
from gateway.lab.attack.report import AttackBroken, AttackReport, Progress
from gateway.wire import cose
from gateway.wire.proof import Receipt, Statement
from gateway.wire.subject import Subject, activation_commitment

NAME = "enumerator"
HOLDS = "has receipts and everything in them, and tries every number"
DEFENCES = ("openings",)

RECEIPTS = 3
GUESSES = 100_000
_SERIES, _ORDERS = "E55", "order-2026-"


def run(site: Site, disabled: str | None, tell: Progress) -> AttackReport:
    """Collect receipts; try every document number and every order against each."""
    report = AttackReport(NAME, HOLDS, disabled)
    ground = site.ground(disabled if disabled != "openings" else None)
    with Counter(ground) as counter:
        tell(f"collecting {RECEIPTS} receipts")
        documents = [f"{_SERIES}{(6007 * i + 91823) % GUESSES:05}" for i in range(RECEIPTS)]
        answers = [_registered(counter, number) for number in documents]
    statements = [_statement(answer) for answer in answers]
    leaked = disabled == "openings"
    tell(f"trying {GUESSES:,} document numbers and as many orders on each receipt")
    salts = [_salts(answer, leaked=leaked) for answer in answers]
    _guess(
        report,
        "try document numbers on subject commitments",
        [f"{_SERIES}{i:05}" for i in range(GUESSES)],
        [s.subject_commitment for s in statements],
        salts,
        lambda guess, salt: Subject("passport", guess).commitment(salt),
    )
    _guess(
        report,
        "try order numbers on activation commitments",
        [f"{_ORDERS}{i:06}" for i in range(GUESSES)],
        [s.activation_commitment for s in statements],
        salts,
        activation_commitment,
    )
    return report


def _registered(counter: Counter, number: str) -> Answer:
    portrait = face(f"enumerated {number}")
    live = another_picture(portrait, 0.7, f"enumerated live {number}")
    return expect(counter.register(portrait, live, Subject.of("passport", number)), "MATCH")


def _statement(answer: Answer) -> Statement:
    return cose.peek(Receipt.decode(answer.receipt).statement, Statement)


def _salts(answer: Answer, *, leaked: bool) -> list[bytes]:
    """Candidates for a salt: those of the leaked opening, otherwise values that a receipt holds."""
    if leaked and answer.opening is not None:
        return [answer.opening.subject_salt, answer.opening.activation_salt]
    if answer.opening is None:
        raise AttackBroken("a registration has an opening")
    stated = _statement(answer)
    return [b"", bytes(32), stated.record_id, sha256(answer.receipt).digest()]


def _guess(
    report: AttackReport,
    what: str,
    guesses: list[str],
    commitments: list[bytes],
    salts: list[list[bytes]],
    commit: Callable[[str, bytes], bytes],
) -> None:
    start = time.perf_counter()
    found = [
        guess
        for commitment, candidates in zip(commitments, salts, strict=True)
        for salt in candidates
        for guess in guesses
        if commit(guess, salt) == commitment
    ]
    tried = len(guesses) * sum(map(len, salts))
    rate = tried / (time.perf_counter() - start)
    numbers = ", ".join(sorted(set(found)))
    recovered = f"{len(found)} of {len(commitments)} ({numbers}) at {rate:,.0f} guesses/s"
    report.add(what, tried, len(found), recovered, "opens nothing")
