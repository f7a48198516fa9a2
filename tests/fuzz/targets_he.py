"""What reaches the homomorphic encryption: ciphertexts, keys, products, dealings, and the workers.

The workers stand where a peer's words meet SEAL, or a secret key. A worker gets every argument from
its own server; what a peer chose is within its limits already, and hostile in itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

import numpy as np

from gateway.auditor.repetition import RepetitionWorkshop
from gateway.he.engine import default_engine
from gateway.he.evaluation import Inputs
from gateway.server.evaluation import EvaluationWorkshop
from gateway.wire.dealing import AUTHORITY, DEALING_BYTES, GATEWAY, Dealing
from gateway.wire.errors import MalformedMessage
from gateway.wire.ids import Digest
from gateway.wire.polynomials import (
    NUMBER_BYTES,
    Ciphertext,
    PaddedProduct,
    ProductTail,
    SessionKeyHalf,
)
from gateway.wire.profile import KEY_PRIMES, SENT_MODULUS, SENT_PRIMES, N, T
from gateway.wire.sealing import Sealed
from keys.authority import SessionSecret
from keys.workers import KeyWorkshop
from tests.fuzz.making import stateless, target
from tests.fuzz.mutations import Mutator, frame, framed, scramble, unframe
from tests.fuzz.targets_wire import promise
from tests.support import parties
from tests.support.fuzzing import Parse, Target
from tests.vectors import golden

_HEADER_BYTES: Final = 2
_POLYNOMIAL_BYTES: Final = 7 * N


# --- polynomials -----------------------------------------------------------------------------


def polynomials(rng: Random, data: bytes) -> bytes:
    """Mostly of the right length: single words at their prime, above it, or zero."""
    if rng.random() < 0.2 or len(data) < _POLYNOMIAL_BYTES:
        return scramble(rng, data)
    changed = bytearray(data)
    words = (len(data) - _HEADER_BYTES) // 7
    for _ in range(rng.choice((1, 1, 2, 50))):
        at = _HEADER_BYTES + 7 * rng.randrange(words)
        prime = rng.choice(KEY_PRIMES)
        value = rng.choice((prime, prime - 1, prime + 1, 2**56 - 1, 0, rng.randrange(2**56)))
        changed[at : at + 7] = value.to_bytes(7, "little")
    if rng.random() < 0.05:
        start = _HEADER_BYTES + _POLYNOMIAL_BYTES * rng.choice((0, 2, 3))
        part = len(changed[start : start + _POLYNOMIAL_BYTES * rng.choice((1, 2, 3, 4))])
        changed[start : start + part] = bytes(part)
    if rng.random() < 0.1:
        changed[rng.randrange(_HEADER_BYTES)] = rng.randrange(256)
    return bytes(changed)


def _sparse(rng: Random, data: bytes) -> bytes:
    """A valid encoding of few words, or of words that are all alike."""
    try:
        words = Ciphertext.decode(data).words.copy()
    except MalformedMessage:  # altered before
        return scramble(rng, data)
    kept = rng.choice((1, 2, 64))
    words[:, :, kept:] = rng.choice((0, 0, 1))
    words[:, :, 0] |= np.uint64(1)
    return Ciphertext(words).encoded


def ciphertext(rng: Random, data: bytes) -> bytes:
    return _sparse(rng, data) if rng.random() < 0.5 else polynomials(rng, data)


def _product(rng: Random, data: bytes) -> bytes:
    """A padded product: its two numbers at their modulus, or its polynomials as above."""
    numbers, tail = data[: 2 * NUMBER_BYTES], data[2 * NUMBER_BYTES :]
    if rng.random() < 0.4:
        at = NUMBER_BYTES * rng.randrange(2)
        edges = (0, 1, SENT_MODULUS - 1, SENT_MODULUS, SENT_MODULUS + 1, 2**112 - 1)
        value = rng.choice((*edges, rng.randrange(2**112))).to_bytes(NUMBER_BYTES, "little")
        return numbers[:at] + value + numbers[at + NUMBER_BYTES :] + tail
    return numbers + polynomials(rng, tail) if rng.random() < 0.8 else scramble(rng, data)


def _parse_ciphertext(data: bytes) -> None:
    parsed = Ciphertext.decode(data)
    promise(Ciphertext(np.array(parsed.words)).encoded == data, "a second encoding was accepted")


def _parse_half(data: bytes) -> None:
    parsed = SessionKeyHalf.decode(data)
    promise(SessionKeyHalf(np.array(parsed.words)).encoded == data, "a second encoding")


def _parse_product(data: bytes) -> None:
    parsed = PaddedProduct.decode(data)
    again = PaddedProduct(parsed.head, ProductTail(np.array(parsed.tail.words)))
    promise(again.encoded == data, "a second encoding was accepted")
    promise(max(parsed.head) < SENT_MODULUS, "a number is not below its modulus")


def _parse_tail(data: bytes) -> None:
    parsed = ProductTail.decode(data)
    promise(ProductTail(np.array(parsed.words)).encoded == data, "a second encoding was accepted")


# --- dealings --------------------------------------------------------------------------------


def dealing(rng: Random, data: bytes) -> bytes:
    """Mostly of the right length: flags, last corrections and shares at their bounds."""
    if rng.random() < 0.2 or len(data) != DEALING_BYTES:
        return scramble(rng, data)
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 9))):
        lane = 2 + (DEALING_BYTES - 2) // 2 * rng.randrange(2)
        end = lane + (DEALING_BYTES - 2) // 2
        flag = lane + 32 + 33 * rng.randrange(27) + 32
        share = rng.choice((T - 1, T, T + 1, 2**32 - 1, 0, rng.randrange(2**32)))
        match rng.randrange(4):
            case 0:
                changed[flag] = rng.choice((7, 8, 255, rng.randrange(256)))
            case 1:
                changed[end - 5] = rng.choice((0, 1, 2, 255))
            case 2:
                changed[end - 4 : end] = share.to_bytes(4, "little")
            case _:
                changed[rng.randrange(2)] = rng.choice((0, 1, 2, 255))
    return bytes(changed)


def _parse_dealing(data: bytes) -> None:
    """As either party reads it; the first byte of the input says which."""
    party = AUTHORITY if data[:1] == b"\1" else GATEWAY
    parsed = Dealing.decode(data[1:], party)
    promise(Dealing(party, parsed.lanes).encoded == data[1:], "a second encoding was accepted")
    promise(all(lane.share < T for lane in parsed.lanes), "a share is not below t")
    flags = b"".join(bytes(lane.key[64:-1:33]) for lane in parsed.lanes)
    promise(len(flags) == 54 and max(flags) < 8, "a correction has bits that mean nothing")
    promise(all(lane.key[-1] < 2 for lane in parsed.lanes), "a last correction is no bit")


def _dealings() -> list[bytes]:
    return [bytes((one.party,)) + one.encoded for one in golden.DEALINGS]


def _behind_a_byte(mutate: Mutator) -> Mutator:
    def mutated(rng: Random, data: bytes) -> bytes:
        first = data[:1] if rng.random() < 0.95 else rng.randbytes(1)
        return first + mutate(rng, data[1:])

    return mutated


# --- sealed parts ----------------------------------------------------------------------------


@cache
def _sealed() -> tuple[bytes, ...]:
    """Kept in the vectors: sealing is randomised, and a run must repeat."""
    vector = json.loads((Path(golden.__file__).parent / "sealing.json").read_text())
    found = []
    for role, name in enumerate((*(what.name for what in Sealed), "AUDIT")):
        found.append(bytes((role,)) + bytes.fromhex(vector["cases"][name]["sealed"]))
    return tuple(found)


@cache
def _demand() -> Digest:
    vector = json.loads((Path(golden.__file__).parent / "sealing.json").read_text())
    return Digest(bytes.fromhex(vector["cases"]["AUDIT"]["demandDigest"]))


def _parse_sealed(data: bytes) -> str:
    """Sealing is authenticated, and bound to a role: only what was sealed opens, as that."""
    role = data[0] if data else 0
    key = parties.sealing_key()
    if role < len(Sealed):
        what = tuple(Sealed)[role]
        mine = parties.authority_sealing_key() if what is Sealed.DEALING else key
        mine.open(what, data[1:], golden.SESSION, golden.KEY.key_id)
    else:
        key.open_for_audit(data[1:], _demand())
    promise(bytes((min(role, 3),)) + data[1:] in _sealed(), "altered bytes opened, or in a role")
    return "accepted"


# --- workers ---------------------------------------------------------------------------------


@cache
def inputs() -> Inputs:
    return Inputs(
        golden.SIGNED_GRANT,
        golden.KEY,
        golden.POLICY,
        golden.SIGNED_TEMPLATE.encoded,
        golden.SIGNED_SUBMISSION.encoded,
        golden.FRESH,
        golden.PROBE,
        golden.DEALINGS[GATEWAY],
    )


def _evaluations() -> list[bytes]:
    given = inputs()
    half = given.public_key.half.encoded
    parts = (given.template.encoded, given.probe.encoded, half, given.dealing.encoded)
    return [frame(*parts)]


def _given(data: bytes) -> tuple[list[bytes], list[bytes]]:
    """Arguments of a worker, honest but for a peer's parts; and these parts."""
    template, probe, half, dealing = unframe(data, 4)
    encoded = inputs().encoded()
    encoded[1] = half
    return encoded[:5], [template, probe, dealing]


