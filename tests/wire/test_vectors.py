"""The golden bytes: the files say what the code makes, and an independent writer agrees."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.wire import audit, cose, evaluation, liveness, policy, proof, session, submission
from gateway.wire.message import Message
from gateway.wire.polynomials import Ciphertext, SessionPublicKey
from tests.support.parties import fixed_bytes, sealing_key
from tests.vectors import generate, golden
from tests.wire import notation, reference_cbor

KINDS: dict[str, type[Message]] = {
    name: value
    for module in (session, submission, evaluation, audit, liveness, policy, proof)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, Message) and not value.__subclasses__()
}
"""What others derive from is no message itself."""
MESSAGE_FILES = sorted(golden.MESSAGES)
SIGNED_FILES = sorted(golden.SIGNED)


@pytest.fixture(scope="module")
def made() -> dict[str, generate.Document]:
    return generate.documents()


def load(name: str) -> Any:
    return json.loads((generate.HERE / name).read_text())


def test_files_are_what_the_code_makes(made: dict[str, generate.Document]) -> None:
    on_disk = {str(p.relative_to(generate.HERE)) for p in generate.HERE.rglob("*.json")}
    assert on_disk == made.keys()
    for name, document in made.items():
        path: Path = generate.HERE / name
        assert path.read_text() == generate.as_text(document), name
        assert path.stat().st_size < 100_000


def test_every_message_class_has_a_vector() -> None:
    described = {load(f"messages/{name}.json")["message"] for name in MESSAGE_FILES}
    assert described == KINDS.keys()


@pytest.mark.parametrize("name", MESSAGE_FILES)
def test_independent_writer_gives_the_same_bytes(name: str) -> None:
    document = load(f"messages/{name}.json")
    for case in document["cases"]:
        value = notation.to_python(case["value"])
        encoded = reference_cbor.encode(value)
        assert notation.encoding(encoded) == case["encoded"]
        # The strict reader refuses keys that are not in ascending bytewise order.
        assert reference_cbor.decode(encoded) == value
        decoded = KINDS[document["message"]].decode(encoded)
        assert decoded.encode() == encoded
        assert decoded.digest.hex() == case["encoded"]["sha256"]


@pytest.mark.parametrize("name", SIGNED_FILES)
def test_signed_object_from_its_parts(name: str) -> None:
    """Protected header, signature and object put together from RFC 9052 and 8032 alone."""
    document = load(f"signed/{name}.json")
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(document["key"]["seed"]))
    public = private.public_key().public_bytes_raw()
    assert public.hex() == document["key"]["publicKey"]
    key_id = hashlib.sha256(public).digest()
    assert key_id.hex() == document["key"]["keyId"]
    assert document["type"] == f"application/vnd.sealmatch.{name}+cbor"

    payload = bytes.fromhex(document["payload"])
    header = {1: -8, 4: key_id, 16: document["type"]}
    if name == "statement":  # RFC 9597: issuer and subject
        fields = reference_cbor.decode(payload)
        header[15] = {1: fields["gateway"], 2: fields["recordId"].hex()}
    protected = reference_cbor.encode(header)
    signature = private.sign(reference_cbor.encode(["Signature1", protected, b"", payload]))
    encoded = b"\xd2" + reference_cbor.encode([protected, {}, payload, signature])
    assert protected.hex() == document["protected"]
    assert signature.hex() == document["signature"]
    assert encoded.hex() == document["encoded"]
    assert hashlib.sha256(encoded).hexdigest() == document["sha256"]

    key = cose.VerifyKey(document["key"]["party"], public)
    signed = cose.verify(encoded, KINDS[document["message"]], key)
    assert signed.message.encode() == payload
    assert signed.digest.hex() == document["sha256"]


def test_polynomials_from_their_rule() -> None:
    document = load("polynomials.json")
    fresh = notation.to_python(document["freshCiphertext"])
    product = notation.to_python(document["product"])
    public_key = notation.to_python(document["publicKey"])
    assert (len(fresh), len(product), len(public_key)) == (344_066, 516_098, 458_754)
    assert Ciphertext.decode(fresh).encoded == fresh
    assert Ciphertext.decode(product).encoded == product
    assert Ciphertext.decode(fresh).digest.hex() == document["freshCiphertext"]["sha256"]
    key_id = SessionPublicKey.decode(public_key).key_id
    assert key_id == hashlib.sha256(public_key).digest()
    assert key_id.hex() == document["publicKey"]["keyId"]


def test_session_values_from_their_definitions() -> None:
    """Seed commitment and transcripts, written out here from the protocol's words."""
    document = load("session.json")
    raw = {
        name: bytes.fromhex(text)
        for name, text in document.items()
        if name not in {"transcriptBeforeProduct", "transcriptBeforeRows"}
    }
    committed = hashlib.sha256(b"sealmatch/seed/1" + raw["session"] + raw["seed"]).digest()
    assert committed == raw["seedCommitment"]

    def transcript(*parts: bytes) -> bytes:
        encoded = reference_cbor.encode(["sealmatch/transcript/1", *parts])
        return hashlib.sha256(encoded).digest()

    before = transcript(
        raw["grant"], raw["policyDigest"], raw["templateAssertion"], raw["submissionAssertion"]
    )
    assert before.hex() == document["transcriptBeforeProduct"]
    rows = transcript(before, raw["maskedProductDigest"], raw["encryptedBitsDigest"])
    assert rows.hex() == document["transcriptBeforeRows"]


