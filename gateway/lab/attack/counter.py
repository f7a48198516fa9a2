"""A registration counter in the attacker's hands. Its keys are enrolled; any step may change."""

from dataclasses import dataclass, field

import httpx
import numpy as np
from numpy.typing import NDArray

from gateway.client.answers import GatewayError
from gateway.client.gateway_client import GatewayClient
from gateway.client.registration import CONSENT_TEXT_VERSION, SIM_ACTIVATION
from gateway.he.engine import default_engine
from gateway.he.frame import lane_slots, probe_signs
from gateway.he.session_key import ExpectedSession, VerifiedSessionKey, verify_session_key
from gateway.host.clock import unix_time
from gateway.host.keyfile import load_signing_key, read_secret
from gateway.issuer.issuer import IssuedTemplate, Pins, SessionToServe, TemplateIssuer
from gateway.lab.attack.deployment import MODEL, Ground
from gateway.lab.attack.faces import Face
from gateway.lab.attack.report import AttackBroken
from gateway.lab.attack.weakened import sealed_in_the_open
from gateway.lab.deployment.wiretap import Tapped
from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.erasure import erasure_commitment, erasure_secret
from gateway.wire.errors import Refused
from gateway.wire.ids import KeyId, Nonce, SessionId, digest_of, new_nonce
from gateway.wire.policy import MatchPolicy
from gateway.wire.polynomials import FRESH_BYTES, Ciphertext
from gateway.wire.profile import LANE, PROFILE
from gateway.wire.proof import Opening
from gateway.wire.sealing import Sealed, SealingPublicKey
from gateway.wire.session import SessionOffer, SessionRequest
from gateway.wire.subject import Subject, activation_commitment, new_salt
from gateway.wire.submission import ConsentRecord, Submission, SubmissionAssertion

TIMEOUT_SECONDS = 120
REFERENCE = "order-2026-000815"
"""The order that every registration activates."""


@dataclass(frozen=True)
class Opened:
    """A session that the counter opened and checked."""

    nonce: Nonce
    offer: SessionOffer = field(repr=False)
    key: VerifiedSessionKey = field(repr=False)

    @property
    def policy(self) -> MatchPolicy:
        return MatchPolicy.decode(self.offer.policy)

    def to_serve(self, device: str) -> SessionToServe:
        """The session as the device presents it to the issuer."""
        return SessionToServe(self.offer.grant, self.offer.public_key, device, self.nonce)


@dataclass(frozen=True)
class Answer:
    """What came of a submission: MATCH, NO_MATCH, or how it was turned away."""

    outcome: str
    receipt: bytes = field(default=b"", repr=False)
    opening: Opening | None = field(default=None, repr=False)

    @property
    def matched(self) -> bool:
        return self.outcome == "MATCH"


class OpenSealingKey(SealingPublicKey):
    """A key to seal to, for an issuer that leaves the template unsealed."""

    def seal(self, what: Sealed, plain: bytes, session: SessionId, key_id: KeyId) -> bytes:
        if what is Sealed.TEMPLATE:
            return sealed_in_the_open(plain)
        return super().seal(what, plain, session, key_id)


