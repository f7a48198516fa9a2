"""Document portrait -> signed, encrypted, sealed ID template (protocol, sections 4 and 8).

The issuer verifies the session key itself, with the authority key that it pins. So neither the
device nor the gateway can make it encrypt under another key. The template is sealed to the gateway,
so the device that carries it cannot copy it as its probe.
"""

from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.he.encryption import encrypt_template
from gateway.he.engine import Engine
from gateway.he.interval import deal
from gateway.he.session_key import ExpectedSession, verify_session_key
from gateway.wire import cose
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.ids import Digest, Nonce, PartyId
from gateway.wire.quality import FaceQuality
from gateway.wire.sealing import Sealed, SealingPublicKey
from gateway.wire.subject import Subject, new_salt
from gateway.wire.submission import PortraitSource, TemplateAssertion


@dataclass(frozen=True)
class Model:
    """The face model in use: its id, SHA-256 of its pack's manifest, and what its gate lets pass.

    ``quality`` holds for every vector that the pack's pipeline makes: it embeds no other picture.
    """

    model_id: str
    digest: Digest
    quality: FaceQuality


@dataclass(frozen=True)
class Pins:
    """Whom this issuer trusts."""

    authority: VerifyKey
    gateway: PartyId
    sealing: SealingPublicKey
    """The gateway's: only the gateway can open the template and its own dealing."""
    authority_sealing: SealingPublicKey
    """The authority's: only the authority can open its dealing."""


@dataclass(frozen=True)
class SessionToServe:
    """A session as the device presents it to the issuer."""

    grant: bytes = field(repr=False)
    public_key: bytes = field(repr=False)
    device: PartyId
    client_nonce: Nonce


@dataclass(frozen=True)
class IssuedTemplate:
    """What the device carries to the gateway, and the opening for the subscriber."""

    sealed_template: bytes = field(repr=False)
    sealed_dealing: bytes = field(repr=False)
    assertion: bytes = field(repr=False)
    subject_salt: bytes = field(repr=False)


class Caps(Protocol):
    """How often a document may be asserted: ``gateway.issuer.caps``."""

    def admit(self, subject: Subject, now: int) -> None: ...


class TemplateIssuer:
    """Issues templates under its own signing key."""

    def __init__(
        self,
        key: SigningKey,
        site_salt: bytes,
        pins: Pins,
        model: Model,
        engine: Engine,
        caps: Caps | None = None,
    ) -> None:
        """``caps``: None only for measurements and tests, which read one document all day."""
        self._key = key
        self._site_salt = site_salt
        self._pins = pins
        self._model = model
        self._engine = engine
        self._caps = caps

    @property
    def party(self) -> PartyId:
        return self._key.party

    def issue(
        self,
        template: NDArray[np.floating],
        subject: Subject,
        session: SessionToServe,
        now: int,
        source: PortraitSource = "photographed",
    ) -> IssuedTemplate:
        """Encrypt and seal a template for one session.

        Args:
            template: the portrait's unit embedding, shape (d,), d <= 512.
            source: how the portrait was authenticated; unless somebody says so, not at all.

        Raises:
            MalformedMessage, Refused: the session key is not the pinned authority's for this
                session, or the document was asserted too often; nothing was encrypted.
            Unavailable: the assertion cannot be counted; nothing was encrypted.
        """
        key = verify_session_key(
            session.grant,
            session.public_key,
            ExpectedSession(
                authority_key=self._pins.authority,
                gateway=self._pins.gateway,
                device=session.device,
                issuer=self.party,
                client_nonce=session.client_nonce,
            ),
            now,
        )
        grant = key.grant.message
        if self._caps is not None:
            self._caps.admit(subject, now)
        ciphertext = encrypt_template(self._engine, key, template)
        gateways, authoritys = deal(token_bytes)
        salt = new_salt()
        assertion = TemplateAssertion(
            session=grant.session,
            key_id=grant.key_id,
            issuer=self.party,
            template_digest=ciphertext.digest,
            gateway_dealing_digest=gateways.digest,
            authority_dealing_digest=authoritys.digest,
            model_id=self._model.model_id,
            model_digest=self._model.digest,
            quality=self._model.quality,
            portrait_source=source,
            subject_inner=subject.inner(self._site_salt),
            subject_commitment=subject.commitment(salt),
            document_type=subject.document_type,
            issued_at=now,
        )
        return IssuedTemplate(
            sealed_template=self._pins.sealing.seal(
                Sealed.TEMPLATE,
                ciphertext.encoded + gateways.encoded,
                grant.session,
                grant.key_id,
            ),
            sealed_dealing=self._pins.authority_sealing.seal(
                Sealed.DEALING, authoritys.encoded, grant.session, grant.key_id
            ),
            assertion=cose.sign(assertion, self._key).encoded,
            subject_salt=salt,
        )
