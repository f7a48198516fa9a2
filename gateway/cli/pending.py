"""The file beside a receipt that is not there yet: RECEIPT.pending, for its owner alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.outputs import PRIVATE, pending_path, reserve
from gateway.client.gateway_client import NoAnswer, ReceiptPending
from gateway.client.pending import PendingReceipt
from gateway.proofs.verify import ReceiptInvalid
from gateway.wire.errors import MalformedMessage

_UNSETTLED = (ReceiptPending, NoAnswer, MalformedMessage, ReceiptInvalid, KeyboardInterrupt)
"""After these an outcome may exist. After every other error there is none."""

Keep = Callable[[PendingReceipt], None]


@contextmanager
def kept_while_unsettled(receipt: Path) -> Iterator[Keep]:
    """Gives the function that writes the file; removes it when the outcome is known.

    Raises:
        OSError: there is no room for it.
    """
    path, written = pending_path(receipt), False
    with reserve(path, PRIVATE) as place:

        def keep(pending: PendingReceipt) -> None:
            nonlocal written
            place.write(pending.encode())
            written = True

        try:
            yield keep
        except _UNSETTLED:
            raise
        except BaseException:
            if written:
                path.unlink()
            raise
        if written:
            path.unlink()
