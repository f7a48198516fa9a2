"""Golden vectors of the transparency log: ``log.json``.

Everything follows from fixed seeds but the cosignature of ML-DSA-44, which is random: it was made
once and is kept, as long as it verifies.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from gateway.translog import tree
from gateway.translog.cosignature import check_line, sign_checkpoint
from gateway.translog.note import Kind, NoteSigner, SignatureLine
from gateway.translog.policy import TrustedLog, TrustedWitness, TrustPolicy
from gateway.translog.proof import LogProof
from gateway.translog.tiles import Tile, bundles_of, tiles_of
from gateway.translog.witnessing import AddCheckpoint
from gateway.wire.errors import SealmatchError
from tests.support import tampering
from tests.support.parties import NOW, fixed_bytes
from tests.support.tampering import INDEX, LOG, SIZE
from tests.support.translog import ORIGIN, signer, witness

FILE: Final = "log.json"
OLD: Final = 137
SIZES: Final = (1, 2, 3, 7, 8, 137, 255, 256, 257, 300)
ML_DSA: Final = Kind.COSIGNATURE_ML_DSA_44

Document = dict[str, Any]


def document(kept: Path) -> Document:
    """The vector; ``kept`` is the file as it stands."""
    honest = tampering.honest()
    ml_dsa = _ml_dsa_line(kept)
    extra = LogProof(INDEX, honest.proof.path, honest.proof.signed, b"extra data")
    request = AddCheckpoint(OLD, LOG.consistency(OLD), LOG.signed())
    return {
        "origin": ORIGIN,
        "entries": f"entry 0 ... entry {SIZE - 1}, in ASCII",
        "logKey": _key("log", signer()),
        "witnessKeys": [_key(f"witness-{n}", witness(n)) for n in range(3)],
        "mlDsaWitnessKey": _key("witness-1", witness(1, ML_DSA)),
        "roots": {str(size): LOG.checkpoint(size).root.hex() for size in (0, *SIZES)},
        "inclusion": [_inclusion(index, size) for size in SIZES for index in _places(size)],
        "consistency": [_consistency(old, size) for size in SIZES for old in _places(size)],
        "checkpoint": bytes(honest.proof.signed).decode(),
        "cosignedAt": NOW,
        "mlDsaCosignature": str(ml_dsa),
        "proof": bytes(honest.proof).decode(),
        "proofWithExtra": bytes(extra).decode(),
        "policy": bytes(policy(honest)).decode(),
        "entry": honest.entry.decode(),
        "addCheckpoint": bytes(request).decode(),
        "tiles": {tile.path: _served(tile) for tile in (*tiles_of(SIZE), *bundles_of(SIZE))},
        "refused": {name: _refused(one) for name, one in tampering.tampered().items()},
    }


def policy(offered: tampering.Offered) -> TrustPolicy:
    """What whoever is offered the proof trusts."""
    return TrustPolicy.simple(
        [TrustedLog(offered.log.key)],
        [TrustedWitness(f"w{n}", one.key) for n, one in enumerate(offered.witnesses)],
        offered.quorum,
    )


def _key(label: str, of: NoteSigner) -> Document:
    seed = fixed_bytes(f"translog-{label}-{of.key.kind}")
    return {"seed": seed.hex(), "vkey": str(of.key)}


def _places(size: int) -> list[int]:
    return sorted({0, size // 3, size - 1})


def _inclusion(index: int, size: int) -> Document:
    path = tree.prove_inclusion(index, size, LOG.hashes)
    return {"index": index, "size": size, "path": [one.hex() for one in path]}


def _consistency(place: int, size: int) -> Document:
    proof = LOG.consistency(place + 1, size)
    return {"old": place + 1, "size": size, "proof": [one.hex() for one in proof]}


def _served(tile: Tile) -> Document:
    data = LOG.tile(tile)
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _refused(offered: tampering.Offered) -> Document:
    return {
        "proof": bytes(offered.proof).decode(),
        "entry": offered.entry.decode(),
        "origin": offered.origin,
        "policy": bytes(policy(offered)).decode(),
    }


def _ml_dsa_line(kept: Path) -> SignatureLine:
    of = witness(1, ML_DSA)
    try:
        line = SignatureLine.parse(json.loads(kept.read_text())["mlDsaCosignature"][:-1])
        check_line(LOG.checkpoint(), line, of.key)
    except (OSError, ValueError, KeyError, SealmatchError):
        return sign_checkpoint(LOG.checkpoint(), of, NOW)
    return line
