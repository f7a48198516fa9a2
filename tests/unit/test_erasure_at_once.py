"""Erasures that race, die half way, or are looked at by somebody who wants to know more.

On both databases: a second gateway and the reaper on one database, a gateway that is killed at each
of its writes, a reader of everything who tries to tell an erased record from one that expired, and
two carriers who try to join their databases.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.host import crash
from gateway.retention.reaper import Reaper
from gateway.sequencing.publication import Publication
from gateway.sequencing.sequencer import Alone
from gateway.server.rights import RightsRules, SubjectRights
from gateway.store import erasures, schema
from gateway.store.database import Database
from gateway.wire import cbor
from gateway.wire.errors import Refused, SessionConflict
from gateway.wire.ids import Digest, digest_of
from gateway.wire.subject import Subject
from tests.support.postgres import PostgresServer
from tests.support.processes import PATIENCE
from tests.support.rights import DAY, Subscriber, later
from tests.support.samples import Clock, new_number
from tests.support.site import killed_at
from tests.support.world import World

MEETING_SECONDS = 0.4
"""How long the first waits inside its transaction for another one, which has to stay outside."""
DATABASES = ("sqlite", "postgresql")


class Shared(World):
    """One whose database others open as well."""

    def __init__(self, directory: Path, url: str, **more: Any) -> None:
        super().__init__(directory, clock=Clock(), database=url, **more)
        self.url = url


@contextmanager
def world_on(
    kind: str, directory: Path, request: pytest.FixtureRequest, **more: Any
) -> Iterator[Shared]:
    url = f"sqlite:///{directory / 'gateway.sqlite3'}"
    if kind == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgresql")
        url = server.new_database()
    with Shared(directory, url, **more) as world:
        yield world


@pytest.fixture(scope="module", params=DATABASES)
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shared]:
    with world_on(request.param, tmp_path_factory.mktemp("world"), request) as world:
        yield world


class Waits:
    """A log that somebody else grows."""

    def wait(self, _: float) -> None: ...

    def check(self) -> None: ...


@contextmanager
def second_gateway(world: Shared) -> Iterator[SubjectRights]:
    """With its own connections, and the same keys."""
    with closing(Database(world.url)) as database:
        yield rights_on(world, database)


def rights_on(world: World, database: Database) -> SubjectRights:
    publication = Publication(database, Waits(), 0)
    return SubjectRights(
        world.gateway_key, RightsRules(180, 1000), database, publication, world.clock
    )


def entries(world: World) -> Counter[str]:
    """Entries by kind; none waits."""
    world.sequencer.step()
    assert world.rows("log_pending") == []
    return Counter(row.kind for row in world.rows("log_entries"))


def left_of(world: World, somebody: Subscriber) -> dict[str, int]:
    """Rows that there are about somebody, and what is left of them."""
    found = {
        table: sum(row.record_id == somebody.record_id for row in world.rows(table))
        for table in ("records", "consents")
    }
    tombstones = [row.tombstone for row in world.rows("erasures")]
    return found | {"erasures": tombstones.count(somebody.tombstone)}


WHOLE = {"records": 1, "consents": 1, "erasures": 0}
GONE = {"records": 0, "consents": 0, "erasures": 1}


# Races


@contextmanager
def met(point: str) -> Iterator[None]:
    """Whoever first comes to the point waits a while for a second one to come there as well."""
    inside = threading.Barrier(2)

    def meet(reached: str) -> None:
        if reached == point:
            with suppress(threading.BrokenBarrierError):
                inside.wait(MEETING_SECONDS)

    crash.install(meet)
    try:
        yield
    finally:
        crash._hooks.remove(meet)


def at_once(*jobs: Callable[[], Any]) -> list[Any]:
    def run(job: Callable[[], Any]) -> Any:
        try:
            return job()
        except Refused as error:
            return error

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [one.result(PATIENCE) for one in [pool.submit(run, job) for job in jobs]]


def test_of_two_erasures_on_two_gateways_one_is_done(world: Shared) -> None:
    somebody = Subscriber.registered(world)
    before = entries(world)
    device = world.counter.device.public
    with second_gateway(world) as other, met("gateway-erasure-written"):
        found = at_once(
            lambda: world.rights.answer(somebody.request("erase"), device),
            lambda: other.answer(somebody.request("withdraw"), device),
        )
    assert sorted(isinstance(one, Refused) for one in found) == [False, True]
    assert left_of(world, somebody) == GONE
    done = entries(world) - before
    assert done["erasure"] == 1
    (answer,) = [one for one in found if not isinstance(one, Refused)]
    assert done["withdrawal"] == (answer.wish == "withdraw"), "what was refused left nothing"


def test_an_erasure_and_the_reaper_leave_one_object(world: Shared) -> None:
    """The reaper's clock is past the record's end; the gateway's is not."""
    somebody = Subscriber.registered(world)
    before = entries(world)
    late = Clock()
    late.now = world.clock() + 181 * DAY
    with (
        closing(Database(world.url)) as database,
        met("gateway-erasure-written"),
    ):
        reaper = Reaper(database, Alone(), world.gateway_key, 180, late)
        found = at_once(lambda: somebody.asks("erase"), lambda: reaper.run(lift_guard=True))
    assert left_of(world, somebody) == GONE
    assert (entries(world) - before)["erasure"] == 1
    if isinstance(found[0], Refused):
        assert world.rights.erasure(somebody.tombstone) is not None, "the reaper was faster"


