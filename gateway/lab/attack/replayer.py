"""Somebody on the wire records what passes and sends it again.

The line is plain HTTP, as if TLS had been broken: identity must not rest on TLS. The attacker
records the counter's requests to the gateway and the gateway's to the authority, and sends them
again. It also shows an honest receipt for another order, and claims an activation twice.
"""

import secrets
from collections import Counter as Tally
from dataclasses import dataclass, field

import httpx

from gateway.lab.attack.counter import REFERENCE, TIMEOUT_SECONDS, Answer, Counter, expect
from gateway.lab.attack.crooked_gateway import CrookedGateway
from gateway.lab.attack.deployment import Ground, Site
from gateway.lab.attack.faces import another_picture, face
from gateway.lab.attack.report import AttackBroken, AttackReport, Progress
from gateway.lab.deployment.wiretap import Wiretap
from gateway.proofs.verify import ReceiptInvalid, verify_receipt
from gateway.wire.subject import Subject, new_salt

NAME = "replayer"
HOLDS = "records every request on the wire, and has an honest receipt"
DEFENCES = ("nonces",)

TRIES = 3


@dataclass(frozen=True)
class Recorded:
    """One recorded request."""

    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def kind(self) -> str:
        """The last part of the path."""
        return self.url.rsplit("/", 1)[-1]


class Recorder(Wiretap):
    """Forwards requests, and keeps each with its headers."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.recorded: list[Recorded] = []

    def forward(self, url: str, headers: dict[str, str], body: bytes) -> httpx.Response:
        self.recorded.append(Recorded(url, headers, body))
        return super().forward(url, headers, body)


def run(site: Site, disabled: str | None, tell: Progress) -> AttackReport:
    """Record honest registrations, send everything again, then reuse receipt and activation."""
    report = AttackReport(NAME, HOLDS, disabled)
    ground = site.ground(disabled)
    tell("recording registrations")
    answer = _replay_at_gateway(ground, report)
    _replay_at_authority(ground, report)
    tell("using a receipt and an activation twice")
    with Counter(ground) as counter:
        _reuse_receipt(counter, answer, report)
        _reuse_activation(counter, report)
    return report


def _subject() -> Subject:
    return Subject.of("passport", f"R{secrets.randbelow(10**8):08}")


def _replay_at_gateway(ground: Ground, report: AttackReport) -> tuple[Answer, Subject]:
    subject = _subject()
    portrait = face("recorded")
    live = another_picture(portrait, 0.7, "recorded live")
    with Recorder(ground.trust.gateways[0].url) as wire, Counter(ground, url=wire.url) as counter:
        answer = expect(counter.register(portrait, live, subject), "MATCH")
        answered = _send_again(wire.recorded)
    report.add(
        "send a counter's session request again", TRIES, answered["sessions"], "a new session"
    )
    found = "outcome and receipt of somebody else's registration"
    report.add("send a counter's submission again", TRIES, answered["submission"], found)
    return answer, subject


def _replay_at_authority(ground: Ground, report: AttackReport) -> None:
    portrait = face("recorded")
    live = another_picture(portrait, 0.7, "recorded live")
    with (
        Counter(ground) as counter,
        Recorder(ground.trust.authorities[0].url) as wire,
        CrookedGateway(ground, counter, url=wire.url) as gateway,
    ):
        taken = gateway.take(_subject(), portrait, live)
        if not gateway.answer(taken):
            raise AttackBroken("an honest decision came out as a mismatch")
        answered = _send_again(wire.recorded)
    report.add(
        "send the gateway's requests again",
        4 * TRIES,
        answered.total(),
        "keys, nonces, masked values and decisions",
    )


def _send_again(recorded: list[Recorded]) -> Tally[str]:
    """How many repeats of each kind of request were answered."""
    answered: Tally[str] = Tally()
    with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        for one in recorded * TRIES:
            response = client.post(one.url, content=one.body, headers=one.headers)
            answered[one.kind] += response.status_code == httpx.codes.OK
    return answered


def _reuse_receipt(counter: Counter, given: tuple[Answer, Subject], report: AttackReport) -> None:
    """Show the receipt for another order, and for another document."""
    answer, subject = given
    if answer.opening is None:
        raise AttackBroken("a registration has an opening")
    other_order = answer.opening.model_copy(update={"activation_reference": f"{REFERENCE}1"})
    accepted = 0
    for opening, who in ((other_order, subject), (answer.opening, _subject())):
        try:
            verify_receipt(answer.receipt, counter.trust, opening, who)
            accepted += 1
        except ReceiptInvalid:
            continue
    found = "an activation that the receipt is not about"
    report.add("show a receipt for another order or person", 2, accepted, found, "does not verify")


def _reuse_activation(counter: Counter, report: AttackReport) -> None:
    """Use the same activation commitment in a second registration."""
    salt, accepted = new_salt(), 0
    portrait = face("twice")
    live = another_picture(portrait, 0.7, "twice live")
    for number in range(2):
        opened = counter.open()
        issued = counter.issue(opened, portrait, _subject())
        answer = counter.submit(opened, issued, counter.probe(opened, live), salt)
        if number == 0:
            expect(answer, "MATCH")
        else:
            accepted += answer.matched
    report.add("claim one activation in a second registration", 1, accepted, "a second receipt")
