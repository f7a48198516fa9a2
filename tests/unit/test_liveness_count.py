"""A count: who answers each number passes, aloud or not; other moments of the mouth fail."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.client.liveness.capture import LiveCapture
from gateway.client.liveness.measured import Inconclusive
from gateway.client.liveness.prompts import text
from gateway.server.config import GatewaySettings
from gateway.server.liveness import (
    GAP_MS,
    TOLERANCE_MS,
    LivenessPolicy,
    assess,
    draw_actions,
    draw_numbers,
    may_ask,
)
from gateway.vision.liveness import ActionDetectors, FrameMeasurement
from gateway.wire.errors import LivenessNotPossible, Refused
from gateway.wire.liveness import (
    MOVEMENTS,
    ActionKind,
    ActionTrace,
    Challenge,
    Counting,
    Exclusion,
    LivenessTranscript,
)
from tests.support.liveness import MODEL_DIGEST, TOTALS, Puppet, a_face, transcript_for
from tests.support.parties import SESSION, fixed_bytes
from tests.support.samples import MODEL, Clock, pair
from tests.support.world import World

MOMENTS = (1_000, 2_600, 5_320, 6_720, 9_600)
COUNTING = Counting(moments=MOMENTS, latest_ms=1_200, tolerance_ms=TOLERANCE_MS)
ALL_BUT_COUNT = tuple(Exclusion(kind=kind, reason="cannot-perform") for kind in MOVEMENTS)
COUNTS = LivenessPolicy(mode="required", kinds=(*MOVEMENTS, "count"))


def challenge(*actions: ActionKind) -> Challenge:
    return Challenge(
        session=SESSION,
        nonce=fixed_bytes("challenge-nonce"),
        actions=actions or ("count",),
        excluded=(),
        start_ms=1_500,
        limit_ms=40_000,
        counting=COUNTING,
        passive="off",
        passive_threshold=50,
        required=True,
    )


# What is asked


def test_a_count_is_unforeseen_by_itself() -> None:
    """With it a check is possible for who can do nothing else, or one thing alone."""
    assert may_ask(["count"])
    assert not may_ask(["blink", "open-mouth"])
    for kinds in (["count"], ["blink", "count"], ["turn-left", "turn-right", "count"]):
        drawn = {draw_actions(kinds, 3, secrets.randbelow) for _ in range(100)}  # type: ignore[arg-type]
        assert all(len(one) == min(3, 2 * len(kinds) - 1) for one in drawn)
        if len(kinds) < 3:
            assert all(one.count("count") == 1 for one in drawn)
    alone = COUNTS.challenge(SESSION, fixed_bytes("nonce"), ALL_BUT_COUNT, secrets.randbelow)
    assert alone is not None
    assert alone.actions == ("count",)
    with pytest.raises(LivenessNotPossible):
        LivenessPolicy(mode="required").challenge(
            SESSION, fixed_bytes("nonce"), ALL_BUT_COUNT[:2], secrets.randbelow
        )


def test_no_two_counts_have_the_same_rhythm_and_each_number_has_its_time() -> None:
    drawn = [draw_numbers(5, secrets.randbelow) for _ in range(300)]
    gaps = [later - now for one in drawn for now, later in pairwise(one.moments)]
    assert min(gaps) >= GAP_MS[0]
    assert max(gaps) <= GAP_MS[1]
    assert len(set(gaps)) > 300
    longest = COUNTS.challenge(SESSION, fixed_bytes("nonce"), ALL_BUT_COUNT, lambda most: most - 1)
    assert longest is not None
    assert longest.counting is not None
    assert longest.limit_ms == COUNTS.limit_ms + longest.counting.moments[-1] + 1_200


def test_a_count_is_asked_for_where_the_operator_says_so(tmp_path: Path) -> None:
    def policy(**given: Any) -> LivenessPolicy:
        return GatewaySettings(
            data_dir=tmp_path,
            authority_public_key="0" * 64,
            model_id="test/none",
            model_digest="0" * 64,
            **given,
        ).liveness_policy

    assert policy().kinds == MOVEMENTS
    alone = policy(liveness_kinds="count", liveness_numbers=6)
    assert (alone.kinds, alone.numbers) == (("count",), 6)


# What counts as an answer


def passes(asked: Challenge, puppet: Puppet) -> LivenessTranscript | None:
    """By the client's rules and the gateway's."""
    try:
        captured = puppet.capture(asked)
    except Inconclusive:
        return None
    assess(asked, captured.transcript, MODEL_DIGEST, 60_000)
    return captured.transcript


@pytest.mark.parametrize("delay", [160, 400, 800, 1_160])
def test_who_answers_each_number_passes_however_quick(delay: int) -> None:
    puppet = Puppet(delays_ms=(delay,))
    transcript = passes(challenge(), puppet)
    assert transcript is not None
    (trace,) = transcript.actions
    assert (trace.kind, len(trace.openings)) == ("count", len(MOMENTS))
    told = dict.fromkeys(one.number for one in puppet.shown if one.number)
    assert list(told) == [1, 2, 3, 4, 5]
    assert passes(challenge("turn-left", "count", "blink"), Puppet(blink_every_ms=1_900))


def test_answers_may_scatter_within_the_tolerance_and_no_further() -> None:
    assert passes(challenge(), Puppet(delays_ms=(400, 640, 480, 240, 400)))
    asked = challenge()
    with pytest.raises(Inconclusive) as caught:
        Puppet(delays_ms=(400, 400, 760, 400, 400)).capture(asked)
    assert caught.value.reason == "wrong-action"
    assert caught.value.advice == text("why-number-uneven", "en")


@pytest.mark.parametrize(("numbers", "drawn"), [(4, 0), (9, -1)])
def test_the_shortest_count_and_the_longest_one_pass(numbers: int, drawn: int) -> None:
    policy = replace(COUNTS, kinds=("count",), numbers=numbers)
    asked = policy.challenge(SESSION, fixed_bytes("nonce"), (), lambda most: drawn % most)
    assert asked is not None
    assert passes(asked, Puppet(step_ms=20, length_ms=40_000))


def test_who_speaks_quietly_and_bows_the_head_passes() -> None:
    """What the detectors find, the gateway takes."""

    def seen(measured: FrameMeasurement) -> FrameMeasurement:
        bowed = min(1.0, max(0.0, (measured.at_ms - 3_300) / 500))
        height = 0.45 * (measured.mouth_open - 0.05)
        level = 0.09 - 0.04 * bowed + height
        return replace(measured, mouth_open=level, mouth_changed=10 * height, breadth=2.0)

    person = mouths(*(at + 400 for at in MOMENTS))
    person.alter = seen
    capture: LiveCapture[FrameMeasurement] = LiveCapture(
        lambda: person, lambda: ActionDetectors(openings=True), MODEL_DIGEST, person.show
    )
    transcript = capture.run(person.frames(), challenge(), lambda: TOTALS).transcript
    assert transcript is not None
    assert 0 < transcript.actions[0].reach - transcript.actions[0].rest < 5
    assess(challenge(), transcript, MODEL_DIGEST, 60_000)


def mouths(*starts: int) -> Puppet:
    """A recording in which the mouth opens at these moments after the count was asked for."""
    return Puppet(recording=[(1_520 + start, "count") for start in starts], length_ms=20_000)


@pytest.mark.parametrize(
    ("starts", "reason", "advice"),
    [
        ((), "time-ran-out", "why-number-missed"),
        ([at + 400 for at in MOMENTS[1:]], "time-ran-out", "why-number-missed"),
        ([at + 400 for at in MOMENTS if at != MOMENTS[2]], "time-ran-out", "why-number-missed"),
        (range(200, 12_000, 320), "wrong-action", "why-number-uneven"),
        ([at + 400 for at in (1_000, 2_800, 4_320, 7_000, 8_920)], "wrong-action", None),
        ([*(at + 400 for at in MOMENTS), 4_600], "wrong-action", "why-number-uneven"),
    ],
    ids=["silent", "no first", "no third", "always moving", "another rhythm", "one too many"],
)
def test_who_moves_the_mouth_at_other_times_fails(
    starts: Sequence[int], reason: str, advice: Any
) -> None:
    assert passes(challenge(), mouths(*(at + 400 for at in MOMENTS))) is not None
    with pytest.raises(Inconclusive) as caught:
        mouths(*starts).capture(challenge())
    assert caught.value.reason == reason
    if advice is not None:
        assert caught.value.advice.startswith(text(advice, "en"))


def test_a_word_may_open_the_mouth_twice() -> None:
    twice = [at + 400 + more for at in MOMENTS for more in (0, 520)]
    assert passes(challenge(), mouths(*twice)) is not None


def altered(trace: ActionTrace, number: int, by: int) -> ActionTrace:
    openings = list(trace.openings)
    openings[number] += by
    return trace.model_copy(update={"openings": tuple(openings)})


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("count", lambda t: t.model_copy(update={"openings": t.openings[:-1]})),
        ("count's frames", lambda t: altered(t, 2, 1)),
        ("count's frames", lambda t: altered(t, 0, 40)),
        ("answers", lambda t: altered(t, 1, -320)),
        ("answers", lambda t: altered(t, 3, 840)),
        ("rhythm", lambda t: altered(t, 3, 320)),
        ("extent", lambda t: t.model_copy(update={"reach": t.rest})),
        ("speed", lambda t: t.model_copy(update={"peak_ms": t.start_ms, "end_ms": t.start_ms})),
    ],
)
def test_the_gateway_refuses_each_fault_of_a_count(what: str, change: Any) -> None:
    asked = challenge()
    honest = transcript_for(asked, MODEL_DIGEST)
    assess(asked, honest, MODEL_DIGEST, 60_000)
    forged = honest.model_copy(update={"actions": (change(honest.actions[0]),)})
    with pytest.raises(Refused) as caught:
        assess(asked, forged, MODEL_DIGEST, 60_000)
    assert caught.value.detail == f"liveness {what} is not as it must be"


def test_no_other_action_has_openings() -> None:
    asked = challenge("turn-left", "count")
    honest = transcript_for(asked, MODEL_DIGEST)
    first, second = honest.actions
    forged = first.model_copy(update={"openings": (first.start_ms,)})
    with pytest.raises(Refused):
        assess(asked, honest.model_copy(update={"actions": (forged, second)}), MODEL_DIGEST, 60_000)


# What the detector finds


def speaking(rest: float, height: float, changed: float = 0.2) -> list[FrameMeasurement]:
    """Two seconds of rest, then three short openings, 25 frames a second."""
    levels = [rest] * 50 + ([rest + height] * 6 + [rest] * 30) * 3
    return [
        FrameMeasurement(
            at_ms=40 * n,
            faces=1,
            face=a_face(),
            mouth_open=level + 0.004 * (n % 3 - 1),
            mouth_changed=changed if level > rest else 0.0,
            continuous=n > 0,
            breadth=2.0,
        )
        for n, level in enumerate(levels)
    ]


def found(frames: list[FrameMeasurement]) -> list[int]:
    detectors = ActionDetectors(openings=True)
    events = [event for frame in frames for event in detectors.feed(frame)]
    return [event.start_ms for event in events if event.kind == "count"]


@pytest.mark.parametrize("rest", [0.01, 0.08, 0.2])
def test_quiet_speech_is_found_above_the_own_closed_mouth(rest: float) -> None:
    assert found(speaking(rest, 0.11)) == [2_000, 3_440, 4_880]
    assert found(speaking(rest, 0.025)) == []
    assert found(speaking(rest, 0.11, changed=0.02)) == [], "a picture that does not change"
    assert found(speaking(rest, 0.3, changed=0.09)) == [], "a print that is folded at the mouth"
    folded = [
        replace(one, breadth=2.0 - one.mouth_open + rest)
        for one in speaking(rest, 0.3, changed=0.4)
    ]
    assert found(folded) == [], "it becomes narrow"
    assert found(speaking(rest, 0.3, changed=0.4)) == [2_000, 3_440, 4_880]
    plain = [event for one in speaking(rest, 0.11) for event in ActionDetectors().feed(one)]
    assert plain == [], "small openings are looked for where they are asked for"


def test_nothing_is_found_before_the_rest_is_known_or_across_a_break() -> None:
    frames = speaking(0.05, 0.11)
    late = [replace(one, at_ms=one.at_ms - 1_800) for one in frames[45:]]
    assert found(late) == [one - 1_800 for one in (3_440, 4_880)]
    broken = [replace(one, continuous=one.at_ms not in (3_440, 3_480)) for one in frames]
    assert found(broken) == [2_000, 4_880]


# A whole registration


def test_who_can_do_nothing_but_count_is_registered(tmp_path: Path) -> None:
    template, live = pair(0.7)
    clock = Clock()

    def capture(asked: Challenge | None) -> Any:
        assert asked is not None
        assert asked.actions == ("count",)
        clock.now += 20
        return Puppet(face=live).capture(asked, MODEL.digest)

    policy = replace(COUNTS, kinds=("count",))
    with World(tmp_path, clock=clock, liveness=policy) as world:
        result = world.register(template, capture)
    assert result.outcome == "MATCH"
    assert result.verified.statement.message.liveness.asked == ("count",)
