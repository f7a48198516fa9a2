"""``sealmatch bench retention``: records are kept, erased, reaped and inspected for real."""

import json

import pytest

from gateway.main import main


def test_the_same_work_at_two_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "retention", "--records", "100,250", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["retention"]
    assert [row["records"] for row in rows] == [100, 250]
    for row in rows:
        assert row["eraseMs"] > 0 < row["reapMs"]
        assert row["inspectMemoryMb"] > 0 < row["scrubSeconds"]
        wrong = {one.partition(".")[0] for one in row["violated"]}
        assert not wrong & {"retention", "counts", "log", "data-map", "consent", "contents"}


@pytest.mark.parametrize("sizes", ["0", "99", "1e6", "1000,1000", "2000,1000", "many"])
def test_sizes_are_bounded_and_grow(sizes: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["bench", "retention", "--records", sizes])
    assert caught.value.code == 2
