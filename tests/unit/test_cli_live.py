"""The counter's screen, the command's arguments, and how a live registration ends."""

import argparse
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import live, register
from gateway.cli.live import Screen, moving
from gateway.client.agreement import ChallengeDiffers, StatementDiffers
from gateway.client.liveness.attempts import AttemptBook
from gateway.client.liveness.capture import Captured
from gateway.client.liveness.measured import Inconclusive
from gateway.client.liveness.prompts import text
from gateway.client.liveness.sources import Frame, PassedOver
from gateway.client.registration import Measurements
from gateway.vision.liveness import meter
from gateway.wire.errors import LivenessNotPossible, Refused
from gateway.wire.liveness import Challenge, Counting, Exclusion
from tests.support.liveness import MODEL_DIGEST, Puppet
from tests.unit.test_liveness_runner import challenge

NOW = 1_700_000_000


class Source:
    """A puppet in the place of a camera."""

    live = True

    def __init__(self, puppet: Puppet) -> None:
        self._puppet = puppet
        self.passed = PassedOver(frames=1)

    def frames(self) -> Iterator[Frame]:
        return self._puppet.frames()


class Pack:
    digest = MODEL_DIGEST


def person(
    puppet: Puppet, book: AttemptBook, monkeypatch: pytest.MonkeyPatch, language: Any = "en"
) -> Any:
    """``moving`` with a puppet for meter and detectors, who reads the same screen."""
    screen, out = Screen.show, io.StringIO()

    def show(self: Screen, progress: Any) -> None:
        self.out = out
        screen(self, progress)
        puppet.show(progress)

    monkeypatch.setattr(Screen, "show", show)
    monkeypatch.setattr(meter, "LivenessMeter", lambda *_: puppet)
    monkeypatch.setattr(live, "ActionDetectors", lambda **_: puppet)
    source: Any = Source(puppet)
    pack: Any = Pack()
    vision: Any = None
    run = moving(source, pack, vision, language, book, lambda: NOW)
    return run, out


@pytest.fixture
def book(tmp_path: Path) -> AttemptBook:
    return AttemptBook(tmp_path / "attempts.json")


