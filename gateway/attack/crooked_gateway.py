"""A gateway in the attacker's hands: the gateway's keys, and any product, rows and policy."""

import secrets
from dataclasses import dataclass, field, replace
from typing import Self

import httpx
import numpy as np
from numpy.typing import NDArray

from gateway.attack.counter import TIMEOUT_SECONDS, Counter
from gateway.attack.deployment import MODEL, Ground
from gateway.attack.faces import Face
from gateway.cli.wiretap import Tapped
from gateway.he.engine import default_engine
from gateway.he.interval import blinded_rows
from gateway.he.product import LaneBounds, MaskedScore, masked_product
from gateway.he.quantise import quantise
from gateway.he.randomness import SeedStream
from gateway.he.session_key import VerifiedSessionKey
from gateway.issuer.issuer import SessionToServe, TemplateIssuer
from gateway.server.authority_client import AuthorityClient
from gateway.wire import cose
from gateway.wire.cose import Signed, SigningKey
from gateway.wire.errors import Refused
from gateway.wire.evaluation import BlindedRows, Decision, MaskedProduct
from gateway.wire.host.clock import unix_time
from gateway.wire.ids import Commitment, new_nonce, new_session_id
from gateway.wire.policy import LanePolicy, MatchPolicy
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import PROFILE, SEED_BYTES, T
from gateway.wire.session import SessionKeyRequest
from gateway.wire.subject import Subject, new_salt
from gateway.wire.submission import ConsentRecord

_WIDEST = T // 2**14 - 1
"""The widest interval that a policy may have."""
_THRESHOLD = "0.419"


@dataclass(frozen=True)
class Taken:
    """A session that an honest counter took part in, opened by the gateway."""

    key: VerifiedSessionKey
    template: Ciphertext
    probe: Ciphertext
    template_assertion: bytes = field(repr=False)
    submission_assertion: bytes = field(repr=False)
    consent: ConsentRecord

    def with_assertions(self, template: bytes, submission: bytes) -> "Taken":
        return replace(self, template_assertion=template, submission_assertion=submission)


@dataclass(frozen=True)
class Asked:
    """A product that the authority has answered: its bits, and what the gateway added."""

    taken: Taken
    score: MaskedScore
    policy: MatchPolicy
    bits: Ciphertext


def at_least(value: int, *, ks: int | None = None, kn: int | None = None) -> MatchPolicy:
    """A policy that asks whether the score reaches a value."""
    usual = LanePolicy.for_cosine(_THRESHOLD)
    rule = LanePolicy(ks=ks or usual.ks, kn=kn or usual.kn, lo=value, hi=value + _WIDEST - 1)
    return _policy("of-my-own", rule)


def _policy(name: str, rule: LanePolicy) -> MatchPolicy:
    return MatchPolicy(
        policy_id=name,
        assurance="unsigned-default",
        model_id=MODEL.model_id,
        model_digest=MODEL.digest,
        lanes=(rule,),
    )


class CrookedGateway:
    """Speaks to the real authority in the gateway's name."""

    def __init__(self, ground: Ground, counter: Counter, *, url: str | None = None) -> None:
        """``url``: what is sent to the authority passes there, for an attacker on the wire."""
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

    def take(
        self,
        subject: Subject,
        template: Face,
        live: Face,
        issuer: TemplateIssuer | None = None,
    ) -> Taken:
        """A session in which counter and issuer are honest, or the given issuer is not."""
        counter, nonce = self._counter, new_nonce()
        request = SessionKeyRequest(
            profile=PROFILE,
            session=new_session_id(),
            gateway=self.signing.party,
            device=counter.device.party,
            issuer=counter.issuer_key.party,
            client_nonce=nonce,
        )
        granted = self._client.session_key(request)
        key = counter.verify(granted.grant, granted.public_key, nonce)
        to_serve = SessionToServe(granted.grant, granted.public_key, counter.device.party, nonce)
        issued = (issuer or counter.issuer()).issue(template, subject, to_serve, unix_time())
        probe = counter.encrypt(key, quantise(live))
        assertion, consent = counter.assertion(key, issued, probe.encoded, new_salt())
        grant = key.grant.message
        opened = self._sealing.open(issued.sealed_template, grant.session, grant.key_id)
        return Taken(
            key,
            Ciphertext.decode(opened, polynomials=2),
            probe,
            issued.assertion,
            assertion,
            consent,
        )

    def encrypt(self, taken: Taken, values: NDArray[np.int64]) -> Ciphertext:
        """A probe of the gateway's own: the session's public key is known to it."""
        return self._counter.encrypt(taken.key, values)

    def policy(self, _: Taken) -> MatchPolicy:
        """The threshold that honest gateways use, on one lane."""
        return _policy("honest", LanePolicy.for_cosine(_THRESHOLD))

    def ask(self, taken: Taken, probe: Ciphertext, policy: MatchPolicy) -> Asked:
        """Send a product of any probe with the template. Raises ``Refused``."""
        engine = default_engine()
        scored = masked_product(
            engine, taken.key.public_key, probe, taken.template, policy, _fresh_stream()
        )
        session = taken.key.grant.message.session
        answer = self._client.encrypted_bits(
            MaskedProduct(
                session=session,
                template_assertion=taken.template_assertion,
                submission_assertion=taken.submission_assertion,
                lanes=1,
                policy_digest=policy.digest,
                seed_commitment=Commitment(secrets.token_bytes(32)),
                masked_product=scored.ciphertext.encoded,
            )
        )
        bits = Ciphertext.decode(answer.encrypted_bits, polynomials=2)
        return Asked(taken, scored, policy, bits)

    def decision(self, asked: Asked, policy: MatchPolicy) -> Signed[Decision]:
        """Let the authority decide by the interval of a policy. Raises ``Refused``."""
        rho = asked.score.bounds[0].left - asked.policy.lanes[0].lo
        return self._decided(asked, LaneBounds.of(policy.lanes[0], rho))

    def dictated(self, asked: Asked) -> Signed[Decision]:
        """A match, whatever the score: the interval has all values in it. Raises ``Refused``."""
        return self._decided(asked, LaneBounds(0, T - 1))

    def _decided(self, asked: Asked, interval: LaneBounds) -> Signed[Decision]:
        bounds = (interval,)
        rows = blinded_rows(
            default_engine(), asked.taken.key.public_key, asked.bits, bounds, _fresh_stream()
        )
        session = asked.taken.key.grant.message.session
        response = self._client.decision(BlindedRows(session=session, blinded_rows=rows.encoded))
        if response.decision is None:
            raise Refused("an audit is demanded")
        return cose.verify(response.decision, Decision, self._authority.verify_key)

    def decide(self, asked: Asked, policy: MatchPolicy) -> bool:
        """The bit. Raises ``Refused``."""
        return self.decision(asked, policy).message.outcome == "MATCH"

    def answer(self, taken: Taken, probe: Ciphertext, policy: MatchPolicy) -> bool:
        """One question: is the score of this probe in this policy's interval? ``Refused``."""
        return self.decide(self.ask(taken, probe, policy), policy)

    def signing_as(self, party: str) -> SigningKey:
        """A key of the gateway's own under another's name."""
        return SigningKey(party, self.signing.private)


def _fresh_stream() -> SeedStream:
    return SeedStream(secrets.token_bytes(SEED_BYTES), secrets.token_bytes(32))
