"""Liveness with real pictures, real models and real servers.

A clip that was cut once the challenge was known goes through the whole protocol: that is the
injection which only the enrolment of devices stops. A clip that knows of no challenge ends
inconclusive, with advice, and leaves nothing behind.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.pack import gateway_settings, model_of, open_pack
from gateway.client.liveness.capture import Captured, LiveCapture
from gateway.client.liveness.measured import Inconclusive
from gateway.client.liveness.sources import Frame
from gateway.client.registration import Registration
from gateway.lab.deployment.local import LocalDeployment
from gateway.vision.liveness import ActionDetectors
from gateway.vision.liveness.meter import LivenessMeter
from gateway.vision.pipeline import FacePipeline
from gateway.wire.ids import Digest
from gateway.wire.liveness import Challenge, LivenessTranscript
from tests.support.commands import Photographs, sealmatch
from tests.support.counter import Counter
from tests.support.liveness import TOTALS
from tests.support.observation import record_count
from tests.support.parties import SESSION, fixed_bytes
from tests.support.samples import occasion
from tests.support.splice import LP_D12, Splicer, clip, pictures

pytestmark = [pytest.mark.processes, pytest.mark.pack, pytest.mark.faces, pytest.mark.slow]
INCONCLUSIVE = 4


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    pack = open_pack(None)
    settings = {**gateway_settings(pack), "liveness": "required"}
    with LocalDeployment(
        tmp_path_factory.mktemp("liveness"), model_of(pack), **settings
    ) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def counter(deployment: LocalDeployment) -> Iterator[Counter]:
    counter = Counter(deployment, model_of(open_pack(None)))
    yield counter
    counter.close()


@pytest.fixture(scope="module")
def frames() -> list[Any]:
    return pictures(clip("lp_d12"))


def capture_with(vision: FacePipeline, show: Any) -> LiveCapture[Any]:
    pack = open_pack(None)
    return LiveCapture(
        lambda: LivenessMeter(pack, vision), ActionDetectors, Digest(pack.digest), show
    )


def spliced(counter: Counter, vision: FacePipeline, frames: list[Any]) -> Registration:
    """A registration with a splicer in the place of a person."""

    def live(challenge: Challenge | None) -> Captured:
        assert challenge is not None
        splicer = Splicer(frames, LP_D12)
        return capture_with(vision, splicer.show).run(splicer.frames(), challenge, lambda: TOTALS)

    template = vision.embed(frames[125]).vector
    return counter.client.register(template, live, occasion())


def test_a_clip_spliced_once_the_challenge_is_known_completes_the_protocol(
    counter: Counter,
    deployment: LocalDeployment,
    vision: FacePipeline,
    frames: list[Any],
) -> None:
    before = record_count(deployment)
    result = spliced(counter, vision, frames)
    assert result.outcome == "MATCH"
    assert result.liveness.outcome == "passed"
    assert len(result.liveness.asked) == 3
    assert record_count(deployment) == before + 1
    evidence = result.submission.liveness_evidence or b""
    transcript = LivenessTranscript.decode(evidence)
    assert len(evidence) < 4_000
    assert transcript.actions[0].asked_ms >= 1_000
    assert "\tattempts\t1\n" in deployment.gateway.operate("attempts")


def test_a_clip_without_the_actions_is_status_4_with_advice_and_leaves_nothing(
    deployment: LocalDeployment,
    photographs: Photographs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    before, receipt = record_count(deployment), tmp_path / "receipt"
    done = sealmatch(
        "register",
        *("--trust", deployment.directories.trust, "--language", "es", "--json"),
        "--consent-shown",
        *("--id-type", "passport", "--id-number-file", "-"),
        *("--id-portrait", photographs.portrait, "--live", clip("lp_s13"), "--receipt", receipt),
        stdin="LIVE00042",
    )
    assert done.returncode == INCONCLUSIVE, done.stderr
    said = json.loads(done.stdout)
    assert said["outcome"] == "INCONCLUSIVE"
    assert said["liveness"]["outcome"] == "not-completed"
    assert said["advice"]
    assert "Mire a la cámara y no se mueva" in done.stderr
    assert record_count(deployment) == before
    assert not receipt.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["state"]
    counted = json.loads(sealmatch("attempts", "--json").stdout)
    assert (counted["attempts"], counted["succeeded"]) == (1, 0)
    assert list(counted["reasons"]) == [said["liveness"]["reason"]]


def test_a_photograph_is_status_4_where_liveness_is_required(
    deployment: LocalDeployment,
    photographs: Photographs,
    tmp_path: Path,
) -> None:
    before = record_count(deployment)
    done = sealmatch(
        "register",
        *("--trust", deployment.directories.trust, "--json", "--consent-shown"),
        *("--id-type", "passport", "--id-number-file", "-"),
        *("--id-portrait", photographs.portrait, "--live", photographs.live),
        *("--receipt", tmp_path / "receipt"),
        stdin="LIVE00043",
    )
    assert done.returncode == INCONCLUSIVE, done.stderr
    assert "camera" in json.loads(done.stdout)["advice"]
    assert record_count(deployment) == before


def test_a_cut_to_another_person_ends_the_attempt(
    vision: FacePipeline,
    frames: list[Any],
) -> None:
    """The probe of one person and the movements of another, in one picture's place."""
    challenge = Challenge(
        session=SESSION,
        nonce=fixed_bytes("challenge-nonce"),
        actions=("open-mouth", "turn-left", "blink"),
        excluded=(),
        start_ms=200,
        limit_ms=10_000,
        passive="off",
        passive_threshold=50,
        required=True,
    )
    shown = [frames[number] for number in (*LP_D12.rest, *LP_D12.rest[:2])]
    shown += pictures(clip("lp_d11"))[96:140]
    source = (Frame(image, 40 * number) for number, image in enumerate(shown))
    with pytest.raises(Inconclusive) as caught:
        capture_with(vision, lambda _: None).run(source, challenge, lambda: TOTALS)
    assert caught.value.reason == "face-changed"
