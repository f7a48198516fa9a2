"""The golden bytes: the files say what the code makes, and an independent writer agrees."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.wire import (
    admin,
    audit,
    cose,
    erasure,
    evaluation,
    fallback,
    liveness,
    orders,
    policy,
    proof,
    retention,
    rights,
    session,
    submission,
)
from gateway.wire.audit import AuditSecret
from gateway.wire.dealing import AUTHORITY, GATEWAY, Dealing
from gateway.wire.errors import MalformedMessage
from gateway.wire.message import Message
from gateway.wire.polynomials import Ciphertext, PaddedProduct, SessionKeyHalf
from gateway.wire.sealing import Sealed, SealingPrivateKey
from tests.support import dcf_peer, slow, slow_product
from tests.support.parties import authority_sealing_key, fixed_bytes, sealing_key
from tests.vectors import generate, golden
from tests.vectors.evaluation import embedding
from tests.wire import notation, reference_cbor

DECLARED: dict[str, type[Message]] = {
    name: value
    for module in (
        *(session, submission, evaluation, audit, liveness, policy, proof, admin, erasure),
        fallback,
        orders,
        retention,
        rights,
    )
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, Message)
}
BASES = {base for kind in DECLARED.values() for base in kind.__mro__[1:]}
"""What others of these derive from is no message itself; other tests derive from messages too."""
KINDS = {name: kind for name, kind in DECLARED.items() if kind not in BASES}
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
    if name in ("statement", "fallback-statement"):  # RFC 9597: issuer and subject
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
    raw = {name: notation.to_python(rule) for name, rule in document.items()}
    lengths = {name: len(data) for name, data in raw.items()}
    assert lengths == {
        "freshCiphertext": 344_066,
        "otherCiphertext": 344_066,
        "sessionKeyHalf": 229_378,
        "paddedProduct": 229_406,
    }
    for name, kind in (
        ("freshCiphertext", Ciphertext),
        ("otherCiphertext", Ciphertext),
        ("paddedProduct", PaddedProduct),
    ):
        read = kind.decode(raw[name])
        assert kind.decode(raw[name]).encoded == raw[name]
        assert read.digest.hex() == document[name]["sha256"] == document[name]["digest"]
    assert SessionKeyHalf.decode(raw["sessionKeyHalf"]).encoded == raw["sessionKeyHalf"]


def test_dealings_from_their_parts() -> None:
    """Keys by the peer that was written from the paper, shares that sum to r, one encoding."""
    document = load("dealing.json")
    encoded = [bytearray((1, party)) for party in (GATEWAY, AUTHORITY)]
    for lane in document["lanes"]:
        roots = [bytes.fromhex(root) for root in lane["roots"]]
        keys = dcf_peer.generate(lane["r"], 27, (roots[0], roots[1]))
        assert sum(lane["shares"]) % slow.T == lane["r"]
        for party in (GATEWAY, AUTHORITY):
            encoded[party] += keys[party] + lane["shares"][party].to_bytes(4, "little")
    for party in (GATEWAY, AUTHORITY):
        data = bytes(encoded[party])
        assert data.hex() == document["encoded"][party]
        assert hashlib.sha256(data).hexdigest() == document["digests"][party]
        assert Dealing.decode(data, party).encoded == data


def test_an_audit_s_secret_from_its_parts() -> None:
    document = load("audit-secret.json")
    names = "template", "probe", "dealing", "seed"
    parts = [notation.to_python(document[name]) for name in names]
    whole = b"".join(parts)
    assert notation.encoding(whole) == document["joined"]
    read = AuditSecret.split(whole)
    assert [bytes(getattr(read, name)) for name in names] == parts
    assert read.joined() == whole
    assert type(read.seed) is type(read.joined()) is bytearray  # their owners overwrite them
    assert repr(read) == "AuditSecret()"
    for wrong in (b"", whole[:-1], whole + b"\0", whole * 2):
        with pytest.raises(MalformedMessage):
            AuditSecret.split(wrong)


def test_session_values_from_their_definitions() -> None:
    """Commitment, transcript and digest, written out here from the protocol's words."""
    document = load("session.json")
    raw = {name: bytes.fromhex(text) for name, text in document.items() if isinstance(text, str)}
    committed = hashlib.sha256(b"sealmatch/seed/1" + raw["session"] + raw["seed"]).digest()
    assert committed == raw["seedCommitment"]

    def digest(*parts: Any) -> bytes:
        return hashlib.sha256(reference_cbor.encode([*parts])).digest()

    fixed = "grant", "policyDigest", "templateAssertion", "submissionAssertion"
    fixed = (*fixed, "templateDigest", "probeDigest", "nonce")
    transcript = digest("sealmatch/transcript/2", *(raw[name] for name in fixed))
    assert transcript == raw["transcript"]
    exchanged = [document[name] for name in ("omega", "masked", "values", "shares")]
    evaluation = digest("sealmatch/evaluation/2", raw["nonce"], raw["productDigest"], *exchanged)
    assert evaluation == raw["evaluationDigest"]


def test_uniform_half_from_its_nonces() -> None:
    document = load("uniform.json")
    names = "session", "clientNonce", "gatewayNonce"
    seed = slow.uniform_seed(*(bytes.fromhex(document[name]) for name in names))
    assert seed.hex() == document["seed"]
    for i, row in enumerate(document["primes"]):
        assert row["prime"] == slow.KEY_PRIMES[i]
        words = slow.uniform_words(seed, i)
        assert [str(word) for word in words[:4]] == row["first"]
        assert str(words[-1]) == row["last"]
        packed = b"".join(word.to_bytes(7, "little") for word in words)
        assert hashlib.sha256(packed).hexdigest() == row["sha256"]
    half = notation.to_python(load("polynomials.json")["sessionKeyHalf"])
    assert hashlib.sha256(half).hexdigest() == document["halfSha256"]
    assert hashlib.sha256(seed + half).hexdigest() == document["keyId"]


