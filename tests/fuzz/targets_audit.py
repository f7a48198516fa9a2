"""What an auditor reads, and what a gateway reads of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from gateway.auditor.register import Register
from gateway.auditor.verification import Auditing, check_demand, check_evaluation
from gateway.server import audit as gateway_side
from gateway.wire import cose
from gateway.wire.audit import AuditReport, AuditRequest, AuditSecret
from gateway.wire.cose import VerifyKey
from gateway.wire.dealing import DEALING_BYTES
from gateway.wire.errors import Refused
from gateway.wire.evaluation import AttemptNonce
from gateway.wire.ids import Digest, Nonce, digest_of
from gateway.wire.polynomials import FRESH_BYTES
from tests.fuzz import trees
from tests.fuzz.making import stateless, target
from tests.fuzz.mutations import Mutator, frame, framed, scramble, unframe
from tests.fuzz.targets_wire import promise
from tests.support import parties
from tests.support.fuzzing import Parse, Target
from tests.support.parties import AUDITOR, AUTHORITY, DEVICE, GATEWAY, ISSUER, NOW
from tests.vectors import golden

_FIELDS: Final = (
    "demand",
    "grant",
    "policy",
    "template_assertion",
    "submission_assertion",
    "nonce",
)


class _Known:
    """The golden parties, as a register knows them."""

    def authority(self, party: str) -> VerifyKey:
        return self._of(AUTHORITY.public, party)

    def issuer(self, party: str) -> VerifyKey:
        return self._of(ISSUER.public, party)

    def device(self, party: str) -> VerifyKey:
        return self._of(DEVICE.public, party)

    def _of(self, key: VerifyKey, party: str) -> VerifyKey:
        if key.party != party:
            raise Refused("not enrolled")
        return key


@cache
def _request() -> AuditRequest:
    """The golden request, with a secret that opens."""
    request = golden.MESSAGES["audit-request"][0]
    assert isinstance(request, AuditRequest)
    secret = bytearray(2 * golden.FRESH.encoded + golden.DEALINGS[0].encoded + golden.SEED)
    public = parties.sealing_key().public
    sealed = public.seal_for_audit(secret, golden.SIGNED_DEMAND.digest)
    return request.model_copy(update={"sealed_secret": sealed})


def _repeated(_request: AuditRequest, _secret: bytes, nonce: Nonce) -> Digest:
    """From another nonce another evaluation follows."""
    same = nonce == golden.ATTEMPT_NONCE
    return golden.DECISION.evaluation_digest if same else digest_of(nonce)


def _parse_request(data: bytes) -> None:
    """Steps 1 to 10 with hostile parts; what is countersigned is the golden evaluation alone."""
    *parts, sealed = unframe(data, len(_FIELDS) + 1)
    changes: dict[str, Any] = dict(zip(_FIELDS, parts, strict=True))
    changes["policy"] = changes["policy"][:2048]  # as the message bounds it
    changes["sealed_secret"] = sealed or _request().sealed_secret
    request = _request().model_copy(update=changes)
    auditing = Auditing(
        _Known(),
        parties.sealing_key(),
        _repeated,
        verify_assertions=True,
        policies=frozenset(),
    )
    demand = check_demand(request, GATEWAY.public, auditing.parties, NOW)
    check_evaluation(request, demand, auditing)
    promise(demand.message.evaluated == golden.EVALUATED, "another evaluation was accepted")
    # The authority may have signed another grant for the session; the repetition tells it apart.
    honest, names = golden.MESSAGES["audit-request"][0], _FIELDS[2:5]
    same = all(getattr(request, name) == getattr(honest, name) for name in names)
    promise(same, "altered inputs were accepted")
    # Which request the nonce answers is the gateway's to check: the auditor does not see it.
    nonce = cose.peek(request.nonce, AttemptNonce)
    drawn = nonce.session, nonce.nonce
    promise(drawn == (golden.SESSION, golden.ATTEMPT_NONCE), "another nonce was accepted")


def _requests() -> list[bytes]:
    return [frame(*(getattr(_request(), name) for name in _FIELDS), b"")]


def _parse_report(data: bytes) -> None:
    report = gateway_side._report(data, golden.SIGNED_DEMAND, AUDITOR.public)
    promise(isinstance(report.message, AuditReport), "a report of another type")
    promise(data == golden.SIGNED_REPORT.encoded, "another report was accepted")


def _prepare_register(scratch: Path) -> Parse:
    path = scratch / "parties.json"

    def parse(data: bytes) -> None:
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        Register(path).parties()

    return parse


def _registers() -> list[bytes]:
    key = GATEWAY.public.raw.hex()
    one = f'{{"kind": "gateway", "party": "{GATEWAY.party}", "public_key": "{key}"}}'
    return [b'{"version": 1, "parties": []}', f'{{"version":1,"parties":[{one}]}}'.encode()]


def _parse_secret(data: bytes) -> None:
    parts = AuditSecret.split(data)
    promise(bytes(parts.joined()) == data, "split and joined, it is another secret")
    lengths = [len(part) for part in (parts.template, parts.probe, parts.dealing, parts.seed)]
    promise(lengths == [FRESH_BYTES, FRESH_BYTES, DEALING_BYTES, 32], "a part of another length")


def _secrets() -> list[bytes]:
    parts = golden.FRESH.encoded, golden.PROBE.encoded, golden.DEALINGS[0].encoded
    return [bytes(AuditSecret(*parts, bytearray(golden.SEED)).joined())]


def _seldom(mutate: Mutator) -> Mutator:
    """A part that may be empty is mostly left so."""
    return lambda rng, data: mutate(rng, data) if data or rng.random() < 0.1 else data


def targets() -> Sequence[Target]:
    """All targets of this module."""

    signed = framed(*[trees.signed] * 2, trees.cbor, *[trees.signed] * 3, _seldom(scramble))
    return (
        target("audit-check", _requests, signed, lambda _: _parse_request, 20),
        target(
            "audit-report",
            lambda: (golden.SIGNED_REPORT.encoded,),
            trees.signed,
            lambda _: _parse_report,
            60,
        ),
        target("audit-secret", _secrets, scramble, stateless(_parse_secret), 4),
        target("auditor-register", _registers, trees.json_text, _prepare_register, 40),
    )
