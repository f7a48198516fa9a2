"""Every party of the protocol in one process: fixed keys, a mock clock, honest messages.

Keys come from names, so golden bytes stay the same. The key authority is the real service; the
gateway's half of a session uses the real ``gateway.he``. A test changes one thing of an honest run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.he.encryption import encrypt_probe, encrypt_template
from gateway.he.engine import default_engine
from gateway.he.evaluation import Evaluation, Inputs
from gateway.he.interval import deal
from gateway.he.randomness import seed_commitment
from gateway.he.session_key import (
    ExpectedSession,
    SessionKey,
    UniformHalf,
    VerifiedSessionKey,
    verify_session_key,
)
from gateway.wire import cose
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.dealing import Dealing
from gateway.wire.errors import Refused
from gateway.wire.evaluation import (
    AttemptAnswer,
    AttemptNonce,
    AttemptRequest,
    DecisionResponse,
    MaskedValues,
    ProductRequest,
    SharesRequest,
)
from gateway.wire.policy import LanePolicy, MatchPolicy
from gateway.wire.polynomials import PaddedProduct, ProductTail, SessionKeyHalf
from gateway.wire.profile import PROFILE, SENT_PRIMES, N
from gateway.wire.quality import FaceQuality
from gateway.wire.sealing import Sealed, SealingPrivateKey
from gateway.wire.session import SessionGrant, SessionKeyRequest, SessionKeyResponse
from gateway.wire.subject import Subject
from gateway.wire.submission import SubmissionAssertion, TemplateAssertion
from keys.audits import AuditLedger, AuditPolicy
from keys.caps import CapLimits
from keys.custody import Custody
from keys.service import AuthorityRules, AuthorityService
from keys.sessions import SessionTable
from keys.vault import MemoryMacKey
from keys.workers import Secret, make_local_secret
from tests.support.counters import attempt_caps
from tests.support.trusted import SignedTrust

NOW = 1_700_000_000
"""2023-11-14T22:13:20Z: when every session of the tests begins."""

SESSION_SECONDS = 300


def fixed_bytes(label: str, length: int = 32) -> bytes:
    """SHAKE-256("sealmatch/test/" || label): a value that a vector may name by its label."""
    return hashlib.shake_256(b"sealmatch/test/" + label.encode()).digest(length)


def fixed_key(party: str, label: str | None = None) -> SigningKey:
    """The Ed25519 key whose seed is ``fixed_bytes("key/" + label)``; label is the party's name."""
    seed = fixed_bytes(f"key/{label or party}")
    return SigningKey(party, Ed25519PrivateKey.from_private_bytes(seed))


GATEWAY = fixed_key("gateway.example")
OTHER_GATEWAY = fixed_key("other-gateway.example")
AUTHORITY = fixed_key("authority.example")
AUDITOR = fixed_key("auditor.example")
DEVICE = fixed_key("device-17")
ISSUER = fixed_key("reader-17")
AGENT, SUPERVISOR = fixed_key("agent-4"), fixed_key("supervisor-1")


def stranger(party: str) -> SigningKey:
    """Somebody who uses a party's name with a key of their own."""
    return fixed_key(party, f"stranger/{party}")


@cache
def sealing_key() -> SealingPrivateKey:
    return SealingPrivateKey.from_raw(fixed_bytes("key/sealing", 96))


@cache
def authority_sealing_key() -> SealingPrivateKey:
    return SealingPrivateKey.from_raw(fixed_bytes("key/authority-sealing", 96))


SUBJECT = Subject.of("passport", "X1234567")
SITE_SALT = fixed_bytes("site-salt")
PEPPER = fixed_bytes("pepper")
MODEL_DIGEST = fixed_bytes("model")
QUALITY = FaceQuality(
    outcome="passed", measures="face-quality/1", profile_digest=fixed_bytes("quality-profile")
)
NONCE = fixed_bytes("client-nonce")
GATEWAY_NONCE = fixed_bytes("gateway-nonce")
SESSION = fixed_bytes("session", 16)


class Clock:
    """Seconds since 1970 that pass when a test says so."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def signed_grant(key: SessionKey, signed_by: SigningKey = AUTHORITY, **changes: Any) -> bytes:
    """A grant for five minutes from ``NOW``, honest but for the changes."""
    given: dict[str, Any] = {
        "profile": PROFILE,
        "session": SESSION,
        "gateway": GATEWAY.party,
        "authority": AUTHORITY.party,
        "device": DEVICE.party,
        "issuer": ISSUER.party,
        "client_nonce": NONCE,
        "gateway_nonce": GATEWAY_NONCE,
        "key_id": key.key_id,
        "expires_at": NOW + 300,
    }
    return cose.sign(SessionGrant(**(given | changes)), signed_by).encoded


def policy(tau: str = "0.419", action: str | None = None) -> MatchPolicy:
    return MatchPolicy(
        policy_id="cosine-0.419",
        assurance="unsigned-default",
        model_id="buffalo/w600k",
        model_digest=MODEL_DIGEST,
        lanes=(LanePolicy.for_cosine(tau), LanePolicy.for_cosine(action or tau)),
    )


def fixed_dealings(label: str) -> tuple[Dealing, Dealing]:
    """What an issuer deals, from a label instead of the system's randomness."""
    drawn = iter(range(2**20))
    return deal(lambda count: fixed_bytes(f"dealing/{label}/{next(drawn)}", count))


