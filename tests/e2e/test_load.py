"""The load bench as an operator runs it, and stops it: what it says of what was done until then."""

import argparse
import json
import os
import signal
from collections.abc import Sequence

import pytest

from gateway.lab.bench import cli as bench
from gateway.lab.bench.load import cli
from gateway.lab.bench.load.figures import Done

pytestmark = [pytest.mark.processes, pytest.mark.slow]

RUN = ["load", "--clients", "2", "--devices", "3", "--seconds", "3600", "--json"]
QUANTILES = {"p50", "p95", "p99", "max"}


def test_a_load_that_is_stopped_tells_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop_soon(_seconds: float, done: Sequence[Done]) -> None:
        if sum(one.decided for one in done) >= 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(cli, "_progress", stop_soon)
    parser = argparse.ArgumentParser()
    bench.configure(parser)
    options = parser.parse_args(RUN)
    assert options.run(options) == 130
    printed, told = capsys.readouterr()
    assert "device_decisions" in told, "which caps are lifted is not said"
    found = json.loads(printed)
    count = found["verifications"]
    assert found["interrupted"] is True
    assert count >= 3
    assert found["verificationsPerSecond"] > 0
    assert found["decisionsAsPlaintext"] == found["distinctSessionKeys"] == count
    assert found["receiptsVerified"] == count
    assert set(found["outcomes"]) == {"MATCH", "NO_MATCH"}, "both kinds of pairs are decided"
    for stage in ("wait", "open", "encrypt", "submit", "receipt", "whole"):
        assert set(found["latencyMs"][stage]) == QUANTILES
    groups = {"gateway main", "gateway workers", "authority main", "authority workers", "generator"}
    assert groups <= set(found["cpuMs"])
    assert found["cpuMs"]["gateway main"] > 0
    assert found["cpuMs"]["generator"] > 0
    assert groups <= set(found["memoryMb"])
    assert found["bytes"]["sent"] > 600_000, "a submission is that long"
    assert found["transactions"] > 0
    assert found["errors"] == {}
    assert set(found["generatorCpuMs"]) == {"crypto", "rest"}
