"""A submission whose outcome is not known: what the counter keeps, and until when."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from gateway.cli.outputs import PRIVATE, cleared_when_ended, pending_path, reserve
from gateway.cli.pending import Unsettled, kept_while_unsettled, read_pending, settle_earlier
from gateway.client import gateway_client
from gateway.client.answers import NoAnswer, NotTheGateway
from gateway.client.counter import CounterLine
from gateway.client.gateway_client import (
    GatewayClient,
    NotTaken,
    OutcomeUnknown,
    ReceiptPending,
    SubmissionFailed,
    SubmissionInvalid,
    SubmissionRefused,
)
from gateway.proofs.verify import ReceiptInvalid
from gateway.wire.errors import MalformedMessage, Refused, Unavailable
from gateway.wire.ids import SessionId
from gateway.wire.requests import WINDOW
from tests.support.expected import pending
from tests.support.parties import DEVICE, NOW

SESSION = SessionId(bytes(16))
PENDING = pending(session=SESSION)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_client, "RECOVERY_PAUSE_SECONDS", 0)


def ending(receipt: Path, error: BaseException | None) -> None:
    with kept_while_unsettled(receipt) as keep:
        keep(PENDING)
        assert pending_path(receipt).exists()
        if error is not None:
            raise error


@pytest.mark.parametrize(
    "error",
    [
        ReceiptPending(SESSION),
        NoAnswer("lost"),
        OutcomeUnknown("lost"),
        NotTaken("not yet"),
        NotTheGateway("a page"),
        Unavailable("somebody's 503"),
        Refused("the receipt is about somebody else"),
        MalformedMessage("unreadable"),
        ReceiptInvalid(3, "of another"),
        OSError("no room for the receipt"),
        KeyboardInterrupt(),
        SystemExit(143),
    ],
    ids=lambda error: type(error).__name__,
)
def test_it_stays_where_an_outcome_may_exist(tmp_path: Path, error: BaseException) -> None:
    receipt = tmp_path / "receipt"
    with pytest.raises(type(error)):
        ending(receipt, error)
    path = pending_path(receipt)
    assert read_pending(receipt) == PENDING
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "error", [SubmissionRefused("no"), SubmissionFailed("no"), SubmissionInvalid("no"), None]
)
def test_it_goes_where_the_gateway_has_said_how_it_ended(
    tmp_path: Path, error: Exception | None
) -> None:
    with pytest.raises(type(error)) if error else contextlib.nullcontext():
        ending(tmp_path / "receipt", error)
    assert list(tmp_path.iterdir()) == []


def test_it_says_when_the_submission_was_sent_last(tmp_path: Path) -> None:
    receipt, later = tmp_path / "receipt", PENDING.model_copy(update={"sent_at": NOW + 5})
    with kept_while_unsettled(receipt) as keep:
        keep(PENDING)
        keep(later)
        assert read_pending(receipt) == later
    assert list(tmp_path.iterdir()) == []


# Another registration with the same receipt


def test_an_older_one_survives_an_attempt_that_sent_nothing(tmp_path: Path) -> None:
    path = pending_path(tmp_path / "receipt")
    path.write_bytes(PENDING.encode())
    with pytest.raises(Refused), kept_while_unsettled(tmp_path / "receipt"):
        raise Refused("before anything was sent")
    assert path.read_bytes() == PENDING.encode()


def test_one_that_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    """Two commands at once: the second stops before its submission leaves."""
    receipt = tmp_path / "receipt"
    other = PENDING.model_copy(update={"opening": b"another's"})
    with kept_while_unsettled(receipt) as first:
        with kept_while_unsettled(receipt) as second:
            first(other)
            with pytest.raises(Unsettled):
                second(PENDING)
        assert read_pending(receipt) == other
    assert list(tmp_path.iterdir()) == []


def test_one_that_took_the_place_of_another_is_not_removed_for_it(tmp_path: Path) -> None:
    receipt = tmp_path / "receipt"
    other = PENDING.model_copy(update={"opening": b"another's"})
    with kept_while_unsettled(receipt) as keep:
        keep(PENDING)
        pending_path(receipt).write_bytes(other.encode())
    assert read_pending(receipt) == other


def client(answers: Iterator[object], asked: list[str], now: int = NOW) -> GatewayClient:
    """Of a gateway that answers with these states; None: with silence."""

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        answer = next(answers)
        if answer is None:
            raise httpx.ReadTimeout("silence")
        if isinstance(answer, int):
            problem = {"status": answer, "code": "NOT_FOUND", "message": "none"}
            return httpx.Response(answer, json=problem)
        body = {"sessionId": SESSION.hex(), "state": answer, "expiresAt": NOW + 300}
        if answer == "DECIDED":
            body |= {"outcome": "MATCH", "recordId": "00" * 16, "receipt": "AAAA"}
        return httpx.Response(200, content=json.dumps(body))

    transport = httpx.Client(transport=httpx.MockTransport(handle))
    return GatewayClient(transport, "http://gateway", DEVICE, lambda: now)


def line(answer: object, now: int) -> CounterLine:
    gateway = client(cycle([answer]), [], now)
    return CounterLine(DEVICE, gateway, gateway._transport)


@pytest.mark.parametrize(
    ("answer", "seconds"), [("FAILED", 0), ("OPEN", 2 * WINDOW + 1), ("OPEN", 10**6)]
)
def test_it_makes_way_when_there_is_no_outcome(tmp_path: Path, answer: str, seconds: int) -> None:
    receipt = tmp_path / "receipt"
    pending_path(receipt).write_bytes(PENDING.encode())
    settle_earlier(receipt, lambda: line(answer, NOW + seconds))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        ("DECIDED", 10**6),
        ("RECORDED", 10**6),
        ("EVALUATING", 10**6),
        ("OPEN", 2 * WINDOW),  # a proxy may hold the submission: its signature is still good
        (404, 10**6),  # forgotten: it may have been decided before
        (403, 0),
        (None, 10**6),
    ],
)
def test_it_makes_no_way_where_an_outcome_exists_or_may(
    tmp_path: Path, answer: object, seconds: int
) -> None:
    receipt = tmp_path / "receipt"
    pending_path(receipt).write_bytes(PENDING.encode())
    with pytest.raises(Unsettled, match="receipt fetch"):
        settle_earlier(receipt, lambda: line(answer, NOW + seconds))
    assert read_pending(receipt) == PENDING


def test_a_damaged_one_is_named_and_kept(tmp_path: Path) -> None:
    receipt = tmp_path / "receipt"
    pending_path(receipt).write_bytes(b"not any more")
    with pytest.raises(Unsettled, match="damaged"):
        settle_earlier(receipt, lambda: line("FAILED", NOW))
    assert pending_path(receipt).read_bytes() == b"not any more"


def test_without_one_nobody_is_asked(tmp_path: Path) -> None:
    settle_earlier(tmp_path / "receipt", lambda: pytest.fail("asked"))


# What the gateway says of the session


@pytest.mark.parametrize(
    ("answers", "raises"),
    [
        (["RECORDED", "EVALUATING"], ReceiptPending),
        (["RECORDED", "FAILED"], ReceiptPending),
        ([None, "RECORDED", None], ReceiptPending),
        ([None], OutcomeUnknown),
        ([404], OutcomeUnknown),
        ([None, "EVALUATING"], OutcomeUnknown),
        (["EVALUATING"], OutcomeUnknown),
        ([None, "OPEN"], NotTaken),
        ([None, "FAILED"], SubmissionFailed),
        ([None, "OPEN", None, "FAILED"], SubmissionFailed),
        ([None, "OPEN", None, None, None, None, None, None], OutcomeUnknown),
    ],
)
def test_a_gateway_that_says_this_and_that_holds_nobody_for_ever(
    answers: list[object], raises: type[Exception]
) -> None:
    asked: list[str] = []
    with pytest.raises(raises) as ended:
        client(cycle(answers), asked).submit(SESSION, b"submission")
    assert type(ended.value) is raises
    assert (SESSION.hex() in str(ended.value)) == (answers == [404]), "what the operator looks for"
    most = gateway_client.RECEIPT_ATTEMPTS + gateway_client.SUBMISSIONS
    assert len(asked) <= most
    assert asked.count("POST") <= gateway_client.SUBMISSIONS


def test_a_submission_that_was_not_taken_is_handed_in_again(tmp_path: Path) -> None:
    """With a word to the counter each time: what it keeps must outlast every copy."""
    asked: list[str] = []
    kept: list[int] = []
    answers: list[object] = [None, "OPEN", "DECIDED"]
    answer, _ = client(iter(answers), asked).submit(SESSION, b"submission", lambda: kept.append(1))
    assert answer.outcome == "MATCH"
    assert asked == ["POST", "GET", "POST"]
    assert len(kept) == 2


@pytest.mark.parametrize(
    "change",
    [{"sessionId": "11" * 16}, {"sessionId": None}, {"state": "MATCHED"}, {"state": ["FAILED"]}],
)
def test_the_state_of_another_session_is_no_word(change: dict[str, object]) -> None:
    """A cache may answer with what it has; nothing follows from that."""
    body = {"sessionId": SESSION.hex(), "state": "FAILED", "expiresAt": NOW + 300} | change
    transport = httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    )
    gateway = GatewayClient(transport, "http://gateway", DEVICE, lambda: NOW)
    with pytest.raises(OutcomeUnknown):
        gateway.submit(SESSION, b"submission")


# Reserved places


KILLED = """
import os, signal, sys
from pathlib import Path
from gateway.cli.outputs import PRIVATE, reserve
with reserve(Path(sys.argv[1]), PRIVATE):
    os.kill(os.getpid(), int(sys.argv[2]))
