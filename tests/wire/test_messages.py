"""What holds for every message: bounded, frozen, silent about its contents."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.wire import errors
from gateway.wire.errors import BodyTooLarge, MalformedMessage, Problem, problem_for
from gateway.wire.evaluation import ProductRequest
from gateway.wire.message import SMALL, Message
from gateway.wire.policy import KAPPA, MAX_WIDTH, LanePolicy, MatchPolicy
from gateway.wire.profile import T
from gateway.wire.session import SessionOffer
from gateway.wire.submission import Submission
from tests.vectors.golden import MESSAGES
from tests.wire import reference_cbor

EXAMPLES = [case for cases in MESSAGES.values() for case in cases]
IDS = [f"{name}-{i}" for name, cases in MESSAGES.items() for i in range(len(cases))]


@pytest.mark.parametrize("message", EXAMPLES, ids=IDS)
def test_is_frozen_and_comes_back(message: Message) -> None:
    assert type(message).decode(message.encode()) == message
    with pytest.raises(ValidationError):
        message.version = 1  # type: ignore[misc]


@pytest.mark.parametrize("message", EXAMPLES, ids=IDS)
def test_length_is_bounded_before_anything_is_read(message: Message) -> None:
    kind = type(message)
    assert len(message.encode()) <= kind.max_bytes
    with pytest.raises(BodyTooLarge):
        kind.decode(bytes(kind.max_bytes + 1))
    with pytest.raises(MalformedMessage):
        kind.decode(bytes(kind.max_bytes))


@pytest.mark.parametrize("message", EXAMPLES, ids=IDS)
def test_every_field_is_needed_and_no_other_taken(message: Message) -> None:
    kind, value = type(message), message.to_map()
    for name in value:
        with pytest.raises(MalformedMessage):
            kind.from_map({key: item for key, item in value.items() if key != name})
    with pytest.raises(MalformedMessage) as caught:
        kind.from_map(value | {"secret-from-peer": 1})
    assert "secret-from-peer" not in str(caught.value)


def _without_one_key(value: Any) -> Iterator[Any]:
    """The same tree without one key of a map, for every key at every depth."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield {other: kept for other, kept in value.items() if other != key}
            yield from (value | {key: less} for less in _without_one_key(item))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from ([*value[:at], less, *value[at + 1 :]] for less in _without_one_key(item))


@pytest.mark.parametrize("message", EXAMPLES, ids=IDS)
def test_messages_within_messages_are_complete(message: Message) -> None:
    """A version that may be left out is a second encoding, with another digest."""
    kind, tree = type(message), reference_cbor.decode(message.encode())
    assert kind.decode(reference_cbor.encode(tree)) == message
    for less in _without_one_key(tree):
        with pytest.raises(MalformedMessage):
            kind.decode(reference_cbor.encode(less))


WRONG: list[Any] = [None, True, -1, "\x00peer-input\x00", b"\x00peer-input\x00", [], {}, [[]]]


ALLOWED: list[Any] = [
    *((name, []) for name in ("exclusions", "actions", "asked", "excluded", "reasons", "openings")),
    ("rest", -1),
    ("reach", -1),
    ("required", True),
    ("assertionsVerified", True),
]


@pytest.mark.parametrize("message", EXAMPLES, ids=IDS)
def test_errors_never_repeat_input(message: Message) -> None:
    kind, value = type(message), message.to_map()
    refusals = []
    for name, honest in value.items():
        for wrong in WRONG:
            try:
                kind.decode(reference_cbor.encode(value | {name: wrong}))
            except MalformedMessage as error:
                refusals.append(error)
            else:
                # Some fields take null, some byte strings or texts of any content, some no item.
                if (name, wrong) in ALLOWED:
                    continue
                assert wrong is None or type(wrong) in {bytes, str}, name
                assert honest is None or type(honest) in {bytes, str, int}, name
    assert len(refusals) >= len(value)
    for error in refusals:
        assert "peer-input" not in repr(error)
        assert error.__cause__ is None
        assert error.__context__ is None or error.__suppress_context__


PUBLIC = ("policy", "challenge")


def test_repr_of_what_carries_secrets_says_nothing() -> None:
    """No ciphertext, signature, salt or activation number in a log line."""
    for name in (
        "submission",
        "session-offer",
        "attempt-request",
        "attempt-answer",
        "product-request",
        "audit-request",
        "opening",
        "decision-response",
    ):
        for message in MESSAGES[name]:
            text = repr(message)
            for field, value in message.to_map().items():
                if isinstance(value, bytes) and len(value) > 100 and field not in PUBLIC:
                    assert repr(value)[2:60] not in text, field
    opening = MESSAGES["opening"][0]
    assert "151" not in repr(opening)
    assert "salt" not in repr(opening)
    assert "secret" not in repr(MESSAGES["subject-request"][0])
    assert "rows" not in repr(MESSAGES["subject-answer"][0])
    assertion, _ = MESSAGES["template-assertion"]
    assert "inner" not in repr(assertion)
    consent, _ = MESSAGES["consent-record"]
    assert "salt" not in repr(consent)


