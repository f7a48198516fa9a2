"""What people are told whose attempt fails: the true cause, and no other one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.client.liveness.capture import LiveCapture
from gateway.client.liveness.measured import Inconclusive
from gateway.client.liveness.prompts import ADVICE, LANGUAGES, Language, MessageId, text
from gateway.client.liveness.sources import Frame
from gateway.vision.liveness import FrameMeasurement
from gateway.wire.liveness import ActionKind, Exclusion
from tests.support.liveness import MODEL_DIGEST, STEP_MS, TOTALS, Puppet
from tests.unit.test_liveness_runner import challenge

Alter = Callable[[FrameMeasurement], FrameMeasurement]


def always(**values: Any) -> Alter:
    """The same values in every frame with a face."""
    return lambda measured: measured if measured.face is None else replace(measured, **values)


def refused(finding: str, **values: Any) -> Alter:
    """The quality gate says so whenever it is asked."""

    def alter(measured: FrameMeasurement) -> FrameMeasurement:
        asked = measured.finding is not None
        return replace(measured, **values, finding=finding if asked else None)

    return alter


def one_eye(measured: FrameMeasurement) -> FrameMeasurement:
    """The picture's right eye is of glass."""
    left = measured.each_closed[0]
    return replace(measured, each_closed=(left, 0.02), eyes_closed=min(left, 0.02))


def nobody(measured: FrameMeasurement) -> FrameMeasurement:
    return FrameMeasurement(measured.at_ms, 0, None, exposure=measured.exposure)


def at_angle(turns: int, *, found: bool) -> Alter:
    def alter(measured: FrameMeasurement) -> FrameMeasurement:
        seen = measured if found else nobody(measured)
        asked = measured.finding is not None
        return replace(
            seen,
            finding="too-grainy" if asked and found else None,
            upright_turns=turns if measured.at_ms % 1200 == 960 else 0,
        )

    return alter


def little(**most: float) -> Alter:
    """Movements that stay below these values."""
    return lambda m: replace(m, **{k: min(getattr(m, k), v) for k, v in most.items()})


def unseen(*_: Any) -> bool:
    return False


BLINK, MOUTH, LEFT = ("blink",), ("open-mouth",), ("turn-left",)

FAILING = [
    # who cannot do what is asked for
    (BLINK, {"alter": always(each_closed=(0.9, 0.9), eyes_closed=0.9)}, "why-eyes-shut",
     "cannot-perform"),
    (BLINK, {"alter": always(each_closed=(0.1, 0.1), eyes_closed=0.1)}, "why-eyes-stay-open",
     "cannot-perform"),
    (BLINK, {"alter": always(each_closed=(0.95, 0.1), eyes_closed=0.1)}, "why-eyes-stay-open",
     "cannot-perform"),
    (BLINK, {"alter": one_eye}, "why-one-eye", "cannot-perform"),
    (BLINK, {}, "why-blink-unclear", "not-recognised"),
    (BLINK, {"alter": always(eyes_contrast=0.25)}, "why-eyes-covered", "cannot-be-seen"),
    (LEFT, {"alter": always(eyes_contrast=0.25)}, "why-eyes-covered", "cannot-be-seen"),
    (LEFT, {"alter": always(turn=0.01)}, "why-head-still", "cannot-perform"),
    (LEFT, {"alter": always(turn=0.01, eyes_contrast=0.25)}, "why-head-still", "cannot-perform"),
    (LEFT, {"alter": little(turn=0.09)}, "why-head-little", "cannot-perform"),
    (LEFT, {}, "why-turn-unclear", "not-recognised"),
    (MOUTH, {"alter": always(mouth_open=0.04)}, "why-mouth-still", "cannot-perform"),
    (MOUTH, {"alter": little(mouth_open=0.2)}, "why-mouth-little", "cannot-perform"),
    (MOUTH, {"alter": always(mouth_contrast=0.1)}, "why-mouth-covered", "cannot-be-seen"),
    (MOUTH, {}, "why-mouth-unclear", "not-recognised"),
    # what covers the face so that it cannot be compared
    (LEFT, {"alter": refused("covered", eyes_contrast=0.1)}, "why-eyes-covered", None),
    (LEFT, {"alter": refused("too-grainy", mouth_contrast=0.1)}, "why-mouth-covered", None),
    (LEFT, {"alter": refused("covered")}, "why-face-covered", None),
    # cameras and rooms
    (LEFT, {"alter": refused("averted", pitch=0.9)}, "why-from-above", None),
    (LEFT, {"alter": refused("averted", pitch=0.3)}, "why-from-below", None),
    (LEFT, {"alter": refused("distorted", pitch=0.9)}, "why-from-above", None),
    (BLINK, {"alter": always(pitch=0.75)}, "why-from-above", None),
    (MOUTH, {"alter": always(pitch=0.28)}, "why-from-below", None),
    (LEFT, {"alter": refused("averted")}, "why-averted", None),
    (LEFT, {"alter": refused("distorted")}, "why-distorted", None),
    (LEFT, {"alter": refused("not-sharp")}, "why-not-sharp", None),
    (LEFT, {"alter": at_angle(2, found=True)}, "why-upside-down", None),
    (LEFT, {"alter": at_angle(2, found=False)}, "why-upside-down", None),
    (LEFT, {"alter": at_angle(1, found=False)}, "why-sideways", None),
    (LEFT, {"dark": [(0, 40_000)]}, "why-dark", None),
    (LEFT, {"alter": lambda m: replace(nobody(m), exposure=0.03)}, "why-dark", None),
    (LEFT, {"alter": always(exposure=0.97)}, "why-bright", None),
    (BLINK, {"step_ms": 200}, "why-few-views", None),
]  # fmt: skip
NEEDS_A_WAY_OUT = {
    "why-eyes-covered", "why-mouth-covered", "why-face-covered", "why-from-above",
    "why-from-below", "why-averted",
}  # fmt: skip