"""


def test_what_a_killed_command_leaves_is_cleared_by_the_next(tmp_path: Path) -> None:
    """Its own places alone: not another file's, nor one that lives, nor a stranger's file."""
    receipt = tmp_path / "receipt"
    spared = [
        tmp_path / name for name in (".receipt.a", ".receipt.0123456g.part", ".other.01234567.part")
    ]
    for path in spared:
        path.touch()
    command = [sys.executable, "-c", KILLED, str(receipt), str(signal.SIGKILL.value)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == len(spared) + 1
    with reserve(receipt, PRIVATE), reserve(receipt, PRIVATE):
        assert len(list(tmp_path.iterdir())) == len(spared) + 2
    assert set(tmp_path.iterdir()) == set(spared)


def test_a_link_in_the_place_of_a_stale_file_is_left_alone(tmp_path: Path) -> None:
    victim, link = tmp_path / "victim", tmp_path / ".receipt.01234567.part"
    victim.write_text("precious")
    link.symlink_to(victim)
    with reserve(tmp_path / "receipt", PRIVATE):
        pass
    assert victim.read_text() == "precious"
    assert link.is_symlink()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_told_to_end_leaves_nothing(tmp_path: Path, sent: signal.Signals) -> None:
    before = signal.getsignal(sent)

    def end() -> None:
        with cleared_when_ended(), reserve(tmp_path / "receipt", PRIVATE):
            os.kill(os.getpid(), sent)

    with pytest.raises(SystemExit) as ended:
        end()
    assert ended.value.code == 128 + sent
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(sent) is before
