"""A subject's requests from the counter's side: made in the counter's name, checked before anybody
is told that they were done.

The subscriber's opening stays here. What leaves is the secret that follows from it, for one record.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.client.agreement import SaysOtherwise
from gateway.client.answers import NoSuchSession
from gateway.client.exchange import SignedLine
from gateway.client.transport import gateway_transport
from gateway.host.clock import unix_time
from gateway.host.keyfile import load_signing_key
from gateway.proofs.erased import Dated, NotPublished, verify_erasure, verify_withdrawal
from gateway.proofs.fallback import is_fallback
from gateway.proofs.trust import TrustFile, UnusableTrustFile
from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.erasure import Erasure, ErasureProof, Withdrawal, tombstone
from gateway.wire.errors import MalformedMessage
from gateway.wire.fallback import FallbackStatement
from gateway.wire.freshness import CLOCK_SKEW
from gateway.wire.ids import PartyId, RecordId
from gateway.wire.proof import Receipt, Statement
from gateway.wire.rights import (
    KeptColumn,
    SignedSubjectRequest,
    SubjectAnswer,
    SubjectCopy,
    SubjectRequest,
    Wish,
)

REQUESTS: Final = "/face-verification/v0.1/subject-requests"
ERASURES: Final = "/face-verification/v0.1/erasures"
TIMEOUT_SECONDS: Final = 60
"""Longer than a gateway waits for its log."""
DAY: Final = 24 * 3600


class AnswerDiffers(SaysOtherwise):
    """The gateway's answer cannot be true of this record, or of this day."""

    said_by = "the gateway's answer"


@dataclass(frozen=True)
class Checked:
    """An answer whose proofs were checked."""

    answer: SubjectAnswer
    erased: Dated | None = None
    """None: not erased, or the log has not published it yet."""
    withdrawn: Dated | None = None


@contextmanager
def line_under(
    trust_path: Path, trust: TrustFile, key_file: Path | None = None
) -> Iterator[tuple[SignedLine, SigningKey]]:
    """A line to the pinned gateway, under a reader's key or the counter's own device, and that key.

    Raises:
        UnusableTrustFile: no key is given, and the file names no counter.
        KeyFileError: the key's file is missing, damaged or open to others.
    """
    if key_file is not None:
        key = load_signing_key(key_file, "reader")
    elif trust.counter is not None:
        key = load_signing_key(
            trust_path.parent / trust.counter.device_key_file, trust.counter.device
        )
    else:
        raise UnusableTrustFile("the trust file names no enrolled counter to ask with")
    with gateway_transport(trust_path, trust, TIMEOUT_SECONDS) as transport:
        yield SignedLine(transport, trust.gateways[0].url, key, unix_time), key


def ask(
    line: SignedLine,
    device: SigningKey,
    gateway: PartyId,
    record: RecordId,
    wish: Wish,
    secret: bytes,
    clock: Callable[[], int],
) -> SubjectAnswer:
    """Send one request.

    Args:
        secret: ``Opening.erasure_secret``.

    Raises:
        As ``SignedLine.send``; MalformedMessage for an answer to something else.
    """
    request = cose.sign(
        SubjectRequest(
            gateway=gateway,
            device=device.party,
            record_id=record,
            wish=wish,
            secret=secret,
            requested_at=clock(),
        ),
        device,
    )
    answers: list[SubjectAnswer] = []
    body = SignedSubjectRequest(request=request.encoded).encode()
    line.send(
        "POST",
        REQUESTS,
        body,
        SubjectAnswer.max_bytes,
        lambda content: answers.append(SubjectAnswer.decode(content)),
    )
    (answer,) = answers
    other = answer.kept is not None and answer.kept.request_digest != request.digest
    if answer.wish != wish or other:
        raise MalformedMessage("the gateway's answer is to another request")
    return answer


def check(answer: SubjectAnswer, receipt: bytes, trust: TrustFile, now: int) -> Checked:
    """Check the proofs in an answer, beside the receipt that it is about, and compare the rest.

    Args:
        now: seconds since 1970, by this counter's clock.

    Raises:
        ErasureInvalid: one shows nothing of this record.
        AnswerDiffers: something else cannot be; its field is named.
    """
    erased = withdrawn = None
    if answer.withdrawal is not None:
        try:
            withdrawn = verify_withdrawal(answer.withdrawal, receipt, trust)
        except NotPublished:
            withdrawn = None
    if answer.erasure is not None:
        try:
            erased = verify_erasure(answer.erasure, receipt, trust)
        except NotPublished:
            erased = None
    _require_possible(answer, receipt, now)
    return Checked(answer, erased, withdrawn)


def require_past(day: int, now: int) -> None:
    """Raise ``AnswerDiffers`` for a day, counted since 1970, that has not begun."""
    if day > (now + CLOCK_SKEW) // DAY:
        raise AnswerDiffers("day")


def _require_possible(answer: SubjectAnswer, receipt: bytes, now: int) -> None:
    """What no proof shows. Which further rows are kept, and why a record is held, is the gateway's
    word alone."""
    statement = Receipt.decode(receipt).statement
    if answer.erasure is not None:
        require_past(cose.peek(answer.erasure.erasure, Erasure).erased_on, now)
    if answer.withdrawal is not None:
        withdrawn = cose.peek(answer.withdrawal.withdrawal, Withdrawal)
        require_past(withdrawn.withdrawn_on, now)
        if withdrawn.consent_text_version != _stated(statement).consent_text_version:
            raise AnswerDiffers("consent_text_version")
    if answer.held is not None and answer.held.until <= now - CLOCK_SKEW:
        raise AnswerDiffers("held")
    if answer.kept is not None:
        _require_copy(answer.kept, statement, now)


def _require_copy(kept: SubjectCopy, statement: bytes, now: int) -> None:
    """A copy of now, by this gateway, with this record in it: its statement is the receipt's."""
    if kept.gateway != _stated(statement).gateway:
        raise AnswerDiffers("gateway")
    if abs(kept.made_at - now) > TIMEOUT_SECONDS + CLOCK_SKEW:
        raise AnswerDiffers("made_at")
    stated = {column.value for row in kept.rows for column in row.columns if _is_statement(column)}
    if statement not in stated and not kept.left_out:
        raise AnswerDiffers("rows")


def _is_statement(column: KeptColumn) -> bool:
    return column.name == "statement"


def _stated(statement: bytes) -> Statement | FallbackStatement:
    if is_fallback(statement):
        return cose.peek(statement, FallbackStatement)
    return cose.peek(statement, Statement)


def find_erasure(line: SignedLine, receipt: bytes) -> ErasureProof | None:
    """What the gateway says of the erasure of a receipt's record; None: it knows of none.

    Raises:
        As ``SignedLine.send``.
    """
    mark = tombstone(Receipt.decode(receipt).statement)
    found: list[ErasureProof] = []
    try:
        line.send(
            "GET",
            f"{ERASURES}/{mark.hex()}",
            b"",
            ErasureProof.max_bytes,
            lambda content: found.append(ErasureProof.decode(content)),
        )
    except NoSuchSession:
        return None
    return found[0]
