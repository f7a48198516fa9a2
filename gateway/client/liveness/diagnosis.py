"""Why an attempt failed, from the measurements of its frames alone: no picture is kept for it.

The first rule that holds names the cause. What spoils the whole picture comes first, because all
else is measured in it: a dim room, a picture upside down, too few views a second, whatever the
quality gate refuses. Then comes what hides eyes or mouth, and last what was seen of the action that
was asked for. No rule holds of a picture in which nothing is wrong.

A cause is a sentence without a measure (``prompts``). It is shown at the counter, and goes neither
to a server nor to a file. Limits lie between what uncovered, moving people in the clips show and
what the same clips show after an impairment (gateway/docs/MODELS.md).
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Final

from gateway.client.liveness.counting import Fault
from gateway.client.liveness.limits import LIMITS
from gateway.client.liveness.measured import Measured
from gateway.client.liveness.options import option_after, to_exclude
from gateway.client.liveness.prompts import Language, MessageId, text
from gateway.client.liveness.runner import BRIGHT, DARK, DARK_ROOM, FAR_PX, FRONTAL_TURN
from gateway.wire.liveness import (
    MOVEMENTS,
    ActionKind,
    AttemptReason,
    Exclusion,
    ExclusionReason,
)

_OURS = LIMITS["diagnosis"]
MOST_EXCLUDED: Final[int] = len(MOVEMENTS) - _OURS["leastKinds"]
"""Movements. A gateway asks for three kinds of them or more; with fewer, no check is possible but a
count, where it asks for that."""
SLOW_MS: Final[int] = _OURS["slowMs"]
"""Median time between frames: eight a second. Above it, short movements fall between frames."""

_HALF_TURN: Final[int] = _OURS["halfTurn"]
_REFUSED_OF: Final[int] = _OURS["refusedOf"]
"""The quality gate refuses more than one of so many frames: of lively, uncovered faces up to a
quarter."""
_FEW: Final[int] = _OURS["few"]
"""Frames, or so many of a kind: fewer say nothing."""
_LEAST_MS: Final[int] = _OURS["leastMs"]
"""After a prompt: nobody was given the time to act before."""
_HIDDEN_EYES: Final[float] = _OURS["hiddenEyes"]
_HIDDEN_LIPS: Final[float] = _OURS["hiddenLips"]
_RAISED: Final[float] = _OURS["raised"]
_BOWED: Final[float] = _OURS["bowed"]
"""``pitch``. Medians of the people in the clips: 0.40 to 0.68. One of them, as if seen
from 38 degrees below and above: 0.29 and 0.69."""
_CLOSED: Final[float] = _OURS["closed"]
_MOST: Final[float] = _OURS["most"]
_HEAD_STILL: Final[float] = _OURS["headStill"]
_HEAD_LITTLE: Final[float] = _OURS["headLittle"]
_MOUTH_STILL: Final[float] = _OURS["mouthStill"]
_MOUTH_LITTLE: Final[float] = _OURS["mouthLittle"]
"""Of the turn and of the opening, from rest: below these nothing, or too little, was seen."""

_FINDINGS: Final[dict[str, MessageId]] = _OURS["findings"]
_OF_THE_PERSON: Final = frozenset[MessageId](_OURS["ofThePerson"])
"""Causes in the picture that a person may be unable to change. No exclusion helps with these."""
_OPPOSITE: Final[dict[ActionKind, ActionKind]] = _OURS["opposite"]
_UNEXPLAINED: Final = frozenset[AttemptReason](_OURS["unexplained"])


@dataclass(frozen=True)
class Cause:
    """Why an attempt failed, as the message that says it.

    ``excusable``: an action that may be left out, and for which reason.
    ``unseen``: nothing, or hardly anything, of the action was seen.
    """

    why: MessageId
    excusable: Exclusion | None = None
    unseen: bool = False


@dataclass
class Attempt:
    """What is known of an attempt: every measured frame, and what was asked for when it ended.

    ``awaited``, ``asked_ms``: the action that was asked for and not seen, and since when.
    ``wrong``: the action that was seen instead, if that ended the attempt.
    ``turned``: whether a turn was seen on the side that was asked for.
    ``fault``: what ended a count.
    """

    frames: list[Measured] = field(default_factory=list, repr=False)
    awaited: ActionKind | None = None
    asked_ms: int | None = None
    wrong: ActionKind | None = None
    turned: bool = False
    fault: Fault | None = None

    @property
    def faces(self) -> list[Measured]:
        """Frames with exactly one face."""
        return [frame for frame in self.frames if frame.faces == 1 and frame.face is not None]

    @property
    def since_asked(self) -> list[Measured]:
        return [f for f in self.faces if self.asked_ms is not None and f.at_ms >= self.asked_ms]


class Diagnostician:
    """Names the causes of one customer's failing attempts, one after the other."""

    def __init__(self) -> None:
        self._opposite = 0
        self._unseen: set[ActionKind] = set()

    def cause(self, attempt: Attempt, reason: AttemptReason | None) -> Cause | None:
        """The cause, or None if there is none beyond the reason.

        Args:
            reason: how the attempt ended; None without a challenge.
        """
        if reason in _UNEXPLAINED:
            return None
        found = _of_the_picture(attempt, moves=reason is not None)
        if found is not None:
            return found
        if attempt.fault == "uneven":
            return Cause("why-number-uneven")
        if reason == "wrong-action":
            return self._other_side(attempt)
        if reason == "face-changed":
            return None
        return self._of_the_action(attempt) or _of_the_pose(attempt)

    def _other_side(self, attempt: Attempt) -> Cause | None:
        """A person may take left for right once. A camera that mirrors does it every time."""
        if attempt.awaited is None or attempt.wrong != _OPPOSITE.get(attempt.awaited):
            return None
        if attempt.turned:
            self._opposite = 0
            return None
        self._opposite += 1
        return Cause("why-other-side" if self._opposite == 1 else "why-mirrored")

    def _of_the_action(self, attempt: Attempt) -> Cause | None:
        if attempt.awaited is None:
            return None
        found = _action_cause(attempt.awaited, attempt)
        if found is None or not found.unseen:
            return found
        self._unseen.add(attempt.awaited)
        return Cause("why-several-unseen") if len(self._unseen) > MOST_EXCLUDED else found


