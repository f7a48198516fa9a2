"""Every party of the protocol in one process: fixed keys, a mock clock, honest messages.

Keys come from names, so golden bytes stay the same. The key authority is the real service; the
gateway's half of a session uses the real ``gateway.he``. A test changes one thing of an honest run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.he import transcript
from gateway.he.encryption import encrypt_probe, encrypt_template
from gateway.he.engine import default_engine
from gateway.he.interval import blinded_rows
from gateway.he.product import masked_product
from gateway.he.quantise import quantise
from gateway.he.randomness import SeedStream, seed_commitment
from gateway.he.session_key import ExpectedSession, VerifiedSessionKey, verify_session_key
from gateway.wire import cose
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import Refused
from gateway.wire.evaluation import BlindedRows, EncryptedBits, MaskedProduct
from gateway.wire.policy import LanePolicy, MatchPolicy
from gateway.wire.polynomials import Ciphertext, SessionPublicKey
from gateway.wire.profile import PROFILE
from gateway.wire.sealing import SealingPrivateKey
from gateway.wire.session import SessionGrant, SessionKeyRequest, SessionKeyResponse
from gateway.wire.subject import Subject
from gateway.wire.submission import SubmissionAssertion, TemplateAssertion
from keys.audits import AuditLedger, AuditPolicy
from keys.caps import AttemptCaps, CapLimits
from keys.custody import Custody
from keys.service import AuthorityService, Settings
from keys.sessions import SessionTable
from keys.workers import Secret, make_local_secret
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
NONCE = fixed_bytes("client-nonce")
SESSION = fixed_bytes("session", 16)


class Clock:
    """Seconds since 1970 that pass when a test says so."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def signed_grant(key: SessionPublicKey, signed_by: SigningKey = AUTHORITY, **changes: Any) -> bytes:
    """A grant for five minutes from ``NOW``, honest but for the changes."""
    given: dict[str, Any] = {
        "profile": PROFILE,
        "session": SESSION,
        "gateway": GATEWAY.party,
        "authority": AUTHORITY.party,
        "device": DEVICE.party,
        "issuer": ISSUER.party,
        "client_nonce": NONCE,
        "key_id": key.key_id,
        "expires_at": NOW + 300,
    }
    return cose.sign(SessionGrant(**(given | changes)), signed_by).encoded


def policy(lanes: int = 1, tau: str = "0.419") -> MatchPolicy:
    return MatchPolicy(
        policy_id="cosine-0.419",
        assurance="unsigned-default",
        model_id="buffalo/w600k",
        model_digest=MODEL_DIGEST,
        lanes=(LanePolicy.for_cosine(tau),) * lanes,
    )


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
    }
    return SessionKeyRequest(**(given | changes))


UNLIMITED = CapLimits(10**6, 10**6, 10**6, 0)
NO_AUDITS = AuditPolicy(one_in=0, seconds=60, unanswered=3)


