"""Honest parties over a faulty network: messages dropped, repeated, altered, delayed, reordered.

All parties run in memory with a mock clock. Whatever happens on the way, the client ends with one
final answer, the right one, or with an error; the gateway has a whole record or none; and the next
honest registration passes. Each fault is a case of its own, so a failure names it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from gateway.client import gateway_client
from gateway.store import records
from gateway.wire.errors import SealmatchError, Unavailable
from tests.support.samples import SESSIONS, Clock, pair
from tests.support.world import World

LINKS = ("gateway", "authority")
"""By the side that receives the request."""

MESSAGES = {"gateway": 2, "authority": 4}
"""Requests of one registration on each link: session and submission; session key, attempt, padded
product, shares."""

FAULTS = (
    "request dropped",
    "answer dropped",
    "request repeated",
    "request altered",
    "answer altered",
    "request delayed beyond the window",
    "answer delayed beyond the session",
    "older request in its place",
)


class FaultyWorld(World):
    """A world whose network does one thing wrong, to one message."""

    fault: tuple[str, int, str] | None = None
    """Link, number of the message, fault; used up when it happened."""

    def __init__(self, directory: Path, clock: Clock, seed: int) -> None:
        super().__init__(directory, clock=clock)
        self.mock = clock
        self.random = random.Random(seed)
        self.count = dict.fromkeys(LINKS, 0)
        self.older: dict[str, list[httpx.Request]] = {link: [] for link in LINKS}

    def _at_gateway(self, request: httpx.Request) -> httpx.Response:
        return self._carry("gateway", request, super()._at_gateway)

    def _at_authority(self, request: httpx.Request) -> httpx.Response:
        return self._carry("authority", request, super()._at_authority)

    def _carry(self, link, request: httpx.Request, deliver) -> httpx.Response:
        request.read()
        number = self.count[link]
        self.count[link] += 1
        self.older[link].append(request)
        if self.fault is None or self.fault[:2] != (link, number):
            return deliver(request)
        fault, self.fault = self.fault[2], None
        return self._spoil(fault, link, request, deliver)

    def _spoil(self, fault: str, link: str, request: httpx.Request, deliver) -> httpx.Response:
        match fault:
            case "request dropped":
                raise httpx.ConnectError("dropped")
            case "answer dropped":
                deliver(request)
                raise httpx.ReadError("dropped")
            case "request repeated":
                answer = deliver(request)
                assert deliver(request).status_code != 200, "a request counts once"
                return answer
            case "request altered":
                return deliver(self._altered(request))
            case "answer altered":
                answer = deliver(request)
                return httpx.Response(answer.status_code, content=self._flip(answer.read()))
            case "request delayed beyond the window":
                self.mock.now += 61
                return deliver(request)
            case "answer delayed beyond the session":
                answer = deliver(request)
                self.mock.now += 301
                return answer
            case "older request in its place":
                return deliver(self.older[link][0])
        raise AssertionError(fault)

    def _altered(self, request: httpx.Request) -> httpx.Request:
        content = self._flip(request.content)
        headers = {k: v for k, v in request.headers.items() if k != "content-length"}
        return httpx.Request(request.method, request.url, headers=headers, content=content)

    def _flip(self, content: bytes) -> bytes:
        place = self.random.randrange(len(content))
        return content[:place] + bytes((content[place] ^ 1,)) + content[place + 1 :]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.server import authority_client

    monkeypatch.setattr(authority_client, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(gateway_client, "RECOVERY_PAUSE_SECONDS", 0)


CASES = [
    (link, number, fault)
    for link in LINKS
    for number, fault in itertools.product(range(MESSAGES[link]), FAULTS)
]


@pytest.mark.parametrize(("link", "number", "fault"), CASES, ids=lambda v: str(v).replace(" ", "-"))
@pytest.mark.parametrize("cosine", [0.7, 0.1], ids=["genuine", "impostor"])
def test_one_fault(tmp_path: Path, link: str, number: int, fault: str, cosine: float) -> None:
    expected = "MATCH" if cosine == 0.7 else "NO_MATCH"
    clock = Clock()
    with FaultyWorld(tmp_path, clock, seed=number) as world:
        world.fault = (link, number, fault)
        try:
            outcome = world.register(*pair(cosine)).outcome
        except SealmatchError:
            outcome = None
        assert world.fault is None, "the fault happened"
        assert outcome in (None, expected)
        records = world.rows("records")
        assert len(records) <= 1
        assert [record.outcome for record in records] in ([], [expected])
        if outcome is not None:
            assert len(records) == 1, "what the client was told is on record"
        decided = [row for row in world.rows("sessions") if row.state == "DECIDED"]
        assert {row.record_id for row in decided} == {record.record_id for record in records}
        # The network is well again: the next registration passes.
        assert world.register(*pair(cosine)).outcome == expected


def test_a_lost_answer_is_recovered_not_decided_twice(tmp_path: Path) -> None:
    with FaultyWorld(tmp_path, Clock(), seed=0) as world:
        world.fault = ("gateway", 1, "answer dropped")
        result = world.register(*pair(0.7))
        assert result.outcome == "MATCH"
        assert len(world.rows("records")) == 1
        assert [path for path, _ in world.received][-1].startswith(SESSIONS)


@pytest.mark.parametrize("number", range(MESSAGES["authority"]))
def test_a_lost_answer_of_the_authority_costs_nothing(tmp_path: Path, number: int) -> None:
    with FaultyWorld(tmp_path, Clock(), seed=0) as world:
        world.fault = ("authority", number, "answer dropped")
        assert world.register(*pair(0.7)).outcome == "MATCH"
        assert world.count["authority"] == 5, "one message was sent twice"


# A database whose answer is lost


def losing_the_commit_s_answer(world: World, monkeypatch: pytest.MonkeyPatch, *, down: int) -> None:
    """The record's transaction is committed, and the storage says that it is not there.

    Args:
        down: units of work that fail after that, without being done.
    """
    units = world.database.transaction
    left = [-1]

    def added(*given: object) -> None:
        store_add_record(*given)
        left[0] = down + 1

    @contextmanager
    def transaction() -> Iterator[object]:
        if left[0] > 0:
            left[0] -= 1
            raise Unavailable("the storage does not answer")
        with units() as connection:
            yield connection
        if left[0] == down + 1:
            left[0] -= 1
            raise Unavailable("the answer to the commit is lost")

    store_add_record = records.add_record
    monkeypatch.setattr(records, "add_record", added)
    monkeypatch.setattr(world.database, "transaction", transaction)


@pytest.mark.parametrize("down", [0, 1, 3])
def test_a_commit_whose_answer_is_lost_is_the_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, down: int
) -> None:
    """Nobody is told to start again who has an outcome already."""
    with World(tmp_path) as world:
        losing_the_commit_s_answer(world, monkeypatch, down=down)
        result = world.register(*pair(0.7))
        assert result.outcome == "MATCH"
        assert [row.record_id for row in world.rows("records")] == [result.record_id]
        assert world.counters() == {"MATCH": 1}
        asked = [path for path, _ in world.received if not path.endswith("/submission")]
        # Without an answer it asks what became of it, and again while the log publishes the record.
        assert len(asked) == 1 + {0: 0, 1: 2, 3: 3}[down]
