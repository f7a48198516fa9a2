"""The file beside a receipt that is not there yet: RECEIPT.pending, for its owner alone.

It is the only way to a receipt that may exist, and holds the subscriber's opening. So it goes when
the gateway has said how it ended, and for no other reason; and no other registration takes its
place before.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.cli.outputs import PRIVATE, pending_path, reserve
from gateway.client.counter import CounterLine
from gateway.client.fallback import PendingFallback
from gateway.client.gateway_client import NoDecision
from gateway.client.pending import PendingReceipt
from gateway.wire.errors import BodyTooLarge, MalformedMessage, Refused, SealmatchError
from gateway.wire.fallback import FallbackRequest

AnyPending = PendingReceipt | PendingFallback
"""What a submission left, or a registration without a face."""
Keep = Callable[[AnyPending], None]


class Unsettled(SealmatchError):
    """An earlier registration has the same receipt, and it is not known how it ended."""

    def __init__(self, receipt: Path, why: str) -> None:
        super().__init__(
            f"{pending_path(receipt)} belongs to an earlier registration ({why}): "
            f"sealmatch receipt fetch --receipt {receipt}, or give this one another --receipt"
        )


@contextmanager
def kept_while_unsettled(receipt: Path) -> Iterator[Keep]:
    """Gives the function that writes the file; removes it when it is known how it ended.

    Raises:
        OSError: there is no room for it.
        Unsettled: by the given function, if another registration's file came in between.
    """
    path, kept = pending_path(receipt), b""
    with reserve(path, PRIVATE) as place:

        def keep(pending: AnyPending) -> None:
            nonlocal kept
            content = pending.encode()
            if kept:
                with reserve(path, PRIVATE) as again:
                    again.write(content)
            else:
                try:
                    place.write_new(content)
                except FileExistsError:
                    raise Unsettled(receipt, "it goes on now") from None
            kept = content

        with _gone_when_known(path, lambda: kept):
            yield keep


@contextmanager
def known_to_end(receipt: Path, pending: AnyPending) -> Iterator[None]:
    """Removes the file of an earlier registration when it is known how that ended."""
    with _gone_when_known(pending_path(receipt), pending.encode):
        yield


def settle_earlier(receipt: Path, line: Callable[[], CounterLine]) -> None:
    """Make way for a registration, if an earlier one with this receipt left its file.

    The file goes if the gateway says that there is no outcome. An outcome stays to be fetched: it
    is about another submission, and perhaps another person.

    Args:
        line: connects to the gateway; called if there is a file.

    Raises:
        Unsettled: there is an outcome, or may be.
    """
    if not pending_path(receipt).exists():
        return
    try:
        pending, counter = read_pending(receipt), line()
        if isinstance(pending, PendingFallback):
            raise Unsettled(receipt, "it is one without a face")
        with counter.transport:
            counter.gateway.fetch(pending.session, pending.sent_at)
    except NoDecision:
        _remove(pending_path(receipt), pending.encode())
        return
    except Unsettled:
        raise
    except Refused as error:
        raise Unsettled(receipt, error.detail) from None
    except SealmatchError as error:
        raise Unsettled(receipt, str(error)) from None
    raise Unsettled(receipt, "its outcome is there")


def keep_fallback(receipt: Path, pending: PendingFallback, keep: Keep) -> None:
    """Keep a registration without a face. An earlier run with the same assertion is gone on with.

    Raises:
        Unsettled: the file is another registration's.
        OSError, MalformedMessage: as ``read_pending``.
    """
    if pending_path(receipt).exists():
        before = read_pending(receipt)
        if not isinstance(before, PendingFallback) or _assertion(before) != _assertion(pending):
            raise Unsettled(receipt, "it is not settled")
        _remove(pending_path(receipt), before.encode())
    keep(pending)


def _assertion(pending: PendingFallback) -> bytes:
    return FallbackRequest.decode(pending.request).assertion


def read_pending(receipt: Path) -> AnyPending:
    """What an earlier registration kept.

    Raises:
        OSError: there is no such file, or it cannot be read.
        MalformedMessage: the file is damaged.
    """
    path = pending_path(receipt)
    with path.open("rb") as file:
        content = file.read(max(PendingReceipt.max_bytes, PendingFallback.max_bytes) + 1)
    for kind in (PendingReceipt, PendingFallback):
        with suppress(MalformedMessage, BodyTooLarge):
            return kind.decode(content)
    raise MalformedMessage(f"{path} is damaged, or of another version")


@contextmanager
def _gone_when_known(path: Path, content: Callable[[], bytes]) -> Iterator[None]:
    try:
        yield
    except NoDecision:
        _remove(path, content())
        raise
    _remove(path, content())


def _remove(path: Path, kept: bytes) -> None:
    """Remove the file, if it is still the one that was written."""
    if kept and path.exists() and path.read_bytes() == kept:
        path.unlink(missing_ok=True)
