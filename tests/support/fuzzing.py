"""What a parser of foreign bytes owes us, and how one input is judged.

Every parser turns any bytes at all into a value or into one of the exceptions that it documents,
within a bound of time and memory. ``DOCUMENTED`` is the one table of these promises; an exception
that is not in a parser's row, of exactly that type, is a finding, and so is an answer that breaks
the target's own invariant (``BrokenPromise``), an error text that repeats what a peer sent
(``CANARY``), an input that takes too long, and one that reserves too much memory.
"""

from __future__ import annotations

import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType, TracebackType
from typing import Final

from gateway.client.answers import (
    ClockDiffers,
    GatewayError,
    NoAnswer,
    NoSuchSession,
    NotTheGateway,
)
from gateway.client.gateway_client import (
    NotTaken,
    OutcomeUnknown,
    ReceiptPending,
    SubmissionFailed,
    SubmissionInvalid,
    SubmissionRefused,
)
from gateway.documents.chip.certificates import UnusableList
from gateway.documents.chip.errors import ChipRefused, IssuerNotListed
from gateway.documents.mobile.errors import IssuerNotListed as MobileIssuerNotListed
from gateway.documents.mobile.errors import MobileRefused
from gateway.documents.mrz import UnusableZone
from gateway.host.keyfile import KeyFileError
from gateway.host.keystore import KeystoreClosed
from gateway.host.settings import BadConfiguration
from gateway.host.tls import TlsMisconfigured
from gateway.inspection.log_reader import LogDisagrees
from gateway.inspection.profiles.loading import BadProfile
from gateway.proofs.trust import UnusableTrustFile
from gateway.proofs.verify import ReceiptInvalid
from gateway.server import authority_client
from gateway.translog.verification import LogProofInvalid
from gateway.translog.witnessing import SizeConflict
from gateway.vision.errors import ModelPackCorrupt, ModelPackFetchFailed, UnreadableImage
from gateway.wire.errors import (
    BodyTooLarge,
    CallerMisuse,
    MalformedMessage,
    NotConsistent,
    Refused,
    SessionNotFound,
    Unavailable,
    UnknownLog,
)
from gateway.wire.number import UnusableNumber
from keys.trust_file import TrustListDamaged

Exceptions = tuple[type[Exception], ...]

