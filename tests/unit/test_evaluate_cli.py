"""``sealmatch evaluate liveness`` on real clips: the required figures, and its exit status."""

import json
from pathlib import Path

import pytest

from gateway.main import main
from tests.faces_data import faces_directory

LABELS = Path(__file__).resolve().parent.parent / "data" / "liveness_labels.json"
SAMPLE = (
    "lp_d11",
    "lp_d12",
    "lp_d18",
    "lp_d19",
    "lp_d20",
    "lp_s13",
    "lp_s20",
    "repeating_blink",
)
"""All labelled turns; 20 blinks, 10 mouth openings; 67 of 139 seconds."""


def _labels(tmp_path: Path, clips: dict) -> Path:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({"format": "sealmatch-liveness-labels/1", "clips": clips}))
    return path


def _evaluate(labels: Path, *more: str) -> int:
    clips = faces_directory() / "clips"
    return main(["evaluate", "liveness", "--labels", str(labels), "--clips", str(clips), *more])


@pytest.mark.slow
@pytest.mark.faces
@pytest.mark.pack
def test_the_required_figures_hold_on_half_of_the_video(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    every = json.loads(LABELS.read_text())["clips"]
    status = _evaluate(_labels(tmp_path, {name: every[name] for name in SAMPLE}), "--json")
    result = json.loads(capsys.readouterr().out)
    labelled = {figure["name"]: figure["labelled"] for figure in result["figures"]}
    assert labelled == {"blinks": 20, "mouth openings": 10, "turns": 5}
    assert all(figure["met"] for figure in result["figures"]), result["clips"]
    assert result["false"] <= 2 * result["minutes"], result["clips"]
    assert (status, result["met"]) == (0, True)


@pytest.mark.slow
@pytest.mark.faces
@pytest.mark.pack
def test_an_action_that_is_not_there_is_reported_as_missed_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = {"range": [0, 60], "events": {"open-mouth": [[20, 40]]}}
    assert _evaluate(_labels(tmp_path, {"lp_s13": clip})) == 1
    printed = capsys.readouterr()
    assert "missed open-mouth in lp_s13 at 0.80 to 1.64 s" in printed.out
    assert "A REQUIRED FIGURE IS MISSED" in printed.out
    assert "lp_s13: 103 frames" in printed.err


@pytest.mark.parametrize(
    ("clip", "frames", "status"), [("nobody", 10, 1), ("lp_s13", 104, 2)], ids=["absent", "short"]
)
@pytest.mark.faces
@pytest.mark.pack
def test_a_clip_that_is_absent_or_too_short_leaves_no_figures(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    clip: str,
    frames: int,
    status: int,
) -> None:
    labels = _labels(tmp_path, {clip: {"range": [0, frames - 1], "events": {}}})
    try:
        given = _evaluate(labels)
    except SystemExit as stop:
        given = stop.code
    assert given == status
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "arguments",
    [["evaluate"], ["evaluate", "liveness", "--stills", "0"], ["evaluate", "hearing"]],
)
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
