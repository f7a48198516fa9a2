"""The client's side of the challenge: prompts, advice, early finish, and how attempts end."""

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

from gateway.client.liveness.measured import Inconclusive
from gateway.client.liveness.prompts import ADVICE, LANGUAGES, MESSAGE_IDS, MessageId, text
from gateway.client.liveness.runner import CaptureState, ChallengeRunner
from gateway.server.liveness import assess
from gateway.wire.errors import CallerMisuse
from gateway.wire.liveness import MOVEMENTS, ActionKind, Challenge
from tests.support.liveness import MODEL_DIGEST, TOTALS, Puppet
from tests.support.parties import SESSION, fixed_bytes

PERSON, OTHER = np.eye(512, dtype=np.float32)[:2]


def challenge(*actions: ActionKind, **changes: Any) -> Challenge:
    given: dict[str, Any] = {
        "session": SESSION,
        "nonce": fixed_bytes("challenge-nonce"),
        "actions": actions or ("blink", "turn-left", "open-mouth"),
        "excluded": (),
        "start_ms": 1500,
        "limit_ms": 20_000,
        "passive": "warn",
        "passive_threshold": 50,
        "required": True,
    }
    return Challenge(**(given | changes))


def sequences(length: int = 3) -> list[tuple[ActionKind, ...]]:
    """Every sequence of movements that the gateway may draw."""
    return [
        actions
        for actions in product(MOVEMENTS, repeat=length)
        if all(a != b for a, b in pairwise(actions))
    ]


def accepted(asked: Challenge, puppet: Puppet) -> bool:
    """Whether this person, or recording, passes: by the client's rules and the gateway's."""
    try:
        captured = puppet.capture(asked)
    except Inconclusive:
        return False
    assess(asked, captured.transcript, MODEL_DIGEST, 60_000)
    return True


@pytest.mark.parametrize("actions", sequences())
def test_whoever_does_what_is_asked_passes_and_is_done_early(actions: Any) -> None:
    puppet, asked = Puppet(), challenge(*actions)
    assert accepted(asked, puppet)
    assert puppet._now < 6_000, "no later than the last action"
    assert puppet.shown[0].prompt == "hold-still"
    prompts = [p.prompt for p in puppet.shown]
    assert [p for p in dict.fromkeys(prompts) if p.startswith("ask")] == [
        f"ask-{kind}" for kind in dict.fromkeys(actions)
    ]
    assert prompts[-1] == "done"


def test_unasked_blinks_do_no_harm() -> None:
    assert accepted(challenge("turn-left", "open-mouth", "turn-right"), Puppet(blink_every_ms=1000))


def test_a_recording_passes_no_more_challenges_than_published() -> None:
    """Its other actions stand in one order; blinks in between are free: 5 of 36 (ADR 10)."""
    video = [(3_000, "turn-left"), (6_000, "open-mouth"), (9_000, "turn-right")]
    passed = [
        actions
        for actions in sequences()
        if accepted(challenge(*actions), Puppet(recording=video, blink_every_ms=800))
    ]
    assert passed == [
        ("blink", "turn-left", "blink"),
        ("blink", "turn-left", "open-mouth"),
        ("turn-left", "blink", "open-mouth"),
        ("turn-left", "open-mouth", "blink"),
        ("turn-left", "open-mouth", "turn-right"),
    ]
    assert len(sequences()) == 36


def test_a_recording_without_spare_blinks_passes_its_own_order_alone() -> None:
    video = [(3_000, "turn-left"), (6_000, "blink"), (9_000, "turn-right")]
    passed = [a for a in sequences() if accepted(challenge(*a), Puppet(recording=video))]
    assert passed == [("turn-left", "blink", "turn-right")]


def test_a_recording_of_everything_again_and_again_does_not_get_there() -> None:
    """Otherwise a long enough video would hold every sequence."""
    order = [("turn-left", "open-mouth", "turn-right")[n % 3] for n in range(12)]
    video = [(1_600 + 1_000 * n, kind) for n, kind in enumerate(order)]
    passed = sum(
        accepted(challenge(*actions), Puppet(recording=video, blink_every_ms=640))
        for actions in sequences()
    )
    assert passed <= 5


def reason_of(
    puppet: Puppet, *actions: ActionKind, advice: MessageId | None = None, **changes: Any
) -> str | None:
    with pytest.raises(Inconclusive) as caught:
        puppet.capture(challenge(*actions, **changes))
    default = ADVICE[caught.value.reason or "interrupted"]
    assert caught.value.advice.startswith(text(advice or default, "en"))
    return caught.value.reason


@pytest.mark.parametrize(
    ("puppet", "reason", "advice"),
    [
        (Puppet(recording=[(3_000, "turn-right")]), "wrong-action", None),
        (Puppet(recording=()), "time-ran-out", "why-eyes-stay-open"),
        (Puppet(recording=(), length_ms=5_000), "recording-ended", "why-eyes-stay-open"),
        (Puppet(recording=(), length_ms=2_500), "recording-ended", None),
        (Puppet(recording=(), missing=[(2_000, 3_000)]), "face-lost", None),
        (Puppet(recording=(), crowd=[(3_000, 4_000)]), "several-faces", None),
        (Puppet(cuts=[2_400]), "face-changed", None),
        (Puppet(missing=[(0, 40_000)]), "time-ran-out", "no-face"),
        (Puppet(crowd=[(0, 40_000)]), "time-ran-out", "several-faces"),
        (Puppet(turned_until_ms=40_000), "time-ran-out", "why-averted"),
    ],
)
def test_how_an_attempt_ends(puppet: Puppet, reason: str, advice: MessageId | None) -> None:
    assert reason_of(puppet, advice=advice) == reason


