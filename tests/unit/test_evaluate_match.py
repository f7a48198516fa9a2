"""``sealmatch evaluate match``: on faces that were never photographed, and on a few that were."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gateway.calibration.evidence import MatchEvidence, read_evidence
from gateway.lab.bench.parties import InProcessDeployment
from gateway.lab.evaluation import match, match_probe
from gateway.lab.evaluation.match_pictures import Booth, Portrait, Progress
from gateway.lab.evaluation.match_transactions import (
    AttemptsUnreadable,
    Liveness,
    of_clips,
    of_counter,
    transactions,
)
from gateway.main import main
from gateway.vision.manifest import shipped_manifest
from gateway.vision.pack import ModelPack
from gateway.vision.quality_profile import profile_for
from tests.faces_data import all_lfw_pairs, faces_directory, pipeline
from tests.support.made_faces import Crowd


@pytest.fixture
def crowd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Crowd:
    """Sixty people; no model is loaded, and no picture is opened."""
    shipped = shipped_manifest("faceplugin-0.0.1")
    assert shipped is not None
    profile = profile_for(shipped.id, shipped.digest, None)
    pack = ModelPack(tmp_path, shipped.model_copy(update={"dimension": 128}), profile, {})
    monkeypatch.setattr(match, "load_pack", lambda _: pack)
    monkeypatch.setattr(match, "FacePipeline", lambda _: SimpleNamespace())
    monkeypatch.setattr(match_probe, "WIDTHS", ((0.1,),))
    made = Crowd.of(tmp_path / "pictures", people=60, pictures=3)
    monkeypatch.setattr(Booth, "vector", lambda _self, path, _portrait=None: made.vector(path))
    return made


def evaluate(
    crowd: Crowd, file: Path, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[int, MatchEvidence]:
    """Through the command, and back out of a file as a calibration reads it."""
    command = ["evaluate", "match", "--pairs", str(file), "--root", str(crowd.root), "--json"]
    status = main([*command, *more])
    printed = file.with_suffix(".json")
    printed.write_text(json.dumps(json.loads(capsys.readouterr().out), indent=1))
    return status, read_evidence(printed)


def test_the_evidence_of_a_clean_crowd(
    crowd: Crowd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody is taken for another; two pictures that fail are errors of all pairs."""
    crowd.failing = {"p0/0.jpg", "p7/1.jpg"}
    file = crowd.write(tmp_path / "pairs.csv", fold=lambda person: person % 3)
    html = tmp_path / "report.html"
    before = sorted(crowd.root.rglob("*"))
    status, found = evaluate(
        crowd, file, capsys, "--all-pairs", "--encrypted", "3", "--halves", "2", "--html", str(html)
    )
    assert status == 0
    raw = json.loads(file.with_suffix(".json").read_text())
    assert raw["accuracy"] == 1
    assert raw["eer"] == 0
    assert raw["encryptedMismatches"] == 0
    assert raw["failuresToEnrol"] == 1
    assert raw["tmrAtFmr"] == {
        **dict.fromkeys(("1e-1", "1e-2", "1e-3"), 1),
        **dict.fromkeys(("1e-4", "1e-5", "1e-6")),
    }
    assert found.accuracy_at == "folds"
    assert found.failures.reasons == {"NoFaceFound": 2}
    assert (found.failures.genuine_pairs.hits, found.failures.impostor_pairs.hits) == (2, 2)
    assert (found.decisions.fnmr.hits, found.decisions.fnmr.of) == (0, 58)
    assert (found.decisions.frr.hits, found.decisions.frr.of) == (2, 60)
    assert (found.decisions.accuracy_of_all.hits, found.decisions.accuracy_of_all.of) == (116, 120)
    assert found.decisions.far.high == pytest.approx(0.0596, abs=1e-3)  # of 60 without an error
    assert found.all_impostor is not None
    assert found.encrypted is not None
    assert found.encrypted.pairs == 3
    assert found.digest != found.model_copy(update={"seed": 2}).digest
    assert sorted(crowd.root.rglob("*")) == before, "something was written beside the pictures"
    _assert_whole_and_alone(html.read_text())


