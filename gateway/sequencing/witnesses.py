"""Asking witnesses to cosign checkpoints (C2SP ``tlog-witness``, ``add-checkpoint``).

A witness signs only a tree that extends the one it signed before. If a log is wrong about that one,
the witness says what it has seen last. All witnesses are asked at once; when enough have answered,
the others are not waited for. A witness may lie, but it can keep back its own cosignature and
nothing else. So if a witness claims to know a larger log than ours, the operator's log notes it and
we do not believe it. If the witness is right, the others will not cosign either, and nothing is
published.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final

import httpx

from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.cosignature import check_line
from gateway.translog.note import SignatureLine, parse_signatures
from gateway.translog.policy import NO_QUORUM, TrustedWitness, TrustPolicy
from gateway.translog.text import decode_text, parse_decimal, to_base64
from gateway.wire.errors import MalformedMessage, Refused, SealmatchError, Unavailable

log = logging.getLogger("sealmatch.log")

Prove = Callable[[int, int], tuple[bytes, ...]]
"""Old size and size -> consistency proof; ``PublishedLog.consistency``."""

_ATTEMPTS: Final = 3
_ANSWER_BYTES: Final = 64 * 1024


class WitnessClient:
    """The witnesses of a policy."""

    def __init__(
        self, policy: TrustPolicy, transport: httpx.Client, prove: Prove, seconds: float
    ) -> None:
        """Prepare; ``transport`` is closed by whoever opened it.

        Args:
            seconds: how long ``cosign`` waits for witnesses.
        """
        self._policy = policy
        self._transport = transport
        self._prove = prove
        self._seconds = seconds
        self._seen: dict[str, int] = {}
        self._busy: set[str] = set()
        self._short = False
        """Whether too few cosigned when they were asked last."""
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(max(1, len(policy.witnesses)), "witness")

    @property
    def needed(self) -> bool:
        return self._policy.quorum != NO_QUORUM

    def cosign(self, signed: SignedCheckpoint) -> SignedCheckpoint:
        """The checkpoint with the cosignatures that reach the quorum.

        Raises:
            Unavailable: too few witnesses cosigned in time.
        """
        until = time.monotonic() + self._seconds
        running = {
            self._pool.submit(self._ask, one, one.url, signed): one.name
            for one in self._policy.witnesses
            if one.url is not None and self._begin(one.name)
        }
        lines: dict[str, SignatureLine] = {}
        while running:
            done, _ = wait(running, max(0, until - time.monotonic()), FIRST_COMPLETED)
            if not done:
                break
            for future in done:
                name = running.pop(future)
                if (line := _result(future, name)) is not None:
                    lines[name] = line
            if self._enough(lines):
                break
        self._short = not self._enough(lines)
        if self._short:
            raise Unavailable(f"{len(lines)} witnesses cosigned, which is not enough")
        return signed.with_signatures(*lines.values())

    def check(self) -> None:
        """Raise ``Unavailable`` if too few cosigned when they were asked last."""
        if self._short:
            raise Unavailable("too few witnesses cosign: nothing is published")

    def vouch(self, signed: SignedCheckpoint) -> list[str]:
        """Ask every witness to cosign a checkpoint, and wait for all; the names of those that
        did, just now. A witness cosigns only what it never cosigned anything larger than."""
        asked = {
            self._pool.submit(self._negotiate, one, one.url, signed): one.name
            for one in self._policy.witnesses
            if one.url is not None
        }
        wait(asked, self._seconds)
        return [
            name
            for future, name in asked.items()
            if future.done() and _result(future, name) is not None
        ]

    def latest(self) -> list[tuple[str, SignedCheckpoint]]:
        """By witness, the newest checkpoint that it cosigned; those that do not answer in time are
        left out. Nothing in it is checked: who believes it looks for the log's own signature."""
        until = time.monotonic() + self._seconds
        asked = {
            self._pool.submit(self._latest, one.url): one.name
            for one in self._policy.witnesses
            if one.url is not None
        }
        wait(asked, max(0, until - time.monotonic()))
        found = []
        for future, name in asked.items():
            try:
                signed = future.result(timeout=0)
            except Exception as error:  # noqa: BLE001  one witness must not keep others from counting
                log.warning("witness %s: its newest checkpoint: %s", name, type(error).__name__)
                continue
            if signed is not None:
                found.append((name, signed))
        return found

    def _latest(self, url: str) -> SignedCheckpoint | None:
        """What a witness cosigned last of this log (``tlog-witness``, for monitors); None:
        nothing."""
        origin = self._policy.logs[0].key.name.encode()
        status, answer = self._exchange(
            "GET", url, f"{hashlib.sha256(origin).hexdigest()}/checkpoint"
        )
        if status == httpx.codes.NOT_FOUND:
            return None
        if status != httpx.codes.OK:
            raise Unavailable(f"it answered {status}")
        return SignedCheckpoint.parse(answer)

    def close(self) -> None:
        """Ask nobody any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, name: str) -> bool:
        """Note that the witness is asked; False if it has not answered the question before."""
        with self._lock:
            if name in self._busy:
                return False
            self._busy.add(name)
            return True

    def _enough(self, names: Iterable[str]) -> bool:
        try:
            self._policy.check_quorum(set(names))
        except Refused:
            return False
        return True

    def _ask(self, witness: TrustedWitness, url: str, signed: SignedCheckpoint) -> SignatureLine:
        try:
            return self._negotiate(witness, url, signed)
        finally:
            with self._lock:
                self._busy.discard(witness.name)

    def _negotiate(
        self, witness: TrustedWitness, url: str, signed: SignedCheckpoint
    ) -> SignatureLine:
        size = signed.checkpoint.size
        for _ in range(_ATTEMPTS):
            old = self._seen.get(witness.name, 0)
            status, answer = self._post(url, old, signed)
            if status == httpx.codes.OK:
                self._seen[witness.name] = size
                return _cosignature(answer, witness, signed.checkpoint)
            if status != httpx.codes.CONFLICT:
                raise Unavailable(f"it answered {status}")
            self._seen[witness.name] = seen = _size(answer)
            if seen > size:
                raise Unavailable(
                    "it has seen a larger log than this one: an old database was restored, "
                    "another gateway signs for the same log, or the witness errs"
                )
        raise Unavailable("it contradicts itself")

    def _post(self, url: str, old: int, signed: SignedCheckpoint) -> tuple[int, bytes]:
        proof = self._prove(old, signed.checkpoint.size) if old else ()
        lines = [f"old {old}", *map(to_base64, proof), "", ""]
        body = "\n".join(lines).encode() + bytes(signed)
        return self._exchange("POST", url, "add-checkpoint", body)

    def _exchange(self, method: str, url: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        content = bytearray()
        try:
            with self._transport.stream(
                method,
                f"{url.rstrip('/')}/{path}",
                content=body,
                headers={"accept-encoding": "identity"},
                timeout=self._seconds,
            ) as response:
                if "content-encoding" in response.headers:  # a little can become a gigabyte
                    raise MalformedMessage("its answer is in a content coding")
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > _ANSWER_BYTES:
                        raise MalformedMessage("its answer is too long")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"it does not answer ({type(error).__name__})") from None
        return response.status_code, bytes(content)


def _result(future: "Future[SignatureLine]", name: str) -> SignatureLine | None:
    try:
        return future.result()
    except Refused as error:
        log.warning("witness %s: %s", name, error.detail)
    except SealmatchError as error:
        log.warning("witness %s: %s", name, error)
    except Exception as error:  # noqa: BLE001  one witness must not keep the others' from counting
        log.error("witness %s: %s", name, type(error).__name__)
    return None


def _cosignature(answer: bytes, witness: TrustedWitness, checkpoint: Checkpoint) -> SignatureLine:
    """The cosignature of the key that the policy names; other cosignatures are passed over."""
    for line in parse_signatures(decode_text(answer, _ANSWER_BYTES, "its answer")):
        if line.by(witness.key):
            check_line(checkpoint, line, witness.key)
            return line
    raise Refused("it signed with another key than the policy's")


def _size(answer: bytes) -> int:
    text = decode_text(answer, _ANSWER_BYTES, "its answer")
    return parse_decimal(text.removesuffix("\n"), "the size that it has seen")