def test_a_cut_before_the_first_action_begins_the_transcript_anew() -> None:
    puppet = Puppet(cuts=[800])
    captured = puppet.capture(challenge())
    assert captured.transcript is not None
    assert captured.transcript.actions[0].asked_ms >= 1500
    asked_at = next(p for p in puppet.shown if p.state is CaptureState.ASKING)
    assert puppet.shown.index(asked_at) * 40 >= 800 + 1500


def test_a_short_loss_of_the_face_is_forgiven_and_reported() -> None:
    puppet = Puppet(missing=[(3_000, 3_200)])
    captured = puppet.capture(challenge())
    assert captured.transcript is not None
    assert captured.transcript.longest_gap_ms == 240


@pytest.mark.parametrize(
    ("puppet", "advice"),
    [
        (Puppet(dark=[(0, 1_000)]), "too-dark"),
        (Puppet(missing=[(0, 1_000)]), "no-face"),
        (Puppet(crowd=[(0, 1_000)]), "several-faces"),
        (Puppet(turned_until_ms=1_000), "look-straight"),
    ],
)
def test_the_first_frame_already_gives_advice(puppet: Puppet, advice: str) -> None:
    puppet.capture(challenge())
    assert puppet.shown[0].advice == advice
    assert puppet.shown[-1].state is CaptureState.PASSED, "who follows the advice passes"


def test_who_is_too_far_away_is_asked_to_come_closer() -> None:
    puppet = Puppet(eyes_px=20)
    assert reason_of(puppet, advice="come-closer") == "time-ran-out"
    assert {p.advice for p in puppet.shown[:-1]} == {"come-closer"}


def test_who_hesitates_is_helped() -> None:
    puppet = Puppet(recording=[(9_000, "blink"), (11_000, "turn-left"), (13_000, "open-mouth")])
    puppet.capture(challenge())
    assert "more-clearly" in {p.advice for p in puppet.shown}


def test_an_action_that_began_before_its_prompt_does_not_count() -> None:
    first = next(
        n for n, p in enumerate(_run(Puppet(recording=())).shown) if p.state is CaptureState.ASKING
    )
    early = [(first * 40 + 80, "blink"), (first * 40 + 2_000, "turn-left")]
    assert reason_of(Puppet(recording=early)) == "wrong-action", "the blink was not seen as one"


def _run(puppet: Puppet) -> Puppet:
    with pytest.raises(Inconclusive):
        puppet.capture(challenge())
    return puppet


def test_the_action_vector_is_of_whoever_acts() -> None:
    """A photograph for the probe and another face for the actions gives two vectors."""
    captured = Puppet(face=PERSON, action_face=OTHER).capture(challenge())
    assert captured.probe is PERSON
    assert captured.action is not None
    assert float(captured.action @ OTHER) > 0.9
    assert abs(float(np.linalg.norm(captured.action)) - 1) < 1e-6
    same = Puppet(face=PERSON).capture(challenge())
    assert same.action is not None
    assert float(same.action @ PERSON) > 0.999


@pytest.mark.parametrize("score", [0.4, None])
def test_a_required_passive_check_that_fails_is_known_before_anything_is_sent(
    score: float | None,
) -> None:
    assert reason_of(Puppet(score=score), passive="require") == "passive-check"
    assert Puppet(score=score).capture(challenge(passive="warn")).transcript is not None
    assert Puppet(score=0.6).capture(challenge(passive="require")).transcript is not None


def test_an_action_without_a_face_of_its_own_is_nobodys() -> None:
    """Otherwise another person could do the one action whose frames are too poor to compare."""
    for poor in ("blink", "turn-left", "open-mouth"):
        puppet = Puppet(poor_during=poor)
        assert reason_of(puppet, advice="why-not-sharp") == "face-lost"
    assert Puppet().capture(challenge()).action is not None


def test_a_challenge_that_is_over_takes_no_more_frames() -> None:
    puppet = Puppet()
    runner = ChallengeRunner(challenge())
    with pytest.raises(CallerMisuse):
        runner.transcript(MODEL_DIGEST, TOTALS, None)
    for frame in puppet.frames():
        measured = puppet.measure(frame.image, frame.at_ms)
        progress = runner.feed(measured, puppet.feed(measured))
        puppet.show(progress)
        if progress.over:
            break
    with pytest.raises(CallerMisuse):
        runner.feed(measured)


def test_every_message_has_a_text_in_every_language() -> None:
    for language in LANGUAGES:
        texts = [text(message, language) for message in MESSAGE_IDS]
        assert all(texts)
        assert len(set(texts)) == len(texts)
    for message in MESSAGE_IDS:
        assert len({text(message, language) for language in LANGUAGES}) == len(LANGUAGES)
    assert "izquierda" in text("ask-turn-left", "es")
    assert "derecha" in text("ask-turn-right", "es")
    assert "左" in text("ask-turn-left", "zh")
    assert "右" in text("ask-turn-right", "zh")
