"""One live capture: frames pass meter, detectors and runner, and give two vectors and evidence.

The probe is the embedding of the best frontal frame. The action vector is the normalised mean of
the embeddings of frames in which the actions were seen (protocol, section 4). Both lanes must
accept, under encryption. So whoever blinks and turns must be the person of the document.

A frame is measured, perhaps embedded, and dropped. Only embeddings with their times stay in memory
until the end. No image is kept, and none is ever written.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeVar

import numpy as np

from gateway.client.liveness.diagnosis import (
    Attempt,
    Cause,
    Diagnostician,
    advice,
    of_refusal,
    too_slow,
)
from gateway.client.liveness.limits import LIMITS
from gateway.client.liveness.measured import Detectors, Inconclusive, Measured, Meter
from gateway.client.liveness.prompts import ADVICE, Language, text
from gateway.client.liveness.runner import CaptureState, ChallengeRunner, Progress
from gateway.client.liveness.sources import Frame
from gateway.vision.errors import PoorPicture
from gateway.vision.geometry import BgrImage
from gateway.vision.pipeline import UnitVector
from gateway.wire.ids import Digest
from gateway.wire.liveness import (
    ActionKind,
    ActionTrace,
    AttemptReason,
    AttemptTotals,
    Challenge,
    Exclusion,
    LivenessTranscript,
)

_OURS = LIMITS["capture"]
EMBED_EVERY_MS: Final[int] = _OURS["embedEveryMs"]
"""Once actions are asked for, a frame is embedded whenever this time has passed. An embedding takes
12 ms, and a blink of 100 ms still has one."""
PORTRAIT_MS: Final[int] = _OURS["portraitMs"]
PORTRAIT_WAIT_MS: Final[int] = _OURS["portraitWaitMs"]
"""Without a challenge: how long to look for a better frontal frame, and for a first one."""
NEAR_MS: Final[int] = _OURS["nearMs"]
"""An action without an embedded frame of its own takes the nearest one, no further from it."""
MAX_INTERVAL_MS: Final[int] = _OURS["maxIntervalMs"]
"""The gateway takes no transcript with a longer median time between frames."""
_BETTER: Final[float] = _OURS["better"]
"""Factor by which a frontal frame must be better to replace the best one: each one is embedded."""

_PROBE_TURN: Final[float] = _OURS["probeTurn"]
_PROBE_CLOSED: Final[float] = _OURS["probeClosed"]
_PROBE_MOUTH: Final[float] = _OURS["probeMouth"]


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
    """Runs challenges over frames of one customer, one attempt after the other. Each attempt has a
    meter and detectors of its own."""

    def __init__(
        self,
        new_meter: Callable[[], Meter[M]],
        new_detectors: Callable[[], Detectors[M]],
        model_digest: Digest,
        show: Callable[[Progress], None],
        language: Language = "en",
        *,
        mirrored: bool = False,
        without_face: str = "",
    ) -> None:
        """
        Args:
            mirrored: the source shows people as a mirror does; each frame is turned back.
            without_face: how to register without a face, as the consent text says it. It is quoted
                where that way is named.
        """
        self._new_meter = new_meter
        self._new_detectors = new_detectors
        self._model_digest = model_digest
        self._show = show
        self._language = language
        self._mirrored = mirrored
        self._without_face = without_face
        self._diagnostician = Diagnostician()

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
        runner, vectors, attempt = ChallengeRunner(challenge), _Vectors(), Attempt()
        excluded = {one.kind for one in challenge.excluded}
        progress = Progress(CaptureState.SETTLING, 0, "hold-still")
        for frame in self._unmirrored(frames):
            measured = meter.measure(frame.image, frame.at_ms)
            attempt.frames.append(measured)
            progress = runner.feed(measured, detectors.feed(measured))
            if not measured.continuous and not runner.asking:
                vectors = _Vectors()  # another face: the kept vectors are not of this one
            passive = challenge.passive != "off"
            quality = _frontal_quality(measured, excluded)
            _look(meter, frame.image, measured, vectors, quality, passive, timed=runner.asking)
            self._show(progress)
            if progress.over:
                break
        else:
            progress = runner.end()
            self._show(progress)
        attempt = replace(
            attempt,
            awaited=runner.awaited,
            asked_ms=runner.asked_ms,
            wrong=runner.wrong,
            fault=runner.fault,
            turned=any(trace.kind.startswith("turn") for trace in runner.traces),
        )
        if progress.state is CaptureState.FAILED:
            reason = progress.reason or "interrupted"
            raise self._inconclusive(reason, self._diagnostician.cause(attempt, reason), excluded)
        score = None if not vectors.passive else round(100 * float(np.median(vectors.passive)))
        if not challenge.satisfied_by(score):
            raise self._inconclusive("passive-check")
        transcript = runner.transcript(self._model_digest, totals(), score)
        if too_slow(transcript.frame_times, MAX_INTERVAL_MS):
            raise self._inconclusive("interrupted", Cause("why-few-views"))
        action = _action_vector(vectors.timed, runner.traces, runner.first_ms)
        if vectors.frontal is None or action is None:
            cause = self._diagnostician.cause(attempt, "face-lost")
            raise self._inconclusive("face-lost", cause or _refusal(vectors), excluded)
        return Captured(vectors.frontal, action, transcript)

    def portrait(self, frames: Iterable[Frame], excluded: Collection[ActionKind] = ()) -> Captured:
        """The best frontal frame of the first seconds, without a challenge.

        Args:
            excluded: what the person cannot do. Who cannot blink may have closed eyes.

        Raises:
            Inconclusive: no frame shows one frontal face.
        """
        meter, vectors, first_ms, attempt = self._new_meter(), _Vectors(), None, Attempt()
        for frame in self._unmirrored(frames):
            measured = meter.measure(frame.image, frame.at_ms)
            attempt.frames.append(measured)
            quality = _frontal_quality(measured, excluded)
            _look(meter, frame.image, measured, vectors, quality, passive=False, timed=False)
            if vectors.frontal is not None and first_ms is None:
                first_ms = frame.at_ms
            if frame.at_ms - (frame.at_ms if first_ms is None else first_ms) > PORTRAIT_MS:
                break
            if frame.at_ms > PORTRAIT_WAIT_MS:
                break
        if vectors.frontal is None:
            cause = self._diagnostician.cause(attempt, None) or _refusal(vectors)
            said, exclude = self._advice(cause or Cause("look-straight"), excluded)
            raise Inconclusive("no frame shows one frontal face", said, exclude=exclude)
        return Captured(vectors.frontal)

    def _unmirrored(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            image = np.ascontiguousarray(frame.image[:, ::-1]) if self._mirrored else frame.image
            yield Frame(image, frame.at_ms)

    def _inconclusive(
        self,
        reason: AttemptReason,
        cause: Cause | None = None,
        excluded: Collection[ActionKind] = (),
    ) -> Inconclusive:
        message = f"the liveness check was not completed ({reason})"
        if cause is None:
            return Inconclusive(message, text(ADVICE[reason], self._language), reason)
        said, exclude = self._advice(cause, excluded)
        return Inconclusive(message, said, reason, exclude)

    def _advice(
        self, cause: Cause, excluded: Collection[ActionKind]
    ) -> tuple[str, Exclusion | None]:
        return advice(cause, excluded, self._language, self._without_face)


def _refusal(vectors: _Vectors) -> Cause | None:
    return None if vectors.refused is None else of_refusal(vectors.refused.what)


def _look(
    meter: Meter[Any],
    image: BgrImage,
    measured: Measured,
    vectors: _Vectors,
    quality: float,
    passive: bool,
    *,
    timed: bool,
) -> None:
    """Embed the frame if it is the best frontal one so far, or if an embedding is due.

    ``quality``: as ``_frontal_quality``.
    """
    face = measured.face
    if face is None or measured.faces != 1:
        return
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


def _frontal_quality(frame: Measured, excluded: Collection[ActionKind]) -> float:
    """Sharpness of a frame that could be the probe; 0 for one that could not."""
    frontal = (
        abs(frame.turn) <= _PROBE_TURN
        and (frame.eyes_closed <= _PROBE_CLOSED or "blink" in excluded)
        and frame.mouth_open <= _PROBE_MOUTH
    )
    return frame.sharpness if frontal else 0.0


def _action_vector(
    timed: list[tuple[int, UnitVector]], traces: tuple[ActionTrace, ...], first_ms: int
) -> UnitVector | None:
    """Normalised mean of the embeddings within the actions. None if any action has none.

    Whoever does only one of the actions must be in the mean: an action that could not be embedded
    could be another person's.
    """
    chosen: list[UnitVector] = []
    for trace in traces:
        own = _of_action(timed, trace.start_ms + first_ms, trace.end_ms + first_ms)
        if not own:
            return None
        chosen += own
    mean = np.mean(np.asarray(chosen, np.float64), axis=0)
    length = float(np.linalg.norm(mean))
    return None if length == 0.0 else np.asarray(mean / length, np.float32)


def _of_action(timed: list[tuple[int, UnitVector]], start: int, end: int) -> list[UnitVector]:
    """The embeddings between two times, or the nearest one."""
    away = [(max(start - at, at - end, 0), vector) for at, vector in timed]
    own = [vector for distance, vector in away if distance == 0]
    near = [pair for pair in away if pair[0] <= NEAR_MS]
    return own or ([min(near, key=lambda pair: pair[0])[1]] if near else [])