def _prepare_evaluation(_: Path) -> Parse:
    bench = EvaluationWorkshop(default_engine())

    def parse(data: bytes) -> None:
        """The gateway's worker: from its inputs to its shares."""
        known, hostile = _given(data)
        bench.end(b"one")
        bench.begin(b"one", [*known, *hostile])
        product, omega = bench.padded_product(b"one", golden.ATTEMPT_NONCE)
        promise(isinstance(omega, int) and 0 < omega < T, "omega is no unit")
        PaddedProduct.decode(bytes(product))  # type: ignore[arg-type]
        values, shares = bench.open(b"one", list(golden.MASKED))
        promise(max(values) < T and max(shares) < 2, "values or shares out of their bounds")
        bench.end(b"one")

    return parse


def _prepare_repetition(_: Path) -> Parse:
    bench = RepetitionWorkshop(default_engine())

    def parse(data: bytes) -> None:
        """The auditor's worker: what a gateway sealed for it."""
        known, (template, probe, dealing) = _given(data)
        secret = (template + probe + dealing + golden.SEED)[:_SECRET_BYTES]
        if len(secret) < _SECRET_BYTES:  # as the message bounds it
            secret += bytes(_SECRET_BYTES - len(secret))
        digest = bench.repeat(known, secret, golden.ATTEMPT_NONCE, list(golden.MASKED))
        promise(len(digest) == 32, "no digest")

    return parse


