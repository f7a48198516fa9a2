"""Writes the recorded series of the liveness check: ``python -m tests.vectors.liveness_series``.

Measurements of invented people, and what the Python client makes of them. The counter's page must
make the same of them (gateway/kiosk/page/test/liveness). Every number is rounded before it is
used, so that both read the same. A frame holds what changed since the one before.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic.alias_generators import to_camel

from gateway.client.liveness.capture import LiveCapture
from gateway.client.liveness.measured import Inconclusive
from gateway.client.liveness.runner import Progress
from gateway.vision.errors import OutOfFocus
from gateway.vision.geometry import Box, DetectedFace
from gateway.vision.liveness import ActionDetectors, FrameMeasurement
from gateway.vision.liveness.tracking import FaceTrack
from gateway.wire.liveness import ActionKind, Challenge, Counting, Exclusion
from tests.support.face_model import Pose, head, seen
from tests.support.liveness import MODEL_DIGEST, TOTALS, Puppet, a_face
from tests.support.parties import SESSION, fixed_bytes

FILE: Final = Path(__file__).parents[2] / "gateway/kiosk/page/test/liveness/series.json"
Document = dict[str, Any]
_DIGITS = 3


def rounded(frame: FrameMeasurement) -> FrameMeasurement:
    """With numbers as the file has them."""
    numbers = {
        name: round(value, _DIGITS)
        for name in frame.__slots__
        if isinstance(value := getattr(frame, name), float)
    }
    each = (round(frame.each_closed[0], _DIGITS), round(frame.each_closed[1], _DIGITS))
    return replace(frame, **numbers, each_closed=each)


def written(frames: Iterable[FrameMeasurement]) -> list[Document]:
    """Each frame as what changed since the one before."""
    before: Document = {}
    rows = []
    for frame in frames:
        now: Document = {to_camel(name): getattr(frame, name) for name in frame.__slots__}
        now["eachClosed"] = list(frame.each_closed)
        now["face"] = None if frame.face is None else round(frame.face.inter_ocular_px, _DIGITS)
        rows.append({name: value for name, value in now.items() if before.get(name, "") != value})
        before = now
    return rows


# Detectors


def _drifting(seed: int, step_ms: int, length: int = 90) -> list[FrameMeasurement]:
    """Every measurement wanders about the thresholds; now and then the face is lost or another."""
    draw = np.random.default_rng(seed)
    face = a_face()

    def wander(low: float, high: float) -> Any:
        steps = np.cumsum(draw.normal(0, 0.25 * (high - low), length))
        return low + (high - low) * (0.5 + 0.5 * np.sin(steps))

    turn, eyes, aspect = wander(-0.4, 0.4), wander(0, 1), wander(0.1, 0.32)
    mouth, breadth = wander(0, 0.7), wander(1.75, 2.05)
    changed = [wander(0, 0.5) for _ in range(3)]
    events = draw.random(length)
    return [
        rounded(
            FrameMeasurement(
                at_ms=n * step_ms,
                faces=2 if 0.97 < events[n] < 0.98 else int(events[n] < 0.99),
                face=face if events[n] < 0.99 else None,
                turn=float(turn[n]),
                eyes_closed=float(eyes[n]),
                eye_aspect=float(aspect[n]),
                mouth_open=float(mouth[n]),
                continuous=n > 0 and not 0.96 < events[n] < 0.97,
                eyes_changed=float(changed[0][n]),
                mouth_changed=float(changed[1][n]),
                turned_changed=float(changed[2][n]),
                breadth=float(breadth[n]),
            )
        )
        for n in range(length)
    ]


def _turning(breadth: float, reach: float = 0.28) -> list[FrameMeasurement]:
    """A turn, in which the face becomes so broad: a head stays about as broad as it was."""
    turns = [0.0] * 20 + [reach] * 10 + [0.0] * 10
    return [
        FrameMeasurement(
            at_ms=40 * n,
            faces=1,
            face=a_face(),
            turn=turn,
            continuous=n > 0,
            turned_changed=0.4 if turn else 0.0,
            breadth=breadth if turn else 2.0,
        )
        for n, turn in enumerate(turns)
    ]


def _opening(breadth: float) -> list[FrameMeasurement]:
    """A mouth that seems to open three times, while the face becomes so broad."""
    levels = [0.05] * 20 + ([0.25] * 5 + [0.05] * 15) * 3
    return [
        FrameMeasurement(
            at_ms=40 * n,
            faces=1,
            face=a_face(),
            mouth_open=level,
            mouth_changed=0.2 if level > 0.1 else 0.0,
            continuous=n > 0,
            breadth=breadth if level > 0.1 else 2.0,
        )
        for n, level in enumerate(levels)
    ]


def _detected(frames: list[FrameMeasurement]) -> Document:
    detectors = ActionDetectors(openings=True)
    events = [event for frame in frames for event in detectors.feed(frame)]
    rows = [{to_camel(name): value for name, value in asdict(event).items()} for event in events]
    return {"frames": written(frames), "events": rows}


# Tracking

_BASE = np.asarray(seen(head(), Pose()), np.float64).round(1)


@dataclass(frozen=True)
class _Stand:
    """Where a face is: its base shape times ``zoom``, shifted, one half bent by ``bend`` pixels."""

    at_ms: int
    shift: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    bend: float = 0.0
    person: int = 0
    poor: bool = False
    absent: bool = False

    @property
    def points(self) -> Any:
        points = _BASE * self.zoom + np.array(self.shift)
        points[:17, 0] += self.bend
        return points


def _stands() -> list[_Stand]:
    """Standing, walking, jumping, bending, growing, gone for a while, replaced, out of focus."""
    times = itertools.accumulate([0] + [40] * 119)
    stands = [_Stand(at_ms) for at_ms in times]
    for n, stand in enumerate(stands):
        change: Document = {"shift": (0.5 * n, round(3 * np.sin(n / 3), 2))}
        change |= {"zoom": round(1 + n / 600, 4)}
        if n in range(20, 24) or n in range(50, 64) or n in range(90, 92):
            change |= {"absent": True}
        if n >= 27:
            change |= {"shift": (0.5 * n + 60, 0.0), "poor": n == 27}
        if n >= 40:
            change |= {"bend": 6.0}
        if n >= 70:
            change |= {"person": 1}
        if 80 <= n < 100:
            change |= {"poor": True}
        if n >= 105:
            change |= {"zoom": 1.6}
        if n >= 112:
            change |= {"person": 2}
        if n == 119:
            change |= {"shift": (400.0, 0.0)}
        stands[n] = replace(stand, **change)
    return stands


def _tracked(stands: list[_Stand]) -> Document:
    track, people = FaceTrack(), np.eye(4, dtype=np.float32)
    people[1, 0], people[1, 1] = 0.6, 0.8  # close enough to the first one
    rows: list[Document] = []
    for stand in stands:
        if stand.absent:
            rows.append({"lost": track.lose(stand.at_ms)})
            continue
        fits, look = track.follow(stand.at_ms, stand.points)
        row: Document = {"fits": fits, "look": look}
        if look and stand.poor:
            row["unsure"] = track.unsure(stand.at_ms)
        elif look:
            row["same"] = track.identify(stand.at_ms, people[stand.person])
        rows.append(row)
    far = DetectedFace(Box(0, 0, 90, 200), 0.9, np.full((5, 2), 900, np.float32))
    near = DetectedFace(Box(0, 0, 90, 100), 0.9, np.full((5, 2), 640, np.float32))
    after = track.pick([far, near])
    return {
        "base": _BASE.ravel().tolist(),
        "people": [[round(float(one), _DIGITS) for one in person] for person in people],
        "stands": [{to_camel(name): value for name, value in asdict(s).items()} for s in stands],
        "found": rows,
        "picked": {
            "untracked": [far, near].index(FaceTrack().pick([far, near]) or near),
            "tracked": [far, near].index(after or far),
        },
    }


# Whole attempts


def challenge(*actions: ActionKind, **changes: Any) -> Challenge:
    given: Document = {
        "session": SESSION,
        "nonce": fixed_bytes("challenge-nonce"),
        "actions": actions,
        "excluded": (),
        "start_ms": 1500,
        "limit_ms": 9_000,
        "passive": "warn",
        "passive_threshold": 50,
        "required": True,
    }
    return Challenge(**(given | changes))


MOMENTS: Final = (1_000, 2_600, 5_320, 6_720, 9_600)
DELAYS: Final = (400, 640, 480, 240, 400)


def count(*actions: ActionKind) -> Challenge:
    counting = Counting(moments=MOMENTS, latest_ms=1_200, tolerance_ms=280)
    return challenge(*actions, counting=counting, limit_ms=30_000)


def lively(frame: FrameMeasurement) -> FrameMeasurement:
    """The second witness: what moved looks different, too."""
    return rounded(
        replace(
            frame,
            eye_aspect=0.3 * (1 - frame.eyes_closed),
            eyes_changed=0.4 if frame.eyes_closed > 0.3 else 0.0,
            mouth_changed=0.4 if frame.mouth_open > 0.1 else 0.0,
            turned_changed=0.4 if abs(frame.turn) > 0.06 else 0.0,
            breadth=2.0,
        )
    )


@dataclass
class Recorded(Puppet):
    """Keeps its measurements, and gives every frame an embedding of its own."""

    measured: list[FrameMeasurement] = field(default_factory=list)
    poor_until_ms: int = 0
    refused: list[int] = field(default_factory=list)
    """When an embedding was asked for that the quality gate does not allow."""

    def measure(self, image: Any, at_ms: int) -> FrameMeasurement:
        self.measured.append(super().measure(image, at_ms))
        return self.measured[-1]

    def embed(self, image: Any, face: Any) -> Any:
        try:
            super().embed(image, face)
            if self._now < self.poor_until_ms:
                raise OutOfFocus
        except OutOfFocus:
            self.refused.append(self._now)
            raise
        return np.eye(8, dtype=np.float32)[(self._now // 40) % 8]


def _plain(**kwargs: Any) -> Recorded:
    return Recorded(**{"alter": lively} | kwargs)


def _still(**fixed: Any) -> Any:
    return lambda frame: rounded(replace(lively(frame), **fixed))


def _poor(finding: str, **fixed: Any) -> Any:
    return _still(finding=finding, **fixed)


NO_BLINK = (Exclusion(kind="blink", reason="cannot-perform"),)
ALL: Final[tuple[ActionKind, ...]] = ("blink", "turn-left", "open-mouth")


def attempts() -> dict[str, tuple[Challenge, list[Recorded]]]:
    """Name -> a challenge, and one customer's attempts at it."""
    asked = challenge(*ALL)
    idle = {"recording": ()}
    return {
        "does what is asked": (asked, [_plain(blink_every_ms=1_400)]),
        "the other side": (
            challenge("turn-right", "blink", "turn-left"),
            [_plain(blink_every_ms=2_000)],
        ),
        "six actions": (
            challenge("turn-left", "blink", "open-mouth", "turn-right", "open-mouth", "blink"),
            [_plain()],
        ),
        "a cut before the first action": (asked, [_plain(cuts=[800])]),
        "a cut in between": (asked, [_plain(cuts=[2_400])]),
        "a short loss": (asked, [_plain(missing=[(3_000, 3_200)])]),
        "a long loss": (asked, [_plain(missing=[(2_000, 3_000)], **idle)]),
        "a crowd": (asked, [_plain(crowd=[(3_000, 4_000)], **idle)]),
        "dark, then turned away": (asked, [_plain(dark=[(0, 500)], turned_until_ms=1_000)]),
        "too far": (asked, [_plain(eyes_px=20.0)]),
        "nobody": (asked, [_plain(missing=[(0, 40_000)])]),
        "averted": (asked, [_plain(turned_until_ms=40_000)]),
        "a short recording": (asked, [_plain(length_ms=2_500, **idle)]),
        "eyes stay open": (asked, [_plain(**idle)]),
        "eyes stay shut": (asked, [_plain(alter=_still(each_closed=(0.9, 0.9)), **idle)]),
        "one eye": (
            asked,
            [_plain(alter=lambda f: rounded(replace(lively(f), each_closed=_wink(f))), **idle)],
        ),
        "tinted glasses": (asked, [_plain(alter=_still(eyes_contrast=0.2), **idle)]),
        "the mouth stays shut": (challenge("open-mouth", "blink"), [_plain(**idle)]),
        "a mask": (
            challenge("open-mouth", "blink"),
            [_plain(alter=_still(mouth_contrast=0.1), **idle)],
        ),
        "a little turn": (
            challenge("turn-left", "blink"),
            [_plain(alter=lambda f: rounded(replace(lively(f), turn=_sway(f, 0.1))), **idle)],
        ),
        "a mirror, twice": (
            challenge("turn-left", "blink"),
            [_plain(recording=[(2_200, "turn-right")]) for _ in range(2)],
        ),
        "one thing after the other unseen": (
            challenge("open-mouth", "blink", excluded=()),
            [_plain(**idle) for _ in range(2)],
        ),
        "not sharp": (asked, [_plain(alter=_poor("not-sharp"), **idle)]),
        "seen from above": (asked, [_plain(alter=_poor("averted", pitch=0.75), **idle)]),
        "upside down": (asked, [_plain(alter=_poor("distorted", upright_turns=2), **idle)]),
        "few views": (asked, [_plain(step_ms=160, **idle)]),
        "out of focus": (asked, [_plain(poor_until_ms=40_000)]),
        "an action without a face of its own": (asked, [_plain(poor_during="turn-left")]),
        "blink excluded": (
            challenge("turn-left", "open-mouth", "turn-right", excluded=NO_BLINK),
            [_plain(alter=_still(each_closed=(0.9, 0.9), eyes_closed=0.9))],
        ),
        "a count": (count("turn-left", "count", "blink"), [_plain(delays_ms=DELAYS)]),
        "a count alone, quick and slow": (
            count("count"),
            [_plain(delays_ms=(160,)), _plain(delays_ms=(1_120,))],
        ),
        "an uneven count": (count("count"), [_plain(delays_ms=(400, 400, 760, 400, 400))]),
        "a count that stays silent": (count("count", "blink"), [_plain(**idle)]),
        "a number without an answer": (
            count("count"),
            [_plain(recording=[(1_520 + at + 400, "count") for at in (1_000, 2_600, 6_720)])],
        ),
        "a count behind a mask": (
            count("count"),
            [_plain(alter=_still(mouth_contrast=0.1), **idle)],
        ),
        "a count of the bowed": (count("count"), [_plain(alter=_still(pitch=0.75), **idle)]),
        "one number too many": (
            count("count"),
            [_plain(recording=[(1_520 + at, "count") for at in (1_400, 3_000, 4_600, 5_720)])],
        ),
        "the look of a photograph, of which is warned": (
            asked,
            [_plain(score=0.49), _plain(score=0.5), _plain(score=None)],
        ),
        "a photograph by its look": (
            challenge(*ALL, passive="require"),
            [_plain(score=0.4), _plain(score=0.6)],
        ),
    }


