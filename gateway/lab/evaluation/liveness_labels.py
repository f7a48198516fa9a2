"""Hand labels of liveness actions in video clips: which frames show which action.

Two forms are read. ``sealmatch-liveness-labels/1`` names a range of labelled frames for each clip,
the ranges of each kind of action, and ambiguous ranges where neither finding nor missing counts.
The short form gives only a clip's ``range`` and the ranges of ``closed`` eyes; the other kinds are
then not labelled and not judged. Frames count from 0, both ends included.
"""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Kind = Literal["blink", "open-mouth", "turn-left", "turn-right"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_FORMAT: Final = "sealmatch-liveness-labels/1"
_MAX_BYTES = 2**20
_MAX_FRAME = 10**6


class UnreadableLabels(ValueError):
    """The file holds no labels of either form."""


@dataclass(frozen=True, slots=True)
class FrameRange:
    """Frames ``first`` to ``last``, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ClipLabels:
    """What a person saw in one clip."""

    name: str
    labelled: FrameRange
    events: dict[Kind, tuple[FrameRange, ...]]
    ambiguous: dict[Kind, tuple[FrameRange, ...]]


@dataclass(frozen=True, slots=True)
class Labels:
    """All labelled clips. ``kinds``: the kinds of action that were labelled."""

    kinds: tuple[Kind, ...]
    clips: tuple[ClipLabels, ...]


_Frame = Annotated[int, Field(ge=0, le=_MAX_FRAME)]
_Range = tuple[_Frame, _Frame]
_Ranges = dict[Kind, list[_Range]]


class _Clip(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    range: _Range
    fps: float | None = None
    note: str = ""
    events: _Ranges
    ambiguous: _Ranges = {}

    @model_validator(mode="after")
    def _inside(self) -> "_Clip":
        low, high = self.range
        for ranges in (*self.events.values(), *self.ambiguous.values()):
            if any(not low <= first <= last <= high for first, last in ranges):
                raise ValueError("a range leaves the labelled frames, or ends before it begins")
            if any(a[1] >= b[0] for a, b in pairwise(ranges)):
                raise ValueError("ranges of one kind overlap or are out of order")
        return self

    def labels(self, name: str) -> ClipLabels:
        return ClipLabels(
            name, FrameRange(*self.range), _frames(self.events), _frames(self.ambiguous)
        )


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    format: Literal["sealmatch-liveness-labels/1"]
    clips: dict[str, _Clip]


class _ShortClip(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    range: _Range
    closed: list[_Range]


def read_labels(path: Path) -> Labels:
    """The labels in ``path``. Raises UnreadableLabels, and OSError if the file cannot be read."""
    with path.open("rb") as file:
        encoded = file.read(_MAX_BYTES + 1)
    if len(encoded) > _MAX_BYTES:
        raise UnreadableLabels(f"{path.name} is longer than {_MAX_BYTES} bytes")
    try:
        content = json.loads(encoded)
        if isinstance(content, dict) and content.get("format") == _FORMAT:
            clips, kinds = _File.model_validate(content).clips, KINDS
        else:
            clips, kinds = _from_short_form(content), ("blink",)
    except (ValidationError, ValueError, RecursionError) as error:
        raise UnreadableLabels(f"{path.name} holds no liveness labels: {error}") from None
    return Labels(kinds, tuple(clip.labels(name) for name, clip in sorted(clips.items())))


def _from_short_form(content: object) -> dict[str, _Clip]:
    if not isinstance(content, dict):
        raise ValueError("not an object")
    short = {
        name: _ShortClip.model_validate(clip) for name, clip in content.items() if name != "note"
    }
    if not short:
        raise ValueError("no clip")
    return {
        name: _Clip(range=clip.range, events={"blink": clip.closed}) for name, clip in short.items()
    }


def _frames(ranges: _Ranges) -> dict[Kind, tuple[FrameRange, ...]]:
    return {kind: tuple(FrameRange(*one) for one in ranges.get(kind, [])) for kind in KINDS}
