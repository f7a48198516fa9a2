"""Somebody signs templates without being an enrolled issuer.

The impostor wants a receipt which says that the holder of a document was there, with its own
portrait in place of the document's. It tries through the gateway and, with the gateway's help, at
the authority. This is why the authority keeps a trust list of its own.
"""

import secrets

from gateway.host.clock import unix_time
from gateway.lab.attack.counter import Answer, Counter
from gateway.lab.attack.crooked_gateway import CrookedGateway
from gateway.lab.attack.deployment import Site
from gateway.lab.attack.faces import another_picture, face
from gateway.lab.attack.report import AttackReport, Progress
from gateway.wire.cose import SigningKey
from gateway.wire.errors import Refused
from gateway.wire.subject import Subject

NAME = "issuer-impostor"
HOLDS = "has an enrolled device, the issuer's name and the site salt; not the issuer's key"
DEFENCES = ("trust",)

TRIES = 3


def run(site: Site, disabled: str | None, tell: Progress) -> AttackReport:
    """Try a key of its own, a name of its own, and a genuine template of another session."""
    report = AttackReport(NAME, HOLDS, disabled)
    ground = site.ground(disabled)
    with Counter(ground) as counter, CrookedGateway(ground, counter) as gateway:
        tell("signing templates with a key of its own, in the issuer's name")
        receipts = sum(_own_key(counter).matched for _ in range(TRIES))
        found = f"{receipts} receipts for documents whose holders never came"
        report.add("sign with a key of its own, at the gateway", TRIES, receipts, found)
        decisions = sum(_with_gateway(counter, gateway) for _ in range(TRIES))
        found = f"{decisions} decisions"
        report.add("the same with the gateway's help, at the authority", TRIES, decisions, found)
        tell("under a name of its own, and with another session's template")
        opened = sum(_own_name(counter) for _ in range(TRIES))
        report.add("open a session under a name of its own", TRIES, opened, "a session")
        used = sum(_other_session(counter).matched for _ in range(TRIES))
        report.add("hand in a genuine template of another session", TRIES, used, "a match")
    return report


def _victim() -> Subject:
    return Subject.of("passport", f"I{secrets.randbelow(10**8):08}")


def _own_key(counter: Counter) -> Answer:
    """The impostor's own face, issued for somebody else's document."""
    own = face("impostor")
    issuer = counter.issuer(SigningKey.generate(counter.issuer_key.party))
    opened = counter.open()
    to_serve = opened.to_serve(counter.device.party)
    issued = issuer.issue(own, _victim(), to_serve, unix_time())
    live = another_picture(own, 0.7, "impostor live")
    return counter.submit(opened, issued, counter.probe(opened, live))


def _with_gateway(counter: Counter, gateway: CrookedGateway) -> bool:
    own = face("impostor")
    live = another_picture(own, 0.7, "impostor live")
    issuer = counter.issuer(SigningKey.generate(counter.issuer_key.party))
    taken = gateway.take(_victim(), own, live, issuer)
    try:
        return gateway.answer(taken)
    except Refused:
        return False


def _own_name(counter: Counter) -> bool:
    try:
        counter.open(issuer="impostor")
    except Refused:
        return False
    return True


def _other_session(counter: Counter) -> Answer:
    """A template that an enrolled issuer signed, but for an earlier session."""
    portrait = face("somebody")
    earlier, opened = counter.open(), counter.open()
    issued = counter.issue(earlier, portrait, _victim())
    live = another_picture(portrait, 0.7, "somebody live")
    return counter.submit(opened, issued, counter.probe(opened, live))
