"""Checking a checkpoint or a proof against a trust policy: offline, and raising.

The steps, in order; the numbers stand beside the code:

1. The text is a well-formed proof or checkpoint.
2. The policy lists the log of this origin, and that log signed the checkpoint.
3. Every cosignature of a listed witness verifies, and together they reach the quorum.
4. With a window of time: the cosignatures inside it still reach the quorum.
5. The entry stands at its index of the checkpoint's tree.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.cosignature import check_signed
from gateway.translog.note import NoteKey
from gateway.translog.policy import TrustPolicy
from gateway.translog.proof import LogProof
from gateway.translog.tree import leaf_hash, verify_inclusion
from gateway.wire.errors import Refused, SealmatchError

STEPS: Final = {
    1: "log proof is well-formed",
    2: "checkpoint is signed by a trusted log",
    3: "enough trusted witnesses cosigned",
    4: "checkpoint was cosigned in time",
    5: "entry is in the log",
}


class LogProofInvalid(SealmatchError):
    """A step failed. ``step`` is its number in ``STEPS``."""

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(f"log step {step} ({STEPS[step]}): {reason}")
        self.step = step
        self.reason = reason


@dataclass(frozen=True)
class Window:
    """Cosignatures count if made in this time, both ends included; seconds since 1970."""

    earliest: int
    latest: int


@dataclass(frozen=True)
class WitnessedCheckpoint:
    """A checkpoint that the policy accepts."""

    checkpoint: Checkpoint
    log: NoteKey
    """The first of the log's keys that signed it."""
    cosigned: dict[str, int]
    """Time of the latest cosignature by name of witness, seconds since 1970."""


@dataclass(frozen=True)
class LoggedEntry:
    """An entry that is proven to be in the log."""

    index: int
    witnessed: WitnessedCheckpoint


def verify_log_proof(
    encoded: bytes, entry: bytes, policy: TrustPolicy, window: Window | None = None
) -> LoggedEntry:
    """Check that ``entry`` is in a log that the policy trusts.

    Raises:
        LogProofInvalid: names the first step that fails.
    """
    with _step(1):
        proof = LogProof.parse(encoded)
    witnessed = _witnessed(proof.signed, policy, window)
    with _step(5):
        of = witnessed.checkpoint
        verify_inclusion(leaf_hash(entry), proof.index, of.size, of.root, proof.path)
    return LoggedEntry(proof.index, witnessed)


def verify_checkpoint(
    encoded: bytes, policy: TrustPolicy, window: Window | None = None
) -> WitnessedCheckpoint:
    """Check a checkpoint that stands alone: steps 1 to 4.

    Raises:
        LogProofInvalid: names the first step that fails.
    """
    with _step(1):
        signed = SignedCheckpoint.parse(encoded)
    return _witnessed(signed, policy, window)


def _witnessed(
    signed: SignedCheckpoint, policy: TrustPolicy, window: Window | None
) -> WitnessedCheckpoint:
    with _step(1):
        signed.checkpoint.check_empty_root()
    with _step(2):
        log = _signing_log(signed, policy)
    with _step(3):
        cosigned = _cosigned(signed, policy)
        policy.check_quorum(cosigned)
    if window is not None:
        with _step(4):
            in_time = [n for n, t in cosigned.items() if window.earliest <= t <= window.latest]
            policy.check_quorum(in_time)
    return WitnessedCheckpoint(signed.checkpoint, log, cosigned)


def _signing_log(signed: SignedCheckpoint, policy: TrustPolicy) -> NoteKey:
    keys = policy.keys_of(signed.checkpoint.origin)
    if not keys:
        raise Refused("the policy lists no log of this origin")
    # All are checked, before one is chosen: a bad signature of a known key spoils the note.
    signing = [key for key in keys if check_signed(signed, key)]
    if not signing:
        raise Refused("none of the log's trusted keys signed it")
    return signing[0]


def _cosigned(signed: SignedCheckpoint, policy: TrustPolicy) -> dict[str, int]:
    found = {}
    for witness in policy.witnesses:
        times = [time for time in check_signed(signed, witness.key) if time is not None]
        if times:
            found[witness.name] = max(times)
    return found


@contextmanager
def _step(number: int) -> Iterator[None]:
    try:
        yield
    except Refused as error:
        raise LogProofInvalid(number, error.detail) from None
    except SealmatchError as error:
        raise LogProofInvalid(number, str(error)) from None
