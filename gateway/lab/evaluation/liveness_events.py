"""Detected actions against hand labels: found, missed, false.

Rules:

- An event finds a label of its kind if they overlap within ``TOLERANCE_MS``. One event finds one
  label and one label is found by one event, so reporting "blink" all the time gains nothing.
- An event that finds nothing is false, unless it overlaps an ambiguous range of its kind within the
  tolerance, or overlaps a label that another event has already found.
- Events outside the labelled frames do not count. Rates are per minute of labelled video, whatever
  the kind.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.lab.evaluation.liveness_labels import KINDS, ClipLabels, FrameRange, Kind

TOLERANCE_MS = 200
"""Detectors smooth over some frames, and people disagree about where a movement begins."""


class Event(Protocol):
    """A detected action, as ``gateway.vision.liveness`` reports it."""

    @property
    def kind(self) -> str: ...
    @property
    def start_ms(self) -> int: ...
    @property
    def end_ms(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Span:
    """Milliseconds of a clip, both ends included."""

    start: float
    end: float

    def overlaps(self, other: "Span", tolerance: float = 0) -> bool:
        return self.start <= other.end + tolerance and other.start <= self.end + tolerance


@dataclass(frozen=True, slots=True)
class Scored:
    """One kind in one clip: found and missed labels, and false events."""

    kind: Kind
    found: tuple[Span, ...]
    missed: tuple[Span, ...]
    false: tuple[Span, ...]

    @property
    def labelled(self) -> int:
        return len(self.found) + len(self.missed)


def score(clip: ClipLabels, fps: float, events: Iterable[Event]) -> dict[Kind, Scored]:
    """Compare the events of one clip with its labels, for every kind.

    ``fps``: frames a second, which turns labels into milliseconds.
    """
    labelled = _span(clip.labelled, fps)
    spans: dict[str, list[Span]] = {kind: [] for kind in KINDS}
    for event in events:
        span = Span(event.start_ms, event.end_ms)
        if span.overlaps(labelled):
            spans[event.kind].append(span)
    return {kind: _score_kind(clip, fps, kind, spans[kind]) for kind in KINDS}


def _score_kind(clip: ClipLabels, fps: float, kind: Kind, events: Sequence[Span]) -> Scored:
    labels = [_span(frames, fps) for frames in clip.events[kind]]
    doubtful = [_span(frames, fps) for frames in clip.ambiguous[kind]]
    found = _pair(labels, events)
    pending = [event for event in events if event not in found.values()]
    false = [
        event
        for event in pending
        if not any(event.overlaps(one, TOLERANCE_MS) for one in doubtful)
        and not any(event.overlaps(label) for label in found)
    ]
    missed = tuple(label for label in labels if label not in found)
    return Scored(kind, tuple(found), missed, tuple(false))


def _pair(labels: Sequence[Span], events: Sequence[Span]) -> dict[Span, Span]:
    """As many pairs as possible, by augmenting paths (Kuhn): from each found label to its event."""
    found: dict[Span, Span] = {}

    def find(event: Span, tried: set[Span]) -> bool:
        for label in labels:
            if label in tried or not event.overlaps(label, TOLERANCE_MS):
                continue
            tried.add(label)
            if label not in found or find(found[label], tried):
                found[label] = event
                return True
        return False

    for event in sorted(set(events), key=lambda span: (span.start, span.end)):
        find(event, set())
    return dict(sorted(found.items(), key=lambda pair: pair[0].start))


def _span(frames: FrameRange, fps: float) -> Span:
    """Frames as milliseconds. A frame lasts until the next one comes."""
    return Span(1000 * frames.first / fps, 1000 * (frames.last + 1) / fps)
