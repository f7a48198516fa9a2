"""Activations against receipts: one receipt activates one number (protocol, sections 8 and 10).

For each activation, the carrier's activation system keeps the record id of the receipt that it was
shown, the activated number or order, and the salt that opens the receipt's activation commitment.
This module compares that list with the gateway's records, both ways. It needs no document number.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TextIO

from gateway.wire import cose
from gateway.wire.cose import VerifyKey
from gateway.wire.errors import MalformedMessage, Refused, SealmatchError
from gateway.wire.evaluation import Decision
from gateway.wire.ids import RecordId
from gateway.wire.number import UnusableNumber
from gateway.wire.proof import Statement
from gateway.wire.subject import activation_commitment

COLUMNS = ("record_id", "activation_reference", "activation_salt")
_RECORD_DIGITS, _SALT_DIGITS = 32, 64


class BadActivationList(SealmatchError):
    """The list is not CSV with the three columns; the text names the line."""


class Discrepancy(StrEnum):
    """What can be wrong with an activation or a receipt."""

    NO_RECEIPT = "activation without a receipt"
    NOT_A_MATCH = "activation whose receipt is not a match"
    INVALID_RECEIPT = "activation whose receipt does not verify"
    OTHER_ACTIVATION = "activation whose receipt is about another number or order"
    USED_TWICE = "receipt used for more than one activation"
    NO_ACTIVATION = "match without an activation"


@dataclass(frozen=True)
class Activation:
    """One line of the carrier's list."""

    line: int
    record_id: RecordId
    reference: str
    salt: bytes


@dataclass(frozen=True)
class Deviation:
    """One finding about a record. ``line`` is the line of the list, if there is one."""

    finding: Discrepancy
    record_id: bytes
    line: int | None = None


def read_activations(file: TextIO) -> list[Activation]:
    """Read the carrier's list.

    Raises:
        BadActivationList: a column is missing or a value has another form.
    """
    reader = csv.DictReader(file)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise BadActivationList(f"the first line must be {','.join(COLUMNS)}")
    return [_activation(number, row) for number, row in enumerate(reader, start=2)]


def reconcile(
    activations: Sequence[Activation],
    statements: Iterable[bytes],
    gateway: Sequence[VerifyKey],
    authority: Sequence[VerifyKey],
) -> list[Deviation]:
    """Compare activations with signed statements, both ways.

    Args:
        statements: every statement that the gateway keeps.
        gateway, authority: the keys that are pinned for each.

    Raises:
        MalformedMessage: a statement that the gateway keeps is not a valid encoding.
    """
    kept = {_peek(encoded).record_id: encoded for encoded in statements}
    uses = Counter(activation.record_id for activation in activations)
    found: list[Deviation] = []
    for one in activations:
        finding = _judge(one, kept.get(one.record_id), uses, gateway, authority)
        if finding is not None:
            found.append(Deviation(finding, one.record_id, one.line))
    for record_id, encoded in kept.items():
        if uses[record_id] == 0 and _outcome(encoded, authority) == "MATCH":
            found.append(Deviation(Discrepancy.NO_ACTIVATION, record_id))
    return found


def _judge(
    activation: Activation,
    statement: bytes | None,
    uses: Counter[RecordId],
    gateway: Sequence[VerifyKey],
    authority: Sequence[VerifyKey],
) -> Discrepancy | None:
    if statement is None:
        return Discrepancy.NO_RECEIPT
    try:
        stated = _verify(statement, Statement, gateway)
        decision = _verify(stated.decision, Decision, authority)
    except (MalformedMessage, Refused):
        return Discrepancy.INVALID_RECEIPT
    if decision.outcome != "MATCH":
        return Discrepancy.NOT_A_MATCH
    if uses[activation.record_id] > 1:
        return Discrepancy.USED_TWICE
    try:
        commitment = activation_commitment(activation.reference, activation.salt)
    except UnusableNumber:
        return Discrepancy.OTHER_ACTIVATION
    return None if commitment == stated.activation_commitment else Discrepancy.OTHER_ACTIVATION


def _verify(encoded: bytes, kind: type[cose.M], keys: Sequence[VerifyKey]) -> cose.M:
    for key in keys:
        try:
            return cose.verify(encoded, kind, key).message
        except Refused:
            continue
    raise Refused("not signed by a pinned key")


def _outcome(statement: bytes, authority: Sequence[VerifyKey]) -> str | None:
    try:
        return _verify(_peek(statement).decision, Decision, authority).outcome
    except (MalformedMessage, Refused):
        return None


def _peek(statement: bytes) -> Statement:
    return cose.peek(statement, Statement)


def _activation(line: int, row: dict[str, str | None]) -> Activation:
    record, reference, salt = (row.get(name) or "" for name in COLUMNS)
    try:
        if len(record) != _RECORD_DIGITS or len(salt) != _SALT_DIGITS or not reference:
            raise ValueError
        return Activation(line, RecordId(bytes.fromhex(record)), reference, bytes.fromhex(salt))
    except ValueError:
        raise BadActivationList(f"line {line} is not a record id, a reference and a salt") from None
