"""Attempts are counted in totals that name nobody."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.client.liveness.attempts import (
    SAME_CUSTOMER_SECONDS,
    AttemptBook,
    default_path,
    totals,
)
from gateway.main import main
from gateway.wire.liveness import AttemptTotals

NOW = 1_700_000_000


@pytest.fixture
def book(tmp_path: Path) -> AttemptBook:
    return AttemptBook(tmp_path / "state" / "attempts.json")


def test_three_attempts_of_one_customer(book: AttemptBook) -> None:
    book.begin(NOW)
    book.failed("wrong-action", NOW + 10)
    book.begin(NOW + 20)
    book.failed("wrong-action", NOW + 30)
    customer = book.begin(NOW + 40)
    reported = totals(customer, NOW + 52)
    book.succeeded(NOW + 52)
    assert isinstance(reported, AttemptTotals)
    assert (reported.attempts, reported.seconds) == (3, 52)
    assert [(one.reason, one.count) for one in reported.reasons] == [("wrong-action", 2)]
    counter = book.read()
    assert (counter.succeeded, counter.attempts, counter.seconds) == (1, 3, 52)
    assert counter.attempts_to_success == {"3": 1}
    assert counter.present is None


def test_the_next_customer_begins_anew(book: AttemptBook) -> None:
    for start in (NOW, NOW + 100):
        customer = book.begin(start)
        assert totals(customer, start + 9).attempts == 1
        book.succeeded(start + 9)
    assert book.read().attempts_to_success == {"1": 2}


def test_who_does_not_come_back_gave_up(book: AttemptBook) -> None:
    book.begin(NOW)
    book.failed("time-ran-out", NOW + 20)
    customer = book.begin(NOW + 20 + SAME_CUSTOMER_SECONDS + 1)
    assert totals(customer, NOW + 1000).attempts == 1
    assert book.read().gave_up == 1


def test_the_file_is_the_counters_alone_and_holds_totals(book: AttemptBook, tmp_path: Path) -> None:
    book.begin(NOW)
    book.failed("face-lost", NOW + 5)
    path = tmp_path / "state" / "attempts.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(json.loads(path.read_text())) == {
        "succeeded",
        "gave_up",
        "attempts",
        "seconds",
        "attempts_to_success",
        "reasons",
        "present",
    }


@pytest.mark.parametrize("content", [b"", b"{", b'{"succeeded": -1}', b"\xff" * 100_000])
def test_a_damaged_file_stops_no_registration(book: AttemptBook, content: bytes) -> None:
    book.begin(NOW)
    book._path.write_bytes(content)
    assert book.begin(NOW).attempts == 1


def test_two_counters_on_one_file_lose_nothing(book: AttemptBook) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: book.begin(NOW), range(40)))
    assert book.read().attempts == 40


def test_more_than_the_message_can_say_is_cut(book: AttemptBook) -> None:
    for _ in range(120):
        customer = book.begin(NOW)
    assert totals(customer, NOW + 10**7).attempts == 100


def test_the_command_prints_attempts_to_success(
    book: AttemptBook, capsys: pytest.CaptureFixture[str]
) -> None:
    for attempts in (1, 1, 3):
        for _ in range(attempts):
            book.begin(NOW)
        book.succeeded(NOW + 12)
    book.begin(NOW)
    assert main(["attempts", "--json", "--file", str(book._path)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {
        "customers": 4,
        "succeeded": 3,
        "attempts": 6,
        "attemptsPerSuccess": 1.67,
        "attemptsToSuccess": {"1": 2, "3": 1},
        "secondsPerSuccess": 12.0,
        "reasons": {},
    }
    assert main(["attempts", "--file", str(book._path)]) == 0
    assert "attemptsPerSuccess" in capsys.readouterr().out


def test_the_default_place() -> None:
    assert default_path({"XDG_STATE_HOME": "/x"}) == Path("/x/sealmatch/attempts.json")
