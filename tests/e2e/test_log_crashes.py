"""The short version of ``python -m tests.crash``: no receipt without its entry, one tree."""

from pathlib import Path

import pytest

from tests.support.campaign import Campaign, labelled
from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.processes, pytest.mark.slow]


def test_the_sequencer_killed_at_each_of_its_points(tmp_path: Path) -> None:
    points = [point for point in labelled() if point.startswith("sequencer-")]
    assert len(points) == 8
    with Campaign(tmp_path) as campaign:
        for point in points:
            campaign.kill_at(point)
        found = campaign.check()
    assert found["receipts"]


def test_two_gateways_on_one_database_killed_at_random(
    tmp_path: Path, postgresql: PostgresServer
) -> None:
    url = postgresql.new_database()
    with Campaign(tmp_path, url, database_files=postgresql.directory) as campaign:
        for point in (
            *("sequencer-batch-committed", "auditor-report-signed", "witness-committed"),
            *("reaper-batch-written", "reaper-batch-committed", "reaper-report-written"),
        ):
            campaign.kill_at(point)
        for _ in range(2):
            campaign.registered()
            campaign.kill_at_random()
        found = campaign.check()
    assert found["receipts"] >= 2
    assert found["demands"], "an auditor was there to be killed"