def test_repr_shows_no_number_of_the_decision() -> None:
    """omega, m', m and shares: each tells something of a score beside what somebody else holds."""
    shown = {"version", "session", "nonce", "policy", "consent"}
    for name in ("product-request", "masked-values", "shares-request", "audit-request"):
        for message in MESSAGES[name]:
            fields = {field for field in type(message).model_fields if f"{field}=" in repr(message)}
            assert fields <= shown, fields - shown


def test_sizes_stay_within_the_promise() -> None:
    """Key and product at most 230 KB, submission at most 700 KB (bounds, not typical sizes)."""
    assert len(MESSAGES["session-offer"][0].encode()) <= 231_000
    assert len(MESSAGES["product-request"][0].encode()) <= 230_000
    assert len(MESSAGES["submission"][1].encode()) <= 700_000
    to_the_authority = ("session-key-request", "attempt-request", "product-request")
    sent = sum(len(MESSAGES[name][0].encode()) for name in (*to_the_authority, "shares-request"))
    assert sent <= 240_000
    assert SessionOffer.max_bytes <= 250_000
    assert ProductRequest.max_bytes <= 250_000
    assert Submission.max_bytes <= 760_000
    assert SMALL == 16_384


def test_a_product_is_divided_by_a_unit() -> None:
    """omega = 0 has no inverse, and t is a second way to write it."""
    (honest,) = MESSAGES["product-request"]
    for omega in (1, T - 1):
        value = honest.to_map() | {"omega": omega}
        assert ProductRequest.decode(reference_cbor.encode(value)).omega == omega
    for omega in (0, T, -1, 2**64 - 1, True, None, "1"):
        with pytest.raises(MalformedMessage):
            ProductRequest.decode(reference_cbor.encode(honest.to_map() | {"omega": omega}))


def test_error_table() -> None:
    """Status and code that clients in other languages rely on."""
    expected = {
        errors.MalformedMessage: (400, "INVALID_ARGUMENT"),
        errors.UnknownProfile: (400, "FACE_VERIFICATION.UNKNOWN_PROFILE"),
        errors.Refused: (403, "PERMISSION_DENIED"),
        errors.SessionNotFound: (404, "NOT_FOUND"),
        errors.SessionConflict: (409, "CONFLICT"),
        errors.BodyTooLarge: (413, "PAYLOAD_TOO_LARGE"),
        errors.UnsupportedMedia: (415, "UNSUPPORTED_MEDIA_TYPE"),
        errors.UnknownLog: (404, "NOT_FOUND"),
        errors.NotConsistent: (422, "UNPROCESSABLE_CONTENT"),
        errors.TooManyRequests: (429, "TOO_MANY_REQUESTS"),
        errors.CallerMisuse: (500, "INTERNAL"),
        errors.LivenessNotPossible: (422, "FACE_VERIFICATION.LIVENESS_NOT_POSSIBLE"),
        errors.Unavailable: (503, "UNAVAILABLE"),
    }
    direct = set(errors.SealmatchError.__subclasses__())
    assert expected.keys() <= direct
    for kind, (status, code) in expected.items():
        problem = problem_for(kind("why"))
        assert (problem.status, problem.code) == (status, code)
        assert problem.body().keys() == {"status", "code", "message"}


def test_refusals_are_one_answer_whatever_the_reason() -> None:
    bodies = {json.dumps(problem_for(errors.Refused(why)).body()) for why in ("a", "b", "")}
    assert len(bodies) == 1


def test_our_own_faults_tell_nothing() -> None:
    assert problem_for(errors.CallerMisuse("secret")) == errors.INTERNAL
    assert isinstance(errors.INTERNAL, Problem)
    assert "secret" not in str(errors.INTERNAL)


@pytest.mark.parametrize("tau", ["0.341", "0.419", "0.9"])
def test_policy_for_a_cosine(tau: str) -> None:
    """lo and hi are the least and the largest value whose cosine lies between tau and 0.955."""
    lane = LanePolicy.for_cosine(tau)
    assert KAPPA == 6536
    assert (lane.lo - 1) / KAPPA < float(tau) <= lane.lo / KAPPA
    assert lane.hi / KAPPA <= 0.955 < (lane.hi + 1) / KAPPA
    for value, accepted in (
        (lane.lo - 1, False),
        (lane.lo, True),
        (lane.hi, True),
        (lane.hi + 1, False),
        (KAPPA, False),  # the portrait itself
        (0, False),
        (-lane.lo, False),
        (lane.lo + T, True),
        (lane.lo - 1 + T, False),
    ):
        assert lane.accepts(value) is accepted


def test_a_window_has_at_most_two_to_the_twelve_values() -> None:
    """By which a uniform value is accepted with probability below 2^-14.99 (section 5)."""
    assert MAX_WIDTH == 2**12
    assert LanePolicy(lo=7, hi=7 + 2**12 - 1).width == 2**12
    assert 2**12 / (T - 1) < 2**-14.99
    for lo, hi in ((7, 7 + 2**12), (7, 6), (0, 5), (T // 2 - 2, T // 2)):
        with pytest.raises(ValidationError):
            LanePolicy(lo=lo, hi=hi)


def test_a_policy_speaks_of_both_lanes() -> None:
    (policy, _) = MESSAGES["match-policy"]
    lane = policy.to_map()["lanes"][0]
    for count in (0, 1, 3):
        with pytest.raises(MalformedMessage):
            MatchPolicy.from_map(policy.to_map() | {"lanes": [lane] * count})
