"""The witness's work: the rules of ``translog.witnessing`` between its memory and its keys.

The time in a cosignature says: as of now, this is the largest tree I have seen. So times never go
back while trees grow. If the clock is a little behind the last signed time, that time is used. If
it is further behind, the witness stops, because it would sign a wrong time.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import Final

from gateway.host.metrics import stage
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.cosignature import sign_checkpoint
from gateway.translog.note import NoteSigner
from gateway.translog.witnessing import (
    AddCheckpoint,
    Remembered,
    check_growth,
    check_origin,
    encode_answer,
)
from gateway.wire.errors import NotConsistent, Unavailable, UnknownLog
from gateway.witness.logs import KnownLogs
from gateway.witness.memory import WitnessMemory

log = logging.getLogger("sealmatch.witness")

CLOCK_BACK_SECONDS: Final = 300
"""How far the clock may be behind the time that was signed last."""


class Witness:
    """Thread-safe."""

    def __init__(
        self,
        signers: Sequence[NoteSigner],
        logs: KnownLogs,
        memory: WitnessMemory,
        clock: Callable[[], int],
    ) -> None:
        self._signers = signers
        self._logs = logs
        self._memory = memory
        self._clock = clock

    @stage("checkpoint-cosigned")
    def add_checkpoint(self, body: bytes) -> bytes:
        """Cosign a checkpoint, or refuse it. The numbers below are those of ``witnessing``.

        Returns:
            The cosignatures, as signature lines.

        Raises:
            MalformedMessage, BodyTooLarge: not a request (1, 4).
            UnknownLog: (2).
            Refused: (3).
            SizeConflict: (5).
            NotConsistent: (6).
            Unavailable: the memory cannot be written, or the clock is wrong.
        """
        request = AddCheckpoint.parse(body)
        checkpoint = request.signed.checkpoint
        own = check_origin(request, self._logs.keys_of(checkpoint.origin))

        def sign(remembered: Remembered) -> tuple[SignedCheckpoint, int]:
            check_growth(request, remembered)
            time = self._time(remembered)
            made = [sign_checkpoint(checkpoint, signer, time) for signer in self._signers]
            return SignedCheckpoint.make(checkpoint, *own, *made), time

        try:
            signed = self._memory.advance(checkpoint.origin, sign)
        except NotConsistent:
            # Evidence if the log made this request; others can send its checkpoints with any proof.
            log.warning("not cosigned, does not extend what is remembered: %r", checkpoint.text)
            raise
        return encode_answer(signed.note.signatures[len(own) :])

    def latest(self, origin_hash: str) -> bytes:
        """The latest cosigned checkpoint of the log whose origin has this SHA-256 (hexadecimal).

        Raises:
            UnknownLog: none was cosigned.
            Unavailable: the memory cannot be read.
        """
        for origin, checkpoint in self._memory.checkpoints():
            if hashlib.sha256(origin.encode()).hexdigest() == origin_hash:
                return checkpoint
        raise UnknownLog("no checkpoint of this log was cosigned here")

    def check_clock(self) -> None:
        """Raise ``Unavailable`` if the clock is too far behind to sign for every log."""
        self._not_before(self._memory.latest_time())

    def _time(self, remembered: Remembered) -> int:
        return self._not_before(remembered.time)

    def _not_before(self, signed: int) -> int:
        now = self._clock()
        if now < signed - CLOCK_BACK_SECONDS:
            raise Unavailable("the witness's clock is behind what it signed last")
        return max(now, signed)