def test_request_headers_from_rfc_9421() -> None:
    """The signature base written out line by line; the signature verifies over exactly it."""
    import base64

    document = load("requests.json")
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(document["key"]["publicKey"]))
    hosts = [case["host"] for case in document["cases"]]
    assert hosts == ["authority.example:8471", "gateway.example"]
    for case in document["cases"]:
        digest = base64.b64encode(hashlib.sha256(bytes.fromhex(case["body"])).digest()).decode()
        parameters = (
            f'("@method" "@authority" "@path" "content-digest");created={case["created"]}'
            f';keyid="{document["key"]["keyId"]}";alg="ed25519"'
            f';nonce="{case["nonce"]}";tag="sealmatch"'
        )
        base = (
            f'"@method": {case["method"]}\n'
            f'"@authority": {case["host"]}\n'
            f'"@path": {case["path"]}\n'
            f'"content-digest": sha-256=:{digest}:\n'
            f'"@signature-params": {parameters}'
        )
        headers = case["headers"]
        assert headers["Content-Digest"] == f"sha-256=:{digest}:"
        assert headers["Signature-Input"] == f"sealmatch={parameters}"
        label, _, signature = headers["Signature"].partition("=")
        assert label == "sealmatch"
        public.verify(base64.b64decode(signature.strip(":"), validate=True), base.encode())


def test_sealed_vector_opens() -> None:
    document = load("sealing.json")
    opened = sealing_key().open(
        bytes.fromhex(document["sealed"]),
        bytes.fromhex(document["session"]),
        bytes.fromhex(document["keyId"]),
    )
    assert opened.hex() == document["opened"]
    assert bytes.fromhex(document["privateKey"]) == fixed_bytes("key/sealing", 96)


@pytest.mark.parametrize("name", sorted(p.stem for p in (generate.HERE / "malformed").glob("*")))
def test_one_fault_is_refused(name: str) -> None:
    document = load(f"malformed/{name}.json")
    is_signed, _, kind = document["message"].rpartition(" ")

    def read(data: bytes) -> None:
        if is_signed:
            cose.peek(data, KINDS[kind])
        else:
            KINDS[kind].decode(data)

    faulty = bytes.fromhex(document["faulty"]["$hex"]) + bytes(
        document["faulty"].get("thenZeros", 0)
    )
    read(bytes.fromhex(document["honest"]["$hex"]))  # without the fault it is accepted
    with pytest.raises(Exception) as caught:  # noqa: PT011  the very class is compared
        read(faulty)
    assert type(caught.value).__name__ == document["raises"]


def test_there_are_malformed_vectors() -> None:
    assert len(list((generate.HERE / "malformed").glob("*.json"))) >= 90
