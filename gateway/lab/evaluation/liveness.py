"""The work of ``sealmatch evaluate liveness``. Importing it loads models and OpenCV."""

import argparse
import errno
import json
import os
import sys
from pathlib import Path

import gateway
from gateway.lab.attack.photograph.series import Tally
from gateway.lab.attack.photograph.series import run as play
from gateway.lab.evaluation.liveness_events import score
from gateway.lab.evaluation.liveness_figures import judge
from gateway.lab.evaluation.liveness_labels import ClipLabels, UnreadableLabels, read_labels
from gateway.lab.evaluation.tables import (
    Scores,
    clips_as_json,
    clips_table,
    few_enough,
    stills_as_json,
    stills_table,
)
from gateway.lab.evaluation.video import Video
from gateway.vision.liveness import ActionDetectors, ActionEvent
from gateway.vision.liveness.meter import LivenessMeter
from gateway.vision.pack import ModelPack, default_pack_directory, load_pack

_CHECKOUT = Path(gateway.__file__).resolve().parent.parent
_LABELS = _CHECKOUT / "tests" / "data" / "liveness_labels.json"
_VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi"})
_TELL_EVERY = 10


def run(options: argparse.Namespace) -> int:
    """Measure and print; 0 if every required figure was reached."""
    pack = load_pack(options.pack or default_pack_directory())
    return _play(options, pack) if options.stills else _watch(options, pack)


def _play(options: argparse.Namespace, pack: ModelPack) -> int:
    """Play photographs before the camera."""
    folder = _folder(options, options.photographs, "lfw", "--photographs")

    def tell(tally: Tally) -> None:
        if tally.trials % _TELL_EVERY == 0:
            print(f"... {tally.trials}: {tally.passed} passed", file=sys.stderr, flush=True)

    tally = play(pack, folder, options.stills, options.seed, tell, options.jobs)
    if tally.trials < options.stills:
        options.parser.error(f"{folder} has photographs for {tally.trials} trials only")
    print(json.dumps(stills_as_json(tally)) if options.json else stills_table(tally))
    return 0 if few_enough(tally) else 1


def _watch(options: argparse.Namespace, pack: ModelPack) -> int:
    """Run the detectors on the clips."""
    try:
        labels = read_labels(options.labels or _LABELS)
    except UnreadableLabels as error:
        options.parser.error(str(error))
    videos = _videos(options, labels.clips)
    scores: Scores = {}
    for clip, video in zip(labels.clips, videos, strict=True):
        print(f"... {clip.name}: {video.frames} frames", file=sys.stderr, flush=True)
        scores[clip.name] = score(clip, video.fps, _events(pack, video))
    verdict = judge(scores.values(), _minutes(labels.clips, videos), labels.kinds)
    print(
        json.dumps(clips_as_json(verdict, scores)) if options.json else clips_table(verdict, scores)
    )
    return 0 if verdict.met else 1


def _videos(options: argparse.Namespace, clips: tuple[ClipLabels, ...]) -> list[Video]:
    """One video for each labelled clip. A missing one is an error: figures have no gaps."""
    folder = _folder(options, options.clips, "clips", "--clips")
    videos = [_video(folder, clip.name) for clip in clips]
    for clip, video in zip(clips, videos, strict=True):
        if video.frames <= clip.labelled.last:
            options.parser.error(f"{video.path.name} is shorter than its labels")
    return videos


def _folder(options: argparse.Namespace, named: Path | None, below: str, option: str) -> Path:
    faces = os.environ.get("SEALMATCH_FACES")
    if named is None and faces is None:
        options.parser.error(f"name the folder with {option}, or set SEALMATCH_FACES")
    return named or Path(str(faces)) / below


def _video(folder: Path, name: str) -> Video:
    files = sorted(file for file in folder.glob(f"{name}.*") if file.suffix in _VIDEO_SUFFIXES)
    if not files:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder / name))
    return Video.open(files[0])


def _events(pack: ModelPack, video: Video) -> list[ActionEvent]:
    """Everything that the detectors find, frame by frame, as at a counter."""
    meter, detectors = LivenessMeter(pack), ActionDetectors()
    return [
        event for at_ms, image in video for event in detectors.feed(meter.measure(image, at_ms))
    ]


def _minutes(clips: tuple[ClipLabels, ...], videos: list[Video]) -> float:
    lengths = [clip.labelled.last + 1 - clip.labelled.first for clip in clips]
    return sum(n / video.fps for n, video in zip(lengths, videos, strict=True)) / 60
