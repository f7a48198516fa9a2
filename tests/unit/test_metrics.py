"""Metrics are declared in one place, say nothing of anybody, and cost nobody a registration."""

import asyncio
import logging
import shutil
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import httpx
import pytest
from cryptography import x509
from fastapi import FastAPI
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gateway.cli import devca
from gateway.host import metrics, observation, process
from gateway.host.application import new_application
from gateway.host.bounded_log import BoundedLog
from gateway.host.correlating import answering
from gateway.host.measures import CODES, MEASURES, Stage
from gateway.host.metrics import Metrics, Tally, count_if_succeeded, stage
from gateway.host.metrics_listener import CONTENT_TYPE
from gateway.host.observation import Observation
from gateway.host.process import watch_certificates
from gateway.host.settings import BadConfiguration
from gateway.host.tls import TlsMisconfigured
from gateway.host.tracing import ATTRIBUTES, Tracing
from gateway.wire import errors
from gateway.wire.errors import CallerMisuse, Refused, Unavailable
from gateway.witness.config import WitnessSettings
from tests.support.processes import PATIENCE, until


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
    assert told <= set(CODES)


def test_names_are_prometheus() -> None:
    for one in MEASURES.values():
        assert (one.kind == "counter") == one.name.endswith("_total")
        assert one.help.endswith(".")


