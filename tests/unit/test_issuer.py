"""The issuer: encrypts under a session key of the pinned authority, or not at all."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gateway.he.engine import Engine, default_engine
from gateway.he.quantise import quantise
from gateway.issuer.issuer import IssuedTemplate, Model, Pins, SessionToServe, TemplateIssuer
from gateway.wire import cose
from gateway.wire.errors import MalformedMessage, Refused
from gateway.wire.polynomials import Ciphertext, SessionPublicKey
from gateway.wire.profile import T
from gateway.wire.submission import TemplateAssertion
from keys.authority import SessionSecret
from tests.support import parties
from tests.support.parties import (
    AUTHORITY,
    DEVICE,
    GATEWAY,
    ISSUER,
    MODEL_DIGEST,
    NONCE,
    NOW,
    SITE_SALT,
    SUBJECT,
    sealing_key,
    signed_grant,
    unit_vectors,
)

MODEL = Model("buffalo/w600k", MODEL_DIGEST)
TEMPLATE, _ = unit_vectors(0.5)


class SpyEngine:
    """An engine that counts what it encrypts."""

    def __init__(self) -> None:
        self.encryptions = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(default_engine(), name)

    def encrypt(self, key: SessionPublicKey, slots: np.ndarray) -> Any:
        self.encryptions += 1
        return default_engine().encrypt(key, slots)


@pytest.fixture(scope="module")
def secret_and_key() -> tuple[SessionSecret, SessionPublicKey]:
    return SessionSecret.make(default_engine())


@pytest.fixture
def spy() -> SpyEngine:
    return SpyEngine()


@pytest.fixture
def issuer(spy: SpyEngine) -> TemplateIssuer:
    engine: Engine = spy  # type: ignore[assignment]
    pins = Pins(AUTHORITY.public, GATEWAY.party, sealing_key().public)
    return TemplateIssuer(ISSUER, SITE_SALT, pins, MODEL, engine)


def session(
    key: SessionPublicKey, signed_by: cose.SigningKey = AUTHORITY, **changes: Any
) -> SessionToServe:
    grant = signed_grant(key, signed_by, **changes)
    return SessionToServe(grant, key.encoded, DEVICE.party, NONCE)


def issue(issuer: TemplateIssuer, served: SessionToServe) -> IssuedTemplate:
    return issuer.issue(TEMPLATE, SUBJECT, served, NOW)


def test_issues_what_the_gateway_alone_can_open(
    issuer: TemplateIssuer,
    spy: SpyEngine,
    secret_and_key: tuple[SessionSecret, SessionPublicKey],
) -> None:
    secret, key = secret_and_key
    issued = issue(issuer, session(key))
    assert spy.encryptions == 1
    assertion = cose.verify(issued.assertion, TemplateAssertion, ISSUER.public).message
    opened = sealing_key().open(issued.sealed_template, parties.SESSION, key.key_id)
    template = Ciphertext.decode(opened, polynomials=2)
    assert assertion.template_digest == template.digest
    assert assertion.session == parties.SESSION
    assert assertion.key_id == key.key_id
    assert assertion.issuer == issuer.party == ISSUER.party
    assert (assertion.model_id, assertion.model_digest) == (MODEL.model_id, MODEL.digest)
    assert assertion.subject_inner == SUBJECT.inner(SITE_SALT)
    assert assertion.subject_commitment == SUBJECT.commitment(issued.subject_salt)
    assert assertion.document_type == "passport"
    assert assertion.issued_at == NOW
    # The vector in lanes 0 and 1, zero elsewhere.
    slots = secret._decrypt(template).astype(np.int64)
    vector = np.mod(quantise(TEMPLATE), T)
    assert (slots[:512] == vector).all()
    assert (slots[512:1024] == vector).all()
    assert not slots[1024:].any()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("profile", "bgv8192-2"),
        ("gateway", "other-gateway.example"),
        ("authority", "other-authority"),
        ("device", "device-18"),
        ("issuer", "reader-18"),
        ("client_nonce", bytes(32)),
        ("key_id", bytes(32)),
        ("expires_at", NOW - 3600),
        ("expires_at", NOW + 3600),
    ],
)
def test_nothing_is_encrypted_for_another_session(
    issuer: TemplateIssuer,
    spy: SpyEngine,
    secret_and_key: tuple[SessionSecret, SessionPublicKey],
    field: str,
    value: object,
) -> None:
    with pytest.raises(Refused):
        issue(issuer, session(secret_and_key[1], **{field: value}))
    assert spy.encryptions == 0


def test_nothing_is_encrypted_under_a_stranger_s_key(
    issuer: TemplateIssuer,
    spy: SpyEngine,
    secret_and_key: tuple[SessionSecret, SessionPublicKey],
) -> None:
    """Neither where a stranger signed, nor where the gateway put its own key in place."""
    for signer in (parties.stranger(AUTHORITY.party), GATEWAY):
        with pytest.raises(Refused):
            issue(issuer, session(secret_and_key[1], signer))
    _, own = SessionSecret.make(default_engine())
    swapped = replace(session(secret_and_key[1]), public_key=own.encoded)
    with pytest.raises(Refused):
        issue(issuer, swapped)
    assert spy.encryptions == 0


def test_nothing_is_encrypted_for_malformed_bytes(
    issuer: TemplateIssuer,
    spy: SpyEngine,
    secret_and_key: tuple[SessionSecret, SessionPublicKey],
) -> None:
    honest = session(secret_and_key[1])
    for broken in (
        replace(honest, grant=b""),
        replace(honest, grant=honest.grant[:-1]),
        replace(honest, public_key=honest.public_key[:-1]),
        replace(honest, public_key=b"\x01\x02" + b"\xff" * (len(honest.public_key) - 2)),
    ):
        with pytest.raises(MalformedMessage):
            issue(issuer, broken)
    assert spy.encryptions == 0


def test_device_and_nonce_are_the_ones_it_is_asked_for(
    issuer: TemplateIssuer,
    spy: SpyEngine,
    secret_and_key: tuple[SessionSecret, SessionPublicKey],
) -> None:
    honest = session(secret_and_key[1])
    for other in (replace(honest, device="device-18"), replace(honest, client_nonce=bytes(32))):
        with pytest.raises(Refused):
            issue(issuer, other)
    assert spy.encryptions == 0


def test_two_templates_of_one_document_share_nothing_to_compare(
    issuer: TemplateIssuer,
    secret_and_key: tuple[SessionSecret, SessionPublicKey],
) -> None:
    served = session(secret_and_key[1])
    one, two = issue(issuer, served), issue(issuer, copy.copy(served))
    first = cose.peek(one.assertion, TemplateAssertion)
    second = cose.peek(two.assertion, TemplateAssertion)
    assert one.sealed_template != two.sealed_template
    assert one.subject_salt != two.subject_salt
    assert first.template_digest != second.template_digest
    assert first.subject_commitment != second.subject_commitment
    assert first.subject_inner == second.subject_inner  # the caps must know the subject again


def test_nothing_of_the_template_shows(
    issuer: TemplateIssuer, secret_and_key: tuple[SessionSecret, SessionPublicKey]
) -> None:
    served = session(secret_and_key[1])
    assert repr(issue(issuer, served)) == "IssuedTemplate()"
    assert "grant" not in repr(served)
    assert "public_key" not in repr(served)
