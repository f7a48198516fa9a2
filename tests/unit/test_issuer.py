"""The issuer: encrypts under a session key of the pinned authority, or not at all."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gateway.he.engine import Engine, default_engine
from gateway.he.frame import template_values
from gateway.he.interval import accepts, share
from gateway.he.session_key import UniformHalf
from gateway.issuer.issuer import IssuedTemplate, Model, Pins, SessionToServe, TemplateIssuer
from gateway.wire import cose
from gateway.wire.dealing import AUTHORITY as AUTHORITYS
from gateway.wire.dealing import GATEWAY as GATEWAYS
from gateway.wire.dealing import Dealing
from gateway.wire.errors import MalformedMessage, Refused
from gateway.wire.policy import LanePolicy
from gateway.wire.polynomials import FRESH_BYTES, Ciphertext, Words
from gateway.wire.profile import LANE, T
from gateway.wire.sealing import Sealed
from gateway.wire.submission import TemplateAssertion
from tests.support import parties
from tests.support.he import TestKey
from tests.support.parties import (
    AUTHORITY,
    DEVICE,
    GATEWAY,
    ISSUER,
    MODEL_DIGEST,
    NONCE,
    NOW,
    QUALITY,
    SESSION,
    SITE_SALT,
    SUBJECT,
    authority_sealing_key,
    sealing_key,
    session_key_request,
    signed_grant,
    unit_vectors,
)

MODEL = Model("buffalo/w600k", MODEL_DIGEST, QUALITY)
TEMPLATE, _ = unit_vectors(0.5)


class SpyEngine:
    """An engine that counts what it encrypts."""

    def __init__(self) -> None:
        self.encryptions = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(default_engine(), name)

    def encrypt(self, key: Words, slots: np.ndarray) -> Any:
        self.encryptions += 1
        return default_engine().encrypt(key, slots)


UNIFORM = UniformHalf.of(session_key_request())


@pytest.fixture(scope="module")
def key() -> TestKey:
    """The session's key pair, its secret in the open."""
    return TestKey(seed=UNIFORM.seed)


@pytest.fixture
def spy() -> SpyEngine:
    return SpyEngine()


@pytest.fixture
def issuer(spy: SpyEngine) -> TemplateIssuer:
    engine: Engine = spy  # type: ignore[assignment]
    pins = Pins(
        AUTHORITY.public, GATEWAY.party, sealing_key().public, authority_sealing_key().public
    )
    return TemplateIssuer(ISSUER, SITE_SALT, pins, MODEL, engine)


def session(key: TestKey, signed_by: cose.SigningKey = AUTHORITY, **changes: Any) -> SessionToServe:
    grant = signed_grant(key.public, signed_by, **changes)
    return SessionToServe(grant, key.public.half.encoded, DEVICE.party, NONCE)


def issue(issuer: TemplateIssuer, served: SessionToServe) -> IssuedTemplate:
    return issuer.issue(TEMPLATE, SUBJECT, served, NOW)


def opened(issued: IssuedTemplate, key: TestKey) -> tuple[Ciphertext, Dealing, Dealing]:
    """What each server finds: template and its dealing, the other dealing."""
    key_id = key.public.key_id
    gateways = sealing_key().open(Sealed.TEMPLATE, issued.sealed_template, SESSION, key_id)
    authoritys = authority_sealing_key().open(
        Sealed.DEALING, issued.sealed_dealing, SESSION, key_id
    )
    return (
        Ciphertext.decode(gateways[:FRESH_BYTES]),
        Dealing.decode(gateways[FRESH_BYTES:], GATEWAYS),
        Dealing.decode(authoritys, AUTHORITYS),
    )


def test_issues_what_each_server_alone_can_open(
    issuer: TemplateIssuer, spy: SpyEngine, key: TestKey
) -> None:
    issued = issue(issuer, session(key))
    assert spy.encryptions == 1
    assertion = cose.verify(issued.assertion, TemplateAssertion, ISSUER.public).message
    template, gateways, authoritys = opened(issued, key)
    assert assertion.template_digest == template.digest
    assert assertion.gateway_dealing_digest == gateways.digest
    assert assertion.authority_dealing_digest == authoritys.digest
    assert assertion.session == SESSION
    assert assertion.key_id == key.public.key_id
    assert assertion.issuer == issuer.party == ISSUER.party
    assert (assertion.model_id, assertion.model_digest) == (MODEL.model_id, MODEL.digest)
    assert assertion.subject_inner == SUBJECT.inner(SITE_SALT)
    assert assertion.subject_commitment == SUBJECT.commitment(issued.subject_salt)
    assert assertion.document_type == "passport"
    assert assertion.portrait_source == "photographed", "who does not say so says the least"
    assert assertion.issued_at == NOW
    # The vector in both lanes.
    slots = key.decrypt(template)
    vector = np.mod(template_values(TEMPLATE), T).astype(np.uint64)
    assert (slots[:LANE] == vector).all()
    assert (slots[LANE:] == vector).all()


def test_neither_server_can_open_the_other_s_nor_for_another_session(
    issuer: TemplateIssuer, key: TestKey
) -> None:
    """Half of r each: whoever had both would see the score."""
    issued, own = issue(issuer, session(key)), key.public.key_id
    template, dealing = issued.sealed_template, issued.sealed_dealing
    for opener, what, sealed, scope in (
        (sealing_key(), Sealed.DEALING, dealing, (SESSION, own)),
        (authority_sealing_key(), Sealed.TEMPLATE, template, (SESSION, own)),
        (sealing_key(), Sealed.PROBE, template, (SESSION, own)),
        (sealing_key(), Sealed.TEMPLATE, template, (bytes(16), own)),
        (sealing_key(), Sealed.TEMPLATE, template, (SESSION, bytes(32))),
        (authority_sealing_key(), Sealed.DEALING, dealing, (bytes(16), own)),
        (authority_sealing_key(), Sealed.DEALING, dealing, (SESSION, bytes(32))),
    ):
        with pytest.raises(Refused):
            opener.open(what, sealed, *scope)


