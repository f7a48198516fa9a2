"""One live capture: frames pass meter, detectors and runner, and give two vectors and evidence.

The probe is the embedding of the best frontal frame. The action vector is the normalised mean of
the embeddings of frames in which the actions were seen (protocol, section 4). Both lanes must
accept, under encryption. So whoever blinks and turns must be the person of the document.

A frame is measured, perhaps embedded, and dropped. Only embeddings with their times stay in memory
until the end. No image is kept, and none is ever written.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from gateway.client.liveness.measured import Detectors, Inconclusive, Measured, Meter
from gateway.client.liveness.prompts import ADVICE, Language, text
from gateway.client.liveness.runner import CaptureState, ChallengeRunner, Progress
from gateway.client.liveness.sources import Frame
from gateway.vision.errors import PoorPicture
from gateway.vision.geometry import BgrImage
from gateway.vision.pipeline import UnitVector
from gateway.wire.ids import Digest
from gateway.wire.liveness import (
    ActionTrace,
    AttemptReason,
    AttemptTotals,
    Challenge,
    LivenessTranscript,
)

EMBED_EVERY_MS = 80
"""Once actions are asked for, a frame is embedded whenever this time has passed. An embedding takes
12 ms, and a blink of 100 ms still has one."""
PORTRAIT_MS, PORTRAIT_WAIT_MS = 2_000, 15_000
"""Without a challenge: how long to look for a better frontal frame, and for a first one."""
NEAR_MS = 200
"""An action without an embedded frame of its own takes the nearest one within this time."""
_BETTER = 1.1
"""Factor by which a frontal frame must be better to replace the best one: each one is embedded."""

_PROBE_TURN, _PROBE_CLOSED, _PROBE_MOUTH = 0.08, 0.3, 0.25


@dataclass(frozen=True)
class Captured:
    """What a registration needs of a live capture."""

    probe: UnitVector = field(repr=False)
    action: UnitVector | None = field(default=None, repr=False)
    transcript: LivenessTranscript | None = field(default=None, repr=False)


@dataclass
class _Vectors:
    """Embeddings of this capture, with their times."""

    frontal: UnitVector | None = None
    quality: float = 0.0
    passive: list[float] = field(default_factory=list)
    timed: list[tuple[int, UnitVector]] = field(default_factory=list)
    refused: PoorPicture | None = None
    """Why the quality gate kept the last poor frame from being embedded."""


M = TypeVar("M", bound=Measured)


class LiveCapture(Generic[M]):
    """Runs challenges over frames. Each capture has a meter and detectors of its own."""

    def __init__(
        self,
        new_meter: Callable[[], Meter[M]],
        new_detectors: Callable[[], Detectors[M]],
        model_digest: Digest,
        show: Callable[[Progress], None],
        language: Language = "en",
    ) -> None:
        self._new_meter = new_meter
        self._new_detectors = new_detectors
        self._model_digest = model_digest
        self._show = show
        self._language = language

    def run(
        self,
        frames: Iterable[Frame],
        challenge: Challenge,
        totals: Callable[[], AttemptTotals],
    ) -> Captured:
        """Run one challenge, until the last action was seen or the challenge failed.

        Args:
            totals: gives the totals of the attempts so far, with this one.

        Raises:
            Inconclusive: with the reason and advice; nothing can be submitted.
        """
        meter, detectors = self._new_meter(), self._new_detectors()
        runner, vectors = ChallengeRunner(challenge), _Vectors()
        progress = Progress(CaptureState.SETTLING, 0, "hold-still")
        for frame in frames:
            measured = meter.measure(frame.image, frame.at_ms)
            progress = runner.feed(measured, detectors.feed(measured))
            if not measured.continuous and not runner.asking:
                vectors = _Vectors()  # another face: the kept vectors are not of this one
            passive = challenge.passive != "off"
            _look(meter, frame.image, measured, vectors, passive=passive, timed=runner.asking)
            self._show(progress)
            if progress.over:
                break
        else:
            progress = runner.end()
            self._show(progress)
        if progress.state is CaptureState.FAILED:
            raise self._inconclusive(progress.reason or "interrupted")
        score = None if not vectors.passive else round(100 * float(np.median(vectors.passive)))
        if not challenge.satisfied_by(score):
            raise self._inconclusive("passive-check")
        transcript = runner.transcript(self._model_digest, totals(), score)
        action = _action_vector(vectors.timed, runner.traces, runner.first_ms)
        if vectors.frontal is None or action is None:
            if vectors.refused is not None:
                raise Inconclusive(str(vectors.refused), vectors.refused.advice, "face-lost")
            raise self._inconclusive("face-lost")
        return Captured(vectors.frontal, action, transcript)

    def portrait(self, frames: Iterable[Frame]) -> Captured:
        """The best frontal frame of the first seconds, without a challenge.

        Raises:
            Inconclusive: no frame shows one frontal face.
        """
        meter, vectors, first_ms = self._new_meter(), _Vectors(), None
        for frame in frames:
            measured = meter.measure(frame.image, frame.at_ms)
            _look(meter, frame.image, measured, vectors, passive=False, timed=False)
            if vectors.frontal is not None and first_ms is None:
                first_ms = frame.at_ms
            if frame.at_ms - (frame.at_ms if first_ms is None else first_ms) > PORTRAIT_MS:
                break
            if frame.at_ms > PORTRAIT_WAIT_MS:
                break
        if vectors.frontal is None and vectors.refused is not None:
            raise Inconclusive(str(vectors.refused), vectors.refused.advice)
        if vectors.frontal is None:
            raise Inconclusive("no frame shows a face", text("look-straight", self._language))
        return Captured(vectors.frontal)

    def _inconclusive(self, reason: AttemptReason) -> Inconclusive:
        return Inconclusive(
            f"the liveness check was not completed ({reason})",
            text(ADVICE[reason], self._language),
            reason,
        )


def _look(
    meter: Meter[Any],
    image: BgrImage,
    measured: Measured,
    vectors: _Vectors,
    *,
    passive: bool,
    timed: bool,
) -> None:
    """Embed the frame if it is the best frontal one so far, or if an embedding is due."""
    face = measured.face
    if face is None or measured.faces != 1:
        return
    quality = _frontal_quality(measured)
    better = quality > _BETTER * vectors.quality
    due = timed and (not vectors.timed or measured.at_ms - vectors.timed[-1][0] >= EMBED_EVERY_MS)
    if not better and not due:
        return
    try:
        vector = meter.embed(image, face)
    except PoorPicture as refused:
        vectors.refused = refused
        return
    if due:
        vectors.timed.append((measured.at_ms, vector))
    if better:
        vectors.frontal, vectors.quality = vector, quality
        score = meter.passive_score(image, face) if passive else None
        if score is not None:
            vectors.passive.append(score)


def _frontal_quality(frame: Measured) -> float:
    """Sharpness of a frame that could be the probe; 0 for one that could not."""
    frontal = (
        abs(frame.turn) <= _PROBE_TURN
        and frame.eyes_closed <= _PROBE_CLOSED
        and frame.mouth_open <= _PROBE_MOUTH
    )
    return frame.sharpness if frontal else 0.0


def _action_vector(
    timed: list[tuple[int, UnitVector]], traces: tuple[ActionTrace, ...], first_ms: int
) -> UnitVector | None:
    """Normalised mean of the embeddings within the actions. None if the first action has none."""
    chosen: list[UnitVector] = []
    for trace in traces:
        start, end = trace.start_ms + first_ms, trace.end_ms + first_ms
        own = [vector for at, vector in timed if start <= at <= end]
        chosen += own or _nearest(timed, trace.peak_ms + first_ms)
        if not chosen:
            return None
    mean = np.mean(np.asarray(chosen, np.float64), axis=0)
    length = float(np.linalg.norm(mean))
    return None if length == 0.0 else np.asarray(mean / length, np.float32)


def _nearest(timed: list[tuple[int, UnitVector]], at_ms: int) -> list[UnitVector]:
    near = [(abs(at - at_ms), vector) for at, vector in timed if abs(at - at_ms) <= NEAR_MS]
    return [min(near, key=lambda pair: pair[0])[1]] if near else []
