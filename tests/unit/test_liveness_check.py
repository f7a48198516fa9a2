"""The gateway's check of a liveness transcript, rule by rule, and through whole registrations."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.client.liveness.capture import Captured
from gateway.client.liveness.measured import Inconclusive
from gateway.client.registration import Occasion
from gateway.host.settings import BadConfiguration
from gateway.server.config import GatewaySettings
from gateway.server.liveness import LivenessPolicy, assess, draw_actions
from gateway.wire.errors import LivenessNotPossible, Refused
from gateway.wire.ids import digest_of
from gateway.wire.liveness import (
    ACTION_KINDS,
    MOVEMENTS,
    ActionKind,
    ActionTrace,
    Challenge,
    Exclusion,
    LivenessTranscript,
    encode_intervals,
)
from gateway.wire.session import SessionOffer
from tests.support.drafts import Opened, ciphertexts, draft
from tests.support.liveness import Puppet, transcript_for
from tests.support.parties import SESSION, fixed_bytes, refused
from tests.support.samples import MODEL, SESSIONS, Clock, occasion, pair
from tests.support.world import World

TEMPLATE, LIVE = pair(0.7)
STRANGER = pair(0.1, seed=3)[1]
REQUIRED = LivenessPolicy(mode="required")
NECK = (
    Exclusion(kind="turn-left", reason="cannot-perform"),
    Exclusion(kind="turn-right", reason="cannot-perform"),
)
VEIL = (Exclusion(kind="open-mouth", reason="cannot-be-seen"),)


def drawn(policy: LivenessPolicy = REQUIRED, excluded: Any = ()) -> Challenge:
    challenge = policy.challenge(SESSION, fixed_bytes("nonce"), excluded, secrets.randbelow)
    assert challenge is not None
    return challenge


def check(challenge: Challenge, transcript: LivenessTranscript, elapsed_ms: int = 30_000) -> Any:
    return assess(challenge, transcript, MODEL.digest, elapsed_ms)


# What is asked


@pytest.mark.parametrize(("kinds", "sequences"), [(MOVEMENTS, 36), (ACTION_KINDS, 76)])
def test_every_sequence_is_drawn_alike_and_none_repeats_at_once(
    kinds: tuple[ActionKind, ...], sequences: int
) -> None:
    """So many draws give each sequence 200 on average, SD 14. A count stands in it once."""
    draws = range(200 * sequences)
    found = Counter(draw_actions(kinds, 3, secrets.randbelow) for _ in draws)
    assert len(found) == sequences
    assert all(a.count("count") <= 1 for a in found)
    assert all(a[0] != a[1] != a[2] for a in found)
    assert min(found.values()) > 100
    assert max(found.values()) < 310


def test_the_start_is_random() -> None:
    starts = [drawn().start_ms for _ in range(200)]
    assert min(starts) >= 1000
    assert max(starts) <= 3000
    assert len(set(starts)) > 100


def test_what_is_excluded_is_never_asked() -> None:
    for _ in range(100):
        challenge = drawn(excluded=VEIL)
        assert "open-mouth" not in challenge.actions
        assert challenge.excluded == VEIL


def test_too_few_kinds_are_refused_or_reported_as_the_policy_says() -> None:
    with pytest.raises(LivenessNotPossible):
        drawn(excluded=NECK)
    going_on = drawn(replace(REQUIRED, go_on_if_impossible=True), NECK)
    assert going_on.actions == ()
    assert not going_on.required
    result = assess(going_on, None, MODEL.digest, 0).result
    assert (result.outcome, result.excluded) == ("not-possible", NECK)


@pytest.mark.parametrize("kinds", ["blink,open-mouth", "blink,blink,turn-left", "blink,smile,wink"])
def test_settings_with_unusable_kinds_do_not_start(kinds: str, tmp_path: Path) -> None:
    settings = GatewaySettings(
        data_dir=tmp_path,
        authority_public_key="0" * 64,
        model_id="test/none",
        model_digest="0" * 64,
        liveness_kinds=kinds,
    )
    assert settings.liveness == "required", "what a deployment gets unless it says otherwise"
    with pytest.raises(BadConfiguration, match="liveness_kinds"):
        _ = settings.liveness_policy


# What counts as an answer


def test_an_honest_transcript_passes() -> None:
    for _ in range(50):
        challenge = drawn()
        result = check(challenge, transcript_for(challenge, MODEL.digest)).result
        assert (result.outcome, result.asked) == ("passed", challenge.actions)


Change = Callable[[LivenessTranscript], dict[str, Any]]


def nth(number: int, **shift: int) -> Change:
    """One action with some of its values moved."""

    def change(transcript: LivenessTranscript) -> dict[str, Any]:
        actions = list(transcript.actions)
        moved = {name: getattr(actions[number], name) + by for name, by in shift.items()}
        actions[number] = actions[number].model_copy(update=moved)
        return {"actions": tuple(actions)}

    return change


def at_rate(step: int) -> Change:
    """The same length in frames so far apart."""

    def change(transcript: LivenessTranscript) -> dict[str, Any]:
        return {"intervals": encode_intervals(range(0, transcript.frame_times[-1] + step, step))}

    return change


def hole(transcript: LivenessTranscript) -> dict[str, Any]:
    times = [t for t in transcript.frame_times if not 100 < t < 1200]
    return {"intervals": encode_intervals(times)}


def stopped(transcript: LivenessTranscript) -> dict[str, Any]:
    return {"intervals": bytes(2) + transcript.intervals}


def other_kind(transcript: LivenessTranscript) -> dict[str, Any]:
    kind = next(k for k in ACTION_KINDS if k != transcript.actions[1].kind)
    first, second, third = transcript.actions
    return {"actions": (first, second.model_copy(update={"kind": kind}), third)}


def weak(transcript: LivenessTranscript) -> dict[str, Any]:
    return {"actions": tuple(a.model_copy(update={"reach": a.rest}) for a in transcript.actions)}


FAULTS: dict[str, tuple[str, Change]] = {
    "another session": ("session", lambda t: {"session": bytes(16)}),
    "another challenge": ("challenge", lambda t: {"challenge_digest": bytes(32)}),
    "another model": ("model", lambda t: {"model_digest": bytes(32)}),
    "an action left out": ("actions", lambda t: {"actions": t.actions[:2]}),
    "no action": ("actions", lambda t: {"actions": ()}),
    "one action more": ("actions", lambda t: {"actions": (*t.actions, t.actions[0])}),
    "another order": ("actions", lambda t: {"actions": t.actions[::-1][:2] + t.actions[:1]}),
    "another action": ("actions", other_kind),
    "an action before the start": ("start", nth(0, asked_ms=-3_000)),
    "faster than people": ("reaction", nth(1, start_ms=-320)),
    "before it was asked": ("reaction", nth(1, asked_ms=480)),
    "overlapping actions": ("order", nth(1, asked_ms=-40)),
    "a peak after the end": ("peak", nth(0, peak_ms=400)),
    "a peak before the start": ("peak", nth(0, peak_ms=-400)),
    "a turn without length": ("speed", nth(0, peak_ms=-240, end_ms=-480)),
    "between two frames": ("frames", nth(2, peak_ms=7)),
    "no movement": ("extent", weak),
    "frames at once": ("frame times", stopped),
    "frames with a hole": ("frame times", hole),
    "too few frames": ("frame rate", at_rate(360)),
    "too many frames": ("frame rate", at_rate(4)),
    "another face in between": ("face", lambda t: {"face_changes": 1}),
    "nobody in between": ("face", lambda t: {"longest_gap_ms": 1_001}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_rule_alone_refuses(name: str) -> None:
    what, change = FAULTS[name]
    challenge = Challenge(
        session=SESSION,
        nonce=fixed_bytes("challenge-nonce"),
        actions=("turn-left", "blink", "turn-right"),
        excluded=(),
        start_ms=1_500,
        limit_ms=20_000,
        passive="warn",
        passive_threshold=50,
        required=True,
    )
    honest = transcript_for(challenge, MODEL.digest)
    check(challenge, honest)
    with pytest.raises(Refused) as caught:
        check(challenge, LivenessTranscript(**{**dict(honest), **change(honest)}))
    assert caught.value.detail == f"liveness {what} is not as it must be"


def test_a_transcript_is_no_longer_than_the_time_since_the_offer() -> None:
    challenge = drawn()
    transcript = transcript_for(challenge, MODEL.digest)
    length = transcript.frame_times[-1]
    check(challenge, transcript, length)
    with pytest.raises(Refused):
        check(challenge, transcript, length - 2_001)
    with pytest.raises(Refused):
        check(challenge.model_copy(update={"limit_ms": length - 1}), transcript)


@pytest.mark.parametrize(
    ("rule", "score", "passes"),
    [
        ("off", None, True),
        ("warn", 10, True),
        ("warn", None, True),
        ("require", 50, True),
        ("require", 49, False),
        ("require", None, False),
    ],
)
def test_the_passive_check_warns_or_refuses(rule: Any, score: int | None, passes: bool) -> None:
    challenge = drawn(replace(REQUIRED, passive=rule))
    transcript = transcript_for(challenge, MODEL.digest, passive=score)
    if passes:
        counts = check(challenge, transcript).counts
        assert counts.get("passive-warning", 0) == int(score == 10)
    else:
        with pytest.raises(Refused):
            check(challenge, transcript)


# Whole registrations


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(tmp_path: Path, clock: Clock) -> Iterator[World]:
    with World(tmp_path, clock=clock, liveness=REQUIRED) as world:
        yield world


def performing(clock: Clock, puppet: Puppet) -> Callable[[Challenge | None], Captured]:
    """A person before the camera; the clock goes on meanwhile."""

    def capture(challenge: Challenge | None) -> Captured:
        assert challenge is not None
        clock.now += 10
        return puppet.capture(challenge, MODEL.digest)

    return capture


def test_whoever_does_what_is_asked_is_registered(world: World, clock: Clock) -> None:
    result = world.register(TEMPLATE, performing(clock, Puppet(face=LIVE, blink_every_ms=2_000)))
    assert result.outcome == "MATCH"
    stated = result.verified.statement.message.liveness
    challenge = Challenge.decode(result.offer.challenge or b"")
    assert (stated.outcome, stated.asked, stated.excluded) == ("passed", challenge.actions, ())
    assert stated.evidence_digest == digest_of(result.submission.liveness_evidence or b"")
    assert len(result.submission.liveness_evidence or b"") < 1_500
    totals = {row.measure: row.total for row in world.rows("liveness_counters")}
    assert totals == {"passed": 1, "attempts": 1, "seconds": 9}


def test_no_row_holds_a_transcript(world: World, clock: Clock) -> None:
    result = world.register(TEMPLATE, performing(clock, Puppet(face=LIVE)))
    evidence = result.submission.liveness_evidence or b""
    for table in ("sessions", "records", "liveness_counters", "outcome_counters"):
        for row in world.rows(table):
            for value in row:
                assert not (isinstance(value, bytes) and evidence[100:160] in value)


def test_the_wrong_face_in_the_action_lane_is_no_match_under_encryption(
    world: World, clock: Clock
) -> None:
    """A photograph of the holder for the probe, somebody else for the movements."""
    impostor = Puppet(face=LIVE, action_face=STRANGER)
    assert world.register(TEMPLATE, performing(clock, impostor)).outcome == "NO_MATCH"
    reverse = Puppet(face=STRANGER, action_face=LIVE)
    assert world.register(TEMPLATE, performing(clock, reverse)).outcome == "NO_MATCH"
    assert world.register(TEMPLATE, performing(clock, Puppet(face=LIVE))).outcome == "MATCH"


def test_a_photograph_is_inconclusive_and_nothing_is_handed_in(world: World) -> None:
    with pytest.raises(Inconclusive, match="photograph"):
        world.register(TEMPLATE, LIVE)
    assert [path for path, _ in world.received] == [SESSIONS]
    assert world.rows("records") == []


def test_where_liveness_is_optional_a_photograph_is_taken_and_said_so(tmp_path: Path) -> None:
    with World(tmp_path, liveness=LivenessPolicy(mode="optional")) as world:
        result = world.register(TEMPLATE, LIVE)
        assert result.outcome == "MATCH"
        stated = result.verified.statement.message.liveness
        assert (stated.outcome, stated.asked) == ("not-performed", ())


def test_exclusions_and_their_reasons_are_in_the_statement(world: World, clock: Clock) -> None:
    given: Occasion = replace(occasion(), exclusions=VEIL)
    result = world.client.register(TEMPLATE, performing(clock, Puppet(face=LIVE)), given)
    stated = result.verified.statement.message.liveness
    assert stated.excluded == VEIL
    assert "open-mouth" not in stated.asked


def test_where_too_few_kinds_are_left_the_client_is_told(world: World, clock: Clock) -> None:
    given = replace(occasion(), exclusions=NECK)
    with pytest.raises(LivenessNotPossible):
        world.client.register(TEMPLATE, performing(clock, Puppet(face=LIVE)), given)
    assert world.rows("sessions") == []


def submission(world: World, opened: Opened, evidence: bytes | None) -> Any:
    digest = None if evidence is None else digest_of(evidence)
    return draft(
        world.counter,
        opened,
        *ciphertexts(opened, TEMPLATE, LIVE),
        world.clock(),
        made={"liveness_evidence_digest": digest},
        top={"liveness_evidence": evidence},
    )


def test_a_transcript_never_passes_for_another_session(world: World, clock: Clock) -> None:
    """Not as it is, and not with the other session's id and digest written into it."""
    recorded = None
    for _ in range(3):
        opened = world.open()
        clock.now += 10
        challenge = Challenge.decode(opened.offer.challenge or b"")
        if recorded is None:
            recorded = transcript_for(challenge, MODEL.digest)
            assert world.submit(opened, submission(world, opened, recorded.encode())).outcome
            continue
        with pytest.raises(Refused) as caught:
            world.submit(opened, submission(world, opened, recorded.encode()))
        assert "liveness session" in caught.value.detail
        assert world.state(opened) == "FAILED"
        other = world.open()
        theirs = Challenge.decode(other.offer.challenge or b"")
        forged = recorded.model_copy(update={"session": theirs.session})
        clock.now += 10
        with pytest.raises(Refused) as caught:
            world.submit(other, submission(world, other, forged.encode()))
        assert "liveness challenge" in caught.value.detail
    assert len(world.rows("records")) == 1


