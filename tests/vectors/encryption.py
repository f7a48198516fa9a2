"""Vectors of an encryption with fixed randomness, computed without the product and without SEAL."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np

from tests.support import slow, slow_product
from tests.support.slow_encryption import CANDIDATES, RANDOM_BYTES, encryption
from tests.vectors.evaluation import EMBEDDINGS, embedding
from tests.vectors.golden import HALF, KEY

Document = dict[str, Any]

_LARGEST_ERROR: Final = (2**21 - 1).to_bytes(8, "little").hex()
_SMALLEST_ERROR: Final = (2**64 - 2**21).to_bytes(8, "little").hex()
"""The bits above the first 42 say nothing."""

CASES: Final[tuple[Document, ...]] = (
    {
        "what": "no action vector",
        "probe": EMBEDDINGS[0],
        "action": None,
        "random": {"shake256": "sealmatch/test/encryption/a"},
    },
    {
        "what": "two vectors, one padded with zeros",
        "probe": EMBEDDINGS[1],
        "action": EMBEDDINGS[0],
        "random": {"shake256": "sealmatch/test/encryption/b"},
    },
    {
        "what": "u is 1 everywhere and every error 21",
        "probe": EMBEDDINGS[2],
        "action": EMBEDDINGS[3],
        "random": {"candidate": "fe", "error": _LARGEST_ERROR},
    },
    {
        "what": "u is -1 everywhere and every error -21",
        "probe": EMBEDDINGS[4],
        "action": None,
        "random": {"candidate": "00", "error": _SMALLEST_ERROR},
    },
)


def document(half_rule: Document) -> Document:
    """Ciphertexts of probes under the golden key, which nobody can open.

    Args:
        half_rule: b in the notation of the vectors.
    """
    half = slow_product.read(HALF.encoded, 1, 4)[0]
    seed = KEY.uniform.seed
    uniform = [slow.uniform_words(seed, i) for i in range(len(slow.KEY_PRIMES))]
    cases = []
    for case in CASES:
        vectors = [embedding(case[name] or case["probe"]) for name in ("probe", "action")]
        slots = [sign % slow.T for vector in vectors for sign in slow.signs(slow.frame(vector))]
        made = encryption(half, np.array(uniform, dtype=object), slots, random_of(case["random"]))
        summary = {"first32": made[:32].hex(), "last32": made[-32:].hex()}
        cases.append(case | {"sha256": hashlib.sha256(made).hexdigest()} | summary)
    return {
        "sessionKeyHalf": half_rule,
        "uniformSeed": seed.hex(),
        "bytes": len(made),
        "randomBytes": RANDOM_BYTES,
        "candidates": CANDIDATES,
        "cases": cases,
    }


def random_of(rule: Document) -> bytes:
    """The random bytes of a rule: see the README."""
    if "shake256" in rule:
        return hashlib.shake_256(rule["shake256"].encode()).digest(RANDOM_BYTES)
    candidates = bytes.fromhex(rule["candidate"]) * CANDIDATES
    return candidates + bytes.fromhex(rule["error"]) * ((RANDOM_BYTES - CANDIDATES) // 8)