DOCUMENTED: Final[dict[str, Exceptions]] = {
    "cbor": (MalformedMessage,),
    "message": (MalformedMessage, BodyTooLarge),  # one target for each message class
    "cose-verify": (MalformedMessage, Refused),
    "cose-peek": (MalformedMessage,),
    "ciphertext": (MalformedMessage,),
    "session-key-half": (MalformedMessage,),
    "padded-product": (MalformedMessage,),
    "dealing": (MalformedMessage,),
    "sealed": (Refused,),
    "gateway-worker": (MalformedMessage, Refused),
    "auditor-worker": (MalformedMessage, Refused),
    "authority-worker": (MalformedMessage,),
    "attempt-check": (MalformedMessage, Refused),
    "authority-steps": (MalformedMessage, BodyTooLarge, SessionNotFound, Refused),
    "gateway-steps": (Refused,),
    "sealed-parts": (MalformedMessage, Refused),
    "worker-answer": (MalformedMessage, Refused, Unavailable),
    "audit-secret": (MalformedMessage,),
    "product-tail": (MalformedMessage,),
    "session-key": (MalformedMessage, Refused),
    "submission-check": (MalformedMessage, Refused),
    "liveness-check": (MalformedMessage, BodyTooLarge, Refused),
    "request-signature": (Refused,),
    "receipt": (ReceiptInvalid,),
    "opening": (ReceiptInvalid, MalformedMessage, BodyTooLarge),
    "trust-file": (UnusableTrustFile,),
    "authority-trust-list": (TrustListDamaged,),
    "keystore": (KeyFileError, KeystoreClosed),
    "keyring": (MalformedMessage, BodyTooLarge),
    "passphrase-file": (KeyFileError,),
    "key-file": (KeyFileError,),
    "parties-file": (CallerMisuse,),
    "tls-files": (TlsMisconfigured,),
    "gateway-answer": (
        MalformedMessage,
        Refused,
        Unavailable,
        NoAnswer,
        NotTheGateway,
        ClockDiffers,
        ReceiptPending,
        OutcomeUnknown,
        NotTaken,
        SubmissionRefused,
        SubmissionInvalid,
        SubmissionFailed,
        GatewayError,
        NoSuchSession,
    ),
    "authority-answer": (Refused, Unavailable, authority_client.NoAnswer),
    "auditor-answer": (Refused, Unavailable, authority_client.NoAnswer),
    "auditor-settings": (BadConfiguration,),
    "auditor-register": (CallerMisuse,),
    "audit-check": (MalformedMessage, Refused),
    "audit-report": (MalformedMessage, Refused),
    "subject": (UnusableNumber,),
    "activation-reference": (UnusableNumber,),
    "document-number": (UnusableNumber,),
    "mrz": (UnusableNumber, UnusableZone),
    "session-id": (SessionNotFound,),
    "gateway-settings": (BadConfiguration,),
    "inspection-profile": (BadProfile,),
    "inspection-bundle": (MalformedMessage,),
    "inspection-evidence": (MalformedMessage,),
    "settings-in-force": (MalformedMessage,),
    "authority-settings": (BadConfiguration,),
    "image": (UnreadableImage,),
    "chip": (ChipRefused, IssuerNotListed),
    "csca-list": (UnusableList,),
    "mobile": (MobileRefused, MobileIssuerNotListed),
    "portrait-record": (UnreadableImage,),
    "pack-manifest": (ModelPackCorrupt,),
    "signed-note": (MalformedMessage, BodyTooLarge),
    "checkpoint": (MalformedMessage, BodyTooLarge),
    "log-proof": (MalformedMessage, BodyTooLarge),
    "verifier-key": (MalformedMessage,),
    "log-policy": (MalformedMessage, BodyTooLarge),
    "tile-path": (MalformedMessage,),
    "entry-bundle": (MalformedMessage,),
    "log-verification": (LogProofInvalid,),
    "log-reading": (LogDisagrees,),
    "log-memory": (MalformedMessage,),
    "witness-request": (
        MalformedMessage,
        BodyTooLarge,
        UnknownLog,
        Refused,
        SizeConflict,
        NotConsistent,
    ),
    "witness-answer": (MalformedMessage, BodyTooLarge, Refused),
    "npm-tarball": (ModelPackFetchFailed, ModelPackCorrupt),
    "gateway-http": (),  # errors become answers; nothing escapes the application
    "authority-http": (),
    "auditor-http": (),
    "witness-http": (),
}
"""Parser -> the exceptions that it may raise. Nothing else, and no subclass that is not listed."""

CANARY: Final = "kanarienvogel"
"""Planted as key and value; a parser that is reached by strangers never says it back."""

Parse = Callable[[bytes], str | None]
"""Takes one input; returns None, or a word that says which of several answers came."""


class BrokenPromise(AssertionError):
    """The parser accepted, or answered, what its contract excludes."""


@dataclass(frozen=True)
class Target:
    """One parser with what it needs to be attacked."""

    name: str
    seeds: Callable[[], Sequence[bytes]]
    """Valid inputs, from which hostile ones are made."""
    mutate: Callable[[Random, Sequence[bytes]], bytes]
    prepare: Callable[[Path], Parse]
    """Makes the parser ready; the directory is its own and goes away afterwards."""
    documented: Exceptions
    weight: int = 100
    """Share of the inputs of a run."""
    seconds: float = 5.0
    """Processor time that one input may take: other work on the machine does not count."""
    megabytes: int = 64
    """Bound for what one input may add to the process."""
    silent: bool = True
    """Error texts must not repeat the input."""

    def input(self, seed: int, index: int, seeds: Sequence[bytes]) -> bytes:
        """Input number ``index`` of the run ``seed``: the same bytes every time."""
        return self.mutate(Random(f"{seed}/{self.name}/{index}"), seeds)