def of_refusal(finding: str) -> Cause:
    """The cause where the quality gate refused the frames that were needed."""
    return Cause(_FINDINGS.get(finding, "why-unclear"))


def advice(
    cause: Cause, excluded: Collection[ActionKind], language: Language, without_face: str = ""
) -> tuple[str, Exclusion | None]:
    """What the person reads: the cause, what helps, and what to do if that is impossible.

    Args:
        excluded: what is left out already.
        without_face: how to register without a face, in this language; quoted where that is named.

    Returns:
        The text, and the exclusion that it names.
    """
    said, left_out = [text(cause.why, language)], None
    said += filter(None, (option_after(cause.why, language),))
    if cause.excusable is not None and _may_leave_out(cause.excusable.kind, excluded):
        left_out = cause.excusable
        said.append(to_exclude(left_out, language))
    elif cause.excusable is not None or cause.why in _OF_THE_PERSON:
        said += [text("otherwise-without-face", language), *filter(None, (without_face,))]
    return ("" if language == "zh" else " ").join(said), left_out


def _may_leave_out(kind: ActionKind, excluded: Collection[ActionKind]) -> bool:
    return kind == "count" or len(set(excluded) - {"count"}) < MOST_EXCLUDED


def too_slow(times: Sequence[int], limit_ms: int = SLOW_MS) -> bool:
    """Whether the median time between frames, in milliseconds, is longer than the limit."""
    return len(times) >= _FEW and median(b - a for a, b in pairwise(times)) > limit_ms


# The picture


def _of_the_picture(attempt: Attempt, *, moves: bool) -> Cause | None:
    """``moves``: whether movements were asked for, which a slow camera misses."""
    if len(attempt.frames) < _FEW:
        return None
    judged = [frame.finding for frame in attempt.frames if frame.finding is not None]
    poor = [finding for finding in judged if finding in _FINDINGS]
    refused = _REFUSED_OF * len(poor) > len(judged)
    found = _position(attempt.frames) if refused or not judged else None
    found = found or _light_and_rate(attempt.frames, attempt.faces, moves=moves)
    if found is None and refused and attempt.faces:
        found = _refused(attempt.faces, poor)
    return None if found is None else Cause(found)


def _position(frames: list[Measured]) -> MessageId | None:
    turns = Counter(frame.upright_turns for frame in frames if frame.upright_turns)
    if not turns:
        return None
    return "why-upside-down" if turns.most_common(1)[0][0] == _HALF_TURN else "why-sideways"


def _light_and_rate(
    frames: list[Measured], faces: list[Measured], *, moves: bool
) -> MessageId | None:
    if _mostly(frames, _dark):
        return "why-dark"
    if _mostly(faces, lambda frame: frame.exposure > BRIGHT):
        return "why-bright"
    if moves and too_slow([frame.at_ms for frame in frames]):
        return "why-few-views"
    return "come-closer" if _mostly(faces, _far) else None


def _dark(frame: Measured) -> bool:
    return frame.exposure < (DARK_ROOM if frame.face is None else DARK)


def _far(frame: Measured) -> bool:
    return frame.face is not None and frame.face.inter_ocular_px < FAR_PX


def _refused(faces: list[Measured], poor: list[str]) -> MessageId:
    """Why the quality gate refuses most frames. What hides a part of the face is told apart here:
    the gate may find it grainy, or without contrast."""
    eyes, lips = _eyes_hidden(faces), _lips_hidden(faces)
    if eyes or lips:
        return "why-face-covered" if eyes and lips else _hidden(eyes=eyes)
    found = Counter(poor).most_common(1)[0][0]
    steep = _from_above_or_below(faces) if found in ("averted", "distorted") else None
    return steep or _FINDINGS[found]