class LocalSecrets:
    """Session keys in this process: no worker processes for tests of the edge."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def make(self) -> tuple[Secret, SessionPublicKey]:
        return make_local_secret()


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
    ) -> None:
        self.clock = clock
        self.trust = SignedTrust(directory / "trust.json", AUTHORITY)
        self.trust.add("gateway", GATEWAY, OTHER_GATEWAY)
        self.trust.add("device", DEVICE).add("issuer", ISSUER).add("auditor", AUDITOR)
        self.table = SessionTable(max_sessions, clock)
        self.ledger = AuditLedger(directory / "audits.sqlite3", audits.unanswered, clock)
        self.service = AuthorityService(
            Settings(AUTHORITY.party, SESSION_SECONDS, audits),
            Custody(AUTHORITY, PEPPER, sealing=(authority_sealing_key(),)),
            self.trust,
            self.table,
            AttemptCaps(directory / "caps.sqlite3", limits, clock),
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
    lanes: int = 1
    cosine: float = 0.7
    authority_key: VerifyKey = AUTHORITY.public
    action_cosine: float | None = None
    """Of the second lane's vector to the portrait; None: the probe again."""
    key: VerifiedSessionKey = field(init=False)
    policy: MatchPolicy = field(init=False)
    seed: bytes = field(init=False)

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
        self.policy = policy(self.lanes)
        self.seed = fixed_bytes(f"seed/{self.request.session.hex()}")

    def template_assertion(self, signed_by: SigningKey = ISSUER, **changes: Any) -> bytes:
        grant = self.key.grant.message
        given: dict[str, Any] = {
            "session": grant.session,
            "key_id": grant.key_id,
            "issuer": ISSUER.party,
            "template_digest": fixed_bytes("template"),
            "model_id": "buffalo/w600k",
            "model_digest": MODEL_DIGEST,
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
            "liveness_evidence_digest": None,
            "consent_digest": fixed_bytes("consent"),
            "activation_commitment": fixed_bytes("activation"),
            "purpose": "sim-activation",
            "agent": "agent-4",
            "outlet": "outlet-2",
            "captured_at": self.authority.clock(),
        }
        return cose.sign(SubmissionAssertion(**(given | changes)), signed_by).encoded

    def score(self) -> tuple[Any, bytes]:
        """The gateway's masked score of two real vectors, and the transcript before it."""
        engine = default_engine()
        portrait, live = unit_vectors(self.cosine)
        _, action = unit_vectors(self.cosine if self.action_cosine is None else self.action_cosine)
        before = transcript.before_product(
            self.key.grant.encoded, self.policy.digest, b"template", b"submission"
        )
        score = masked_product(
            engine,
            self.key.public_key,
            encrypt_probe(engine, self.key, quantise(live), quantise(action)),
            encrypt_template(engine, self.key, quantise(portrait)),
            self.policy,
            SeedStream(self.seed, before),
        )
        return score, before

    def product(self, **changes: Any) -> MaskedProduct:
        """An honest masked product with both assertions; ``changes`` replace its fields."""
        if "masked_product" not in changes:
            score, self._before = self.score()
            self._score = score
            changes["masked_product"] = score.ciphertext.encoded
        template = changes.pop("template_assertion", None) or self.template_assertion()
        given: dict[str, Any] = {
            "session": self.request.session,
            "template_assertion": template,
            "submission_assertion": self.submission_assertion(template),
            "lanes": self.lanes,
            "policy_digest": self.policy.digest,
            "seed_commitment": seed_commitment(self.request.session, self.seed),
        }
        return MaskedProduct(**(given | changes))

    def rows(self, answer: bytes, label: str = "") -> BlindedRows:
        """The blinded rows over the authority's bits; another label gives other randomness."""
        bits = Ciphertext.decode(EncryptedBits.decode(answer).encrypted_bits, polynomials=2)
        before = transcript.before_rows(self._before, self._score.ciphertext.digest, bits.digest)
        seed = fixed_bytes(f"rows/{label}") if label else self.seed
        rows = blinded_rows(
            default_engine(),
            self.key.public_key,
            bits,
            self._score.bounds,
            SeedStream(seed, before),
        )
        return BlindedRows(session=self.request.session, blinded_rows=rows.encoded)


@cache
def any_product() -> bytes:
    """A valid three-polynomial ciphertext that belongs to no key."""
    return Ciphertext(np.full((3, 3, 8192), 5, dtype=np.uint64)).encoded


@cache
def any_rows(value: int = 7) -> bytes:
    """A valid two-polynomial ciphertext that belongs to no key."""
    return Ciphertext(np.full((2, 3, 8192), value, dtype=np.uint64)).encoded


@contextmanager
def refused(detail: str = "") -> Iterator[None]:
    """The block raises ``Refused``: what a peer sees is always the same, ``detail`` is not."""
    with pytest.raises(Refused) as caught:
        yield
    assert str(caught.value) == "the request is refused"
    assert detail in caught.value.detail
