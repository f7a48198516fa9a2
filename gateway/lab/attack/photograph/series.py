"""Many trials, each with another photograph, and their totals.

Each photograph is of another person until all people have had one. Everything is drawn from the
seed and the trial's number. So a series can be repeated, and a longer one begins with the trials of
a shorter one.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from gateway.host.python import safe_path
from gateway.lab.attack.photograph.album import prints
from gateway.lab.attack.photograph.moves import Anatomy, Draw
from gateway.lab.attack.photograph.sheet import Print
from gateway.lab.attack.photograph.trial import Camera, Detectors, Outcome, attempt
from gateway.server.liveness import draw_actions
from gateway.vision.geometry import BgrImage
from gateway.vision.liveness.detectors import ActionDetectors
from gateway.vision.liveness.meter import LivenessMeter
from gateway.vision.pack import ModelPack, load_pack
from gateway.vision.pipeline import FacePipeline
from gateway.wire.ids import Nonce, SessionId
from gateway.wire.liveness import MOVEMENTS, ActionKind, Challenge

LENGTH: Final = 3
_START_MS, _LIMIT_MS = 1_000, 20_000
_PICTURE = 400  # pixels, width and height
_CHALLENGE, _HAND, _CAMERA, _ROOM = range(4)  # each is drawn from a generator of its own


def trials(
    pack: ModelPack,
    photographs: Path,
    count: int,
    seed: int,
    detectors: Callable[[], Detectors] = ActionDetectors,
    ask: Callable[[Draw], Challenge] | None = None,
) -> Iterator[Outcome]:
    """Up to ``count`` trials; fewer if ``photographs`` holds fewer usable ones.

    ``ask``: draws the challenges; None: as ``challenge``.
    """
    vision = FacePipeline(pack)
    for task in _tasks(vision, photographs, count, seed):
        yield _trial(pack, vision, task, detectors, ask or challenge)


@dataclass(frozen=True, slots=True)
class _Task:
    """What a process needs for one trial."""

    seed: int
    number: int
    photograph: BgrImage = field(repr=False)
    face: Anatomy


def _tasks(vision: FacePipeline, photographs: Path, count: int, seed: int) -> Iterator[_Task]:
    album = prints(photographs, vision, seed)
    for number, (photograph, face) in zip(range(count), album, strict=False):
        yield _Task(seed, number, photograph, face)


def _trial(
    pack: ModelPack,
    vision: FacePipeline,
    task: _Task,
    detectors: Callable[[], Detectors],
    ask: Callable[[Draw], Challenge],
) -> Outcome:
    draw = [np.random.default_rng((task.seed, task.number, what)) for what in range(4)]
    paper = Print(task.photograph, room(draw[_ROOM]))
    camera = Camera(paper, LivenessMeter(pack, vision).measure, _PICTURE, draw[_CAMERA])
    return attempt(camera, task.face, ask(draw[_CHALLENGE]), detectors(), draw[_HAND])


def challenge(draw: Draw) -> Challenge:
    """A challenge of three movements, as the gateway draws it, with the earliest start."""
    return Challenge(
        session=SessionId(draw.bytes(16)),
        nonce=Nonce(draw.bytes(32)),
        actions=draw_actions(MOVEMENTS, LENGTH, lambda bound: int(draw.integers(bound))),
        excluded=(),
        start_ms=_START_MS,
        limit_ms=_LIMIT_MS,
        passive="off",
        passive_threshold=0,
        required=True,
    )


def room(draw: Draw) -> BgrImage:
    """The background behind the print, soft blots: shape (400, 400, 3), uint8, BGR."""
    blots = draw.integers(40, 200, (_PICTURE, _PICTURE, 3)).astype(np.uint8)
    return np.asarray(cv2.GaussianBlur(blots, (0, 0), 25), np.uint8)


@dataclass
class Tally:
    """Counts over a series."""

    trials: int = 0
    passed: int = 0
    asked: Counter[ActionKind] = field(default_factory=Counter)
    """Actions that the attacker tried to feign."""
    feigned: Counter[ActionKind] = field(default_factory=Counter)
    techniques: Counter[tuple[ActionKind, str]] = field(default_factory=Counter)
    """How often each technique completed an action."""
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        self.trials += 1
        self.passed += outcome.passed
        for kind, technique in zip(outcome.actions, outcome.techniques, strict=False):
            self.asked[kind] += 1
            self.feigned[kind] += 1
            self.techniques[kind, technique] += 1
        if not outcome.passed:
            self.asked[outcome.actions[outcome.done]] += 1
            self.reasons[outcome.reason] += 1


def run(
    pack: ModelPack,
    photographs: Path,
    count: int,
    seed: int,
    tell: Callable[[Tally], None],
    jobs: int = 1,
) -> Tally:
    """All trials, and their totals. ``tell`` is called after each.

    ``jobs``: number of processes. It changes the time, not the totals.
    """
    tally = Tally()
    with ExitStack() as stack:
        if jobs == 1:
            outcomes = trials(pack, photographs, count, seed)
        else:
            start = partial(_Worker.start, pack.directory)
            stack.enter_context(safe_path())
            pool = stack.enter_context(get_context("spawn").Pool(jobs, start))
            tasks = _tasks(FacePipeline(pack), photographs, count, seed)
            outcomes = pool.imap_unordered(_Worker.play, tasks)
        for outcome in outcomes:
            tally.add(outcome)
            tell(tally)
    return tally


class _Worker:
    """What a process of the pool keeps between trials."""

    pack: ModelPack
    vision: FacePipeline

    @classmethod
    def start(cls, directory: Path) -> None:
        cv2.setNumThreads(1)
        cls.pack = load_pack(directory)
        cls.vision = FacePipeline(cls.pack)

    @classmethod
    def play(cls, task: _Task) -> Outcome:
        return _trial(cls.pack, cls.vision, task, ActionDetectors, challenge)
