"""Counters and audits that several instances of one authority share, in a real PostgreSQL.

The rules are those of ``test_keys_caps``; here is what several instances and a database add: two
must not admit one attempt too many, and a database that was set back must not open anything.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from itertools import count
from pathlib import Path

import pytest

from gateway.host import shared_ledger
from gateway.host.settings import BadConfiguration
from gateway.host.shared_ledger import SharedLedger, arguments_of
from gateway.wire.errors import Refused, Unavailable
from gateway.wire.ids import SubjectHandle
from keys import backup
from keys.audits import AuditLedger
from keys.caps import DAY, HOUR, AttemptCaps, CapLimits
from keys.caps_mark import CapsLost, mark_of
from keys.caps_store import Standing, create_caps, forget_caps, set_standing, stored_attempts
from keys.config import AuthoritySettings
from keys.places import SharedPlace
from tests.support.parties import Clock, refused
from tests.support.postgres import PostgresServer
from tests.support.processes import PATIENCE
from tests.support.sealed import sealed_authority

A, B, C = (SubjectHandle(name * 32) for name in (b"a", b"b", b"c"))
LIMITS = CapLimits(subject_decisions=3, device_decisions=5, failures_to_lock=2, lock_seconds=600)


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000_000)


@pytest.fixture(scope="module")
def url(postgresql: PostgresServer) -> str:
    return postgresql.new_database()


@pytest.fixture
def place(url: str, tmp_path: Path, clock: Clock) -> Iterator[SharedPlace]:
    one = SharedPlace(url, tmp_path / "caps.sqlite3")
    create_caps(one, clock.now)
    yield one
    forget_caps(one)


def instance(place: SharedPlace, clock: Callable[[], int]) -> AttemptCaps:
    return AttemptCaps(place, LIMITS, clock)


@pytest.fixture
def two(place: SharedPlace, clock: Clock, tmp_path: Path) -> Iterator[list[AttemptCaps]]:
    """Two instances, the second in a copy of the first one's directory."""
    other = tmp_path / "second" / "caps.sqlite3"
    other.parent.mkdir()
    mark_of(other).write_bytes(mark_of(place.beside).read_bytes())
    with (
        closing(instance(place, clock)) as first,
        closing(instance(SharedPlace(place.url, other), clock)) as second,
    ):
        yield [first, second]


def race(asks: list[Callable[[], object]]) -> int:
    """How many were answered of those that were asked at once."""
    begun = threading.Barrier(len(asks))

    def one(ask: Callable[[], object]) -> bool:
        begun.wait(PATIENCE)
        with suppress(Refused):
            ask()
            return True
        return False

    with ThreadPoolExecutor(len(asks)) as pool:
        return sum(pool.map(one, asks))


def admissions(two: list[AttemptCaps], handles: list[SubjectHandle]) -> list[Callable[[], object]]:
    return [lambda i=i: two[i % 2].admit(handles, f"shop-{i}") for i in range(8)]


def test_two_instances_never_admit_one_too_many(two: list[AttemptCaps]) -> None:
    for number in range(5):
        handles = [SubjectHandle(bytes([number]) * 32)]
        assert race(admissions(two, handles)) == LIMITS.subject_decisions
    by_device = [
        lambda i=i: two[i % 2].admit([SubjectHandle(bytes([99, i]) * 16)], "shop") for i in range(8)
    ]
    assert race(by_device) == LIMITS.device_decisions


