"""Vectors of what an evaluation is made of: frame, expansions, comparison, padded product."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from math import isqrt
from typing import Any, Final

import numpy as np

from gateway.he import dcf, ring
from gateway.he.engine import default_engine
from gateway.he.frame import patterns, probe_signs, template_values
from gateway.he.product import padded_score
from gateway.he.randomness import (
    FLOOD_BITS,
    FLOOD_LOW_BITS,
    SeedStream,
    seed_commitment,
)
from gateway.he.transcript import transcript_digest
from gateway.wire.profile import KEY_PRIMES, LANE, N
from tests.support import parties
from tests.vectors.golden import (
    ATTEMPT_NONCE,
    DECISION,
    FRESH,
    HALF,
    KEY,
    MASKED,
    OMEGA,
    POLICY,
    PROBE,
    PRODUCT,
    SEED,
    SESSION,
    SHARES,
    SIGNED_GRANT,
    SIGNED_SUBMISSION,
    SIGNED_TEMPLATE,
    VALUES,
)

Document = dict[str, Any]

ROOTS: Final = (bytes(range(32)), bytes(range(32, 64)))
COMPARISONS: Final = (
    (3, 5, (0, 4, 5, 7)),
    (8, 0xA7, (0, 0xA6, 0xA7, 0xFF)),
    (27, 0x4C0FFEE, (0x4C0FFED, 0x4C0FFEE, 0x4C0FFEF, 0x123456)),
)
"""Bits, alpha, points."""

TRANSCRIPT: Final = transcript_digest(
    SIGNED_GRANT.encoded,
    POLICY.digest,
    SIGNED_TEMPLATE.encoded,
    SIGNED_SUBMISSION.encoded,
    FRESH.digest,
    PROBE.digest,
    ATTEMPT_NONCE,
)


def documents() -> dict[str, Document]:
    """By the file's name."""
    return {
        "session.json": session_document(),
        "uniform.json": uniform_document(),
        "randomness.json": randomness_document(),
        "frame.json": frame_document(),
        "comparison.json": comparison_document(),
        "evaluation.json": evaluation_document(),
    }


def session_document() -> Document:
    """Commitment, transcript and the decision's one digest over an evaluation."""
    return {
        "session": SESSION.hex(),
        "seed": SEED.hex(),
        "seedCommitment": seed_commitment(SESSION, SEED).hex(),
        "grant": SIGNED_GRANT.encoded.hex(),
        "policyDigest": POLICY.digest.hex(),
        "templateAssertion": SIGNED_TEMPLATE.encoded.hex(),
        "submissionAssertion": SIGNED_SUBMISSION.encoded.hex(),
        "templateDigest": FRESH.digest.hex(),
        "probeDigest": PROBE.digest.hex(),
        "nonce": ATTEMPT_NONCE.hex(),
        "transcript": TRANSCRIPT.hex(),
        "productDigest": PRODUCT.digest.hex(),
        "omega": OMEGA,
        "masked": list(MASKED),
        "values": list(VALUES),
        "shares": list(SHARES),
        "evaluationDigest": DECISION.evaluation_digest.hex(),
    }


def uniform_document() -> Document:
    """The half of a session key that follows from the nonces."""
    words = KEY.uniform.words
    return {
        "session": SESSION.hex(),
        "clientNonce": parties.NONCE.hex(),
        "gatewayNonce": parties.GATEWAY_NONCE.hex(),
        "seed": KEY.uniform.seed.hex(),
        "primes": [
            {
                "prime": prime,
                "first": [str(word) for word in words[i, :4]],
                "last": str(words[i, -1]),
                "sha256": _digest_of_words(words[i]),
            }
            for i, prime in enumerate(KEY_PRIMES)
        ],
        "halfSha256": HALF.digest.hex(),
        "keyId": KEY.key_id.hex(),
    }


def randomness_document() -> Document:
    """Every kind of draw, 8192 values each, under the labels that an evaluation uses."""
    stream = SeedStream(SEED, TRANSCRIPT)

    def flood(label: str, count: int) -> list[int]:
        return [
            int(low) + (int(high) << FLOOD_LOW_BITS) - 2**FLOOD_BITS
            for low, high in zip(*stream.flood(label, count), strict=True)
        ]

    draws: tuple[tuple[str, str, int, Callable[[str, int], Iterable[Any]]], ...] = (
        ("rho", "residues", N, stream.residues),
        ("omega", "unit", 1, lambda label, _: [stream.unit(label)]),
        ("pad", "numbers", 2, stream.numbers),
        ("beta", "flood", N, flood),
        ("e1", "centredBinomial", N, stream.centred_binomial),
        ("u", "ternary", N, stream.ternary),
    )
    made = []
    for label, kind, count, draw in draws:
        values = [int(value) for value in draw(label, count)]
        made.append(
            {
                "label": label,
                "kind": kind,
                "count": count,
                "first": [str(value) for value in values[:3]],
                "sha256": _digest_of_lines(values),
            }
        )
    return {"seed": SEED.hex(), "transcript": TRANSCRIPT.hex(), "draws": made}