def _assert_whole_and_alone(page: str) -> None:
    """Three pictures, no script, nothing that is loaded, no name of a picture."""
    assert page.count("<svg") == 3
    assert "default-src 'none'" in page
    assert not re.search(r"<script|<img|<link|@import|url\((?!#)|src=", page)
    assert not re.search(r'href="(?!#)', page)
    assert "p0/" not in page
    assert "not supported by the data" in page


def test_a_matcher_that_errs_is_seen_at_its_threshold(
    crowd: Crowd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fifteen people who do not look like themselves, and five who look like the next one."""
    for person in range(15):
        crowd.vectors[f"p{person}/1.jpg"] = -crowd.vectors[f"p{person}/0.jpg"]
    for person in range(20, 25):
        crowd.vectors[f"p{person + 1}/1.jpg"] = crowd.vectors[f"p{person}/2.jpg"]
    file = crowd.write(tmp_path / "pairs.csv")
    _, found = evaluate(crowd, file, capsys, "--halves", "0")
    assert (found.decisions.fnmr.hits, found.decisions.fmr.hits) == (20, 5)
    assert found.accuracy_at == "policy"
    assert found.accuracy == pytest.approx(95 / 120)
    assert found.probe is None
    assert found.equal_error is not None
    assert found.equal_error.low < found.equal_error.value < found.equal_error.high
    point = next(one for one in found.curve if one.cosine == "0.419")
    assert (point.genuine.hits, point.strangers.hits) == (20, 5)


def test_people_who_are_alike_accept_a_probe_that_was_tuned_on_others(
    crowd: Crowd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A direction that all share: strangers hardly match, and the tuned probe does."""
    common = np.random.default_rng(9).normal(size=128)
    common /= np.linalg.norm(common)
    file = crowd.write(tmp_path / "pairs.csv")

    def strongest() -> tuple[float, float]:
        _, found = evaluate(crowd, file, capsys, "--halves", "2")
        point = next(one for one in found.curve if one.cosine == "0.419")
        assert point.probe is not None
        assert point.probe_strangers is not None
        return point.probe.rate or 0.0, point.probe_strangers.rate or 0.0

    apart = strongest()
    for name, vector in crowd.vectors.items():
        moved = vector + 0.62 * common
        crowd.vectors[name] = (moved / np.linalg.norm(moved)).astype(np.float32)
    alike = strongest()
    assert apart[0] < 0.1
    assert alike[0] > 0.4 > 10 * alike[1]


def test_groups_that_differ_and_groups_too_small(
    crowd: Crowd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A camera with which half of the people fail, and a group of three."""
    for person in range(15):
        crowd.vectors[f"p{person}/1.jpg"] = -crowd.vectors[f"p{person}/0.jpg"]
    file = crowd.write(
        tmp_path / "pairs.csv",
        device=lambda person: "old" if person < 30 else "new",
        tone_a=lambda person: "few" if person < 3 else "many",
        tone_b=lambda person: "few" if person < 3 else "many",
    )
    _, found = evaluate(crowd, file, capsys, "--halves", "0", "--all-pairs")
    groups = {(one.column, one.value): one for one in found.groups}
    old, new = groups["device", "old"], groups["device", "new"]
    assert (old.fnmr.hits, new.fnmr.hits) == (15, 0)
    assert old.fnmr_difference is not None
    value, low, high = old.fnmr_difference
    assert value == pytest.approx(0.5)
    assert 0.25 < low < value < high < 0.75
    assert not old.too_small
    assert old.all_strangers is None, "a device is no property of a picture"
    few = groups["tone", "few"]
    assert few.too_small
    assert few.fnmr_difference is None
    assert few.all_strangers is not None
    assert few.subjects == 3
    status = main(
        ["evaluate", "match", "--pairs", str(file), "--root", str(crowd.root), "--halves", "0"]
    )
    printed = capsys.readouterr().out
    assert status == 0
    assert "! Too small to say anything: tone few" in printed


def test_an_encrypted_decision_that_differs_is_counted_and_fails(
    crowd: Crowd,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(InProcessDeployment, "outcome", lambda *_: "MATCH")
    file = crowd.write(tmp_path / "pairs.csv")
    status, found = evaluate(crowd, file, capsys, "--encrypted", "120", "--halves", "0")
    assert status == 1
    assert found.encrypted_mismatches == 60, "all strangers, and nobody else"


def test_without_ids_no_stranger_is_made_up(
    crowd: Crowd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One folder holds two people: who is who beyond the list is not known."""
    file = crowd.write(tmp_path / "pairs.csv")
    file.write_text(file.read_text() + "p0/0.jpg,p0/2.jpg,0\n")
    _, found = evaluate(crowd, file, capsys, "--all-pairs")
    assert found.pairs.subjects_from == "pairs"
    assert found.all_impostor is None
    assert found.probe is None


def test_a_counter_s_attempts_take_the_place_of_the_clips(tmp_path: Path) -> None:
    file = tmp_path / "attempts.json"
    file.write_text(json.dumps({"succeeded": 60, "attempts": 80, "customers": 70}))
    liveness = of_counter(file)
    assert (liveness.rate, liveness.customers) == (0.75, 70)
    found = transactions(liveness, frr=0.2, far_bound=0.001, attempts=2)
    assert found.liveness_from == "counter"
    assert found.independent == (pytest.approx(0.6), pytest.approx(0.84))
    assert found.dependent == (pytest.approx(0.6), pytest.approx(0.75))
    assert found.false_acceptance == pytest.approx(0.002)
    assert 0.85 < of_clips().rate < 0.95
    assert transactions(Liveness(1.0), 0.0, 0.5).false_acceptance == 1


@pytest.mark.parametrize(
    "content", ["", "[]", '{"succeeded": 1}', '{"succeeded": 2, "attempts": 1, "customers": 1}']
)
def test_what_is_no_count_of_attempts_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "attempts.json"
    file.write_text(content)
    with pytest.raises(AttemptsUnreadable, match=r"^attempts\.json "):
        of_counter(file)


@pytest.mark.parametrize(
    "more",
    [
        ["--threshold", "0.2"],
        ["--threshold", "0.4191"],
        ["--threshold", "nan"],
        ["--portrait", "jpeg:102x126"],
        ["--portrait", "png:102x126:3000"],
        ["--halves", "3"],
        ["--encrypted", "0"],
    ],
)
def test_wrong_usage_exits_2(tmp_path: Path, more: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", "match", "--pairs", "x", "--root", str(tmp_path), *more])
    assert caught.value.code == 2


def test_a_report_is_not_written_over_another_file(crowd: Crowd, tmp_path: Path) -> None:
    """It is said before anything is computed."""
    (tmp_path / "kept.html").write_text("kept")
    with pytest.raises(SystemExit):
        main(
            [
                *("evaluate", "match", "--pairs", "none.csv", "--root", str(crowd.root)),
                *("--html", str(tmp_path / "kept.html")),
            ]
        )
    assert (tmp_path / "kept.html").read_text() == "kept"


def test_progress_says_how_much_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 1.0, 30.0, 60.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    progress = Progress("pictures", 3)
    for _ in range(3):
        progress.one()
    assert capsys.readouterr().err.splitlines() == [
        "... 2 of 3 pictures, 15 s left",
        "... 3 of 3 pictures, 0 s left",
    ]


@pytest.mark.faces
@pytest.mark.pack
def test_a_few_photographs_go_through_the_product(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six pairs; a portrait of 400 bytes is a failure."""
    root = faces_directory() / "lfw"
    every = [pair for pair, fold in all_lfw_pairs() if fold == 0]
    some = [pair for pair in every if pair[2]][:3] + [pair for pair in every if not pair[2]][:3]
    file = tmp_path / "pairs.csv"
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["file_a", "file_b", "same"])
        writer.writerows((a.relative_to(root), b.relative_to(root), int(s)) for a, b, s in some)
    crowd = SimpleNamespace(root=root)
    status, found = evaluate(crowd, file, capsys, "--face", "middle", "--halves", "0")
    assert status == 0
    assert found.decisions.accuracy.hits >= 5
    assert found.frame is not None
    assert found.frame.worst < 0.06
    booth = Booth(pipeline(), "middle")
    assert isinstance(booth.vector(some[0][0], Portrait.parse("jpeg:102x126:400")), str)
    assert not isinstance(booth.vector(some[0][0], Portrait.parse("jpeg:102x126:6000")), str)
    assert isinstance(replace(booth, face="only").vector(tmp_path / "none.jpg"), str)