def test_without_the_lock_they_do(two: list[AttemptCaps], monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the same race, where units about one subject do not wait for each other. Each
    is held between its look and its count until the others have looked, too."""
    looked = threading.Barrier(8)
    honest = AttemptCaps._check_subject

    def slow(self: AttemptCaps, *given: object) -> None:
        honest(self, *given)  # type: ignore[arg-type]
        looked.wait(PATIENCE)

    monkeypatch.setattr(AttemptCaps, "_check_subject", slow)
    monkeypatch.setattr("keys.caps._alone", lambda _: [])
    assert race(admissions(two, [A])) == 8


def test_units_about_two_handles_wait_in_one_order(two: list[AttemptCaps]) -> None:
    """While a pepper is replaced a subject has two, and instances may see them either way."""
    both = [lambda i=i: two[i % 2].admit([A, B][:: 1 - 2 * (i % 2)], f"shop-{i}") for i in range(8)]
    assert race(both) == LIMITS.subject_decisions


def test_outcomes_noted_elsewhere_lock(two: list[AttemptCaps], clock: Clock) -> None:
    under_way = [two[i % 2].admit([A], "shop") for i in range(3)]
    two[1].conclude(under_way[0], matched=False)
    two[0].conclude(under_way[1], matched=False)
    for matched in (True, False):
        with refused("locked"):
            two[1].conclude(under_way[2], matched=matched)
    with refused("cap of the subject"):
        two[0].admit([A], "shop")
    clock.now += LIMITS.lock_seconds
    two[0].conclude(under_way[2], matched=True)


def test_a_day_old_attempt_leaves_the_table(
    two: list[AttemptCaps], place: SharedPlace, clock: Clock
) -> None:
    two[0].admit([A], "shop")
    clock.now += HOUR
    two[1].admit([B], "shop")
    clock.now += DAY - HOUR
    two[1].sweep()
    assert [one.handle for one in stored_attempts(place)] == [B]


# Lost, older, replaced


def test_an_instance_without_the_mark_does_not_start(
    place: SharedPlace, clock: Clock, tmp_path: Path
) -> None:
    with pytest.raises(CapsLost, match="--caps-lost"):
        instance(SharedPlace(place.url, tmp_path / "new" / "caps.sqlite3"), clock)
    forget_caps(place)
    with pytest.raises(CapsLost, match="what the database held is missing"):
        instance(place, clock)
    create_caps(place, clock.now)


def set_back(place: SharedPlace, until: int) -> None:
    """As a backup of the database that is put back, or a standby that had not seen the last."""
    with closing(SharedLedger(place.url, "as an operator")) as storage, storage.writing() as unit:
        [(counters,)] = unit.run("SELECT counters FROM standing")
        unit.run("DELETE FROM attempts")
        set_standing(unit, Standing(counters, until, 0))


def test_a_database_that_is_set_back_under_them_is_closed_for_all_of_them(
    two: list[AttemptCaps], place: SharedPlace, clock: Clock
) -> None:
    clock.now += HOUR
    for number in range(LIMITS.subject_decisions):
        two[number % 2].admit([A], "shop")
    set_back(place, clock.now - HOUR)
    for one in (*two, *two):
        with refused("closed until"):
            one.admit([A], "shop")
    with closing(instance(place, clock)) as restarted, refused("closed until"):
        restarted.admit([A], "shop")
    clock.now += DAY
    two[1].admit([A], "shop")


def test_an_attempt_that_the_database_has_lost_gets_no_decision(
    two: list[AttemptCaps], place: SharedPlace, clock: Clock
) -> None:
    """Set back by less than a minute, which the mark cannot tell."""
    under_way, kept = two[0].admit([A], "shop"), two[0]._standing.counted_until
    set_back(place, kept)
    with pytest.raises(Unavailable, match="no longer have"):
        two[0].conclude(under_way, matched=True)


def test_an_attempt_whose_number_was_given_again_gets_no_decision(
    two: list[AttemptCaps], place: SharedPlace
) -> None:
    """A database that was set back numbers on from there."""
    under_way = two[0].admit([A], "shop")
    set_back(place, two[0]._standing.counted_until)
    with closing(SharedLedger(place.url, "as an operator")) as storage, storage.writing() as unit:
        unit.script(f"ALTER TABLE attempts ALTER COLUMN id RESTART WITH {under_way.number}")
    again = two[1].admit([B], "shop")
    assert again.number == under_way.number
    with pytest.raises(Unavailable, match="no longer have"):
        two[0].conclude(under_way, matched=True)
    two[1].conclude(again, matched=False)  # the control
    with pytest.raises(Unavailable, match="no longer have"):
        two[1].conclude(again, matched=True)


def test_an_instance_that_nobody_asked_knows_how_far_the_counters_went(
    two: list[AttemptCaps], place: SharedPlace, clock: Clock
) -> None:
    """A gateway spares one, and asks it first once the database was set back."""
    begun, busy, spared = clock.now, *two

    def used_up_elsewhere(handle: SubjectHandle) -> None:
        clock.now += HOUR
        for _ in range(LIMITS.subject_decisions):
            busy.admit([handle], "shop")

    used_up_elsewhere(A)
    set_back(place, begun)
    spared.admit([A], "shop")  # the control: it has not looked since
    used_up_elsewhere(B)
    spared.sweep()
    set_back(place, begun)
    with refused("closed until"):
        spared.admit([B], "shop")
    with refused("closed until"):
        busy.admit([B], "shop")


def test_other_counters_in_their_place_stop_an_instance_until_it_has_their_mark(
    two: list[AttemptCaps], place: SharedPlace, clock: Clock
) -> None:
    create_caps(place, clock.now, clock.now + DAY)
    for step in (two[1].check, lambda: two[1].admit([A], "shop")):
        with pytest.raises(Unavailable, match="other counters"):
            step()


def test_a_new_minute_that_several_begin_at_once_looks_like_no_loss(
    two: list[AttemptCaps], clock: Clock
) -> None:
    """What one instance has just noted must not make counters look older to another thread."""
    names = count()

    def ask() -> None:
        number = next(names)
        two[number % 2].admit([SubjectHandle(number.to_bytes(32, "big"))], f"shop-{number}")

    for _ in range(5):
        clock.now += 61
        assert race([ask] * 8) == 8
    assert [one.closed_until for one in two] == [0, 0]


# Audits


def test_demands_left_unanswered_anywhere_count_everywhere(url: str, tmp_path: Path) -> None:
    clock = Clock()
    with (
        closing(AuditLedger(SharedPlace(url, tmp_path / "a"), 3, clock)) as first,
        closing(AuditLedger(SharedPlace(url, tmp_path / "b"), 3, clock)) as second,
    ):
        demands = [one.demand("gateway", clock.now + 60) for one in (first, second, first)]
        second.answered(demands[0])
        clock.now += 60
        second.require_answering("gateway")
        second.demand("gateway", clock.now)
        for one in (first, second):
            with refused("too many audits unanswered"):
                one.require_answering("gateway")
            one.require_answering("another")
        assert first.clear("gateway") == 3
        second.require_answering("gateway")


# Faults


def test_a_database_that_is_away_lets_nothing_leave_and_comes_back(
    postgresql: PostgresServer, two: list[AttemptCaps]
) -> None:
    under_way = two[0].admit([A], "shop")
    postgresql.kill()
    try:
        for ask in (
            lambda: two[0].admit([A], "shop"),
            lambda: two[0].conclude(under_way, matched=True),
            two[1].check,
        ):
            with pytest.raises(Unavailable):
                ask()
    finally:
        postgresql.start()
    two[0].conclude(under_way, matched=True)
    two[1].admit([A], "shop")


def test_who_waits_in_vain_for_somebody_waits_once_and_leaves_others_their_connections(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = shared_ledger._SETTINGS.replace("lock_timeout = '5s'", "lock_timeout = '100ms'")
    assert quick != shared_ledger._SETTINGS
    monkeypatch.setattr(shared_ledger, "_SETTINGS", quick)
    with closing(SharedLedger(url, "waiting")) as ledger, closing(SharedLedger(url, "x")) as other:
        with ExitStack() as opened:
            for _ in range(4):
                opened.enter_context(ledger.looking())
        before = len(ledger._idle)
        with (
            other.writing(b"subject"),
            pytest.raises(Unavailable),
            ledger.writing(b"subject"),
        ):
            pass
        assert len(ledger._idle) == before - 1
        with ledger.writing(b"subject"):  # the control: nobody has it any more
            pass


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("postgresql://u:secret@db.example/d?ca=x", "no password"),
        ("postgresql://u@db.example/d", "needs TLS"),
        ("postgresql://u@127.0.0.1/d?sslmode=none", "options"),
        ("postgresql://u@127.0.0.1/d?ca=a&ca=b", "cannot be read"),
        ("postgresql://u@127.0.0.1:port/d", "cannot be read"),
        ("sqlite:///file", "postgresql://USER"),
        ("postgresql://127.0.0.1/d", "postgresql://USER"),
    ],
)
def test_a_url_that_cannot_serve_is_said(wrong: str, said: str) -> None:
    with pytest.raises(BadConfiguration, match=said) as told:
        arguments_of(wrong)
    assert "secret" not in str(told.value)


# Ceremony, backup, restore


@pytest.fixture
def settings(url: str, tmp_path: Path) -> Iterator[AuthoritySettings]:
    made = sealed_authority(tmp_path / "authority", "authority.example", database_url=url)
    yield made
    forget_caps(made.caps_place)


def test_counters_of_a_database_are_backed_up_restored_and_closed(
    settings: AuthoritySettings, clock: Clock, tmp_path: Path
) -> None:
    with closing(AttemptCaps(settings.caps_place, LIMITS, clock)) as caps:
        for _ in range(LIMITS.subject_decisions):
            caps.admit([A], "shop")
    backup.make(settings, tmp_path / "backup", clock.now)
    forget_caps(settings.caps_place)
    with pytest.raises(CapsLost):
        AttemptCaps(settings.caps_place, LIMITS, clock)
    done = backup.restore(settings, tmp_path / "backup", clock.now)
    assert done.closed_until == clock.now + DAY
    assert [one.handle for one in stored_attempts(settings.caps_place)] == [A] * 3
    with closing(AttemptCaps(settings.caps_place, LIMITS, clock)) as caps:
        with refused("closed until"):
            caps.admit([B], "shop")
        clock.now += DAY
        caps.admit([B], "shop")


def test_a_second_instance_joins_closed_counters_and_makes_no_others(
    settings: AuthoritySettings, clock: Clock, tmp_path: Path
) -> None:
    """--caps-lost at the one and then at the other must not lose the first one's counters again."""
    mark = mark_of(settings.caps_file)
    mark.unlink()
    until = backup.close_lost(settings, clock.now)
    first = mark.read_bytes()
    mark.unlink()
    clock.now += HOUR
    assert backup.close_lost(settings, clock.now) == until
    assert mark.read_bytes() == first
    with closing(AttemptCaps(settings.caps_place, LIMITS, clock)) as caps, refused("closed until"):
        caps.admit([A], "shop")
