"""A profile is made from photographs by one command, goes on where it was stopped, and refuses.

The pictures are few, so the profile is a poor one; it must tell the strongest effect from no effect
on people that it never saw. The attack uses a pattern that no calibration sees.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.lab.attack.photograph.album import people as photographs_of
from gateway.lab.evaluation import quality_calibration
from gateway.lab.evaluation.degradations import DEGRADATIONS, FINDINGS
from gateway.lab.evaluation.photograph import Photograph, middle_face
from gateway.lab.evaluation.quality_samples import PATTERNS, Samples, slug
from gateway.lab.evaluation.quality_thresholds import Search, pairs_of
from gateway.lab.evaluation.quality_training import PoorKind, fit
from gateway.vision.errors import VisionError
from gateway.vision.geometry import BgrImage
from gateway.vision.images import decode_image
from gateway.vision.pack import ModelPack, default_pack_directory, load_pack
from gateway.vision.pipeline import FacePipeline, UnitVector
from gateway.vision.quality.gate import FINDINGS as KNOWN
from gateway.vision.quality_profile import parse_profile
from tests.faces_data import faces_directory, pipeline
from tests.support.gates import matches, with_open_gate

THRESHOLD = 0.419
KINDS = {one.name: one for one in DEGRADATIONS}


@pytest.fixture(scope="module")
def pack() -> ModelPack:
    pipeline()  # skips, or fails under CI, where the pack was not fetched
    return load_pack(default_pack_directory())


def _strangers(count: int) -> list[Photograph]:
    """One photograph each of people whom no calibration saw."""
    vision = pipeline()
    paths = photographs_of(faces_directory() / "lfw", 7, (5, 6))[:count]
    images = [decode_image(path.read_bytes()) for path in paths]
    found = [(image, middle_face(vision, image)) for image in images]
    return [Photograph(image, face) for image, face in found if face is not None]


def _embedded(vision: FacePipeline, images: Sequence[BgrImage]) -> list[UnitVector]:
    vectors = []
    for image in images:
        try:
            vectors.append(vision.embed(image, select="central").vector)
        except VisionError:
            continue
    return vectors


@pytest.mark.faces
@pytest.mark.pack
def test_a_profile_is_made_by_one_command_which_goes_on_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pack: ModelPack
) -> None:
    out, cache = tmp_path / "quality.json", tmp_path / "measured"
    command = ["--photographs", str(faces_directory() / "lfw"), "--cache", str(cache)]
    command += ["--out", str(out), "--people", "12", "--good", "30", "--only", "bulge"]
    assert quality_calibration.main(command) == 0
    assert "bulge: 12 photographs, 4 strengths" in capsys.readouterr().err
    profile = parse_profile(out.read_bytes())
    assert profile.pack == pack.digest.hex()
    assert profile.discriminants is not None
    assert {one.kind for one in profile.discriminants.detectors} == {"bulge"}

    first = out.read_bytes()
    kept = (cache / "bulge.npz").stat().st_mtime_ns
    (cache / "as-they-are.npz").unlink()  # as if it had been stopped before
    assert quality_calibration.main(command) == 0
    told = capsys.readouterr().err
    assert "as they are" in told
    assert "bulge" not in told
    assert (cache / "bulge.npz").stat().st_mtime_ns == kept
    assert out.read_bytes() == first
    assert quality_calibration.main([*command, "--people", "13"]) == 0
    assert "bulge: 13 photographs" in capsys.readouterr().err  # not the file of twelve

    gated = FacePipeline(replace(pack, quality=profile))
    strangers = _strangers(5)
    swollen = [KINDS["bulge"].degrade(one, 0.65) for one in strangers]
    assert len(_embedded(gated, [one.image for one in strangers])) >= 3
    assert len(_embedded(gated, swollen)) <= 1
    assert len(_embedded(with_open_gate(pack), swollen)) == 5  # control


@pytest.mark.faces
@pytest.mark.pack
def test_strangers_with_edited_pictures_do_not_match(pack: ModelPack) -> None:
    """The strongest of what an agent's editor does to both pictures, in patterns not calibrated."""
    recipes = (
        *(("bulge", 0.65), ("zoom blur", 0.35), ("sharpened motion", 17), ("eyes blurred", 1)),
        *(("lamp's spot", 0.55), ("elastic", 0.16), ("white paint", 0.9), ("big eyes", 0.65)),
    )
    strangers, gated, ungated = _strangers(10), FacePipeline(pack), with_open_gate(pack)
    stopped = through = 0
    for name, strength in recipes:
        edited = [KINDS[name].degrade(one, strength) for one in strangers]
        through += matches(_embedded(gated, edited), THRESHOLD)
        stopped += matches(_embedded(ungated, edited), THRESHOLD)
    assert stopped >= 40  # control
    assert through <= 1


# The parts


def _samples(values: list[list[float]], shift: float = 0.0) -> Samples:
    """Made-up pictures of 40 people in one measure that tells and one that does not."""
    count = len(values)
    vectors = np.tile(np.eye(4, dtype=np.float32)[0], (count, 1))
    vectors[:, 1] = shift
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Samples(
        names=("telling", "silent"),
        measured=np.array(values, np.float32),
        vectors=vectors,
        landmarks=np.zeros((count, 0), np.float32),
        people=np.arange(count, dtype=np.int32),
        patterns=np.ones(count, np.int32),
        strengths=np.ones(count, np.float32),
        tried=count,
    )


def test_detectors_tell_poor_pictures_of_other_people_also_without_landmarks() -> None:
    draw = np.random.default_rng(3)
    good = _samples(draw.normal(0, 1, (200, 2)).tolist())
    poor = _samples(draw.normal([6, 0], 1, (40, 2)).tolist(), 0.5)
    fitted = fit(good, good.where(np.zeros(0, np.intp)), [PoorKind("bad", "edited", poor, poor)])
    scores, of_good = fitted.scores(poor)[:, 0], fitted.scores(good)[:, 0]
    assert scores.min() > of_good.max()
    given = fitted.discriminants(np.array([4.0]))
    assert given.shape is None
    assert [one.name for one in given.features] == ["telling", "silent", "near-bad"]


def test_thresholds_stop_matches_before_they_cost_good_photographs() -> None:
    """One detector tells the pictures that match; the other one would refuse the good ones too."""
    draw = np.random.default_rng(5)
    good = np.column_stack([draw.normal(0, 1, 500), draw.normal(0, 1, 500)])
    poor = np.column_stack([draw.normal(8, 1, 30), draw.normal(0.5, 1, 30)])
    vectors = np.tile(np.array([[1, 0]], np.float32), (30, 1))
    pairs = pairs_of(vectors, [[np.arange(30)]], 0.4)
    assert len(pairs.first) == 30 * 29 // 2
    search = Search(good, good[:5], poor, pairs, 1e-4, np.ones(1))
    most = search.run(0.01, 2)
    assert np.isfinite(most[0])
    assert (poor[:, 0] > most[0]).mean() > 0.8
    assert (good > most).any(axis=1).mean() <= 0.01
    assert search.rates()[0].sum() == 0
    free = Search(good, good[:5], poor, pairs, 1.0, np.ones(1)).run(0.01, 2)
    assert not np.isfinite(free).any()  # control: nothing is above the bound


def test_every_kind_has_a_finding_a_slug_and_all_its_ways_round() -> None:
    assert set(FINDINGS) == set(KINDS)
    assert set(FINDINGS.values()) <= set(KNOWN)
    assert len({slug(name) for name in KINDS}) == len(KINDS)
    assert all(PATTERNS % one.sides == 0 for one in DEGRADATIONS)
