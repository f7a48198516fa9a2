"""Metrics are declared in one place, say nothing of anybody, and cost nobody a registration."""

import logging

import pytest

from gateway.host import metrics
from gateway.host.bounded_log import BoundedLog
from gateway.host.measures import CODES, MEASURES
from gateway.host.metrics import Metrics, Tally
from gateway.wire import errors
from gateway.wire.errors import CallerMisuse


def lines(held: Metrics) -> list[str]:
    return held.text().decode().splitlines()


@pytest.mark.parametrize("on", [True, False])
def test_what_is_not_declared_raises_here(on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Metrics, "strict", True)
    held = Metrics("gateway", on=on)
    for book in (
        lambda: held.count("requests_total", route="sessions", status="device-17"),
        lambda: held.count("requests_total", route="sessions"),
        lambda: held.count("nothing_total"),
        lambda: held.set("requests_total", 1, route="sessions", status="200"),
    ):
        with pytest.raises(CallerMisuse, match="is not declared"):
            book()
    held.count("requests_total", route="sessions", status="200")


def test_and_is_counted_as_other_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Metrics, "strict", False)
    held = Metrics("gateway")
    held.count("requests_total", route="sessions", status="device-17")
    held.count("nothing_total", device="device-17")
    text = held.text().decode()
    assert 'sealmatch_requests_total{route="sessions",status="other"} 1.0' in text
    assert "sealmatch_undeclared_total 2.0" in text
    assert "device-17" not in text


def test_a_refused_request_leaves_no_stage_behind() -> None:
    """Else their counts would say how far it came."""
    held = Metrics("gateway")
    for succeeded in (False, True):
        tally = Tally(held)
        with tally.here():
            with metrics.stage("submission-checks"):
                pass
            with pytest.raises(ZeroDivisionError), metrics.stage("record"):
                _ = 1 / 0
        booked = 'sealmatch_stage_seconds_count{stage="submission-checks"}'
        assert not any(line.startswith(booked) for line in lines(held))
        if succeeded:
            tally.book()
            assert f"{booked} 1.0" in lines(held)
    assert 'stage="record"' not in held.text().decode()


def test_nothing_is_booked_where_nobody_serves() -> None:
    with metrics.stage("body"):
        metrics.count("verifications_total", event="opened")
    off = Metrics("gateway", on=False)
    with off.here():
        metrics.count("verifications_total", event="opened")
    assert off.text() == b""


def test_a_gauge_that_cannot_be_looked_at_costs_no_other() -> None:
    held = Metrics("witness")
    held.watch("disk_free_bytes", lambda: 1 / 0)
    held.watch("open_files", lambda: 3)
    assert {"sealmatch_disk_free_bytes NaN", "sealmatch_open_files 3.0"} <= set(lines(held))


def test_codes_are_those_that_peers_are_told() -> None:
    told = {code for _, code in errors._TABLE.values()}
    for one in (errors.INTERNAL, errors.INVALID, errors.NOT_FOUND, errors.METHOD_NOT_ALLOWED):
        told.add(one.code)
    assert told == set(CODES)


def test_names_are_prometheus() -> None:
    for one in MEASURES.values():
        assert (one.kind == "counter") == one.name.endswith("_total")
        assert one.help.endswith(".")


def test_what_repeats_is_written_at_a_bounded_rate(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    held = Metrics("gateway")
    log = BoundedLog(logging.getLogger("sealmatch.test"), held, 2, 60, lambda: now[0])
    with caplog.at_level(logging.INFO):
        for number in range(100):
            log.line(logging.INFO, "turned away: %d", number)
        log.line(logging.INFO, "something else")
        now[0] = 61
        log.line(logging.INFO, "turned away: %d", 100)
    assert caplog.messages == [
        "turned away: 0",
        "turned away: 1",
        "something else",
        "98 lines like the next were left out",
        "turned away: 100",
    ]
    assert "sealmatch_log_lines_left_out_total 98.0" in lines(held)