def test_a_transcript_takes_no_longer_than_the_session_is_old(world: World, clock: Clock) -> None:
    """Handed in at once, it says what has not yet happened."""
    for at_once in (True, False):
        opened = world.open()
        transcript = transcript_for(Challenge.decode(opened.offer.challenge or b""), MODEL.digest)
        seconds = -(-transcript.frame_times[-1] // 1000)
        assert seconds >= 3
        clock.now += 0 if at_once else seconds
        made = submission(world, opened, transcript.encode())
        if at_once:
            with refused("liveness elapsed time"):
                world.submit(opened, made)
        else:
            assert world.submit(opened, made).outcome


def test_a_required_transcript_that_is_missing_is_refused(world: World, clock: Clock) -> None:
    opened = world.open()
    with pytest.raises(Refused) as caught:
        world.submit(opened, submission(world, opened, None))
    assert caught.value.detail == "liveness evidence is missing"
    assert world.asked[-1][0] == "/v1/session-keys", "the authority was not asked to decide"


def test_evidence_that_does_not_hold_is_refused_where_it_is_optional_too(tmp_path: Path) -> None:
    with World(tmp_path, liveness=LivenessPolicy(mode="optional")) as world:
        opened = world.open()
        challenge = Challenge.decode(opened.offer.challenge or b"")
        bad = transcript_for(challenge, MODEL.digest, face_changes=1)
        with pytest.raises(Refused):
            world.submit(opened, submission(world, opened, bad.encode()))


def test_sessions_get_challenges_of_their_own(world: World) -> None:
    offers: list[SessionOffer] = [world.open().offer for _ in range(4)]
    challenges = [Challenge.decode(offer.challenge or b"") for offer in offers]
    assert len({c.nonce for c in challenges}) == 4
    device = world.counter.device.party
    held = {c.session: world.sessions.find(c.session, device) for c in challenges}
    assert {one: opened[0].terms.challenge for one, opened in held.items() if opened} == {
        c.session: c for c in challenges
    }


def test_a_session_is_taken_with_its_challenge_by_the_client_alone(world: World) -> None:
    """Another session's challenge in the offer is refused before anything is captured."""
    offers: list[bytes] = []

    def swap(path: str, answer: Any) -> Any:
        if path != SESSIONS:
            return answer
        offer = SessionOffer.decode(answer.content)
        offers.append(offer.challenge or b"")
        changed = offer.model_copy(update={"challenge": offers[0]})
        return type(answer)(200, content=changed.encode())

    world.alter_gateway = swap
    asked: list[Any] = []

    def capture(challenge: Challenge | None) -> Captured:
        asked.append(challenge)
        return Captured(LIVE)

    with pytest.raises(Refused):
        world.register(TEMPLATE, capture)
    with pytest.raises(Refused):
        world.register(TEMPLATE, capture)
    assert len(asked) == 1, "the second offer carried the first one's challenge"


def test_action_traces_say_little(world: World, clock: Clock) -> None:
    """Per action five times in milliseconds and two levels, and a time for each number of a count;
    no series of measurements."""
    result = world.register(TEMPLATE, performing(clock, Puppet(face=LIVE)))
    transcript = LivenessTranscript.decode(result.submission.liveness_evidence or b"")
    assert {type(a) for a in transcript.actions} == {ActionTrace}
    assert set(ActionTrace.model_fields) == {
        "version",
        "kind",
        "asked_ms",
        "start_ms",
        "peak_ms",
        "end_ms",
        "rest",
        "reach",
        "openings",
    }
