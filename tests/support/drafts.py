"""One session from the counter's side: what it opens, encrypts and hands in.

``draft`` builds a submission whose every part a test may replace before it is signed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_bytes
from typing import Any

from gateway.he.encryption import encrypt_probe, encrypt_template
from gateway.he.engine import default_engine
from gateway.he.interval import deal
from gateway.he.session_key import ExpectedSession, VerifiedSessionKey, verify_session_key
from gateway.issuer.issuer import Model
from gateway.wire import cose
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.dealing import Dealing
from gateway.wire.erasure import erasure_commitment
from gateway.wire.ids import Nonce, PartyId, SessionId, digest_of, new_nonce
from gateway.wire.profile import PROFILE
from gateway.wire.sealing import Sealed, SealingPublicKey
from gateway.wire.session import SessionOffer, SessionRequest
from gateway.wire.subject import Subject, activation_commitment, new_salt
from gateway.wire.submission import (
    ConsentRecord,
    Submission,
    SubmissionAssertion,
    TemplateAssertion,
)
from tests.support.samples import MODEL, REFERENCE, SESSIONS, Vector, new_number

# One session from the counter's side


@dataclass(frozen=True)
class CounterKeys:
    """What a counter holds: here also the key to play both of its parties dishonestly."""

    device: SigningKey
    issuer: SigningKey
    site_salt: bytes
    sealing: SealingPublicKey
    authority_sealing: SealingPublicKey
    authority: VerifyKey
    gateway: PartyId
    model: Model = MODEL


@dataclass(frozen=True)
class Opened:
    """A session that was offered, with the verified key."""

    offer: SessionOffer
    key: VerifiedSessionKey
    nonce: Nonce

    @property
    def session(self) -> SessionId:
        return self.key.grant.message.session

    @property
    def path(self) -> str:
        return f"{SESSIONS}/{self.session.hex()}"


def session_request(counter: CounterKeys, **changes: Any) -> SessionRequest:
    given = {
        "profile": PROFILE,
        "gateway": counter.gateway,
        "device": counter.device.party,
        "issuer": counter.issuer.party,
        "client_nonce": new_nonce(),
        "purpose": "sim-activation",
        "consent_text_version": 1,
        "exclusions": (),
    }
    return SessionRequest(**{**given, **changes})


def verified(
    counter: CounterKeys, request: SessionRequest, offer: SessionOffer, now: int
) -> Opened:
    expected = ExpectedSession(
        counter.authority,
        counter.gateway,
        counter.device.party,
        counter.issuer.party,
        request.client_nonce,
    )
    key = verify_session_key(offer.grant, offer.public_key, expected, now)
    return Opened(offer, key, request.client_nonce)


def ciphertexts(
    opened: Opened, template: Vector, probe: Vector, action: Vector | None = None
) -> tuple[bytes, bytes]:
    """Template and probe, encrypted honestly."""
    engine = default_engine()
    return (
        encrypt_template(engine, opened.key, template).encoded,
        encrypt_probe(engine, opened.key, probe, action).encoded,
    )


def draft(
    counter: CounterKeys,
    opened: Opened,
    template: bytes,
    probe: bytes,
    now: int,
    *,
    issued: Mapping[str, Any] | None = None,
    made: Mapping[str, Any] | None = None,
    consented: Mapping[str, Any] | None = None,
    top: Mapping[str, Any] | None = None,
    issuer_key: SigningKey | None = None,
    device_key: SigningKey | None = None,
    sealing: SealingPublicKey | None = None,
    sealed_for: SessionId | None = None,
    dealings: tuple[Dealing, Dealing] | None = None,
) -> Submission:
    """A submission, honest but for what the keywords replace; all signatures are made after."""
    grant = opened.key.grant.message
    gateways, authoritys = dealings or deal(token_bytes)
    bound = sealed_for or grant.session, grant.key_id
    to_gateway = sealing or counter.sealing
    subject = Subject.of("passport", new_number())
    template_assertion = cose.sign(
        TemplateAssertion(
            **{
                "session": grant.session,
                "key_id": grant.key_id,
                "issuer": counter.issuer.party,
                "template_digest": digest_of(template),
                "gateway_dealing_digest": gateways.digest,
                "authority_dealing_digest": authoritys.digest,
                "model_id": counter.model.model_id,
                "model_digest": counter.model.digest,
                "quality": counter.model.quality,
                "portrait_source": "read",
                "subject_inner": subject.inner(counter.site_salt),
                "subject_commitment": subject.commitment(new_salt()),
                "document_type": "passport",
                "issued_at": now,
                **(issued or {}),
            }
        ),
        issuer_key or counter.issuer,
    )
    consent = ConsentRecord(
        **{
            "text_version": 1,
            "language": "en",
            "purpose": "sim-activation",
            "given_at": now,
            "salt": new_salt(),
            **(consented or {}),
        }
    )
    submission_assertion = cose.sign(
        SubmissionAssertion(
            **{
                "session": grant.session,
                "key_id": grant.key_id,
                "device": counter.device.party,
                "probe_digest": digest_of(probe),
                "template_assertion_digest": template_assertion.digest,
                "model_digest": counter.model.digest,
                "quality": counter.model.quality,
                "liveness_evidence_digest": None,
                "consent_digest": consent.digest,
                "activation_commitment": activation_commitment(REFERENCE, new_salt()),
                "erasure_commitment": erasure_commitment(new_salt()),
                "purpose": "sim-activation",
                "agent": "demo-agent",
                "outlet": "demo-outlet",
                "captured_at": now,
                **(made or {}),
            }
        ),
        device_key or counter.device,
    )
    return Submission(
        **{
            "session": grant.session,
            "sealed_template": to_gateway.seal(
                Sealed.TEMPLATE, template + gateways.encoded, *bound
            ),
            "sealed_dealing": counter.authority_sealing.seal(
                Sealed.DEALING, authoritys.encoded, *bound
            ),
            "template_assertion": template_assertion.encoded,
            "sealed_probe": to_gateway.seal(Sealed.PROBE, probe, *bound),
            "submission_assertion": submission_assertion.encoded,
            "liveness_evidence": None,
            "consent": consent,
            **(top or {}),
        }
    )