def test_the_person_reads_each_prompt_once_and_in_order(
    book: AttemptBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, out = person(Puppet(), book, monkeypatch)
    captured: Captured = run(challenge("turn-left", "blink", "open-mouth"))
    assert captured.transcript is not None
    assert out.getvalue().splitlines() == [
        "Look at the camera and hold still",
        "Turn your head slowly to your left, then back",
        "Good",
        "Close your eyes briefly, then open them",
        "Good",
        "Open your mouth wide, then close it",
        "Done, thank you",
        "passed over: 1 unreadable frame",
    ]
    assert book.read().attempts_to_success == {"1": 1}


def test_what_was_passed_over_is_told_to_programs_too(
    book: AttemptBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    puppet, told = Puppet(), Measurements()
    person(puppet, book, monkeypatch)
    source: Any = Source(puppet)
    pack: Any = Pack()
    vision: Any = None
    run = moving(source, pack, vision, "en", book, lambda: NOW, tell=told.keep_passed_over)
    assert register._passed_over(told) == {}
    run(challenge("turn-left", "blink", "open-mouth"))
    assert register._passed_over(told) == {"passedOver": {"unreadableFrames": 1}}
    assert PassedOver(0, 2).counts == {"foreignFiles": 2}


def test_a_photograph_before_the_camera_is_told_and_counted(
    book: AttemptBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, out = person(Puppet(recording=()), book, monkeypatch, "es")
    with pytest.raises(Inconclusive) as caught:
        run(challenge())
    assert caught.value.advice == (
        "No se ha visto que los ojos se cierren: cierre los dos un momento. Si no es posible, "
        "empiece de nuevo con --exclude blink=cannot-perform."
    )
    assert out.getvalue().splitlines()[-2] == "No ha funcionado"
    assert book.read().reasons == {"time-ran-out": 1}
    puppet = Puppet()
    run, _ = person(puppet, book, monkeypatch)
    captured: Captured = run(challenge())
    assert captured.transcript is not None
    assert captured.transcript.totals.attempts == 2


def test_who_walks_away_is_counted_as_interrupted(
    book: AttemptBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    puppet = Puppet()
    run, _ = person(puppet, book, monkeypatch)
    monkeypatch.setattr(puppet, "measure", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(challenge())
    assert book.read().reasons == {"interrupted": 1}


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("asked", [None, "impossible"])
def test_without_a_challenge_a_frontal_frame_will_do(
    book: AttemptBook, monkeypatch: pytest.MonkeyPatch, asked: str | None
) -> None:
    puppet = Puppet(turned_until_ms=2_000, recording=())
    run, _ = person(puppet, book, monkeypatch)
    given: Challenge | None = None
    if asked:
        given = challenge().model_copy(update={"actions": ()})
    captured: Captured = run(given)
    assert captured.transcript is None
    assert captured.action is None
    assert captured.probe is puppet.face
    assert 2_000 < puppet._now < 5_000, "the first frontal frame, and a moment for a better one"
    assert book.read().attempts == 0
    run, _ = person(Puppet(missing=[(0, 40_000)]), book, monkeypatch)
    with pytest.raises(Inconclusive):
        run(given)


def arguments(*more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    live.add_live_arguments(parser)
    return parser.parse_args(["--live", "camera:0", *more])


def test_exclusions_are_given_with_their_reason() -> None:
    given = arguments("--exclude", "blink=cannot-be-seen", "--exclude", "turn-left=cannot-perform")
    assert [(one.kind, one.reason) for one in given.exclude] == [
        ("blink", "cannot-be-seen"),
        ("turn-left", "cannot-perform"),
    ]
    for wrong in ("blink", "blink=stroke", "smile=cannot-perform"):
        with pytest.raises(SystemExit):
            arguments("--exclude", wrong)


def test_how_a_registration_ends_without_a_decision() -> None:
    status, outcome, details = register._ending(Inconclusive("no", "do this", "wrong-action"), "en")
    assert (status, outcome) == (4, "INCONCLUSIVE")
    assert details["liveness"] == {"outcome": "not-completed", "reason": "wrong-action"}
    assert "mayExclude" not in details
    glass_eye = Exclusion(kind="blink", reason="cannot-perform")
    error = Inconclusive("no", "do this", "time-ran-out", glass_eye)
    assert register._ending(error, "en")[2]["mayExclude"] == "blink=cannot-perform"
    status, outcome, details = register._ending(LivenessNotPossible("too few"), "zh")
    assert (status, outcome) == (4, "INCONCLUSIVE")
    assert details["advice"] == "可用的动作太少，请要求办理不做人脸核验的登记。"
    error = LivenessNotPossible("too few")
    error.add_note("请要求使用其他方式。")
    assert str(register._ending(error, "zh")[2]["advice"]).endswith("登记。 请要求使用其他方式。")
    assert register._ending(Inconclusive("no", "x"), "en")[2]["liveness"] == {
        "outcome": "not-completed"
    }
    assert register._ending(Refused("why"), "en")[:2] == (5, "REFUSED")
    status, outcome, details = register._ending(ChallengeDiffers("excluded"), "es")
    assert (status, outcome) == (5, "REFUSED")
    assert "registro sin comprobación facial" in str(details["advice"])
    status, _, details = register._ending(StatementDiffers("agent"), "en")
    assert str(details["reason"]).endswith("says otherwise than this counter: agent")
    assert "does not count" in str(details["advice"])
    status, outcome, details = register._ending(FileNotFoundError(2, "No such file", "x"), "en")
    assert (status, outcome, details["reason"]) == (1, "FAILED", "x: No such file")


@pytest.mark.parametrize(
    ("failures", "attempts", "succeeds"), [(0, 1, True), (2, 3, True), (3, 3, False)]
)
def test_with_a_camera_people_may_try_again(
    failures: int, attempts: int, succeeds: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[int] = []

    def once() -> Any:
        asked.append(1)
        if len(asked) <= failures:
            raise Inconclusive("no", f"advice {len(asked)}", "wrong-action")
        return "registered"

    if succeeds:
        assert register.tried(once, attempts) == "registered"
    else:
        with pytest.raises(Inconclusive, match="no"):
            register.tried(once, attempts)
    assert len(asked) == min(failures + 1, attempts)
    said = capsys.readouterr().err.splitlines()
    assert said == [f"advice {n}" for n in range(1, len(asked))]


def test_what_another_attempt_would_not_change_is_not_tried_again() -> None:
    asked: list[int] = []

    def once() -> Any:
        asked.append(1)
        raise Inconclusive("a photograph", "use a camera")

    with pytest.raises(Inconclusive):
        register.tried(once, 3)
    assert len(asked) == 1


def test_the_numbers_of_a_count_appear_one_after_the_other(
    book: AttemptBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, out = person(Puppet(), book, monkeypatch)
    counting = Counting(moments=(1_000, 2_600, 5_320, 6_720), latest_ms=1_200, tolerance_ms=280)
    run(challenge("count", "blink", counting=counting))
    lines = out.getvalue().splitlines()
    said = lines.index(text("ask-count", "en"))
    assert lines[said + 1 : said + 6] == ["  1", "  2", "  3", "  4", "Good"]