def frame_document() -> Document:
    """Embeddings by rule, their signs and template integers."""
    flips = np.packbits(patterns().transpose(1, 0, 2).reshape(-1) < 0, bitorder="little")
    return {
        "patterns": {"$shake256": "sealmatch/bgv8192-2/frame", "length": flips.size}
        | {"sha256": hashlib.sha256(flips.tobytes()).hexdigest()},
        "cases": [_frame_case(**rule) for rule in EMBEDDINGS],
    }


EMBEDDINGS: Final[tuple[Document, ...]] = (
    {"what": "512 values", "shake256": "sealmatch/test/embedding/a", "length": 512},
    {"what": "padded with zeros", "shake256": "sealmatch/test/embedding/b", "length": 128},
    {"what": "one value: some outputs are zero, and many are ties", "axis": 0},
    {"what": "minus one, in the last place", "axis": 511, "negative": True},
    {
        "what": "halves of 2^-24, which are rounded to even before anything else",
        "halves": [2**25 - 1, 3, 5, -3, -5, 1, -1, 7],
    },
)


def embedding(rule: Document) -> list[float]:
    """The values of a rule of the vectors: see their README."""
    if "axis" in rule:
        made = [0.0] * 512
        made[rule["axis"]] = -1.0 if rule.get("negative") else 1.0
        return made
    if "halves" in rule:
        return [n / 2**25 for n in rule["halves"]]
    raw = hashlib.shake_256(rule["shake256"].encode()).digest(2 * rule["length"])
    drawn = [
        int.from_bytes(raw[2 * i : 2 * i + 2], "little", signed=True) for i in range(rule["length"])
    ]
    length = isqrt(sum(n * n for n in drawn))
    return [n / length for n in drawn]


def _frame_case(**rule: Any) -> Document:
    vector = np.array(embedding(rule))
    signs, values = probe_signs(vector), template_values(vector)
    return rule | {
        "negativeSigns": np.packbits(signs < 0, bitorder="little").tobytes().hex(),
        "template": values.astype(np.int8).tobytes().hex(),
        "score": int(signs @ values),
    }


def comparison_document() -> Document:
    """Keys of the distributed comparison and its shares."""
    cases = []
    for bits, alpha, points in COMPARISONS:
        keys = dcf.generate(alpha, ROOTS, bits)
        shares = [[dcf.evaluate(party, keys[party], x, bits) for party in (0, 1)] for x in points]
        cases.append(
            {
                "bits": bits,
                "alpha": alpha,
                "keys": [key.hex() for key in keys],
                "points": [
                    {"x": x, "shares": pair} for x, pair in zip(points, shares, strict=True)
                ],
            }
        )
    return {"roots": [root.hex() for root in ROOTS], "cases": cases}


def evaluation_document() -> Document:
    """The padded product of the golden ciphertexts, seed and transcript, to the last word.

    The ciphertexts encrypt nothing: what is pinned is arithmetic that an auditor repeats.
    """
    stream = SeedStream(SEED, TRANSCRIPT)
    score = padded_score(default_engine(), KEY, PROBE, FRESH, stream)
    rho = SeedStream(SEED, TRANSCRIPT).residues("rho", N)
    return {
        "seed": SEED.hex(),
        "transcript": TRANSCRIPT.hex(),
        "probe": PROBE.digest.hex(),
        "template": FRESH.digest.hex(),
        "sessionKeyHalf": HALF.digest.hex(),
        "uniformSeed": KEY.uniform.seed.hex(),
        "omega": score.omega,
        "sumsOfRho": list(ring.lane_sums(rho)),
        "head": [str(number) for number in score.product.head],
        "tailSha256": score.product.tail.digest.hex(),
        "productDigest": score.product.digest.hex(),
        "offsets": list(score.offsets),
        "laneSlots": LANE,
    }


def _digest_of_words(words: np.ndarray) -> str:
    """SHA-256 of the words, 7 bytes each, little-endian."""
    return hashlib.sha256(b"".join(int(w).to_bytes(7, "little") for w in words)).hexdigest()


def _digest_of_lines(values: list[int]) -> str:
    """SHA-256 of decimal numbers, one a line, without a last newline."""
    return hashlib.sha256("\n".join(map(str, values)).encode()).hexdigest()