def _wink(frame: FrameMeasurement) -> tuple[float, float]:
    return (0.9 if frame.at_ms % 1_000 < 200 else 0.05, 0.05)


def _sway(frame: FrameMeasurement, reach: float) -> float:
    return reach if 2_500 < frame.at_ms < 3_500 else 0.0


def _attempted(asked: Challenge, people: list[Recorded]) -> Document:
    waiting, rows = iter(people), []
    now = people[0]

    def show(progress: Progress) -> None:
        now.show(progress)

    capture: LiveCapture[FrameMeasurement] = LiveCapture(
        lambda: now, lambda: ActionDetectors(openings=True), MODEL_DIGEST, show
    )
    for now in waiting:
        row: Document = {"score": now.score, "refused": now.refused}
        try:
            captured = capture.run(now.frames(), asked, lambda: TOTALS)
        except Inconclusive as error:
            left_out = error.exclude and error.exclude.model_dump(mode="json", exclude={"version"})
            row |= {"reason": error.reason, "advice": error.advice, "exclude": left_out}
        else:
            assert captured.transcript is not None
            assert captured.action is not None
            row |= {
                "transcript": captured.transcript.encode().hex(),
                "doubted": asked.doubts(captured.transcript.passive),
                "probe": [round(float(one), _DIGITS) for one in captured.probe],
                "action": [round(float(one), _DIGITS) for one in captured.action],
            }
        row["frames"] = written(now.measured)
        row["shown"] = _told(now)
        rows.append(row)
    return {"challenge": asked.encode().hex(), "attempts": rows}


def _told(person: Recorded) -> list[list[Any]]:
    """What was told, each time it changed: [frame, state, done, prompt, advice, number]."""
    rows: list[list[Any]] = []
    for n, one in enumerate(person.shown):
        row = [one.state.value, one.done, one.prompt, one.advice, one.number]
        if not rows or rows[-1][1:] != row:
            rows.append([n, *row])
    return rows


def series() -> Document:
    drifting = {f"drifting {n}": _drifting(n, 25 + 9 * n) for n in range(6)}
    drifting |= {
        "a head that is turned": _turning(1.9),
        "a head that is turned far": _turning(1.55, reach=0.9),
        "a print that is turned": _turning(1.75),
        "a mouth that opens": _opening(1.95),
        "a print that is folded at the mouth": _opening(1.6),
    }
    return {
        "detectors": {name: _detected(frames) for name, frames in drifting.items()},
        "tracking": _tracked(_stands()),
        "attempts": {name: _attempted(*one) for name, one in attempts().items()},
    }


def text() -> str:
    """The file: one line for each series."""
    document = series()
    parts = []
    for section, content in document.items():
        lines = [f"{json.dumps(name)}:{_compact(value)}" for name, value in content.items()]
        parts.append(json.dumps(section) + ":{\n" + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