def _from_above_or_below(faces: list[Measured]) -> MessageId | None:
    pitch = median(frame.pitch for frame in faces)
    if pitch > _BOWED:
        return "why-from-above"
    return "why-from-below" if pitch < _RAISED else None


def _hidden(*, eyes: bool) -> MessageId:
    return "why-eyes-covered" if eyes else "why-mouth-covered"


def _eyes_hidden(faces: list[Measured]) -> bool:
    return bool(faces) and median(frame.eyes_contrast for frame in faces) < _HIDDEN_EYES


def _lips_hidden(faces: list[Measured]) -> bool:
    return bool(faces) and median(frame.mouth_contrast for frame in faces) < _HIDDEN_LIPS


def _of_the_pose(attempt: Attempt) -> Cause | None:
    """Why nothing was asked for, or no frame will do as the probe."""
    faces = attempt.faces
    if len(faces) >= _FEW and all(_shut([f.each_closed[eye] for f in faces]) for eye in (0, 1)):
        return _unable("why-eyes-shut", "blink")
    if attempt.asked_ms is not None:
        return None
    if _mostly(attempt.frames, lambda frame: frame.face is None):
        return Cause("no-face")
    if _mostly(attempt.frames, lambda frame: frame.faces > 1):
        return Cause("several-faces")
    averted = _mostly(faces, lambda frame: abs(frame.turn) > FRONTAL_TURN)
    return Cause("why-averted") if averted else None


# The action


def _action_cause(awaited: ActionKind, attempt: Attempt) -> Cause | None:
    seen = attempt.since_asked
    if len(seen) < _FEW or seen[-1].at_ms - seen[0].at_ms < _LEAST_MS:
        return None
    steep = _from_above_or_below(seen)
    if steep is not None:  # there neither lids nor lips nor a turn look as they do from the front
        return Cause(steep)
    match awaited:
        case "blink":
            return _blink_cause(seen)
        case "open-mouth":
            return _mouth_cause(seen)
        case "count":
            return _count_cause(seen)
    before = [frame for frame in attempt.faces if frame.at_ms <= seen[0].at_ms]
    rest = median(frame.turn for frame in before if abs(frame.turn) <= FRONTAL_TURN)
    way = 1 if awaited == "turn-left" else -1
    return _turn_cause(awaited, seen, [way * (frame.turn - rest) for frame in seen])


def _blink_cause(seen: list[Measured]) -> Cause:
    if _eyes_hidden(seen):
        return _leave_out("why-eyes-covered", "blink", "cannot-be-seen")
    left, right = ([frame.each_closed[eye] for frame in seen] for eye in (0, 1))
    if _shut(left) and _shut(right):
        return _unable("why-eyes-shut", "blink")
    moved = [_second(eye) >= _CLOSED and not _shut(eye) for eye in (left, right)]
    if all(moved):
        return _leave_out("why-blink-unclear", "blink", "not-recognised")
    return _unable("why-one-eye" if any(moved) else "why-eyes-stay-open", "blink")


def _mouth_cause(seen: list[Measured]) -> Cause:
    if _lips_hidden(seen):
        return _leave_out("why-mouth-covered", "open-mouth", "cannot-be-seen")
    levels = [frame.mouth_open for frame in seen]
    if _second(levels) - min(levels) < _MOUTH_STILL:
        return _unable("why-mouth-still", "open-mouth")
    if _second(levels) < _MOUTH_LITTLE:
        return _unable("why-mouth-little", "open-mouth")
    return _leave_out("why-mouth-unclear", "open-mouth", "not-recognised")


def _count_cause(seen: list[Measured]) -> Cause:
    if _lips_hidden(seen):
        return _leave_out("why-mouth-covered", "count", "cannot-be-seen")
    return _unable("why-number-missed", "count")


def _turn_cause(kind: ActionKind, seen: list[Measured], way: list[float]) -> Cause:
    """``way``: the turn towards the side that was asked for, from the rest."""
    reach = _second(way)
    if reach < _HEAD_LITTLE:
        return _unable("why-head-still" if reach < _HEAD_STILL else "why-head-little", kind)
    if _eyes_hidden(seen):  # eyes seen from the side are the second witness of a turn
        return _leave_out("why-eyes-covered", kind, "cannot-be-seen")
    return _leave_out("why-turn-unclear", kind, "not-recognised")


def _leave_out(why: MessageId, kind: ActionKind, reason: ExclusionReason) -> Cause:
    return Cause(why, Exclusion(kind=kind, reason=reason))


def _unable(why: MessageId, kind: ActionKind) -> Cause:
    """Nothing of the action, or too little, was seen."""
    return Cause(why, Exclusion(kind=kind, reason="cannot-perform"), unseen=True)


def _shut(eye: list[float]) -> bool:
    return sum(level >= _CLOSED for level in eye) > _MOST * len(eye)


def _second(levels: list[float]) -> float:
    """The second highest: a single frame may be wrong."""
    return sorted(levels)[-2]


def _mostly(frames: Sequence[Measured], holds: Callable[[Measured], bool]) -> bool:
    return len(frames) >= _FEW and sum(map(holds, frames)) > len(frames) / 2
