"""What each column of the gateway's database holds, down to the fields of what is signed.

A cell that is not of its column's form is a finding: then nobody knows what it is. What is of its
form is taken apart, and every text in it is looked at by itself, since in the encoding a text
stands right behind other letters. No column is skipped. Columns that are not listed here (of other
tables, or newer ones) have no form, and their cells are looked at as they are.

What no form tells: 32 bytes that should be a digest may be any 32 bytes. The lines that recompute
digests, handles and hashes are there for that (``log.entries``, ``counts.entries``).
"""

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import LargeBinary, String, Table

from gateway.store import schema
from gateway.translog.tiles import TILE_WIDTH
from gateway.translog.tree import HASH_BYTES
from gateway.wire import cbor
from gateway.wire.admin import AdminAction
from gateway.wire.cose import peek
from gateway.wire.erasure import Erasure, Withdrawal
from gateway.wire.errors import MalformedMessage, SealmatchError
from gateway.wire.fallback import FallbackStatement
from gateway.wire.liveness import Challenge
from gateway.wire.message import Message
from gateway.wire.orders import ORDERS, AgreedOrder, Hold
from gateway.wire.proof import Statement
from gateway.wire.retention import RetentionRun

Texts = list[bytes]
Shape = Callable[[bytes], Texts]
"""Bytes of a cell -> the texts in it that are to be looked at by themselves.

Raises ``SealmatchError`` if it is not of the form."""

_CODE: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:/+-]*")
_DEEPEST: Final = 8
_MOST_HASHES: Final = 64
"""Of a tree's right edge: one for each level."""


class _NotOfThisForm(MalformedMessage):
    """A cell that its column cannot hold."""


def _bytes_of(size: int) -> Shape:
    def check(value: bytes) -> Texts:
        if len(value) != size:
            raise _NotOfThisForm(f"not {size} bytes")
        return []

    return check


def _code(longest: int) -> Shape:
    """A name or a code: no spaces, nothing that is not ASCII."""

    def check(value: bytes) -> Texts:
        if len(value) > longest or not _CODE.fullmatch(value):
            raise _NotOfThisForm("no name or code")
        return [value]

    return check


def _text(value: bytes) -> Texts:
    try:
        value.decode()
    except UnicodeDecodeError:
        raise _NotOfThisForm("no text") from None
    return [value]


def _hashes(most: int) -> Shape:
    def check(value: bytes) -> Texts:
        if len(value) % HASH_BYTES or len(value) > most * HASH_BYTES:
            raise _NotOfThisForm("no row of hashes")
        return []

    return check


def _signed(*kinds: type[Message]) -> Shape:
    """A signed object of one of these types, and nothing else."""

    def check(value: bytes) -> Texts:
        fault: SealmatchError | None = None
        for kind in kinds:
            try:
                peek(value, kind)
                return texts_of(value)
            except SealmatchError as error:
                fault = error
        raise fault or _NotOfThisForm("nothing")

    return check


def _message(kind: type[Message]) -> Shape:
    def check(value: bytes) -> Texts:
        kind.decode(value)
        return texts_of(value)

    return check


def texts_of(value: bytes) -> Texts:
    """Every text in an encoded object, also in objects within it."""
    return list(_leaves(value, 0))


def _leaves(value: Any, depth: int) -> Iterator[bytes]:
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _leaves(key, depth + 1)
            yield from _leaves(one, depth + 1)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _leaves(one, depth + 1)
    elif isinstance(value, bytes) and len(value) > 2:
        try:
            inner = cbor.decode(value[1:] if value[:1] == b"\xd2" else value)
        except SealmatchError:
            return
        if isinstance(inner, dict | list):
            yield from _leaves(inner, depth + 1)


_SPECIAL: Final[dict[tuple[str, str], Shape]] = {
    ("records", "statement"): _signed(Statement, FallbackStatement),
    ("withdrawals", "withdrawal"): _signed(Withdrawal),
    ("erasures", "erasure"): _signed(Erasure),
    ("holds", "hold"): _signed(Hold),
    ("orders", "ordered"): _signed(*ORDERS),
    ("retention_runs", "report"): _signed(RetentionRun),
    ("retention_schedules", "content"): _text,
    ("match_policies", "approval"): _message(AgreedOrder),
    ("admin_actions", "action"): _signed(AdminAction),
    ("sessions", "challenge"): _message(Challenge),
    ("consent_texts", "text"): _text,
    ("consent_texts", "without_face"): _text,
    ("log_tiles", "hashes"): _hashes(TILE_WIDTH),
    ("log_head", "edge"): _hashes(_MOST_HASHES),
    ("log_checkpoints", "note"): _text,
    ("log_checkpoints", "root"): _bytes_of(HASH_BYTES),
    ("closed_logs", "keys"): _text,
    ("closed_logs", "checkpoint"): _text,
}


def _of_table(table: Table) -> Iterator[tuple[tuple[str, str], Shape]]:
    for column in table.columns:
        place = (table.name, column.name)
        kind = column.type
        if place in _SPECIAL:
            yield place, _SPECIAL[place]
        elif isinstance(kind, LargeBinary) and kind.length is not None:
            yield place, _bytes_of(kind.length)
        elif isinstance(kind, String) and kind.length is not None:
            yield place, _code(kind.length)


SHAPES: Final[dict[tuple[str, str], Shape]] = {
    place: shape for table in schema.metadata.tables.values() for place, shape in _of_table(table)
}
"""By table and column. Numbers have no form but their type."""

ALONE: Final = (64, 512)
"""Bytes that 512 or 4096 signs take, one bit each."""


def may_be_signs(value: bytes) -> bool:
    """Whether a cell without a form has the size of packed signs, and looks random.

    In hexadecimal or base64 too. Half of the bits of a sign vector are set, within five standard
    deviations; texts, numbers and small files are far off.
    """
    for decoded in (value, *_decoded(value)):
        if len(decoded) in ALONE:
            bits = 8 * len(decoded)
            ones = int.from_bytes(decoded, "big").bit_count()
            distinct = len(set(decoded))
            if abs(ones - bits / 2) < 2.5 * bits**0.5 and distinct > min(48, len(decoded) // 2):
                return not _printable(decoded)
    return False


def _decoded(value: bytes) -> Sequence[bytes]:
    found = []
    if len(value) <= 2 * max(ALONE):
        with suppress(ValueError):
            found.append(bytes.fromhex(value.decode("ascii")))
        with suppress(ValueError):
            padded = value.replace(b"-", b"+").replace(b"_", b"/")
            found.append(base64.b64decode(padded + b"=" * (-len(padded) % 4), validate=True))
    return found


def _printable(value: bytes) -> bool:
    return sum(0x20 <= byte < 0x7F for byte in value) > 0.9 * len(value)