def test_what_repeats_is_written_at_a_bounded_rate(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    held = Metrics("gateway")
    log = BoundedLog(
        logging.getLogger("sealmatch.test"),
        lambda: held.count("log_lines_left_out_total"),
        2,
        60,
        lambda: now[0],
    )
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


# Through an application


STEPS: tuple[Stage, ...] = ("attempt-counted", "product-answered")


def watched(metrics: Metrics) -> FastAPI:
    """Refuses at the stage that it is asked to refuse at."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = new_application("x", "1", logging.getLogger("sealmatch.test"), lifespan, metrics=metrics)

    @app.post("/v1/attempts")
    async def attempts(at: str) -> Response:
        def work() -> Response:
            for one in STEPS:
                with stage(one):
                    count_if_succeeded("requests_total", route="attempts", status="200")
                    if at == one:
                        raise Refused("X1234567 has tried too often")
            return Response()

        return await run_in_threadpool(work)

    return app


def asked(app: FastAPI, at: str, path: str = "/v1/attempts") -> int:
    async def ask() -> int:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return (await client.post(path, params={"at": at})).status_code

    return asyncio.run(ask())


def test_who_reads_metrics_all_the_time_does_not_learn_why_one_request_was_refused() -> None:
    """Not even from which stages went up. With the control: of one that succeeds, both do."""
    told = []
    for at in ("attempt-counted", "product-answered", "nowhere"):
        held = Metrics("authority")
        assert asked(watched(held), at) == (200 if at == "nowhere" else 403)
        told.append(lines(held))
    assert told[0] == told[1]
    assert 'sealmatch_refusals_total{code="PERMISSION_DENIED"} 1.0' in told[0]
    assert 'sealmatch_requests_total{route="attempts",status="403"} 1.0' in told[0]
    assert 'sealmatch_stage_seconds_count{stage="attempt-counted"} 1.0' in told[2]
    assert 'sealmatch_stage_seconds_count{stage="product-answered"} 1.0' in told[2]
    assert 'sealmatch_requests_total{route="attempts",status="200"} 3.0' in told[2]


def test_a_path_that_nobody_declared_is_no_label() -> None:
    held = Metrics("authority")
    assert asked(watched(held), "", "/v1/X1234567") == 404
    assert 'sealmatch_requests_total{route="none",status="404"} 1.0' in lines(held)
    assert "1234567" not in held.text().decode()


def test_a_sum_of_times_says_no_more_than_its_buckets() -> None:
    held = Metrics("gateway")
    for seconds in (0.0101, 0.0249, 99.0):
        held.observe("stage_seconds", seconds, stage="record")
    assert 'sealmatch_stage_seconds_sum{stage="record"} 60.05' in lines(held)


# Traces


REFERENCE = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"


def test_room_on_the_disk_says_nothing_of_one_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def free_of(size: int) -> int:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=size))
        return process.free_on(Path())

    assert free_of(5 * 2**30 + 9000) == free_of(5 * 2**30 + 9000 - 4096) == 5 * 2**30
    assert free_of(5 * 2**30 - 1) == 5 * 2**30 - 2**20


def test_a_trace_has_the_correlation_id_and_listed_attributes_alone() -> None:
    spans = InMemorySpanExporter()
    tracing = Tracing("gateway", "http://127.0.0.1:4318", spans)
    tally = Tally(Metrics("gateway", on=False))
    answering(REFERENCE)
    with tally.here():
        with metrics.stage("submission-checks"):
            pass
        with pytest.raises(Refused), metrics.stage("authority-attempt"):
            raise Refused("device-17 has asked for X1234567")
    for route in ("submission", "none", "ready"):
        tracing.request(route, 403, time.perf_counter() - 1, tally.stages)
    answering("-")
    *stages, request = spans.get_finished_spans()
    assert [one.name for one in stages] == ["submission-checks", "authority-attempt"]
    assert request.name == "gateway submission"
    for one in (*stages, request):
        assert one.context.trace_id == UUID(REFERENCE).int
        assert set(one.attributes) <= set(ATTRIBUTES)
        assert set(one.resource.attributes) == {"service.name"}
        assert "1234567" not in one.to_json()
    assert stages[1].status.is_ok is False
    assert stages[0].parent == request.context
    assert (request.start_time or 0) + 1e9 < (request.end_time or 0)


@pytest.mark.parametrize("url", ["ftp://collector", "collector:4318", "http://collector.example"])
def test_traces_go_to_a_collector_over_tls_or_on_this_host(url: str) -> None:
    with pytest.raises(BadConfiguration, match="otlp_endpoint"):
        Tracing("gateway", url)


def test_missing_packages_are_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(BadConfiguration, match="telemetry"):
        Tracing("gateway", "http://127.0.0.1:4318")


# The process


def test_the_first_certificate_that_ends_is_told(tmp_path: Path) -> None:
    devca.make(tmp_path, ["localhost"])
    held = Metrics("gateway")
    watch_certificates(held, "peer-ca", None)
    assert "sealmatch_expiry_time_seconds{" not in held.text().decode()
    watch_certificates(held, "peer-ca", None, tmp_path / "ca.pem", tmp_path / "gateway.pem")
    watch_certificates(held, "tls-certificate", tmp_path / "none.pem")
    ends = x509.load_pem_x509_certificate((tmp_path / "gateway.pem").read_bytes())
    told = dict(one.rsplit(" ", 1) for one in lines(held) if not one.startswith("#"))
    first = float(told['sealmatch_expiry_time_seconds{what="peer-ca"}'])
    assert first == ends.not_valid_after_utc.timestamp()
    assert told['sealmatch_expiry_time_seconds{what="tls-certificate"}'] == "NaN"


# Where they are read


@pytest.fixture
def observed(tmp_path: Path) -> Iterator[Observation]:
    settings = WitnessSettings(data_dir=tmp_path, metrics_port=0)
    made = Observation(settings, "witness", tmp_path)
    made.start()
    yield made
    made.stop()


def asked_at(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False, timeout=PATIENCE)


def port_of(observed: Observation) -> int:
    assert observed.listener is not None
    return observed.listener.port


def test_metrics_are_read_though_strangers_hold_all_connections(observed: Observation) -> None:
    url = f"http://127.0.0.1:{port_of(observed)}"
    with ExitStack() as held:
        for _ in range(40):
            one = held.enter_context(socket.create_connection(("127.0.0.1", port_of(observed))))
            one.sendall(b"GET /metrics HTTP/1.1\r\n")
        told = asked_at(f"{url}/metrics")
    assert told.headers["content-type"] == CONTENT_TYPE
    assert "sealmatch_start_time_seconds" in told.text
    assert "python_info" not in told.text
    assert asked_at(f"{url}/").status_code == 404


def test_who_reads_all_the_time_reads_the_same_for_some_seconds(
    observed: Observation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gauges of the moment would say how far one request came."""
    assert observation.FRESH_SECONDS >= 5
    monkeypatch.setattr(observation, "FRESH_SECONDS", 10**6)  # here, however slow the machine is
    url = f"http://127.0.0.1:{port_of(observed)}/metrics"
    first = asked_at(url).text
    observed.metrics.count("undeclared_total")
    assert asked_at(url).text == first
    observed._read_at -= observation.FRESH_SECONDS
    assert "sealmatch_undeclared_total 1.0" in asked_at(url).text


def test_an_address_that_is_taken_or_open_to_all_is_refused(
    observed: Observation, tmp_path: Path
) -> None:
    taken = WitnessSettings(data_dir=tmp_path, metrics_port=port_of(observed))
    with pytest.raises(Unavailable, match="metrics: cannot listen"):
        Observation(taken, "witness", tmp_path).start()
    open_to_all = WitnessSettings(data_dir=tmp_path, metrics_port=0, metrics_host="0.0.0.0")
    with pytest.raises(TlsMisconfigured, match="refusing plain HTTP"):
        Observation(open_to_all, "witness", tmp_path)


def test_a_look_that_hangs_keeps_no_metric_back(
    observed: Observation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observation, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(observation, "FRESH_SECONDS", 0)
    go, looked = threading.Event(), []

    def hang() -> None:
        looked.append(1)
        go.wait(PATIENCE)

    observed.looking(hang)
    url = f"http://127.0.0.1:{port_of(observed)}/metrics"
    assert [asked_at(url).status_code for _ in range(3)] == [200] * 3
    until(lambda: looked)
    assert looked == [1]
    go.set()
