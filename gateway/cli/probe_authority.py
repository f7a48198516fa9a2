"""``sealmatch probe-authority``: registrations whose answers are known, to catch a lying authority.

Run at an enrolled counter, mixed in with the day's registrations: the authority sees a device that
it knows, a document that it does not, and uniform values. Each session uses a document number made
up on the spot and leaves a record at the gateway like every other; its receipt activates nothing.

Exit status: 0 every answer was right, 3 an answer was wrong, 1 failure, 2 usage.
"""

import argparse
import json
import secrets
import time
from dataclasses import replace
from pathlib import Path

from gateway.cli.pack import add_pack_argument, model_of, open_pack
from gateway.client.consent import pinned_texts
from gateway.client.counter import counter_session
from gateway.client.liveness.capture import Captured
from gateway.client.registration import (
    CONSENT_TEXT_VERSION,
    Live,
    Occasion,
    RegistrationClient,
    still,
)
from gateway.inspection.known_answers import CONFIDENCE, KnownAnswer, draw, rate_excluded
from gateway.proofs.trust import TrustFile
from gateway.wire.liveness import Challenge
from gateway.wire.policy import MatchPolicy
from gateway.wire.subject import Subject

WRONG = 3


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--trust", type=Path, default=Path("trust.json"), metavar="FILE", help="default trust.json"
    )
    parser.add_argument("--sessions", type=int, default=20, metavar="N", help="default 20")
    parser.add_argument(
        "--over",
        type=float,
        default=0,
        metavar="MINUTES",
        help="spread them over this time at random, among other registrations (default: at once)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_pack_argument(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask what is known already, and compare."""
    trust = TrustFile.read(options.trust)
    session = counter_session(options.trust, trust, model_of(open_pack(options.pack)))
    with session.transport:
        wrong = probe(
            session.client, options.sessions, options.over * 60, _consent(options.trust, trust)
        )
    if options.json:
        excluded = round(rate_excluded(options.sessions), 4)
        found: dict[str, object] = {"sessions": options.sessions, "wrongAnswers": wrong}
        print(json.dumps(found if wrong else {**found, "lieRateBelow": excluded}))
    else:
        print(_verdict(options.sessions, wrong))
    return WRONG if wrong else 0


def _consent(path: Path, trust: TrustFile) -> int:
    """The version that this counter's registrations name. Nobody is shown it here."""
    if trust.counter is None or trust.counter.consent_file is None:
        return CONSENT_TEXT_VERSION
    return pinned_texts(path, trust).version


def probe(
    client: RegistrationClient,
    sessions: int,
    seconds: float,
    consent_version: int = CONSENT_TEXT_VERSION,
) -> int:
    """Register ``sessions`` times and return how many answers were wrong.

    Raises:
        Inconclusive: the gateway requires a liveness check, which no made-up vector passes.
        Refused, GatewayError, Unavailable: as ``RegistrationClient.register``.
    """
    generator, wrong = secrets.SystemRandom(), 0
    policy: MatchPolicy | None = None
    moments = sorted(generator.uniform(0, seconds) for _ in range(sessions))
    start = time.monotonic()
    for number, moment in enumerate(moments):
        time.sleep(max(0.0, start + moment - time.monotonic()))
        known = draw(number, policy)
        done = client.register(known.template, _capture(known), _occasion(consent_version))
        policy = MatchPolicy.decode(done.offer.policy)
        wrong += done.outcome != known.expected(policy)
    return wrong


def _capture(known: KnownAnswer) -> Live:
    """Made-up vectors in the place of a face and its movements. They answer no challenge."""
    photograph = still(known.live)

    def capture(challenge: Challenge | None) -> Captured:
        return replace(photograph(challenge), action=known.action)

    return capture


def _occasion(consent_version: int) -> Occasion:
    """A document that nobody has, and an order that nobody placed."""
    subject = Subject.of("passport", f"P{secrets.randbelow(10**9):09}")
    order = f"order-{secrets.token_hex(8)}"
    return Occasion(subject, order, consent_text_version=consent_version)


def _verdict(sessions: int, wrong: int) -> str:
    if wrong:
        return (
            f"{wrong} of {sessions} ANSWERS WERE WRONG: the key authority, or the gateway, does "
            "not compute what it signs."
        )
    return (
        f"All {sessions} answers were right. An authority that lies in "
        f"{100 * rate_excluded(sessions):.1f} % of sessions or more would have been caught with "
        f"{CONFIDENCE:.0%} probability."
    )
