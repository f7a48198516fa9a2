"""What stands before the camera, for ``sealmatch register``: a photograph or moving pictures.

Prompts and advice go to standard error, in the person's language; standard output is for the
result. Attempts are counted in one local file of totals.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from gateway.client.liveness.attempts import AttemptBook, default_path, totals
from gateway.client.liveness.capture import Captured, LiveCapture
from gateway.client.liveness.measured import Inconclusive
from gateway.client.liveness.prompts import LANGUAGES, Language, text
from gateway.client.liveness.runner import CaptureState, Progress
from gateway.client.liveness.sources import SEQUENCE_RATE, FrameSource, PassedOver
from gateway.client.registration import Live
from gateway.vision.liveness import ActionDetectors, FrameMeasurement
from gateway.vision.pack import ModelPack
from gateway.vision.pipeline import FacePipeline
from gateway.wire.ids import Digest
from gateway.wire.liveness import (
    ACTION_KINDS,
    EXCLUSION_REASONS,
    ActionKind,
    Challenge,
    Exclusion,
    ExclusionReason,
)

DEFAULT_ATTEMPTS = 3
_KINDS: dict[str, ActionKind] = {kind: kind for kind in ACTION_KINDS}
_REASONS: dict[str, ExclusionReason] = {reason: reason for reason in EXCLUSION_REASONS}


def add_live_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--live",
        required=True,
        metavar="SOURCE",
        help="a photograph, a video file, a directory or pattern of images, or camera:N",
    )
    parser.add_argument(
        "--language", choices=LANGUAGES, default="en", help="of the prompts (default: en)"
    )
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        type=_exclusion,
        metavar="ACTION=REASON",
        help="do not ask for an action: "
        f"{', '.join(ACTION_KINDS)}; because: {', '.join(EXCLUSION_REASONS)}",
    )
    parser.add_argument(
        "--attempts",
        type=int,
        choices=range(1, 11),
        default=DEFAULT_ATTEMPTS,
        metavar="N",
        help=f"tries with a camera, 1 to 10 (default: {DEFAULT_ATTEMPTS}); a recording has one",
    )
    parser.add_argument(
        "--frame-rate",
        type=float,
        default=SEQUENCE_RATE,
        metavar="N",
        help=f"frames a second of pictures without times (default: {SEQUENCE_RATE:.0f})",
    )
    parser.add_argument(
        "--mirrored",
        action="store_true",
        help="the camera shows people as a mirror does: turn its pictures back",
    )


def _exclusion(argument: str) -> Exclusion:
    kind, _, reason = argument.partition("=")
    if kind not in _KINDS or reason not in _REASONS:
        raise argparse.ArgumentTypeError("give ACTION=REASON, both from the lists")
    return Exclusion(kind=_KINDS[kind], reason=_REASONS[reason])


@dataclass
class Screen:
    """Says each thing once, when it becomes true."""

    language: Language
    out: TextIO = field(default_factory=lambda: sys.stderr)
    _said: str = ""
    _done: int = 0
    _number: int | None = None

    def show(self, progress: Progress) -> None:
        if progress.done > self._done and progress.state is CaptureState.ASKING:
            self._say(text("good", self.language))
        self._done = progress.done
        message = progress.prompt if progress.advice is None else progress.advice
        if text(message, self.language) != self._said:
            self._say(text(message, self.language))
        if progress.number != self._number:
            self._number = progress.number
            if progress.number is not None:
                print(f"  {progress.number}", file=self.out, flush=True)

    def warn_of_passive(self, challenge: Challenge, captured: Captured) -> None:
        transcript = captured.transcript
        if transcript is not None and challenge.doubts(transcript.passive):
            self._say(text("passive-warning", self.language))

    def tell_of(self, passed: PassedOver) -> None:
        """Tell the operator what the source left out."""
        if passed:
            print(f"passed over: {passed}", file=self.out, flush=True)

    def _say(self, words: str) -> None:
        self._said = words
        print(words, file=self.out, flush=True)


def moving(
    source: FrameSource,
    pack: ModelPack,
    vision: FacePipeline,
    language: Language,
    book: AttemptBook | None = None,
    clock: Callable[[], float] = time.time,
    *,
    exclusions: Sequence[Exclusion] = (),
    mirrored: bool = False,
    without_face: str = "",
    tell: Callable[[PassedOver], None] = lambda _passed: None,
) -> Live:
    """A capture that answers the challenge it is given, from these frames.

    ``exclusions``: what the person cannot do, where no challenge names it. ``mirrored``,
    ``without_face``: as in ``LiveCapture``. ``tell``: called with what the source left out.

    Raises (when it runs):
        Inconclusive: the challenge was not completed.
        UnreadableImage: the source gives no frames.
    """
    from gateway.vision.liveness.meter import LivenessMeter  # noqa: PLC0415  loads the models

    screen = Screen(language)
    counting = book or AttemptBook(default_path())
    capture: LiveCapture[FrameMeasurement] = LiveCapture(
        lambda: LivenessMeter(pack, vision),
        lambda: ActionDetectors(openings=True),
        Digest(pack.digest),
        screen.show,
        language,
        mirrored=mirrored,
        without_face=without_face,
    )

    def run(challenge: Challenge | None) -> Captured:
        try:
            return captured_from(challenge)
        finally:
            screen.tell_of(source.passed)
            tell(source.passed)

    def captured_from(challenge: Challenge | None) -> Captured:
        if challenge is None or not challenge.actions:
            return capture.portrait(source.frames(), [one.kind for one in exclusions])
        customer = counting.begin(int(clock()))
        try:
            captured = capture.run(
                source.frames(), challenge, lambda: totals(customer, int(clock()))
            )
        except Inconclusive as error:
            counting.failed(error.reason or "interrupted", int(clock()))
            raise
        except BaseException:
            counting.failed("interrupted", int(clock()))
            raise
        counting.succeeded(int(clock()))
        screen.warn_of_passive(challenge, captured)
        return captured

    return run
