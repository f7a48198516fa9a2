"""``sealmatch bench capacity``, and the page that its tables stand on."""

import json
from pathlib import Path

import pytest

from gateway import main as sealmatch
from tests.capacity_page import PAGE, with_tables

LOAD = {
    "cpuMs": {
        "gateway main": 60.0, "gateway workers": 12.0, "authority main": 6.0,
        "authority workers": 6.0, "auditor main": 0.6, "auditor workers": 0.6, "database": 6.0,
    },
    "memoryMb": {
        "gateway main": [100.0, 90.0], "gateway workers": [50.0], "authority main": [100.0],
        "authority workers": [50.0], "auditor main": [100.0], "auditor workers": [50.0],
    },
    "bytes": {"sent": 500_000, "received": 250_000},
    "transactions": 2.0,
}  # fmt: skip
"""Ten a second at the peak use a core of the gateway's main process at 60 %."""
CARRIER = (
    "--lines", "1728000", "--days", "10", "--open-hours", "12", "--sessions-per-line", "1",
    "--day-peak", "2", "--hour-peak", "1.25", "--core-share", "0.6",
)  # fmt: skip
"""172,800 a day, 4 a second, 10 at the peak."""


@pytest.fixture
def load(tmp_path: Path) -> Path:
    file = tmp_path / "load.json"
    file.write_text(json.dumps(LOAD))
    return file


def sums(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, float]:
    assert sealmatch.main(["bench", "capacity", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)["sums"]


def test_the_sums_follow_from_a_load_run(load: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = sums(capsys, "--from", str(load), *CARRIER)
    assert found["sessionsPerDay"] == 172_800
    assert found["peakPerSecond"] == pytest.approx(10)
    assert found["gatewayCores"] == pytest.approx(10 * 0.072 / 0.6)
    assert (found["gatewayProcesses"], found["gatewayWorkers"]) == (1, 1)
    assert found["countersIn"] == pytest.approx(40), "Mbit a second"
    assert found["transactions"] == pytest.approx(20)
    twice = sums(capsys, "--from", str(load), *CARRIER, "--hour-peak", "2.5")
    assert twice["gatewayProcesses"] == 2
    assert twice["databaseBytes"] == found["databaseBytes"], "a peak stores nothing"


@pytest.mark.parametrize("wrong", ["", "[]", "{}", json.dumps({**LOAD, "transactions": None})])
def test_what_is_no_load_run_is_refused(
    wrong: str, load: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load.write_text(wrong)
    assert sealmatch.main(["bench", "capacity", "--from", str(load)]) == 1
    assert "load.json: not the JSON of sealmatch bench load" in capsys.readouterr().err


def test_the_page_has_the_command_s_tables() -> None:
    """After a new load run: ``python -m tests.capacity_page``."""
    text = PAGE.read_text()
    assert with_tables(text) == text