def failing(puppet: Puppet, *actions: ActionKind, **changes: Any) -> Inconclusive:
    with pytest.raises(Inconclusive) as caught:
        puppet.capture(challenge(*actions, **changes))
    return caught.value


@pytest.mark.parametrize(("actions", "person", "why", "reason"), FAILING)
def test_everybody_is_told_the_true_cause_and_what_may_be_left_out(
    actions: tuple[ActionKind, ...], person: dict[str, Any], why: MessageId, reason: Any
) -> None:
    error = failing(Puppet(**{"recognised": unseen} | person), *actions)
    expected = text(why, "en")
    if reason is not None:
        assert error.exclude == Exclusion(kind=actions[0], reason=reason)
        expected += f" If this cannot be done, start again with --exclude {actions[0]}={reason}."
    else:
        assert error.exclude is None
        if why in NEEDS_A_WAY_OUT:
            expected += " " + text("otherwise-without-face", "en")
    assert error.advice == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_with_nothing_left_the_way_without_a_face_is_offered_by_name(language: Language) -> None:
    excluded = (Exclusion(kind="blink", reason="cannot-perform"),)
    puppet = Puppet(alter=always(turn=0.0), recognised=unseen)
    capture = captures(puppet, language=language)
    error = attempt(capture, puppet, "turn-left", excluded=excluded)
    assert error.advice.startswith(text("why-head-still", language))
    assert error.advice.endswith(text("otherwise-without-face", language))
    assert error.exclude is None
    quoting = captures(puppet, language=language, without_face="Ask at desk 2.")
    told = attempt(quoting, puppet, "turn-left", excluded=excluded).advice
    assert told.removesuffix("Ask at desk 2.").strip() == error.advice
    left = attempt(quoting, puppet, "turn-left").advice
    assert "desk 2" not in left, "the control: an exclusion is left"


@pytest.mark.parametrize(
    "alter",
    [
        always(pitch=0.68),
        always(pitch=0.40),
        always(eyes_contrast=0.5, mouth_contrast=0.33),
        always(each_closed=(0.4, 0.03)),
        always(turn=0.1),
        lambda m: replace(m, finding="averted" if m.at_ms % 1200 == 0 else m.finding),
    ],
)
@pytest.mark.parametrize(
    ("puppet", "reason"),
    [
        (Puppet(recording=[(3_000, "turn-right")]), "wrong-action"),
        (Puppet(recording=(), missing=[(2_500, 4_000)]), "face-lost"),
        (Puppet(cuts=[2_400]), "face-changed"),
        (Puppet(recording=(), crowd=[(3_000, 4_000)]), "several-faces"),
        (Puppet(recording=(), length_ms=2_400), "recording-ended"),
    ],
)
def test_an_unimpaired_person_gets_no_diagnosis(puppet: Puppet, reason: Any, alter: Alter) -> None:
    error = failing(replace(puppet, alter=alter, shown=[]), "blink")
    assert error.reason == reason
    assert error.advice == text(ADVICE[reason], "en")
    assert error.exclude is None


def test_five_pictures_a_second_are_named_before_the_gateway_refuses_them() -> None:
    slow = failing(Puppet(step_ms=240), "open-mouth")
    assert slow.advice == text("why-few-views", "en")
    assert Puppet(step_ms=160).capture(challenge("open-mouth")).transcript is not None


