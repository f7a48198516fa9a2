"""Writes the test vectors: ``.venv/bin/python -m tests.vectors.generate``.

Everything is fixed, so a second run changes nothing; a test compares these files with what the
code makes now. A changed byte is a changed protocol: it needs a version, not a new vector.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final
from unittest import mock

from gateway.wire import cose, requests
from gateway.wire.audit import AuditSecret
from gateway.wire.cose import Signed, SigningKey
from gateway.wire.erasure import erasure_commitment, erasure_secret
from gateway.wire.message import Message
from gateway.wire.profile import DATA_PRIMES, KEY_PRIMES, SENT_PRIMES, T
from gateway.wire.sealing import Sealed
from gateway.wire.subject import Subject, activation_commitment, guardian_salt
from keys.custody import Custody
from keys.vault import MemoryMacKey
from tests.support import parties
from tests.support.parties import AUTHORITY, GATEWAY, NOW, fixed_bytes
from tests.vectors import encryption, evaluation, faults, log
from tests.vectors.golden import (
    ACTIVATION,
    ACTIVATION_SALT,
    CONSTANTS,
    DEALINGS,
    FRESH,
    HALF,
    HEAD,
    KEY,
    MESSAGES,
    PROBE,
    PRODUCT,
    SEALED,
    SEALED_LENGTHS,
    SEED,
    SESSION,
    SIGNED,
    SIGNED_GRANT,
    SUBJECT_SALT,
)
from tests.wire import notation

HERE: Final = Path(__file__).parent


Document = dict[str, Any]


def _polynomial_rule(count: int, primes: tuple[int, ...], encoded: bytes, **more: Any) -> Document:
    rule = {"$polynomials": count, "primes": list(primes), **CONSTANTS, **more}
    return rule | notation.summary(encoded)


RULES: Final[dict[bytes, Document]] = {
    FRESH.encoded: _polynomial_rule(2, DATA_PRIMES, FRESH.encoded),
    PROBE.encoded: _polynomial_rule(2, DATA_PRIMES, PROBE.encoded, start=notation.DEGREE),
    PRODUCT.encoded: _polynomial_rule(2, SENT_PRIMES, PRODUCT.encoded, head=list(HEAD)),
    HALF.encoded: _polynomial_rule(1, KEY_PRIMES, HALF.encoded),
} | {
    sealed: {"$shake256": label, "length": SEALED_LENGTHS[label]} | notation.summary(sealed)
    for label, sealed in SEALED.items()
}


def describe(value: Any) -> Any:
    """A message's map in the notation."""
    if isinstance(value, dict):
        return {key: describe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(value, bytes):
        return RULES.get(value) or {"$hex": value.hex()}
    return value


# --- documents -----------------------------------------------------------------------------------


def message_document(messages: tuple[Message, ...]) -> Document:
    return {
        "message": type(messages[0]).__name__,
        "cases": [
            {"value": describe(one.to_map()), "encoded": notation.encoding(one.encode())}
            for one in messages
        ],
    }


def signed_document(key: SigningKey, signed: Signed[Any]) -> Document:
    kind = type(signed.message)
    return {
        "message": kind.__name__,
        "type": cose.media_type(kind),
        "key": _key_document(key),
        "payload": signed.message.encode().hex(),
        "protected": cose._protected(kind, key.public.key_id, signed.message.claims()).hex(),
        "signature": signed.encoded[-64:].hex(),
        "encoded": signed.encoded.hex(),
        "sha256": signed.digest.hex(),
    }


def _key_document(key: SigningKey) -> Document:
    return {
        "party": key.party,
        "seed": key.private.private_bytes_raw().hex(),  # type: ignore[attr-defined]
        "publicKey": key.public.raw.hex(),
        "keyId": key.public.key_id.hex(),
    }


def subject_document() -> Document:
    given = (
        ("passport", "X1234567"),
        ("passport", " x-123 4567< "),
        ("id-card", "l01x00t47"),
        ("residence-permit", "ＡＢ１２"),
        ("driving-licence", "straße12"),
        ("travel-permit", "\u200eh1038\u20117877"),
        ("id-card", "A123456（3）"),
        ("other", "１٢३4-five"),
    )
    custody = Custody(AUTHORITY, MemoryMacKey(parties.PEPPER))
    cases = []
    for document_type, number in given:
        subject = Subject.of(document_type, number)
        inner = subject.inner(parties.SITE_SALT)
        cases.append(
            {
                "documentType": document_type,
                "number": number,
                "normalised": subject.number,
                "encoded": subject.encode().hex(),
                "inner": inner.hex(),
                "commitment": subject.commitment(SUBJECT_SALT).hex(),
                "handle": custody.handles(GATEWAY.party, inner)[0].hex(),
            }
        )
    references = (ACTIVATION, "  order 17  ", "Zoe\u0308")
    secret = erasure_secret(SUBJECT_SALT, ACTIVATION_SALT)
    return {
        "siteSalt": parties.SITE_SALT.hex(),
        "pepper": parties.PEPPER.hex(),
        "gateway": GATEWAY.party,
        "subjectSalt": SUBJECT_SALT.hex(),
        "subjects": cases,
        "activationSalt": ACTIVATION_SALT.hex(),
        "activations": [
            {
                "reference": reference,
                "commitment": activation_commitment(reference, ACTIVATION_SALT).hex(),
            }
            for reference in references
        ],
        "erasureSecret": secret.hex(),
        "erasureCommitment": erasure_commitment(secret).hex(),
        "guardianNumber": "GU4RD14N",
        "guardianCommitment": Subject.of("id-card", "gu4-rd14n")
        .commitment(guardian_salt(SUBJECT_SALT))
        .hex(),
    }


def polynomials_document() -> Document:
    return {
        "freshCiphertext": RULES[FRESH.encoded] | {"digest": FRESH.digest.hex()},
        "otherCiphertext": RULES[PROBE.encoded] | {"digest": PROBE.digest.hex()},
        "sessionKeyHalf": RULES[HALF.encoded],
        "paddedProduct": RULES[PRODUCT.encoded] | {"digest": PRODUCT.digest.hex()},
    }


def dealing_document() -> Document:
    """What an issuer deals, by party; r is the sum of both shares."""
    return {
        "lanes": [
            {
                "r": (ours.share + theirs.share) % T,
                "roots": [ours.key[:32].hex(), theirs.key[:32].hex()],
                "shares": [ours.share, theirs.share],
            }
            for ours, theirs in zip(DEALINGS[0].lanes, DEALINGS[1].lanes, strict=True)
        ],
        "encoded": [dealing.encoded.hex() for dealing in DEALINGS],
        "digests": [dealing.digest.hex() for dealing in DEALINGS],
    }


def audit_secret_document() -> Document:
    """What is sealed to an auditor: four parts, one after the other."""
    secret = AuditSecret(FRESH.encoded, PROBE.encoded, DEALINGS[0].encoded, bytearray(SEED))
    return {
        "template": RULES[FRESH.encoded],
        "probe": RULES[PROBE.encoded],
        "dealing": {"$hex": secret.dealing.hex()},
        "seed": {"$hex": secret.seed.hex()},
        "joined": notation.encoding(bytes(secret.joined())),
    }


def request_document() -> Document:
    cases = []
    for method, url, path, body in (
        (
            "POST",
            "https://authority.example:8471",
            "/v1/session-keys",
            MESSAGES["session-key-request"][0].encode(),
        ),
        ("GET", "https://Gateway.example:443", "/face-verification/v0.1/sessions/00ff", b""),
    ):
        host = requests.host_of(url)
        nonce = fixed_bytes(f"nonce{path}")
        with mock.patch.object(requests, "new_nonce", lambda made=nonce: made):
            headers = requests.sign_request(method, host, path, body, GATEWAY, NOW)
        cases.append(
            {
                "method": method,
                "url": url,
                "host": host,
                "path": path,
                "body": body.hex(),
                "created": NOW,
                "nonce": nonce.hex(),
                "headers": headers,
            }
        )
    return {"key": _key_document(GATEWAY), "cases": cases}


def sealing_document() -> Document:
    """Known answers for opening. Sealing is random, so what was sealed once is kept."""
    path = HERE / "sealing.json"
    kept = json.loads(path.read_text())["cases"] if path.exists() else {}
    keys = {
        Sealed.TEMPLATE: parties.sealing_key(),
        Sealed.PROBE: parties.sealing_key(),
        Sealed.DEALING: parties.authority_sealing_key(),
    }
    cases = {}
    for what, key in keys.items():
        plain = f"canonical {what.name.lower()}".encode()
        if what.name in kept:
            sealed = bytes.fromhex(kept[what.name]["sealed"])
        else:
            sealed = key.public.seal(what, plain, SESSION, KEY.key_id)
        label = what.value + b"\0probe,actions\0"
        cases[what.name] = {
            "privateKey": key.raw.hex(),
            "publicKey": key.public.raw.hex(),
            "info": (label + SESSION + KEY.key_id).hex(),
            "sealed": sealed.hex(),
            "opened": plain.hex(),
        }
    auditor, demand = parties.sealing_key(), SIGNED["audit-demand"][1].digest
    if "AUDIT" in kept:
        sealed = bytes.fromhex(kept["AUDIT"]["sealed"])
    else:
        sealed = auditor.public.seal_for_audit(bytearray(b"canonical audit"), demand)
    cases["AUDIT"] = {
        "privateKey": auditor.raw.hex(),
        "publicKey": auditor.public.raw.hex(),
        "demandDigest": demand.hex(),
        "info": (b"sealmatch/sealed-audit/2\0" + demand).hex(),
        "sealed": sealed.hex(),
        "opened": b"canonical audit".hex(),
    }
    return {
        "suite": "MLKEM768-X25519 (X-Wing), HKDF-SHA256, AES-256-GCM, base mode",
        "session": SESSION.hex(),
        "keyId": KEY.key_id.hex(),
        "aad": "",
        "cases": cases,
    }


def documents() -> dict[str, Document]:
    """Every vector by its path below this directory."""
    made = {f"messages/{name}.json": message_document(m) for name, m in MESSAGES.items()}
    made |= {f"signed/{name}.json": signed_document(*s) for name, s in SIGNED.items()}
    maps = {name: messages[0].to_map() for name, messages in MESSAGES.items()}
    malformed = faults.documents(maps, SIGNED_GRANT.encoded)
    made |= {f"malformed/{name}.json": fault for name, fault in malformed.items()}
    return made | {
        "subject.json": subject_document(),
        "polynomials.json": polynomials_document(),
        "dealing.json": dealing_document(),
        "audit-secret.json": audit_secret_document(),
        "requests.json": request_document(),
        "sealing.json": sealing_document(),
        log.FILE: log.document(HERE / log.FILE),
        "encryption.json": encryption.document(RULES[HALF.encoded]),
        **evaluation.documents(),
    }


def as_text(document: Document) -> str:
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def main() -> None:
    wanted = {HERE / name: as_text(document) for name, document in documents().items()}
    for old in set(HERE.rglob("*.json")) - wanted.keys():
        old.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
