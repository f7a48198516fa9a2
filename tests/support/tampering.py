"""One honest log proof and everything that must not pass for it; every checker gets them all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.cosignature import sign_checkpoint
from gateway.translog.note import Kind, NoteSigner
from gateway.translog.proof import LogProof
from tests.support.parties import NOW
from tests.support.translog import MemoryLog, grown, signer, witness

SIZE, INDEX = 300, 137
LOG = grown(SIZE)


@dataclass(frozen=True)
class Offered:
    """A proof as handed to a checker, and what the checker trusts."""

    proof: LogProof
    entry: bytes
    log: NoteSigner = field(default_factory=signer)
    witnesses: tuple[NoteSigner, ...] = ()
    quorum: int = 0
    origin: str = LOG.origin


def honest(kind: Kind | None = Kind.COSIGNATURE_ED25519) -> Offered:
    """Three witnesses of a kind, two of which are enough; None: no witnesses."""
    witnesses = () if kind is None else tuple(witness(n, kind) for n in range(3))
    proof = LOG.prove(INDEX, witnesses=witnesses[:2])
    return Offered(proof, LOG.entries[INDEX], signer(), witnesses, 2 if witnesses else 0)


def tampered(kind: Kind = Kind.COSIGNATURE_ED25519) -> dict[str, Offered]:
    """Named by what is wrong."""
    base = honest(kind)
    signed = base.proof.signed
    checkpoint, lines = signed.checkpoint, signed.note.signatures

    def moved(**changes) -> Offered:
        """Another text under the old signatures."""
        altered = SignedCheckpoint.make(replace(checkpoint, **changes), *lines)
        return replace(base, proof=replace(base.proof, signed=altered))

    forked = MemoryLog()
    forked.append(b"another history", *LOG.entries[1:])
    fork = forked.prove(INDEX, witnesses=base.witnesses[:2])
    stale = LOG.signed(INDEX, base.witnesses[:2])
    one_witness = SignedCheckpoint.make(checkpoint, *lines[:2])
    spoilt = list(lines)
    spoilt[-1] = replace(
        spoilt[-1], signature=spoilt[-1].signature[:-1] + bytes([spoilt[-1].signature[-1] ^ 1])
    )
    strangers = tuple(
        replace(one, key=replace(one.key, public=witness(n + 7, kind).key.public))
        for n, one in enumerate(base.witnesses)
    )
    return {
        "wrong leaf": replace(base, entry=b"entry 138"),
        "wrong index": replace(base, proof=replace(base.proof, index=INDEX + 1)),
        "wrong root": moved(root=bytes(32)),
        "wrong size": moved(size=SIZE + 1),
        "wrong origin": moved(origin="log.example/other"),
        "origin not expected": replace(base, origin="log.example/other"),
        "wrong log key": replace(base, log=signer(label="impostor")),
        "wrong witness keys": replace(base, witnesses=strangers),
        "another history": replace(base, proof=replace(fork, path=base.proof.path)),
        "stale checkpoint": replace(base, proof=replace(base.proof, signed=stale)),
        "too few witnesses": replace(base, proof=replace(base.proof, signed=one_witness)),
        "one witness twice": replace(
            base,
            proof=replace(
                base.proof,
                signed=one_witness.with_signatures(
                    sign_checkpoint(checkpoint, base.witnesses[0], NOW + 60)
                ),
            ),
        ),
        "spoilt cosignature": replace(
            base,
            proof=replace(base.proof, signed=SignedCheckpoint.make(checkpoint, *spoilt)),
        ),
        "path too short": replace(base, proof=replace(base.proof, path=base.proof.path[:-1])),
        "path too long": replace(
            base, proof=replace(base.proof, path=(*base.proof.path, bytes(32)))
        ),
        "path in another order": replace(
            base, proof=replace(base.proof, path=base.proof.path[::-1])
        ),
        "log did not sign": replace(
            base,
            proof=replace(base.proof, signed=SignedCheckpoint.make(checkpoint, *lines[1:])),
        ),
    }