def test_draws_from_their_stream() -> None:
    document = load("randomness.json")
    stream = slow.SlowStream(*(bytes.fromhex(document[name]) for name in ("seed", "transcript")))
    kinds = {
        "residues": stream.residues,
        "unit": lambda label, count: [stream.unit(label)],
        "numbers": stream.numbers,
        "flood": stream.flood,
        "centredBinomial": stream.centred_binomial,
        "ternary": stream.ternary,
    }
    assert [draw["kind"] for draw in document["draws"]] == [
        "residues", "unit", "numbers", "flood", "centredBinomial", "ternary"
    ]  # fmt: skip
    for draw in document["draws"]:
        values = kinds[draw["kind"]](draw["label"], draw["count"])
        assert len(values) == draw["count"]
        assert [str(value) for value in values[:3]] == draw["first"]
        lines = "\n".join(map(str, values)).encode()
        assert hashlib.sha256(lines).hexdigest() == draw["sha256"]


def test_frame_from_its_rule() -> None:
    """In Python integers; among the cases are outputs of zero, and ties both ways."""
    document = load("frame.json")
    patterns = notation.shake256(document["patterns"]["$shake256"], document["patterns"]["length"])
    assert hashlib.sha256(patterns).hexdigest() == document["patterns"]["sha256"]
    outputs: list[int] = []
    for case in document["cases"]:
        made = slow.frame(embedding(case))
        signs, values = slow.signs(made), slow.template(made)
        bits = int.from_bytes(bytes.fromhex(case["negativeSigns"]), "little")
        assert [-1 if bits >> i & 1 else 1 for i in range(4096)] == signs
        template = bytes.fromhex(case["template"])
        assert [byte - 256 if byte > 127 else byte for byte in template] == values
        assert case["score"] == sum(s * v for s, v in zip(signs, values, strict=True))
        outputs += made
    assert outputs.count(0) > 10
    ties = [y // 2**32 % 2 for y in outputs if y % 2**32 == 2**31]
    assert min(ties.count(0), ties.count(1)) > 10


def test_comparison_keys_from_the_paper() -> None:
    """By a peer that somebody wrote from the paper alone; the last case has the profile's size."""
    document = load("comparison.json")
    roots = bytes.fromhex(document["roots"][0]), bytes.fromhex(document["roots"][1])
    for case in document["cases"]:
        keys = dcf_peer.generate(case["alpha"], case["bits"], roots)
        assert [key.hex() for key in keys] == case["keys"]
        for point in case["points"]:
            x, bits = point["x"], case["bits"]
            shares = [dcf_peer.evaluate(party, keys[party], x, bits) for party in (0, 1)]
            assert shares == point["shares"]
            assert shares[0] ^ shares[1] == (x < case["alpha"])
    assert case["bits"] == 27


def test_padded_product_without_any_library() -> None:
    """The whole product again, transforms included, in Python's integers."""
    document = load("evaluation.json")
    rules = load("polynomials.json")
    stream = slow.SlowStream(*(bytes.fromhex(document[name]) for name in ("seed", "transcript")))
    made = slow_product.padded_product(
        slow_product.read(notation.to_python(rules["otherCiphertext"]), 2, 3),
        slow_product.read(notation.to_python(rules["freshCiphertext"]), 2, 3),
        slow_product.read(notation.to_python(rules["sessionKeyHalf"]), 1, 4)[0],
        bytes.fromhex(document["uniformSeed"]),
        stream,
    )
    assert made.omega == document["omega"]
    assert [str(number) for number in made.head] == document["head"]
    assert hashlib.sha256(made.tail).hexdigest() == document["tailSha256"]
    assert list(made.offsets) == document["offsets"]
    head = b"".join(number.to_bytes(14, "little") for number in made.head)
    assert hashlib.sha256(head + made.tail).hexdigest() == document["productDigest"]


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


@pytest.mark.parametrize("what", Sealed, ids=lambda what: what.name)
def test_sealed_vector_opens(what: Sealed) -> None:
    document = load("sealing.json")
    case = document["cases"][what.name]
    raw = bytes.fromhex(case["privateKey"])
    key = SealingPrivateKey.from_raw(raw)
    session, key_id = (bytes.fromhex(document[name]) for name in ("session", "keyId"))
    assert key.open(what, bytes.fromhex(case["sealed"]), session, key_id).hex() == case["opened"]
    assert key.public.raw.hex() == case["publicKey"]
    label, _, order = what.value.partition(b"\0")
    assert bytes.fromhex(case["info"]) == label + order + b"\0probe,actions\0" + session + key_id
    owner = authority_sealing_key() if what is Sealed.DEALING else sealing_key()
    assert raw == owner.raw
    assert sealing_key().raw == fixed_bytes("key/sealing", 96)


def test_sealed_audit_opens_for_its_demand() -> None:
    case = load("sealing.json")["cases"]["AUDIT"]
    key, demand = sealing_key(), bytes.fromhex(case["demandDigest"])
    assert case["demandDigest"] == load("signed/audit-demand.json")["sha256"]
    assert bytes.fromhex(case["privateKey"]) == key.raw
    assert key.open_for_audit(bytes.fromhex(case["sealed"]), demand).hex() == case["opened"]
    assert bytes.fromhex(case["info"]) == b"sealmatch/sealed-audit/2\0" + demand


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