def test_a_camera_that_mirrors_is_noticed_by_its_consistency() -> None:
    mirrored = Puppet(alter=lambda m: replace(m, turn=-m.turn))
    capture = captures(mirrored, other_side=True)
    first = attempt(capture, mirrored, "turn-left", "blink")
    second = attempt(capture, mirrored, "turn-right", "blink")
    help_there = " Start again with --mirrored (or, if that is set, without it)."
    assert first.advice == text("why-other-side", "en") + help_there
    assert second.advice == text("why-mirrored", "en") + help_there


def test_who_takes_left_for_right_once_is_not_told_of_mirrors() -> None:
    confused = Puppet(recording=[(3_000, "turn-left"), (6_000, "turn-left")])
    error = failing(confused, "turn-left", "turn-right")
    assert error.advice == text("advice-wrong-action", "en")


def test_a_mirrored_source_is_turned_back() -> None:
    seen: list[int] = []

    class Looking(Puppet):
        def measure(self, image: Any, at_ms: int) -> FrameMeasurement:
            seen.append(int(image[0, 0, 0]))
            return super().measure(image, at_ms)

    puppet = Looking()
    for mirrored, corner in ((False, 1), (True, 2)):
        capture: LiveCapture[Any] = LiveCapture(
            lambda: puppet, lambda: puppet, MODEL_DIGEST, puppet.show, mirrored=mirrored
        )
        capture.portrait(_two_halves(frame) for frame in puppet.frames())
        assert set(seen) == {corner}
        seen.clear()


def test_who_cannot_do_several_movements_is_told_so() -> None:
    still = Puppet(alter=always(mouth_open=0.04, turn=0.0), recognised=unseen)
    capture = captures(still)
    assert attempt(capture, still, "open-mouth").exclude is not None
    error = attempt(capture, still, "turn-left")
    assert error.advice.startswith(text("why-several-unseen", "en"))
    assert error.advice.endswith(text("otherwise-without-face", "en"))


def test_closed_eyes_do_for_the_probe_of_who_cannot_open_them() -> None:
    blind = Puppet(alter=always(each_closed=(0.9, 0.9), eyes_closed=0.9))
    slow = replace(blind, step_ms=200)
    with pytest.raises(Inconclusive) as unseen_open:
        captures(slow).portrait(slow.frames())
    assert unseen_open.value.advice.startswith(text("why-eyes-shut", "en")), "not the camera's rate"
    excluded = (Exclusion(kind="blink", reason="cannot-perform"),)
    assert blind.capture(challenge("open-mouth", "turn-left", excluded=excluded)).transcript
    error = failing(replace(blind, _planned=[], _told=set()), "open-mouth", "turn-left")
    assert error.advice.startswith(text("why-eyes-shut", "en"))
    assert error.exclude == excluded[0]
    capture = captures(blind)
    with pytest.raises(Inconclusive) as caught:
        capture.portrait(blind.frames())
    assert caught.value.advice.startswith(text("why-eyes-shut", "en"))
    assert capture.portrait(blind.frames(), ("blink",)).probe is blind.face


def test_the_dark_is_named_while_nobody_can_be_seen() -> None:
    puppet = Puppet(alter=lambda m: replace(nobody(m), exposure=0.02))
    failing(puppet, "blink")
    assert puppet.shown[0].advice == "too-dark"


def captures(
    puppet: Puppet,
    language: Language = "en",
    *,
    other_side: bool = False,
    without_face: str = "",
) -> LiveCapture[FrameMeasurement]:
    """One customer's attempts, by a person whose turns may be seen on the other side."""

    class Swapped:
        def feed(self, frame: Any) -> list[Any]:
            swap = {"turn-left": "turn-right", "turn-right": "turn-left"}
            return [replace(one, kind=swap.get(one.kind, one.kind)) for one in puppet.feed(frame)]

    detectors: Any = Swapped() if other_side else puppet
    return LiveCapture(
        lambda: puppet,
        lambda: detectors,
        MODEL_DIGEST,
        puppet.show,
        language,
        without_face=without_face,
    )


def attempt(
    capture: LiveCapture[Any], puppet: Puppet, *actions: ActionKind, **changes: Any
) -> Inconclusive:
    puppet._planned.clear()
    puppet._told.clear()
    with pytest.raises(Inconclusive) as caught:
        capture.run(puppet.frames(), challenge(*actions, **changes), lambda: TOTALS)
    return caught.value


def _two_halves(frame: Frame) -> Frame:
    """The left half of the picture is 1, the right half 2."""
    image = frame.image.copy()
    image[:, :1], image[:, 1:] = 1, 2
    assert frame.at_ms % STEP_MS == 0
    return Frame(image, frame.at_ms)
