"""A gateway in the attacker's hands: it has the gateway's keys and sends the authority any message.

It asks one question per session: whether a value of its own choosing lies in an interval of its own
choosing. The value is the product of any probe with the template, without what an honest gateway
adds. The interval moves with what it adds to m.
"""

import secrets
from dataclasses import dataclass, field, replace
from typing import Final, Self

import httpx
import numpy as np
from numpy.typing import NDArray

from gateway.he.engine import default_engine
from gateway.he.frame import lane_slots, probe_signs
from gateway.he.interval import share
from gateway.he.product import padded_score
from gateway.he.randomness import FLOOD_BITS, FLOOD_LOW_BITS, SeedStream
from gateway.he.session_key import VerifiedSessionKey
from gateway.host.clock import unix_time
from gateway.issuer.issuer import SessionToServe, TemplateIssuer
from gateway.lab.attack.counter import TIMEOUT_SECONDS, Counter
from gateway.lab.attack.deployment import MODEL, Ground
from gateway.lab.attack.faces import Face
from gateway.lab.attack.phases import multiply_slots
from gateway.lab.deployment.wiretap import Tapped
from gateway.server.authority_client import AuthorityClient
from gateway.wire import cose
from gateway.wire.cose import Signed, SigningKey
from gateway.wire.dealing import GATEWAY, Dealing
from gateway.wire.errors import Refused
from gateway.wire.evaluation import (
    AttemptAnswer,
    AttemptRequest,
    Decision,
    PerLane,
    ProductRequest,
    SharesRequest,
)
from gateway.wire.ids import Commitment, new_nonce, new_session_id
from gateway.wire.policy import MAX_WIDTH, LanePolicy, MatchPolicy
from gateway.wire.polynomials import FRESH_BYTES, Ciphertext
from gateway.wire.profile import LANE, PROFILE, SEED_BYTES, N, T
from gateway.wire.sealing import Sealed
from gateway.wire.session import SessionKeyRequest
from gateway.wire.subject import Subject, new_salt
from gateway.wire.submission import ConsentRecord

WIDEST: Final = LanePolicy(lo=1, hi=MAX_WIDTH)
"""The widest interval that a policy may have: the most that one question can tell apart."""
_HONEST: Final = (LanePolicy.for_cosine("0.419"), LanePolicy.for_cosine("0.341"))

Values = NDArray[np.int64]


@dataclass(frozen=True)
class Taken:
    """A session with an honest counter. The gateway has opened what was sealed to it."""

    key: VerifiedSessionKey
    template: Ciphertext
    probe: Ciphertext
    dealing: Dealing
    """The gateway's."""
    sealed_dealing: bytes = field(repr=False)
    """The authority's."""
    template_assertion: bytes = field(repr=False)
    submission_assertion: bytes = field(repr=False)
    consent: ConsentRecord

    def but(self, **changes: bytes) -> "Taken":
        """The same session, with some parts replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Asked:
    """A product, and the authority's answer to it."""

    taken: Taken
    policy: MatchPolicy
    masked: PerLane = field(repr=False)
    """m' of each lane."""
    offsets: PerLane = field(repr=False)
    """What the gateway itself added to each value."""