def unit_vectors(cosine: float) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors of 512 values with this cosine."""
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=512), rng.normal(size=512)
    a /= np.linalg.norm(a)
    b -= (a @ b) * a
    b /= np.linalg.norm(b)
    return a, cosine * a + np.sqrt(1 - cosine * cosine) * b


def session_key_request(**changes: Any) -> SessionKeyRequest:
    given: dict[str, Any] = {
        "profile": PROFILE,
        "session": SESSION,
        "gateway": GATEWAY.party,
        "device": DEVICE.party,
        "issuer": ISSUER.party,
        "client_nonce": NONCE,
        "gateway_nonce": GATEWAY_NONCE,
    }
    return SessionKeyRequest(**(given | changes))


UNLIMITED = CapLimits(10**6, 10**6, 10**6, 0)
NO_AUDITS = AuditPolicy(one_in=0, seconds=60, unanswered=3)


class LocalSecrets:
    """Session keys in this process: no worker processes for tests of the edge."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def make(self, uniform: UniformHalf) -> tuple[Secret, SessionKeyHalf]:
        return make_local_secret(uniform)


class InProcessAuthority:
    """The real key authority without its transport: fixed keys, trust list in a directory."""

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        *,
        max_sessions: int = 10,
        limits: CapLimits = UNLIMITED,
        audits: AuditPolicy = NO_AUDITS,
        policies: frozenset[str] = frozenset(),
    ) -> None:
        self.clock = clock
        self.trust = SignedTrust(directory / "trust.json", AUTHORITY)
        self.trust.add("gateway", GATEWAY, OTHER_GATEWAY)
        self.trust.add("device", DEVICE).add("issuer", ISSUER).add("auditor", AUDITOR)
        self.table = SessionTable(max_sessions, clock)
        self.ledger = AuditLedger(directory / "audits.sqlite3", audits.unanswered, clock)
        self.service = AuthorityService(
            AuthorityRules(AUTHORITY.party, SESSION_SECONDS, audits, policies),
            Custody(AUTHORITY, MemoryMacKey(PEPPER), sealing=(authority_sealing_key(),)),
            self.trust,
            self.table,
            attempt_caps(directory / "caps.sqlite3", limits, clock),
            self.ledger,
            make_local_secret,
            clock,
        )

    def open(self, **changes: Any) -> OpenSession:
        """An honest session key, verified as client and issuer do."""
        request = session_key_request(**changes)
        return OpenSession(self, request, self.service.open_session(request, GATEWAY.public))


