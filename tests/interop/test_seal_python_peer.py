"""A second, independent engine: seal-python, which builds a newer SEAL than tenseal.

Canonical words go into the peer through a layout that this file writes by itself. The deterministic
operations give the same words there, and the peer decrypts our ciphertexts to the same slots.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import seal

from gateway.he.blinding import rerandomiser
from gateway.he.engine import default_engine
from gateway.he.interval import make_rows
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import KEY_PRIMES, N, T
from tests.support.he import (
    ScriptedStream,
    TestKey,
    bit_slots,
    default_policy,
    run_session,
    saved_bytes,
    slots_with_values,
)

HEADER = struct.Struct("<HBBBBHQ")
CIPHERTEXT = struct.Struct("<32s?QQQdQ")


class Peer:
    """seal-python with the profile's parameters."""

    def __init__(self, folder: Path) -> None:
        parameters = seal.EncryptionParameters(seal.scheme_type.bgv)
        parameters.set_poly_modulus_degree(N)
        moduli = seal.CoeffModulus.Create(N, [54, 54, 54, 54])
        assert tuple(modulus.value() for modulus in moduli) == KEY_PRIMES
        parameters.set_coeff_modulus(moduli)
        parameters.set_plain_modulus(seal.Modulus(T))
        self.context = seal.SEALContext(parameters)
        self.evaluator = seal.Evaluator(self.context)
        self.encoder = seal.BatchEncoder(self.context)
        self._path = folder / "object"
        seal.Ciphertext(self.context).save(str(self._path), seal.compr_mode_type.none)
        _, _, *self.version, _, _, _ = HEADER.unpack_from(self._path.read_bytes())

    def header(self, payload: int) -> bytes:
        return HEADER.pack(0xA15E, HEADER.size, *self.version, 0, 0, HEADER.size + payload)

    def _load(self, target, fields: bytes, words: bytes):
        count = struct.pack("<Q", len(words) // 8)
        body = fields + self.header(8 + len(words)) + count + words
        self._path.write_bytes(self.header(len(body)) + body)
        target.load(self.context, str(self._path))
        return target

    def load(self, words: np.ndarray) -> seal.Ciphertext:
        level = struct.pack("<4Q", *self.context.first_parms_id())
        polynomials, primes, degree = words.shape
        fields = CIPHERTEXT.pack(level, True, polynomials, degree, primes, 1.0, 1)
        return self._load(seal.Ciphertext(), fields, words.astype("<u8").tobytes())

    def load_secret(self, key: TestKey) -> seal.SecretKey:
        body = saved_bytes(key._secret)
        return self._load(seal.SecretKey(), body[:48], body[-4 * N * 8 :])

    def words(self, ciphertext: seal.Ciphertext) -> np.ndarray:
        ciphertext.save(str(self._path), seal.compr_mode_type.none)
        body = self._path.read_bytes()[HEADER.size :]
        _, ntt, polynomials, degree, primes, _, correction = CIPHERTEXT.unpack_from(body)
        assert (ntt, degree, primes, correction) == (True, N, 3, 1)
        offset = CIPHERTEXT.size + HEADER.size + 8
        return np.frombuffer(body, "<u8", offset=offset).reshape(polynomials, primes, N)

    def plaintext(self, slots: np.ndarray) -> seal.Plaintext:
        return self.encoder.encode(slots.astype(np.uint64))

    def decrypt(self, key: TestKey, ciphertext: Ciphertext) -> np.ndarray:
        decryptor = seal.Decryptor(self.context, self.load_secret(key))
        plaintext = decryptor.decrypt(self.load(ciphertext.words))
        return np.asarray(self.encoder.decode_uint64(plaintext), dtype=np.uint64)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Peer:
    return Peer(tmp_path_factory.mktemp("peer"))


@pytest.fixture(scope="module")
def key() -> TestKey:
    return TestKey()


def test_the_peer_is_another_build_of_seal(peer: Peer) -> None:
    from gateway.he.engine import _VERSION

    assert tuple(peer.version) > _VERSION


def test_same_words_from_every_deterministic_operation(peer: Peer, key: TestKey) -> None:
    engine, rng = default_engine(), np.random.default_rng(1)
    slots = [rng.integers(0, T, N, np.uint64) for _ in range(3)]
    a, b = (key.encrypt(s).words for s in slots[:2])
    ours, theirs = (engine.load(a), engine.load(b)), (peer.load(a), peer.load(b))
    product = engine.multiply(*ours), peer.evaluator.multiply(*theirs)
    pairs = {
        "load": (ours[0], theirs[0]),
        "add": (engine.add(*ours), peer.evaluator.add(*theirs)),
        "multiply": product,
        "add to a product": (
            engine.add(product[0], ours[0]),
            peer.evaluator.add(product[1], theirs[0]),
        ),
        "multiply slots": (
            engine.multiply_slots(ours[0], slots[2]),
            peer.evaluator.multiply_plain(theirs[0], peer.plaintext(slots[2])),
        ),
        "add slots": (
            engine.add_slots(product[0], slots[2]),
            peer.evaluator.add_plain(product[1], peer.plaintext(slots[2])),
        ),
    }
    for name, (our, their) in pairs.items():
        assert np.array_equal(engine.words(our), peer.words(their)), name


def test_the_peer_decrypts_our_messages(peer: Peer, key: TestKey) -> None:
    """Fresh, symmetric, masked product of three polynomials and blinded rows."""
    policy, rng = default_policy(2), np.random.default_rng(2)
    slots = slots_with_values(policy, [policy.lanes[0].lo, policy.lanes[0].hi + 1], rng)
    inputs = [key.encrypt(s) for s in slots]
    session = run_session(key, policy, *inputs, ScriptedStream("product"), ScriptedStream("rows"))
    assert session.outcome.lanes == (True, False)
    assert np.array_equal(peer.decrypt(key, inputs[0]), slots[0])
    assert np.array_equal(peer.decrypt(key, session.bits), bit_slots(session.masked))
    for message in (session.product, session.rows):
        assert np.array_equal(peer.decrypt(key, message), key.decrypt(message))


def test_the_peer_evaluates_the_rows_to_the_same_words(peer: Peer, key: TestKey) -> None:
    """All of the evaluation but the blinding's own vectors, which come from the seed."""
    engine, policy, rng = default_engine(), default_policy(1), np.random.default_rng(3)
    slots = slots_with_values(policy, [policy.lanes[0].hi], rng)
    streams = ScriptedStream("product"), ScriptedStream("rows")
    session = run_session(key, policy, *(key.encrypt(s) for s in slots), *streams)
    rows = make_rows(session.bounds, ScriptedStream("rows"))

    handle = peer.evaluator.multiply_plain(
        peer.load(session.bits.words), peer.plaintext(rows.factors)
    )
    handle = peer.evaluator.add_plain(handle, peer.plaintext(rows.addends))
    stream = ScriptedStream("rows")
    zero = engine.words(rerandomiser(engine, key.public, stream, "rows"))
    from gateway.he.blinding import noise

    flood = engine.words(noise(engine, stream, "rows"))
    for addend in (zero, flood):
        handle = peer.evaluator.add(handle, peer.load(addend))
    assert np.array_equal(peer.words(handle), session.rows.words)