class OpenStream(SeedStream):
    """Draws nothing that hides or checks: C = P (T + P), and the gateway knows P's squares."""

    def residues(self, label: str, count: int) -> NDArray[np.uint64]:
        return np.ones_like(super().residues(label, count))

    def unit(self, label: str) -> int:
        super().unit(label)
        return 1

    def flood(self, label: str, count: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        low, high = super().flood(label, count)
        return np.zeros_like(low), np.full_like(high, 1 << FLOOD_BITS - FLOOD_LOW_BITS)


def policy_of(*lanes: LanePolicy, name: str = "of-my-own") -> MatchPolicy:
    """A policy with these lanes; a single one serves for both."""
    return MatchPolicy(
        policy_id=name,
        assurance="unsigned-default",
        model_id=MODEL.model_id,
        model_digest=MODEL.digest,
        lanes=lanes * (2 // len(lanes)),
    )


HONEST: Final = policy_of(*_HONEST, name="honest")
"""The thresholds that honest gateways use."""
OWN: Final = policy_of(WIDEST)


class CrookedGateway:
    """Speaks to the real authority in the gateway's name."""

    def __init__(self, ground: Ground, counter: Counter, *, url: str | None = None) -> None:
        """``url``: requests to the authority pass through it, for an attacker on the wire."""
        self.signing, self._sealing = ground.gateway_keys()
        self._counter = counter
        self._authority = counter.trust.authorities[0]
        tapped = None if url is None else Tapped(url)
        self._transport = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, transport=tapped)
        self._client = AuthorityClient(
            self._transport, self._authority.url, self.signing, unix_time
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    # A session

    def take(
        self,
        subject: Subject,
        template: Face,
        live: Face,
        issuer: TemplateIssuer | None = None,
    ) -> Taken:
        """A session with an honest counter, and with its honest issuer or the given one."""
        counter, nonce = self._counter, new_nonce()
        request = SessionKeyRequest(
            profile=PROFILE,
            session=new_session_id(),
            gateway=self.signing.party,
            device=counter.device.party,
            issuer=counter.issuer_key.party,
            client_nonce=nonce,
            gateway_nonce=new_nonce(),
        )
        granted = self._client.session_key(request)
        key = counter.verify(granted.grant, granted.public_key, nonce)
        to_serve = SessionToServe(granted.grant, granted.public_key, counter.device.party, nonce)
        issued = (issuer or counter.issuer()).issue(template, subject, to_serve, unix_time())
        probe = counter.encrypt(key, probe_signs(live))
        assertion, consent = counter.assertion(key, issued, probe.encoded, new_salt())
        grant = key.grant.message
        opened = self._sealing.open(
            Sealed.TEMPLATE, issued.sealed_template, grant.session, grant.key_id
        )
        return Taken(
            key,
            Ciphertext.decode(opened[:FRESH_BYTES]),
            probe,
            Dealing.decode(opened[FRESH_BYTES:], GATEWAY),
            issued.sealed_dealing,
            issued.assertion,
            assertion,
            consent,
        )

    def encrypt(self, taken: Taken, values: Values) -> Ciphertext:
        """A probe of the gateway's own: it knows the session's public key."""
        return self._counter.encrypt(taken.key, values)

    # The three messages; each raises ``Refused``

    def attempt(self, taken: Taken, policy: MatchPolicy) -> AttemptAnswer:
        """Have the attempt counted."""
        return self._client.attempt(
            AttemptRequest(
                session=taken.key.grant.message.session,
                template_assertion=taken.template_assertion,
                submission_assertion=taken.submission_assertion,
                policy=policy.encode(),
                seed_commitment=Commitment(secrets.token_bytes(32)),
                sealed_dealing=taken.sealed_dealing,
            )
        )

    def product(
        self,
        taken: Taken,
        policy: MatchPolicy,
        probe: Ciphertext,
        squares: PerLane = (LANE, LANE),
        omega: int = 1,
    ) -> Asked:
        """Send the product of any probe with the template.

        Args:
            squares: the sum of each lane's squared values.
            omega: what the authority divides by. The product is not multiplied by it.
        """
        stream = OpenStream(secrets.token_bytes(SEED_BYTES), secrets.token_bytes(32))
        scored = padded_score(default_engine(), taken.key.public_key, probe, taken.template, stream)
        answer = self._client.masked_values(
            ProductRequest(
                session=taken.key.grant.message.session,
                padded_product=scored.product.encoded,
                omega=omega,
            )
        )
        first, second = (
            (offset - LANE + square) * pow(omega, -1, T) % T
            for offset, square in zip(scored.offsets, squares, strict=True)
        )
        return Asked(taken, policy, answer.masked, (first, second))

    def decision(
        self, asked: Asked, added: PerLane = (0, 0), flipped: PerLane = (0, 0)
    ) -> Signed[Decision]:
        """Let the authority decide whether the values are accepted.

        Args:
            added: what to add to each lane's value.
            flipped: 1 in the lanes whose share is inverted.
        """
        lanes = asked.taken.dealing.lanes
        first, second = (
            (masked - offset + lane.share + more) % T
            for masked, offset, lane, more in zip(
                asked.masked, asked.offsets, lanes, added, strict=True
            )
        )
        return self.decided(asked, (first, second), flipped)

    def decided(self, asked: Asked, values: PerLane, flipped: PerLane = (0, 0)) -> Signed[Decision]:
        """As ``decision``, for any m. An audit that is demanded counts as a refusal."""
        bits = (
            share(GATEWAY, lane, rule, m) ^ flip
            for lane, rule, m, flip in zip(
                asked.taken.dealing.lanes, asked.policy.lanes, values, flipped, strict=True
            )
        )
        session = asked.taken.key.grant.message.session
        response = self._client.decision(
            SharesRequest(session=session, values=values, shares=(next(bits), next(bits)))
        )
        if response.decision is None:
            raise Refused("an audit is demanded")
        return cose.verify(response.decision, Decision, self._authority.verify_key)

    # Questions

    def ask(
        self,
        taken: Taken,
        policy: MatchPolicy,
        probe: Ciphertext,
        squares: PerLane = (LANE, LANE),
    ) -> Asked:
        """Attempt and product. Raises ``Refused``."""
        self.attempt(taken, policy)
        return self.product(taken, policy, probe, squares)

    def answer(self, taken: Taken, policy: MatchPolicy = HONEST) -> bool:
        """Whether the probe is accepted, asked as an honest gateway asks. Raises ``Refused``."""
        return matches(self.decision(self.ask(taken, policy, taken.probe)))

    def first_lane(self, taken: Taken) -> Ciphertext:
        """The probe with zeros in the second lane, whose value is then known."""
        return _times(taken.probe, 1, 0)

    def second_lane(self, taken: Taken) -> Ciphertext:
        """The probe with zeros in the first lane."""
        return _times(taken.probe, 0, 1)

    def begins_at(self, asked: Asked, value: int) -> bool:
        """Whether the first lane's value lies in [value, value + 4096); the second lane's is 0.

        Raises ``Refused``.
        """
        return matches(self.decision(asked, (WIDEST.lo - value, WIDEST.lo)))

    def coordinate(self, taken: Taken, place: int) -> bool:
        """Whether one value of the template is positive. Raises ``Refused``."""
        unit = np.zeros(N, dtype=np.int64)
        unit[place] = 1
        return self.begins_at(self.ask(taken, OWN, self.encrypt(taken, unit), (1, 0)), 1)

    def signing_as(self, party: str) -> SigningKey:
        """The gateway's own key under another party's name."""
        return SigningKey(party, self.signing.private)


def matches(decision: Signed[Decision]) -> bool:
    return decision.message.outcome == "MATCH"


def _times(probe: Ciphertext, first: int, second: int) -> Ciphertext:
    """The probe with each lane multiplied by a number."""
    lanes = (np.full(LANE, factor, dtype=np.int64) for factor in (first, second))
    return Ciphertext(multiply_slots(default_engine(), probe.words, lane_slots(*lanes)))