@dataclass
class OpenSession:
    """The gateway's, the device's and the issuer's side of one session."""

    authority: Any
    """An ``InProcessAuthority``, or whatever else has a ``clock``."""
    request: SessionKeyRequest
    answer: bytes
    cosine: float = 0.7
    authority_key: VerifyKey = AUTHORITY.public
    action_cosine: float | None = None
    """Of the second lane's vector to the portrait; None: the probe again."""
    key: VerifiedSessionKey = field(init=False)
    policy: MatchPolicy = field(init=False)
    seed: bytes = field(init=False)
    dealings: tuple[Dealing, Dealing] = field(init=False)
    """The gateway's, and the authority's."""

    def __post_init__(self) -> None:
        response = SessionKeyResponse.decode(self.answer)
        self.key = verify_session_key(
            response.grant,
            response.public_key,
            ExpectedSession(
                authority_key=self.authority_key,
                gateway=GATEWAY.party,
                device=self.request.device,
                issuer=self.request.issuer,
                client_nonce=self.request.client_nonce,
            ),
            self.authority.clock(),
        )
        self.policy = policy()
        self.seed = fixed_bytes(f"seed/{self.request.session.hex()}")
        self.dealings = fixed_dealings(self.request.session.hex())

    def template_assertion(self, signed_by: SigningKey = ISSUER, **changes: Any) -> bytes:
        grant = self.key.grant.message
        given: dict[str, Any] = {
            "session": grant.session,
            "key_id": grant.key_id,
            "issuer": ISSUER.party,
            "template_digest": fixed_bytes("template"),
            "gateway_dealing_digest": self.dealings[0].digest,
            "authority_dealing_digest": self.dealings[1].digest,
            "model_id": "buffalo/w600k",
            "model_digest": MODEL_DIGEST,
            "quality": QUALITY,
            "portrait_source": "chip-verified",
            "subject_inner": SUBJECT.inner(SITE_SALT),
            "subject_commitment": SUBJECT.commitment(fixed_bytes("subject-salt")),
            "document_type": "passport",
            "issued_at": self.authority.clock(),
        }
        return cose.sign(TemplateAssertion(**(given | changes)), signed_by).encoded

    def submission_assertion(
        self, template: bytes, signed_by: SigningKey = DEVICE, **changes: Any
    ) -> bytes:
        grant = self.key.grant.message
        given: dict[str, Any] = {
            "session": grant.session,
            "key_id": grant.key_id,
            "device": DEVICE.party,
            "probe_digest": fixed_bytes("probe"),
            "template_assertion_digest": hashlib.sha256(template).digest(),
            "model_digest": MODEL_DIGEST,
            "quality": QUALITY,
            "liveness_evidence_digest": None,
            "consent_digest": fixed_bytes("consent"),
            "activation_commitment": fixed_bytes("activation"),
            "erasure_commitment": fixed_bytes("erasure lock"),
            "purpose": "sim-activation",
            "agent": "agent-4",
            "outlet": "outlet-2",
            "captured_at": self.authority.clock(),
        }
        return cose.sign(SubmissionAssertion(**(given | changes)), signed_by).encoded

    @cached_property
    def evaluation(self) -> Evaluation:
        """The gateway's evaluation of two real vectors, with a fixed seed."""
        engine = default_engine()
        portrait, live = unit_vectors(self.cosine)
        _, action = unit_vectors(self.cosine if self.action_cosine is None else self.action_cosine)
        inputs = Inputs(
            grant=self.key.grant,
            public_key=self.key.public_key,
            policy=self.policy,
            template_assertion=b"template",
            submission_assertion=b"submission",
            template=encrypt_template(engine, self.key, portrait),
            probe=encrypt_probe(engine, self.key, live, action),
            dealing=self.dealings[0],
        )
        return Evaluation(engine, inputs, bytearray(self.seed))

    def sealed_dealing(self, dealing: Dealing | None = None) -> bytes:
        """The authority's dealing, sealed to it for this session."""
        grant = self.key.grant.message
        plain = (dealing or self.dealings[1]).encoded
        public = authority_sealing_key().public
        return public.seal(Sealed.DEALING, plain, grant.session, grant.key_id)

    def attempt(self, **changes: Any) -> AttemptRequest:
        """An honest attempt with both assertions; ``changes`` replace its fields."""
        template = changes.pop("template_assertion", None) or self.template_assertion()
        given: dict[str, Any] = {
            "session": self.request.session,
            "template_assertion": template,
            "submission_assertion": self.submission_assertion(template),
            "policy": self.policy.encode(),
            "seed_commitment": seed_commitment(self.request.session, self.seed),
            "sealed_dealing": self.sealed_dealing(),
        }
        return AttemptRequest(**(given | changes))

    def product(self, answer: bytes, **changes: Any) -> ProductRequest:
        """The honest product under the authority's nonce; ``changes`` replace its fields."""
        nonce = cose.verify(
            AttemptAnswer.decode(answer).nonce, AttemptNonce, self.authority_key
        ).message
        product, omega = self.evaluation.padded_product(nonce.nonce)
        given: dict[str, Any] = {
            "session": self.request.session,
            "padded_product": product.encoded,
            "omega": omega,
        }
        return ProductRequest(**(given | changes))

    def shares(self, answer: bytes, **changes: Any) -> SharesRequest:
        """The honest values and shares for the authority's answer; ``changes`` as above."""
        opened = self.evaluation.open(MaskedValues.decode(answer).masked)
        given: dict[str, Any] = {
            "session": self.request.session,
            "values": opened.values,
            "shares": opened.shares,
        }
        return SharesRequest(**(given | changes))

    def counted(self, **changes: Any) -> bytes:
        """The authority's answer to the honest attempt."""
        return self.authority.service.count(self.attempt(**changes), GATEWAY.public)

    def answered(self) -> bytes:
        """The authority's answer to the honest product, after the attempt."""
        return self.authority.service.answer(self.product(self.counted()), GATEWAY.public)

    def decided(self) -> DecisionResponse:
        """The authority's answer to the honest shares, after attempt and product."""
        shares = self.shares(self.answered())
        return DecisionResponse.decode(self.authority.service.decide(shares, GATEWAY.public))


@cache
def any_product(value: int = 5) -> bytes:
    """A valid padded product that belongs to no key."""
    words = np.full((2, len(SENT_PRIMES), N), value, dtype=np.uint64)
    return PaddedProduct((value, value), ProductTail(words)).encoded


@contextmanager
def refused(detail: str = "") -> Iterator[None]:
    """The block raises ``Refused``: what a peer sees is always the same, ``detail`` is not."""
    with pytest.raises(Refused) as caught:
        yield
    assert str(caught.value) == "the request is refused"
    assert detail in caught.value.detail