def test_a_record_is_replaced_once(world: World) -> None:
    """Were there no lock, the row's own deletion is what the second one loses."""
    somebody = Subscriber.registered(world)
    gone = (somebody.record_id, erasures.ErasureRow(b"\0" * 16, Digest(bytes(32)), b"one"))

    def twice() -> None:
        with world.database.writing() as connection:
            erasures.replace_records(connection, [gone])
            erasures.replace_records(connection, [gone])

    with pytest.raises(SessionConflict):
        twice()
    assert left_of(world, somebody) == WHOLE


# Killed at each of its writes


BEFORE = ("gateway-erasure-written", "gateway-withdrawal-written", "gateway-wish-written")


@pytest.mark.parametrize("point", [*BEFORE, "gateway-wish-committed"])
def test_a_gateway_that_dies_leaves_a_whole_record_or_none(world: Shared, point: str) -> None:
    """No half erasure, no entry without its deletion, no deletion without its entry."""
    somebody = Subscriber.registered(world)
    before = entries(world)
    url, asked = world.url, somebody.request("withdraw")

    def work() -> None:
        with closing(Database(url)) as database:
            rights_on(world, database).answer(asked, world.counter.device.public)

    assert killed_at(point, work), "it came there"
    done = entries(world) - before
    if point in BEFORE:
        assert left_of(world, somebody) == WHOLE
        assert not done
        assert somebody.asks("withdraw").erasure is not None, "asked again, it is done"
    else:
        assert done == Counter({"withdrawal": 1, "erasure": 1})
        with pytest.raises(Refused):
            somebody.asks("withdraw")
    assert left_of(world, somebody) == GONE
    assert world.rights.erasure(somebody.tombstone) is not None


# Erased, or expired


RANDOM = {"erasure_id", "tombstone", "erasure", "log_index"}


def test_an_erased_record_and_one_that_expired_leave_the_same(world: World) -> None:
    """To whoever reads the whole database, the log and every answer, without the receipts."""
    expiring = Subscriber.registered(world)
    later(world, 180 * DAY)
    asking, stranger = Subscriber.registered(world), Subscriber.registered(world)
    later(world, 60)
    Reaper(world.database, Alone(), world.gateway_key, 180, world.clock).run(lift_guard=True)
    asking.asks("erase")
    first, second = (
        next(row for row in world.rows("erasures") if row.tombstone == one.tombstone)
        for one in (expiring, asking)
    )
    for name in first._mapping:
        ours, theirs = first._mapping[name], second._mapping[name]
        if name in RANDOM:
            assert type(ours) is type(theirs), name
            assert ours != theirs, name
        else:
            assert ours == theirs, name
    assert len(first.erasure) == len(second.erasure)
    stated = [cbor.decode(cbor.decode(row.erasure[1:])[2]) for row in (first, second)]
    assert stated[0].keys() == stated[1].keys()
    for name in stated[0].keys() - {"erasureId", "tombstone"}:
        assert stated[0][name] == stated[1][name], name
    # The log: two entries of one kind.
    assert entries(world)["erasure"] >= 2
    kinds = {row.log_index: row.kind for row in world.rows("log_entries")}
    indexes = {row.tombstone: row.log_index for row in world.rows("erasures")}
    assert {kinds[indexes[one.tombstone]] for one in (expiring, asking)} == {"erasure"}
    # The answers.
    for wish in ("copy", "erase", "withdraw"):
        told = set()
        for one in (expiring, asking, stranger):
            secret = {"secret": bytes(32)} if one is stranger else {}
            with pytest.raises(Refused) as refused:
                one.asks(wish, **secret)
            told.add((str(refused.value), refused.value.detail))
        assert len(told) == 1, wish
    assert found_anywhere(world, expiring) == found_anywhere(world, asking) == set()


