"""Activations against receipts: one receipt activates one number (protocol, sections 8 and 10).

For each activation, the carrier's activation system keeps the record id of the receipt that it was
shown, the activated number or order, and what opens the receipt's activation commitment: the
activation opening as a file, or the salt in it. This module compares that list with the gateway's
records, both ways. It needs no document number.

An activation is in order with the receipt of a match, and with that of a registration without a
face. Who reports both counts them apart.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TextIO

from gateway.proofs.fallback import Verified, VerifiedFallback, verify_any
from gateway.proofs.openings import AnyActivationOpening
from gateway.proofs.statement import make_receipt
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import ReceiptInvalid
from gateway.wire.errors import SealmatchError
from gateway.wire.ids import RecordId
from gateway.wire.proof import ActivationOpening
from gateway.wire.subject import activation_commitment

WITH_SALTS: Final = ("record_id", "activation_reference", "activation_salt")
WITH_OPENINGS: Final = ("record_id", "activation_reference", "activation_opening")
"""Columns of a list whose third one names a file."""
_SEPARATORS: Final = ",;\t"
_RECORD_BYTES, _SALT_BYTES = 16, 32


class BadActivationList(SealmatchError):
    """The list is not CSV with the three columns; the text names the line."""


class Discrepancy(StrEnum):
    """What can be wrong with an activation or a receipt."""

    NO_RECEIPT = "activation without a receipt"
    NO_OPENING = "activation whose opening is missing, unreadable or of another receipt"
    NOT_A_MATCH = "activation whose receipt is not a match"
    INVALID_RECEIPT = "activation whose receipt does not verify"
    OTHER_ACTIVATION = "activation whose receipt is about another number or order"
    USED_TWICE = "receipt used for more than one activation"
    NO_ACTIVATION = "match without an activation"
    FALLBACK_UNUSED = "registration without a face, and without an activation"
    INVALID_RECORD = "record that does not verify, without an activation"


class NoOpening(SealmatchError):
    """A file that a line of the list names opens no activation; the text names it and says why."""


OpenFile = Callable[[str], AnyActivationOpening]
"""Reads the opening that a line names. Raises ``NoOpening``."""


@dataclass(frozen=True)
class Activation:
    """One line of the carrier's list."""

    line: int
    record_id: RecordId
    reference: str = field(repr=False)
    salt: bytes | None = field(repr=False)
    """None: there is no opening that could be used, see ``fault``."""
    fault: str | None = None


@dataclass(frozen=True)
class Deviation:
    """One finding about a record. ``line`` is the line of the list, if there is one."""

    finding: Discrepancy
    record_id: bytes
    line: int | None = None
    detail: str | None = None


def read_activations(file: TextIO, open_file: OpenFile) -> list[Activation]:
    """Read the carrier's list: CSV with ``WITH_SALTS`` or ``WITH_OPENINGS`` as its first line.

    Raises:
        BadActivationList: a column is missing or a value has another form.
    """
    with _readable():
        first = next(iter(file), "")
        separator = max(_SEPARATORS, key=first.count)
        columns = tuple(name.strip(' "\r\n') for name in first.split(separator))
        if columns not in (WITH_SALTS, WITH_OPENINGS):
            either = " or ".join(map(",".join, (WITH_SALTS, WITH_OPENINGS)))
            raise BadActivationList(f"the first line must be {either}")
        reader = csv.reader(file, delimiter=separator, strict=True)
        opens = open_file if columns == WITH_OPENINGS else None
        return [_activation(reader.line_num + 1, row, opens) for row in reader if row]


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except UnicodeError:
        raise BadActivationList("the list is not UTF-8 text") from None
    except csv.Error as error:
        raise BadActivationList(f"the list is not CSV: {error}") from None


