"""Starting and stopping a server: one order, also when something goes wrong on the way."""

import pytest

from gateway.host.lifetime import Lifetime
from gateway.wire.errors import Unavailable


class Part:
    """Writes down what happens to it."""

    def __init__(self, name: str, told: list[str], *, fails: str = "") -> None:
        self._name, self._told, self._fails = name, told, fails

    def start(self) -> None:
        self._do("start")

    def stop(self) -> None:
        self._do("stop")

    def close(self) -> None:
        self._do("close")

    def _do(self, what: str) -> None:
        self._told.append(f"{what} {self._name}")
        if what == self._fails:
            raise Unavailable(f"{self._name} does not {what}")


@pytest.fixture
def told() -> list[str]:
    return []


def build(told: list[str], **failing: str) -> Lifetime:
    """Two open files and two parts, one of them with something to do before it stops."""

    def part(name: str) -> Part:
        return Part(name, told, fails=failing.get(name, ""))

    with Lifetime.building() as lifetime:
        lifetime.closing(part("database"))
        lifetime.starting(part("workers"))
        lifetime.ending(lambda: told.append("forget sessions"))
        lifetime.closing(part("transport"))
        lifetime.starting(part("log"))
    return lifetime


def test_what_started_last_stops_first_and_files_are_closed_after_all_of_it(
    told: list[str],
) -> None:
    lifetime = build(told)
    assert told == [], "nothing runs before it is served"
    with lifetime.running():
        assert told == ["start workers", "start log"]
        told.clear()
    stops = ["stop log", "forget sessions", "stop workers"]
    assert told == [*stops, "close transport", "close database"]


def test_a_part_that_does_not_start_is_stopped_with_those_before_it(told: list[str]) -> None:
    with pytest.raises(Unavailable, match="log does not start"), build(told, log="start").running():
        pytest.fail("it does not run")
    assert told == [
        *["start workers", "start log", "stop log", "forget sessions", "stop workers"],
        *["close transport", "close database"],
    ]


def test_parts_after_one_that_does_not_start_are_never_touched(told: list[str]) -> None:
    with pytest.raises(Unavailable), build(told, workers="start").running():
        pytest.fail("it does not run")
    assert told == ["start workers", "stop workers", "close transport", "close database"]


@pytest.mark.parametrize("stubborn", [{"log": "stop"}, {"transport": "close"}])
def test_one_that_does_not_stop_keeps_no_other_from_stopping(
    told: list[str], stubborn: dict[str, str]
) -> None:
    with pytest.raises(Unavailable), build(told, **stubborn).running():
        told.clear()
    assert told[0] == "stop log"
    assert {"stop workers", "close transport", "close database"} <= set(told)


def test_a_fault_while_it_runs_ends_it_all_the_same(told: list[str]) -> None:
    with pytest.raises(ZeroDivisionError), build(told).running():
        raise ZeroDivisionError
    assert told[-3:] == ["stop workers", "close transport", "close database"]


def test_what_was_opened_for_a_server_that_cannot_be_built_is_closed(told: list[str]) -> None:
    def build_half() -> None:
        with Lifetime.building() as lifetime:
            lifetime.closing(Part("database", told))
            lifetime.starting(Part("workers", told))
            lifetime.closing(Part("transport", told))
            raise Unavailable("no keys")

    with pytest.raises(Unavailable, match="no keys"):
        build_half()
    assert told == ["close transport", "close database"], "and nothing was started or stopped"