def test_a_session_that_stayed_would_tell(world: World) -> None:
    """The control: what the search looks for it finds."""
    somebody = Subscriber.registered(world)
    assert ("sessions", "record_id") in found_anywhere(world, somebody)
    assert ("records", "statement") in found_anywhere(world, somebody)
    assert ("consents", "digest") in found_anywhere(world, somebody)


def found_anywhere(world: World, somebody: Subscriber) -> set[tuple[str, str]]:
    """Columns with anything that was somebody's, but for the log's entries and the tombstone."""
    stated = cbor.decode(cbor.decode(somebody.statement[1:])[2])
    own = {value for value in stated.values() if isinstance(value, bytes) and len(value) >= 16}
    own |= {somebody.statement, somebody.done.opening.erasure_secret}
    own -= {stated["policyDigest"]}
    found = set()
    for name, table in schema.metadata.tables.items():
        for row, column in itertools.product(world.rows(name), table.columns):
            value = row._mapping[column.name]
            if isinstance(value, bytes) and any(one == value or one in value for one in own):
                found.add((name, column.name))
    return found


# Two carriers


def test_two_carriers_cannot_join_their_databases(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The same people, readers, authority and documents; every pair of columns, and of what is in
    the signed statements, is tried. People come to the second carrier in another order, on other
    days. Values that all people share join nobody."""
    salt, pepper = bytes(range(32)), bytes(range(1, 33))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    numbers = [new_number() for _ in range(3)]
    shared = {"site_salt": salt, "pepper": pepper}
    with (
        world_on("sqlite", tmp_path / "a", request, party="carrier-a", **shared) as one,
        world_on("sqlite", tmp_path / "b", request, party="carrier-b", **shared) as other,
    ):
        ours = people(one, numbers, [0, 1, 2])
        theirs = people(other, numbers, [2, 0, 1])
    assert joined(ours, theirs) == set()
    inner = [Subject.of("passport", number).inner(salt) for number in numbers]
    with_inner = [
        [{**one, INNER: known} for one, known in zip(side, inner, strict=True)]
        for side in (ours, theirs)
    ]
    assert joined(*with_inner) == {(INNER, INNER)}, (
        "the control: what readers say of a document would join them, if a gateway kept it"
    )


Person = dict[tuple[str, str], Any]
INNER = ("issuer", "subject_inner")


def people(world: World, numbers: list[str], order: list[int]) -> list[Person]:
    """Everything that a carrier keeps of each of these people, column by column."""
    found: dict[int, Person] = {}
    for day, place in enumerate(order):
        later(world, (3 if world.counter.gateway == "carrier-a" else 5) * DAY + day)
        somebody = Subscriber.registered(world, numbers[place])
        somebody.asks("copy")
        found[place] = _columns(world, somebody)
    return [found[place] for place in range(len(numbers))]


def _columns(world: World, somebody: Subscriber) -> Person:
    found: Person = {}
    for table in ("records", "consents", "sessions"):
        (row,) = [row for row in world.rows(table) if row.record_id == somebody.record_id]
        found |= {(table, name): value for name, value in row._mapping.items()}
    stated = cbor.decode(cbor.decode(somebody.statement[1:])[2])
    decided = cbor.decode(cbor.decode(stated["decision"][1:])[2])
    found |= {("statement", name): value for name, value in stated.items()}
    found |= {("decision", name): value for name, value in decided.items()}
    found["log_entries", "entry"] = digest_of(somebody.statement)
    return {name: _plain(value) for name, value in found.items()}


def _plain(value: Any) -> Any:
    return repr(value) if isinstance(value, dict | list) else value


def joined(ours: list[Person], theirs: list[Person]) -> set[tuple[Any, Any]]:
    """Pairs of columns in which somebody has a value at both carriers that nobody else has."""
    found = set()
    for a, b in itertools.product(ours[0], theirs[0]):
        for place, person in enumerate(ours):
            same = [n for n, stranger in enumerate(theirs) if stranger[b] == person[a]]
            alone = sum(one[a] == person[a] for one in ours) == 1
            if person[a] is not None and same == [place] and alone:
                found.add((a, b))
    return found