def _activation(line: int, row: list[str], open_file: OpenFile | None) -> Activation:
    cells = [cell.strip() for cell in row]
    if len(cells) != len(WITH_SALTS):
        raise BadActivationList(f"line {line} has {len(cells)} values, and not {len(WITH_SALTS)}")
    record_id = RecordId(_hexadecimal(cells[0], _RECORD_BYTES, line, WITH_SALTS[0]))
    reference = cells[1]
    if not reference:
        raise BadActivationList(f"line {line}: {WITH_SALTS[1]} is empty")
    if open_file is None:
        salt = _hexadecimal(cells[2], _SALT_BYTES, line, WITH_SALTS[2])
        return Activation(line, record_id, reference, salt)
    try:
        opening = open_file(cells[2])
    except NoOpening as error:
        return Activation(line, record_id, reference, None, str(error))
    if isinstance(opening, ActivationOpening) and opening.record_id != record_id:
        return Activation(line, record_id, reference, None, "it is that of another receipt")
    return Activation(line, record_id, reference, opening.activation_salt)


def _hexadecimal(text: str, length: int, line: int, name: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != length:
        digits = 2 * length
        raise BadActivationList(f"line {line}: {name} is not {digits} hexadecimal digits")
    return value


def reconcile(
    activations: Sequence[Activation], records: Iterable[tuple[RecordId, bytes]], trust: TrustFile
) -> list[Deviation]:
    """Compare activations with signed statements, both ways. Memory is bounded by the list.

    Args:
        records: every statement that the gateway keeps, with the record that it is kept for.
        trust: whose signatures and policies count. Of the log nothing is asked: the gateway keeps
            statements, not proofs.
    """
    pins = trust.model_copy(update={"log_policy": None})
    by_record: dict[RecordId, list[Activation]] = {}
    for activation in activations:
        by_record.setdefault(activation.record_id, []).append(activation)
    found: list[Deviation | None] = []
    unused: list[Deviation | None] = []
    met: set[RecordId] = set()
    for record, statement in records:
        kept, uses = _kept(record, statement, pins), by_record.get(record, [])
        found += [_judge(one, kept, len(uses)) for one in uses]
        unused += [] if uses else [_judge_unused(record, kept)]
        met |= {record} if uses else set()
    found += [_judge(one, None, 1) for one in activations if one.record_id not in met]
    listed = sorted((one for one in found if one is not None), key=lambda one: one.line or 0)
    return [*listed, *(one for one in unused if one is not None)]


_Kept = Verified | str
"""What the pinned parties signed in a record, or why it does not verify."""


def _kept(record: RecordId, statement: bytes, pins: TrustFile) -> _Kept:
    try:
        verified = verify_any(make_receipt(statement).encode(), pins)
    except ReceiptInvalid as error:
        return str(error)
    except ValueError:  # longer than any statement, or empty
        return "it is no statement"
    if verified.statement.message.record_id != record:
        return "the statement is that of another record"
    return verified


def _judge(activation: Activation, kept: _Kept | None, uses: int) -> Deviation | None:
    def found(what: Discrepancy, detail: str | None = None) -> Deviation:
        return Deviation(what, activation.record_id, activation.line, detail)

    match kept:
        case None:
            return found(Discrepancy.NO_RECEIPT)
        case str():
            return found(Discrepancy.INVALID_RECEIPT, kept)
    if not _allows(kept):
        return found(Discrepancy.NOT_A_MATCH)
    if uses > 1:
        return found(Discrepancy.USED_TWICE)
    if activation.salt is None:
        return found(Discrepancy.NO_OPENING, activation.fault)
    stated = kept.statement.message.activation_commitment
    return None if _opens(activation, stated) else found(Discrepancy.OTHER_ACTIVATION)


def _judge_unused(record: RecordId, kept: _Kept) -> Deviation | None:
    if isinstance(kept, str):
        return Deviation(Discrepancy.INVALID_RECORD, record, detail=kept)
    if not _allows(kept):
        return None
    without_face = isinstance(kept, VerifiedFallback)
    what = Discrepancy.FALLBACK_UNUSED if without_face else Discrepancy.NO_ACTIVATION
    return Deviation(what, record)


def _allows(verified: Verified) -> bool:
    """Whether a number may be activated with this receipt."""
    if isinstance(verified, VerifiedFallback):
        return True
    return verified.decision.message.outcome == "MATCH"


def _opens(activation: Activation, commitment: bytes) -> bool:
    try:
        claimed = activation_commitment(activation.reference, activation.salt or b"")
    except SealmatchError:  # a reference that nobody could have committed to
        return False
    return claimed == commitment
