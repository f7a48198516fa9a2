"""``log.json`` from the specifications' words alone: hashlib, base64 and two signature schemes."""

import base64
import hashlib
import json
import re
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from gateway.translog.policy import TrustPolicy
from gateway.translog.proof import LogProof
from gateway.translog.verification import LogProofInvalid, verify_log_proof
from gateway.translog.witnessing import AddCheckpoint
from tests.support import translog
from tests.vectors import generate, log

VECTOR: dict[str, Any] = json.loads((generate.HERE / log.FILE).read_text())
ENTRIES = [f"entry {n}".encode() for n in range(300)]
TEXT = VECTOR["checkpoint"].partition("\n\n")[0].encode() + b"\n"


def split(vkey: str) -> tuple[str, str, bytes]:
    name, key_id, key = vkey.split("+", 2)
    return name, key_id, base64.b64decode(key)


def signature(text: str, vkey: str) -> bytes:
    """What stands behind the key's id on its one line."""
    name, key_id, _ = split(vkey)
    [encoded] = re.findall(f"^— {re.escape(name)} (.*)$", text, re.MULTILINE)
    data = base64.b64decode(encoded)
    assert data[:4].hex() == key_id
    return data[4:]


@pytest.mark.parametrize("key", ["logKey", "mlDsaWitnessKey", 0, 1, 2])
def test_keys_from_their_seeds(key: str | int) -> None:
    held = VECTOR[key] if isinstance(key, str) else VECTOR["witnessKeys"][key]
    name, key_id, material = split(held["vkey"])
    kind = 1 if key == "logKey" else 6 if key == "mlDsaWitnessKey" else 4
    seed = bytes.fromhex(held["seed"])
    private = (
        MLDSA44PrivateKey.from_seed_bytes(seed)
        if kind == 6
        else (Ed25519PrivateKey.from_private_bytes(seed))
    )
    assert material == bytes([kind]) + private.public_key().public_bytes_raw()
    assert hashlib.sha256(name.encode() + b"\n" + material).digest()[:4].hex() == key_id


def test_roots_and_proofs_from_rfc_6962() -> None:
    for size, root in VECTOR["roots"].items():
        assert translog.mth(ENTRIES[: int(size)]).hex() == root
    for case in VECTOR["inclusion"]:
        made = translog.path(case["index"], ENTRIES[: case["size"]])
        assert [one.hex() for one in made] == case["path"]
    for case in VECTOR["consistency"]:
        made = translog.proof(case["old"], ENTRIES[: case["size"]])
        assert [one.hex() for one in made] == case["proof"]


def test_checkpoint_and_signatures() -> None:
    root = base64.b64encode(bytes.fromhex(VECTOR["roots"]["300"])).decode()
    assert TEXT.decode() == f"{VECTOR['origin']}\n300\n{root}\n"
    _, _, key = split(VECTOR["logKey"]["vkey"])
    made = signature(VECTOR["checkpoint"], VECTOR["logKey"]["vkey"])
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(made, TEXT)
    for held in VECTOR["witnessKeys"][:2]:
        _, _, key = split(held["vkey"])
        made = signature(VECTOR["checkpoint"], held["vkey"])
        assert int.from_bytes(made[:8], "big") == VECTOR["cosignedAt"]
        message = b"cosignature/v1\ntime %d\n" % VECTOR["cosignedAt"] + TEXT
        Ed25519PublicKey.from_public_bytes(key[1:]).verify(made[8:], message)


def test_the_cosignature_of_ml_dsa() -> None:
    vkey = VECTOR["mlDsaWitnessKey"]["vkey"]
    name, _, key = split(vkey)
    made = signature(VECTOR["mlDsaCosignature"], vkey)
    origin = VECTOR["origin"].encode()
    message = b"subtree/v1\n\0" + bytes([len(name)]) + name.encode() + made[:8]
    message += bytes([len(origin)]) + origin + (0).to_bytes(8, "big") + (300).to_bytes(8, "big")
    message += bytes.fromhex(VECTOR["roots"]["300"])
    MLDSA44PublicKey.from_public_bytes(key[1:]).verify(made[8:], message)
    assert len(made) == 8 + 2420


def test_the_proof_is_put_together_as_the_specification_says() -> None:
    path = [base64.b64encode(one).decode() for one in translog.path(137, ENTRIES)]
    lines = ["c2sp.org/tlog-proof@v1", "index 137", *path, "", VECTOR["checkpoint"]]
    assert VECTOR["proof"] == "\n".join(lines)
    lines[1:1] = ["extra " + base64.b64encode(b"extra data").decode()]
    assert VECTOR["proofWithExtra"] == "\n".join(lines)
    assert LogProof.parse(VECTOR["proofWithExtra"].encode()).extra == b"extra data"


def test_the_request_to_a_witness() -> None:
    hashes = [base64.b64encode(one).decode() for one in translog.proof(137, ENTRIES)]
    log_line = VECTOR["checkpoint"].splitlines(keepends=True)[4]
    lines = ["old 137", *hashes, "", TEXT.decode(), log_line]
    assert VECTOR["addCheckpoint"] == "\n".join(lines)
    assert (
        bytes(AddCheckpoint.parse(VECTOR["addCheckpoint"].encode())).decode()
        == (VECTOR["addCheckpoint"])
    )


def test_tiles_and_bundles() -> None:
    leaves = [hashlib.sha256(b"\0" + entry).digest() for entry in ENTRIES]
    bundle = [len(entry).to_bytes(2, "big") + entry for entry in ENTRIES]
    expected = {
        "tile/0/000": b"".join(leaves[:256]),
        "tile/0/001.p/44": b"".join(leaves[256:]),
        "tile/1/000.p/1": translog.mth(ENTRIES[:256]),
        "tile/entries/000": b"".join(bundle[:256]),
        "tile/entries/001.p/44": b"".join(bundle[256:]),
    }
    assert VECTOR["tiles"] == {
        path: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for path, data in expected.items()
    }


def test_the_honest_proof_is_accepted_and_all_others_refused() -> None:
    policy = TrustPolicy.parse(VECTOR["policy"].encode())
    verify_log_proof(VECTOR["proof"].encode(), VECTOR["entry"].encode(), policy)
    assert len(VECTOR["refused"]) >= 15
    for name, case in VECTOR["refused"].items():
        policy = TrustPolicy.parse(case["policy"].encode())
        try:
            found = verify_log_proof(case["proof"].encode(), case["entry"].encode(), policy)
        except LogProofInvalid:
            continue
        assert found.witnessed.checkpoint.origin != case["origin"], name