def test_what_is_dealt_decides(issuer: TemplateIssuer, key: TestKey) -> None:
    """Both dealings belong together, lane by lane, and each lane has an r of its own."""
    _, gateways, authoritys = opened(issue(issuer, session(key)), key)
    rule = LanePolicy.for_cosine("0.419")
    masks = set()
    for ours, theirs in zip(gateways.lanes, authoritys.lanes, strict=True):
        r = (ours.share + theirs.share) % T
        masks.add(r)
        for v in (rule.lo - 1, rule.lo, rule.hi, rule.hi + 1):
            m = (v + r) % T
            shares = share(GATEWAYS, ours, rule, m), share(AUTHORITYS, theirs, rule, m)
            assert accepts(rule, m, shares) == (rule.lo <= v <= rule.hi)
    assert len(masks) == 2


def test_nothing_is_dealt_twice(issuer: TemplateIssuer, key: TestKey) -> None:
    """Not even for the same session: two scores under one r would tell their difference."""
    served = session(key)
    dealt = [opened(issue(issuer, served), key)[1:] for _ in range(3)]
    parts = [lane.key for pair in dealt for dealing in pair for lane in dealing.lanes]
    assert len(set(parts)) == len(parts) == 12
    rs = [
        (ours.share + theirs.share) % T
        for gateways, authoritys in dealt
        for ours, theirs in zip(gateways.lanes, authoritys.lanes, strict=True)
    ]
    assert len(set(rs)) > 3  # six of 2^27 values: equal by chance once in 9 million


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("profile", "bgv8192-1"),
        ("gateway", "other-gateway.example"),
        ("authority", "other-authority"),
        ("device", "device-18"),
        ("issuer", "reader-18"),
        ("client_nonce", bytes(32)),
        ("gateway_nonce", bytes(32)),
        ("session", bytes(16)),
        ("key_id", bytes(32)),
        ("expires_at", NOW - 3600),
        ("expires_at", NOW + 3600),
    ],
)
def test_nothing_is_encrypted_for_another_session(
    issuer: TemplateIssuer,
    spy: SpyEngine,
    key: TestKey,
    field: str,
    value: object,
) -> None:
    with pytest.raises(Refused):
        issue(issuer, session(key, **{field: value}))
    assert spy.encryptions == 0


def test_nothing_is_encrypted_under_a_stranger_s_key(
    issuer: TemplateIssuer,
    spy: SpyEngine,
    key: TestKey,
) -> None:
    """Neither where a stranger signed, nor where the gateway put its own key in place."""
    for signer in (parties.stranger(AUTHORITY.party), GATEWAY):
        with pytest.raises(Refused):
            issue(issuer, session(key, signer))
    swapped = replace(session(key), public_key=TestKey(seed=UNIFORM.seed).public.half.encoded)
    with pytest.raises(Refused):
        issue(issuer, swapped)
    assert spy.encryptions == 0


def test_nothing_is_encrypted_for_malformed_bytes(
    issuer: TemplateIssuer,
    spy: SpyEngine,
    key: TestKey,
) -> None:
    honest = session(key)
    for broken in (
        replace(honest, grant=b""),
        replace(honest, grant=honest.grant[:-1]),
        replace(honest, public_key=honest.public_key[:-1]),
        replace(honest, public_key=b"\x01\x01" + b"\xff" * (len(honest.public_key) - 2)),
        replace(honest, public_key=b"\x01\x01" + bytes(len(honest.public_key) - 2)),
    ):
        with pytest.raises(MalformedMessage):
            issue(issuer, broken)
    assert spy.encryptions == 0


def test_device_and_nonce_are_the_ones_it_is_asked_for(
    issuer: TemplateIssuer,
    spy: SpyEngine,
    key: TestKey,
) -> None:
    honest = session(key)
    for other in (replace(honest, device="device-18"), replace(honest, client_nonce=bytes(32))):
        with pytest.raises(Refused):
            issue(issuer, other)
    assert spy.encryptions == 0


def test_two_templates_of_one_document_share_nothing_to_compare(
    issuer: TemplateIssuer,
    key: TestKey,
) -> None:
    served = session(key)
    one, two = issue(issuer, served), issue(issuer, copy.copy(served))
    first = cose.peek(one.assertion, TemplateAssertion)
    second = cose.peek(two.assertion, TemplateAssertion)
    assert one.sealed_template != two.sealed_template
    assert first.gateway_dealing_digest != second.gateway_dealing_digest
    assert first.authority_dealing_digest != second.authority_dealing_digest
    assert one.subject_salt != two.subject_salt
    assert first.template_digest != second.template_digest
    assert first.subject_commitment != second.subject_commitment
    assert first.subject_inner == second.subject_inner  # the caps must know the subject again


def test_nothing_of_the_template_shows(issuer: TemplateIssuer, key: TestKey) -> None:
    served = session(key)
    assert repr(issue(issuer, served)) == "IssuedTemplate()"
    assert "grant" not in repr(served)
    assert "public_key" not in repr(served)
