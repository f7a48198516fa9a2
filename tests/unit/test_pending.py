"""A submission whose outcome is not known: what the counter keeps, and until when."""

import json
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from gateway.cli.outputs import pending_path
from gateway.cli.pending import kept_while_unsettled
from gateway.client import gateway_client
from gateway.client.gateway_client import GatewayClient, NoAnswer, ReceiptPending
from gateway.client.pending import PendingReceipt
from gateway.proofs.verify import ReceiptInvalid
from gateway.wire.errors import MalformedMessage, Refused, Unavailable
from gateway.wire.ids import Digest, SessionId
from tests.support.parties import DEVICE, NOW

SESSION = SessionId(bytes(16))
PENDING = PendingReceipt(
    session=SESSION, submission_assertion_digest=Digest(bytes(32)), opening=b"an opening"
)


@pytest.mark.parametrize(
    "error",
    [
        ReceiptPending(SESSION),
        NoAnswer("lost"),
        MalformedMessage("unreadable"),
        ReceiptInvalid(3, "of another"),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_it_stays_where_an_outcome_may_exist(tmp_path: Path, error: BaseException) -> None:
    receipt = tmp_path / "receipt"

    def end() -> None:
        with kept_while_unsettled(receipt) as keep:
            keep(PENDING)
            raise error

    with pytest.raises(type(error)):
        end()
    path = pending_path(receipt)
    assert PendingReceipt.decode(path.read_bytes()) == PENDING
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "error", [Refused("no"), Unavailable("start again"), OSError("disk"), None]
)
def test_it_goes_where_the_outcome_is_known_or_none_exists(
    tmp_path: Path, error: Exception | None
) -> None:
    def end() -> None:
        with kept_while_unsettled(tmp_path / "receipt") as keep:
            keep(PENDING)
            assert pending_path(tmp_path / "receipt").exists()
            if error is not None:
                raise error

    if error is None:
        end()
    else:
        with pytest.raises(type(error)):
            end()
    assert list(tmp_path.iterdir()) == []


def test_an_older_one_survives_an_attempt_that_sent_nothing(tmp_path: Path) -> None:
    path = pending_path(tmp_path / "receipt")
    path.write_bytes(PENDING.encode())
    with pytest.raises(Refused), kept_while_unsettled(tmp_path / "receipt"):
        raise Refused("before anything was sent")
    assert path.read_bytes() == PENDING.encode()


def client(answers: Iterator[object], asked: list[str]) -> GatewayClient:
    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        answer = next(answers)
        if answer is None:
            raise httpx.ReadTimeout("silence")
        return httpx.Response(200, content=json.dumps({"state": answer}))

    transport = httpx.Client(transport=httpx.MockTransport(handle))
    return GatewayClient(transport, "http://gateway", DEVICE, lambda: NOW)


@pytest.mark.parametrize(
    ("answers", "raises"),
    [
        (["RECORDED", "EVALUATING"], Unavailable),
        ([None, "RECORDED", None], ReceiptPending),
        ([None], NoAnswer),
        ([None, "EVALUATING"], NoAnswer),
        ([None, "OPEN"], Unavailable),
        ([None, "FAILED"], Unavailable),
    ],
)
def test_a_gateway_that_says_this_and_that_holds_nobody_for_ever(
    monkeypatch: pytest.MonkeyPatch, answers: list[object], raises: type[Exception]
) -> None:
    monkeypatch.setattr(gateway_client, "RECOVERY_PAUSE_SECONDS", 0)
    asked: list[str] = []
    with pytest.raises(raises) as ended:
        client(cycle(answers), asked).submit(SESSION, b"submission")
    assert len(asked) <= 2 + gateway_client.RECOVERY_ATTEMPTS + gateway_client.RECEIPT_ATTEMPTS
    if raises is Unavailable and "FAILED" in answers:
        assert type(ended.value) is Unavailable