@dataclass(frozen=True)
class Finding:
    """One way in which a parser broke its promise, with the smallest input known for it."""

    target: str
    kind: str
    """Type and place: findings of one kind are one bug."""
    detail: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Verdict:
    """What an input led to: ``accepted``, an answer's word, or a documented exception."""

    outcome: str
    seconds: float
    finding: Finding | None = None


class TooSlow(BaseException):
    """Raised by the timer; not an ``Exception``, so that no parser catches it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise ``TooSlow`` in the main thread after so much processor time.

    Elsewhere, in C code, and while an input waits for something, the parent's clock counts.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGPROF, ring)
    # Again every second: an exception that is raised within a finaliser is dropped.
    signal.setitimer(signal.ITIMER_PROF, seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def examine(target: Target, parse: Parse, data: bytes) -> Verdict:
    """Give one input to a parser and judge what comes of it."""
    peak = peak_megabytes()
    started = time.perf_counter()
    outcome, kind, detail = "accepted", "", ""
    try:
        with time_limit(target.seconds):
            outcome = parse(data) or outcome
    except TooSlow:
        outcome, kind = "TOO SLOW", "slow"
        detail = f"more than {target.seconds:g} s"
    except BrokenPromise as broken:
        outcome, kind, detail = "BROKEN PROMISE", f"promise: {broken}", str(broken)
    except Exception as error:  # noqa: BLE001 - judging exceptions is what this is for
        outcome = " ".join((type(error).__name__, str(getattr(error, "step", "")))).strip()
        if type(error) not in target.documented:
            kind = f"{outcome} at {_place(error.__traceback__)}"
            detail = f"{outcome}: {str(error)[:200]}"
        elif target.silent and CANARY in str(error).lower():
            kind, detail = f"{outcome} repeats the input", str(error)[:200]
    seconds = time.perf_counter() - started
    grown = peak_megabytes() - peak
    if not kind and grown > target.megabytes:
        kind, detail = "memory", f"{grown:.0f} MB for one input of {len(data)} bytes"
    finding = Finding(target.name, kind, detail, data) if kind else None
    return Verdict(outcome, seconds, finding)


def smaller(target: Target, parse: Parse, finding: Finding, seconds: float = 3.0) -> Finding:
    """A shorter input with the same fault: cut out halves, quarters, ... while it stays."""
    if finding.kind in ("slow", "memory"):
        return finding
    stop = time.monotonic() + seconds
    data, piece = finding.data, max(1, len(finding.data) // 2)
    while piece and time.monotonic() < stop:
        start, cut = 0, False
        while start < len(data) and time.monotonic() < stop:
            shorter = data[:start] + data[start + piece :]
            found = examine(target, parse, shorter).finding
            if found is not None and found.kind == finding.kind:
                data, finding, cut = shorter, found, True
            else:
                start += piece
        piece = piece if cut and piece == 1 else piece // 2
    return finding


def replay_command(finding: Finding) -> str:
    """The command that repeats a finding."""
    return f"python -m tests.fuzz --target {finding.target} --replay {finding.data.hex() or '-'}"


def peak_megabytes() -> float:
    """The most memory that this process ever held.

    Not ``ru_maxrss``: that begins at what the parent held when it started this process.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def resident_megabytes() -> float:
    """What this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def _place(trace: TracebackType | None) -> str:
    """Where an exception came from: the innermost frame of ours, else the innermost."""
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append((code.co_filename, f"{Path(code.co_filename).name}:{code.co_name}"))
        trace = trace.tb_next
    ours = [name for file, name in frames if "/gateway/" in file or "/keys/" in file]
    return (ours or [name for _, name in frames] or ["?"])[-1]
