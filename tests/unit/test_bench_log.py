"""``sealmatch bench log``: the log grows for real, and proofs grow with its logarithm."""

import json

import pytest

from gateway.main import main


def test_proofs_grow_with_the_logarithm(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "log", "--entries", "1500", "--json"]) == 0
    captured = capsys.readouterr()
    rows = json.loads(captured.out)["log"]
    assert [row["entries"] for row in rows] == [100, 1000, 1500]
    for row in rows:
        assert row["proofHashes"] == (row["entries"] - 1).bit_length()
        assert row["proofBytes"] < 400 + 45 * row["proofHashes"]
        assert row["aloneMs"] > 0 < row["proveMs"]
    assert "of 1,500 entries" in captured.err


@pytest.mark.parametrize("entries", ["0", "99", "1e6", "-5", "many"])
def test_the_number_of_entries_is_bounded(entries: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["bench", "log", "--entries", entries])
    assert caught.value.code == 2