class Counter:
    """An enrolled device and an enrolled issuer; left to itself, both follow the protocol."""

    def __init__(self, ground: Ground, *, url: str | None = None) -> None:
        """``url``: requests to the gateway pass through it, for an attacker on the wire."""
        self.trust = ground.trust
        named = self.trust.counter
        if named is None:
            raise AttackBroken("the deployment has no counter")
        root = ground.directories.root
        self.device = load_signing_key(root / named.device_key_file, named.device)
        self.issuer_key = load_signing_key(root / named.issuer_key_file, named.issuer)
        self.site_salt = read_secret(root / named.site_salt_file, 32)
        self.agent, self.outlet = named.agent, named.outlet
        pinned = self.trust.gateways[0]
        authority = self.trust.authorities[0]
        self.pins = Pins(authority.verify_key, pinned.party, pinned.sealing, authority.sealing)
        tapped = None if url is None else Tapped(url)
        self._transport = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, transport=tapped)
        self._client = GatewayClient(self._transport, pinned.url, self.device, unix_time)

    def __enter__(self) -> "Counter":
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def open(self, issuer: str | None = None) -> Opened:
        """Open a session and check its key.

        Raises:
            Refused: the gateway refuses, or the key is not the pinned authority's.
        """
        nonce = new_nonce()
        request = SessionRequest(
            profile=PROFILE,
            gateway=self.pins.gateway,
            device=self.device.party,
            issuer=issuer or self.issuer_key.party,
            client_nonce=nonce,
            purpose=SIM_ACTIVATION,
            consent_text_version=CONSENT_TEXT_VERSION,
            exclusions=(),
        )
        offer, _ = self._client.open_session(request)
        return Opened(nonce, offer, self.verify(offer.grant, offer.public_key, nonce))

    def verify(self, grant: bytes, public_key: bytes, nonce: Nonce) -> VerifiedSessionKey:
        """The checked key. Raises ``Refused`` unless the pinned authority granted it to us."""
        expected = ExpectedSession(
            authority_key=self.pins.authority,
            gateway=self.pins.gateway,
            device=self.device.party,
            issuer=self.issuer_key.party,
            client_nonce=nonce,
        )
        return verify_session_key(grant, public_key, expected, unix_time())

    def open_issuer(self) -> TemplateIssuer:
        """The counter's issuer, but it does not seal the template."""
        pins = self.pins
        in_the_open = OpenSealingKey(pins.sealing.raw)
        return self.issuer(
            pins=Pins(pins.authority, pins.gateway, in_the_open, pins.authority_sealing)
        )

    def issuer(self, key: SigningKey | None = None, pins: Pins | None = None) -> TemplateIssuer:
        """The counter's issuer, or one that signs with another key or has other pins."""
        return TemplateIssuer(
            key or self.issuer_key, self.site_salt, pins or self.pins, MODEL, default_engine()
        )

    def issue(self, opened: Opened, template: Face, subject: Subject) -> IssuedTemplate:
        """An honest template."""
        to_serve = opened.to_serve(self.device.party)
        return self.issuer().issue(template, subject, to_serve, unix_time())

    def probe(self, opened: Opened, live: Face, action: Face | None = None) -> bytes:
        """An honest probe, encoded. Without an action vector the second lane repeats the probe."""
        signs = probe_signs(live)
        second = signs if action is None else probe_signs(action)
        return self.encrypt(opened.key, np.concatenate((signs, second))).encoded

    def encrypt(self, key: VerifiedSessionKey, values: NDArray[np.int64]) -> Ciphertext:
        """Any values, encrypted as a probe is: 8192 signed integers, or 4096 for both lanes."""
        slots = lane_slots(values[:LANE], values[-LANE:])
        return Ciphertext(default_engine().encrypt(key.public_key.words, slots))

    def assertion(
        self, key: VerifiedSessionKey, issued: IssuedTemplate, probe: bytes, salt: bytes
    ) -> tuple[bytes, ConsentRecord]:
        """The signed submission assertion, and the consent that it names."""
        grant, now = key.grant.message, unix_time()
        consent = ConsentRecord(
            text_version=CONSENT_TEXT_VERSION,
            language="en",
            purpose=SIM_ACTIVATION,
            given_at=now,
            salt=new_salt(),
        )
        made = SubmissionAssertion(
            session=grant.session,
            key_id=grant.key_id,
            device=self.device.party,
            probe_digest=digest_of(probe),
            template_assertion_digest=digest_of(issued.assertion),
            model_digest=MODEL.digest,
            quality=MODEL.quality,
            liveness_evidence_digest=None,
            consent_digest=consent.digest,
            activation_commitment=activation_commitment(REFERENCE, salt),
            erasure_commitment=erasure_commitment(erasure_secret(issued.subject_salt, salt)),
            purpose=SIM_ACTIVATION,
            agent=self.agent,
            outlet=self.outlet,
            captured_at=now,
        )
        return cose.sign(made, self.device).encoded, consent

    def submission(
        self, opened: Opened, issued: IssuedTemplate, probe: bytes, salt: bytes
    ) -> Submission:
        """A template and a probe, signed by the device.

        Args:
            probe: what the device hands in as an encrypted probe.
            salt: of the activation commitment.
        """
        assertion, consent = self.assertion(opened.key, issued, probe, salt)
        grant = opened.key.grant.message
        return Submission(
            session=grant.session,
            sealed_template=issued.sealed_template,
            sealed_dealing=issued.sealed_dealing,
            template_assertion=issued.assertion,
            sealed_probe=self.pins.sealing.seal(
                Sealed.PROBE, _as_long_as_a_probe(probe), grant.session, grant.key_id
            ),
            submission_assertion=assertion,
            liveness_evidence=None,
            consent=consent,
        )

    def submit(
        self, opened: Opened, issued: IssuedTemplate, probe: bytes, salt: bytes | None = None
    ) -> Answer:
        """Hand in template and probe. Without a salt, the activation commitment is a fresh one."""
        salt = salt or new_salt()
        submission = self.submission(opened, issued, probe, salt)
        try:
            answer, _ = self._client.submit(submission.session, submission.encode())
        except Refused:
            return Answer("refused")
        except GatewayError:
            return Answer("turned away as malformed")
        opening = Opening(
            subject_salt=issued.subject_salt, activation_salt=salt, activation_reference=REFERENCE
        )
        return Answer(answer.outcome, answer.receipt, opening)

    def register(self, template: Face, live: Face, subject: Subject) -> Answer:
        """An honest registration."""
        opened = self.open()
        return self.submit(opened, self.issue(opened, template, subject), self.probe(opened, live))


def _as_long_as_a_probe(given: bytes) -> bytes:
    """The bytes, cut or padded: the message has room for exactly one probe."""
    return given[:FRESH_BYTES].ljust(FRESH_BYTES, b"\0")


def expect(answer: Answer, outcome: str) -> Answer:
    """Return the answer; raise ``AttackBroken`` unless it has the outcome of an honest session."""
    if answer.outcome != outcome:
        raise AttackBroken(f"an honest registration came out as {answer.outcome}, not {outcome}")
    return answer