_SECRET_BYTES: Final = 2 * Ciphertext.encoded_size() + DEALING_BYTES + len(golden.SEED)


def _prepare_answering(_: Path) -> Parse:
    bench = KeyWorkshop(default_engine())
    key = np.stack([np.arange(1, N + 1, dtype=np.uint64) for _ in SENT_PRIMES])

    def parse(data: bytes) -> None:
        """The authority's worker: a gateway's product, an issuer's dealing, and a secret key."""
        product, dealing = unframe(data, 2)
        bench._held = {b"name": SessionSecret(key.copy())}
        values = bench.answer(b"name", product, golden.OMEGA, dealing)
        promise(all(0 <= value < T for value in values), "a value out of its bounds")
        promise(not bench._held, "a key that has answered is held")

    return parse


def _answerings() -> list[bytes]:
    return [frame(golden.PRODUCT.encoded, golden.DEALINGS[AUTHORITY].encoded)]


def _mostly(mutate: Mutator) -> Mutator:
    """Half of the time the part stays honest, so that the others are reached."""
    return lambda rng, data: mutate(rng, data) if rng.random() < 0.5 else data


def targets() -> Sequence[Target]:
    """All targets of this module."""
    hostile = framed(
        _mostly(ciphertext), _mostly(ciphertext), _mostly(polynomials), _mostly(dealing)
    )
    return (
        target(
            "ciphertext",
            lambda: (golden.FRESH.encoded, golden.PROBE.encoded),
            polynomials,
            stateless(_parse_ciphertext),
            6,
        ),
        target(
            "session-key-half",
            lambda: (golden.HALF.encoded,),
            polynomials,
            stateless(_parse_half),
            6,
        ),
        target(
            "padded-product",
            lambda: (golden.PRODUCT.encoded,),
            _product,
            stateless(_parse_product),
            6,
        ),
        target(
            "product-tail",
            lambda: (golden.PRODUCT.tail.encoded,),
            polynomials,
            stateless(_parse_tail),
            6,
        ),
        target("dealing", _dealings, _behind_a_byte(dealing), stateless(_parse_dealing), 60),
        target("sealed", _sealed, _behind_a_byte(scramble), stateless(_parse_sealed), 300),
        target("gateway-worker", _evaluations, hostile, _prepare_evaluation, 2),
        target("auditor-worker", _evaluations, hostile, _prepare_repetition, 2),
        target(
            "authority-worker",
            _answerings,
            framed(_mostly(_product), _mostly(dealing)),
            _prepare_answering,
            6,
        ),
    )
