"""``scitt-cose``, written by others, reads our transparent statements and refuses altered ones."""

from __future__ import annotations

from dataclasses import replace

import cbor2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from scitt_cose import extract_receipts, parse_signed_statement, verify_receipt

from gateway.proofs.transparent import transparent_statement
from gateway.translog.algorithms import SEED_BYTES
from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.cose_receipt import cose_receipt, sign_root
from gateway.translog.cosignature import check_signed
from gateway.translog.note import Kind, NoteSigner
from gateway.translog.proof import LogProof
from gateway.wire.errors import CallerMisuse, Refused
from gateway.wire.ids import digest_of
from gateway.wire.proof import Receipt
from tests.support.parties import GATEWAY
from tests.support.receipts import HONEST, LOG, receipt, trust
from tests.vectors import golden

STATEMENT = Receipt.decode(HONEST).statement
ENTRY = digest_of(STATEMENT).hex()


def pem(public: bytes) -> bytes:
    return Ed25519PublicKey.from_public_bytes(public).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


LOG_KEY = pem(LOG.key.key.public)


def proof() -> LogProof:
    """A log proof whose checkpoint carries the log's signature for COSE."""
    made = LOG.proof(STATEMENT)
    line = sign_root(made.signed.checkpoint, LOG.key)
    return replace(made, signed=made.signed.with_signatures(line))


def accepted(encoded: bytes, entry: str = ENTRY, key: bytes = LOG_KEY) -> bool:
    return bool(verify_receipt(encoded, leaf_entry_hex=entry, log_public_key_pem=key).ok)


def test_the_transparent_statement_verifies_with_their_tool() -> None:
    logged = Receipt.decode(receipt(log_proof=bytes(proof())))
    encoded = transparent_statement(logged, LOG.trusted())
    read = parse_signed_statement(encoded, public_key_pem=pem(GATEWAY.public.raw))
    assert read["signature_verified"] is True
    assert (read["issuer"], read["subject"]) == tuple(golden.STATEMENT.claims().values())
    [inside] = extract_receipts(encoded)
    found = verify_receipt(inside, leaf_entry_hex=ENTRY, log_public_key_pem=LOG_KEY)
    assert found.ok, found.errors
    assert (found.tree_size, found.leaf_index) == (7, 3)
    assert (found.issuer, found.subject) == ("gateway.example/log", "gateway.example/log")
    # What they hashed is the statement that the gateway signed, which the object still contains.
    value = cbor2.loads(encoded).value
    assert cbor2.dumps(cbor2.CBORTag(18, [value[0], {}, value[2], value[3]])) == STATEMENT


def test_their_tool_refuses_what_is_altered() -> None:
    honest = cose_receipt(LOG.key.key, proof())
    assert accepted(honest)
    assert not accepted(honest, digest_of(b"another statement").hex())
    assert not accepted(honest, key=pem(GATEWAY.public.raw))
    assert not accepted(cose_receipt(LOG.key.key, replace(proof(), index=2)))
    path = proof().path
    assert not accepted(cose_receipt(LOG.key.key, replace(proof(), path=path[::-1])))
    assert not accepted(cose_receipt(LOG.key.key, replace(proof(), path=path[:-1])))
    for at in range(0, len(honest), 7):
        mutant = bytearray(honest)
        mutant[at] ^= 1
        assert not accepted(bytes(mutant)), f"byte {at}"


def test_a_checkpoint_signature_is_no_cose_signature() -> None:
    """And the other way round: the same key signs both, over bytes that begin differently."""
    checkpoint = LOG.proof(STATEMENT).signed
    assert checkpoint.note.text.encode()[0] != 0x84
    line = sign_root(checkpoint.checkpoint, LOG.key)
    swapped = replace(line, key_id=LOG.key.key.key_id)
    with pytest.raises(Refused):
        check_signed(SignedCheckpoint.make(checkpoint.checkpoint, swapped), LOG.key.key)


def test_readers_of_checkpoints_pass_over_the_line() -> None:
    assert check_signed(proof().signed, LOG.key.key) == [None]


def test_an_export_without_its_conditions_is_refused() -> None:
    logged = Receipt.decode(receipt(log_proof=bytes(proof())))
    for given, pinned in (
        (Receipt.decode(HONEST), LOG.trusted()),  # no proof
        (logged, trust()),  # no pinned log
        (Receipt.decode(receipt(log_proof=bytes(LOG.proof(STATEMENT)))), LOG.trusted()),  # no line
    ):
        with pytest.raises(Refused):
            transparent_statement(given, pinned)


def test_a_forged_line_is_not_exported() -> None:
    made = LOG.proof(STATEMENT)
    line = sign_root(made.signed.checkpoint, LOG.key)
    forged = replace(line, signature=bytes(64))
    signed = made.signed.with_signatures(forged)
    with pytest.raises(Refused):
        cose_receipt(LOG.key.key, replace(made, signed=signed))


def test_logs_of_other_algorithms_make_none() -> None:
    signer = NoteSigner.from_seed("log.example", Kind.COSIGNATURE_ML_DSA_44, bytes(SEED_BYTES))
    with pytest.raises(CallerMisuse):
        sign_root(Checkpoint("log.example", 1, bytes(32)), signer)
