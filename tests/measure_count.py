"""How often a count turns away who answers it, in four languages; and how often it lets a recording
pass: ``python -m tests.measure_count``. Needs Debian's libespeak-ng1 and espeak-ng-data.

Nobody was filmed for this. What is real: eSpeak NG's phonemes of the numbers with their times, the
client's detector, runner and rules, and, out of the labelled clips, the scatter of a mouth at rest
and how different a mouth looks when it is so far open. What is a model: how far the lips part for a
phoneme (``APERTURE``), how they move (a critically damped gesture that leads the sound), how
clearly somebody speaks (``EFFORT``), and how long after a number somebody answers (``_delay``).
"""

from __future__ import annotations

import argparse
import ctypes
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gateway.client.liveness.counting import Count
from gateway.client.liveness.runner import REACTION_MS, CaptureState, ChallengeRunner
from gateway.lab.attack.photograph.series import trials
from gateway.server.liveness import GAP_MS, draw_numbers
from gateway.vision.liveness import ActionDetectors, FrameMeasurement
from gateway.vision.pack import default_pack_directory, load_pack
from gateway.wire.liveness import Challenge, Counting
from tests.support.liveness import Seen, a_face
from tests.support.parties import SESSION, fixed_bytes

Draw = np.random.Generator
Series = npt.NDArray[np.float64]

LANGUAGES: Final = {"Mandarin": "cmn", "Cantonese": "yue", "English": "en", "Spanish": "es"}
EFFORT: Final = {"clearly": (1.0, 0.2), "quietly": (0.7, 0.2), "silently": (1.2, 0.2)}
"""Median and spread (natural logarithm) of the factor of every aperture."""

# Opening of the inner lips over their width, in clear speech: jaw and lip heights of articulatory
# studies over a mouth of 50 mm. Rounded lips part less, but are narrower, too.
APERTURE: Final = {
    "a": 0.28, "ɐ": 0.24, "ɑ": 0.28, "æ": 0.28, "ʌ": 0.22, "ɔ": 0.22, "ɒ": 0.22, "o": 0.18,
    "ɛ": 0.20, "e": 0.17, "ə": 0.14, "ɜ": 0.16, "ɚ": 0.15, "i": 0.12, "ɪ": 0.13, "ɨ": 0.10,
    "u": 0.12, "ʊ": 0.13, "y": 0.10, "j": 0.10, "w": 0.07, "ɹ": 0.10, "ɾ": 0.10, "r": 0.10,
    "l": 0.12, "t": 0.09, "d": 0.09, "n": 0.10, "s": 0.08, "z": 0.08, "θ": 0.09, "ð": 0.09,
    "ʃ": 0.10, "ʂ": 0.10, "ɕ": 0.10, "k": 0.12, "ɡ": 0.12, "ŋ": 0.08, "h": 0.16, "x": 0.14,
    "f": 0.03, "v": 0.03, "p": 0.0, "b": 0.0, "m": 0.0,
}  # fmt: skip

# How different a mouth looks (mouth_changed) where it is so far open above its most closed state of
# the last 1.2 s: quantiles in ten labelled clips, 2,000 frames of people who speak and move.
_OPENED = np.array(
    [0.03, 0.035, 0.045, 0.055, 0.07, 0.09, 0.11, 0.135, 0.175, 0.225, 0.275, 0.35, 0.5]
)
_SHARES = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9])
_CHANGES = np.array([
    [0.014, 0.019, 0.028, 0.073, 0.108, 0.225], [0.014, 0.019, 0.028, 0.073, 0.108, 0.225],
    [0.021, 0.026, 0.038, 0.078, 0.164, 0.307], [0.026, 0.032, 0.052, 0.086, 0.195, 0.236],
    [0.018, 0.023, 0.036, 0.081, 0.135, 0.226], [0.025, 0.031, 0.054, 0.096, 0.186, 0.264],
    [0.032, 0.082, 0.123, 0.208, 0.350, 0.486], [0.068, 0.092, 0.140, 0.230, 0.330, 0.450],
    [0.082, 0.107, 0.171, 0.238, 0.351, 0.461], [0.125, 0.182, 0.236, 0.294, 0.450, 0.515],
    [0.156, 0.195, 0.239, 0.325, 0.446, 0.540], [0.187, 0.211, 0.265, 0.362, 0.498, 0.546],
    [0.231, 0.282, 0.322, 0.435, 0.530, 0.625],
])  # fmt: skip
_OF_THE_PERSON = 0.5
"""Share of their scatter that lies between the clips' people; the rest lies between frames."""

_LEAD_MS = 90
"""The lips part before the sound."""
_GESTURE_MS = 45
_GRID_MS = 5


@dataclass(frozen=True)
class Phoneme:
    name: str
    at_ms: int


# eSpeak NG


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("unique", ctypes.c_uint), ("text", ctypes.c_int),
        ("length", ctypes.c_int), ("at_ms", ctypes.c_int), ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p), ("name", ctypes.c_char * 8),
    ]  # fmt: skip


class Speech:
    """Phonemes of spoken words, with their times. Nothing is played."""

    _RETRIEVE, _EVENTS, _PHONEME, _UTF8 = 1, 0b11, 7, 1

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL("libespeak-ng.so.1")
        except OSError:
            raise SystemExit("eSpeak NG is not installed: apt-get install libespeak-ng1") from None
        self._library.espeak_Initialize(self._RETRIEVE, 0, None, self._EVENTS)
        callback = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event)
        )
        self._called = callback(self._hear)
        self._library.espeak_SetSynthCallback(self._called)
        self._heard: list[Phoneme] = []
        self._rate = 22_050
        self._samples = 0

    def word(self, voice: str, text: str, words_a_minute: int) -> tuple[list[Phoneme], int]:
        """The phonemes, and how long they take in milliseconds."""
        self._heard, self._samples = [], 0
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise SystemExit(f"eSpeak NG has no voice {voice}: apt-get install espeak-ng-data")
        self._library.espeak_SetParameter(1, words_a_minute, 0)
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 0, 0, self._UTF8, None, None)
        self._library.espeak_Synchronize()
        heard = [one for one in self._heard if one.name.strip("_:ˈˌ ")]
        return heard, max((one.at_ms for one in self._heard), default=0)

    def _hear(self, _samples: Any, count: int, events: Any) -> int:
        self._samples += count
        for index in range(1000):
            event = events[index]
            if event.type == 0:
                break
            if event.type == self._PHONEME:
                self._heard.append(Phoneme(event.name.decode("utf-8", "ignore"), event.at_ms))
        return 0


# The mouth


def aperture(name: str) -> float:
    """Of the widest sound in a phoneme's name: diphthongs open as far as their wider half."""
    known = [APERTURE[letter] for letter in name if letter in APERTURE]
    return max(known, default=0.1)


@cache
def _kernel() -> Series:
    times = np.arange(0, 8 * _GESTURE_MS, _GRID_MS)
    kernel = times * np.exp(-times / (_GESTURE_MS / 2))
    return np.asarray(kernel / kernel.sum())


def gesture(phonemes: Sequence[Phoneme], ends_ms: int) -> Series:
    """The lips' opening through a word, every ``_GRID_MS``, in clear speech."""
    target = np.zeros((ends_ms + 400) // _GRID_MS)
    starts = [one.at_ms for one in phonemes] + [ends_ms]
    for phoneme, start, end in zip(phonemes, starts, starts[1:], strict=False):
        target[start // _GRID_MS : max(end, start + 30) // _GRID_MS] = aperture(phoneme.name)
    return np.convolve(target, _kernel())[: len(target)]


def _delay(draw: Draw, usual: float) -> float:
    """From a number to the voice, in ms: ex-Gaussian, as naming digits aloud is."""
    return usual + float(draw.normal(0, 45) + draw.exponential(70))


def speaker(
    words: Sequence[Series], counting: Counting, effort: tuple[float, float], draw: Draw
) -> list[FrameMeasurement]:
    """What the meter measures of somebody who counts: two seconds before, until the last word."""
    begin, length = 2_000, counting.moments[-1] + 4_000
    clear = effort[0] * math.exp(draw.normal(0, effort[1]))
    usual, rest = draw.normal(380, 70), draw.uniform(0.01, 0.12)
    step = int(draw.integers(33, 68))
    lips = np.zeros((begin + length) // _GRID_MS)
    for moment, word in zip(counting.moments, words, strict=True):
        shown = math.ceil(moment / step) * step  # a number is shown with a frame
        at = int(begin + shown + max(150.0, _delay(draw, usual)) - _LEAD_MS) // _GRID_MS
        part = clear * math.exp(draw.normal(0, 0.1)) * word
        lips[at : at + len(part)] = np.maximum(lips[at : at + len(part)], part[: len(lips) - at])
    times = np.arange(0, begin + length - step, step)
    seen = rest + lips[times // _GRID_MS] + draw.normal(0, draw.uniform(0.001, 0.007), len(times))
    own, scatter = math.sqrt(_OF_THE_PERSON), math.sqrt(1 - _OF_THE_PERSON)
    looks = [
        NormalDist().cdf(float(one))
        for one in own * draw.normal() + scatter * draw.normal(size=len(times))
    ]
    face = a_face()
    frames = []
    for n, at_ms in enumerate(times):
        recent = seen[max(0, n - 1_200 // step) : n + 1]
        frames.append(
            FrameMeasurement(
                at_ms=int(at_ms), faces=1, face=face, mouth_open=float(seen[n]),
                mouth_changed=_changed(float(seen[n] - recent.min()), looks[n]),
                sharpness=10.0, exposure=0.5, continuous=n > 0, breadth=2.0, pitch=0.55,
                mouth_contrast=0.55, eyes_contrast=0.65,
            )
        )  # fmt: skip
    return frames


def _changed(opened: float, looks: float) -> float:
    if opened < _OPENED[0]:
        return 0.0
    row = [np.interp(opened, _OPENED, column) for column in _CHANGES.T]
    return float(np.interp(looks, _SHARES, row))


def asking(counting: Counting) -> Challenge:
    """A challenge that asks for this count and nothing else."""
    return Challenge(
        session=SESSION, nonce=fixed_bytes("challenge-nonce"), actions=("count",), excluded=(),
        start_ms=1_900, limit_ms=60_000, counting=counting, passive="off", passive_threshold=50,
        required=True,
    )  # fmt: skip


def attempt(frames: Sequence[FrameMeasurement], counting: Counting) -> str:
    """How it ends: "passed", or why not."""
    runner, detectors = ChallengeRunner(asking(counting)), ActionDetectors(openings=True)
    for frame in frames:
        progress = runner.feed(frame, detectors.feed(frame))
        if progress.over:
            passed = progress.state is CaptureState.PASSED
            return "passed" if passed else str(runner.fault or progress.reason)
    return "unfinished"


# Recordings


def chance(numbers: int, rhythm: Callable[[int], Sequence[int]], trials: int, draw: Draw) -> float:
    """How often a recorded count, begun at the best moment, answers the moments of another one.

    ``rhythm``: gaps of a recording of so many numbers, in ms.
    """
    passed = 0
    for _ in range(trials):
        counting = draw_numbers(numbers, lambda most: int(draw.integers(most)))
        count = Count(counting, 0, REACTION_MS)
        gaps = [*rhythm(numbers), 0]
        at = counting.moments[0] + 600
        for gap in gaps:
            count.take(Seen("count", at, at, at))
            at += gap
        passed += count.complete
    return passed / trials


def another(draw: Draw) -> Callable[[int], Sequence[int]]:
    """The rhythm of a count that was drawn for another session."""
    return lambda numbers: draw.integers(GAP_MS[0], GAP_MS[1] + 1, numbers - 1).tolist()


def steady(_draw: Draw) -> Callable[[int], Sequence[int]]:
    """The middle of every gap: found by search to be about the best that a recording can have."""
    return lambda numbers: [sum(GAP_MS) // 2] * (numbers - 1)


def prints(photographs: Path, count: int, numbers: int) -> None:
    """Photographs in a hand that makes one practised move for each number."""

    def ask(draw: Draw) -> Challenge:
        return asking(draw_numbers(numbers, lambda most: int(draw.integers(most))))

    found: Counter[str] = Counter()
    pack = load_pack(default_pack_directory())
    for one in trials(pack, photographs, count, 15, lambda: ActionDetectors(openings=True), ask):
        found[one.reason or "passed"] += 1
    print(f"photographs, {numbers} numbers: {found['passed']} of {count} pass {dict(found)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=500, help="for each language and manner")
    parser.add_argument("--numbers", type=int, default=5)
    parser.add_argument("--trials", type=int, default=20_000, help="of recordings")
    parser.add_argument("--prints", type=int, default=0, help="photographs before the camera")
    parser.add_argument("--photographs", type=Path, help="a folder of them, as LFW has it")
    options = parser.parse_args()
    if options.prints:
        if not options.photographs:
            parser.error("--prints needs --photographs")
        prints(options.photographs, options.prints, options.numbers)
        return
    speech = Speech()
    for language, voice in LANGUAGES.items():
        spoken = [
            [speech.word(voice, str(n + 1), rate) for n in range(options.numbers)]
            for rate in (110, 130, 150, 175)
        ]
        said = [" ".join("".join(p.name for p in word) for word, _ in spoken[0])]
        gestures = [[gesture(*word) for word in words] for words in spoken]
        for manner, effort in EFFORT.items():
            draw = np.random.default_rng(13)
            ends: Counter[str] = Counter()
            for _ in range(options.people):
                counting = draw_numbers(options.numbers, lambda most: int(draw.integers(most)))  # noqa: B023
                words = gestures[int(draw.integers(len(gestures)))]
                if manner == "silently":  # just opens the mouth
                    words = [gesture([Phoneme("a", 0)], 300)] * options.numbers
                ends[attempt(speaker(words, counting, effort, draw), counting)] += 1
            turned = 100 * (1 - ends["passed"] / options.people)
            print(f"{language:10} {manner:9} {turned:5.1f} % turned away {dict(ends)} {said}")
            said = []
    for numbers in (options.numbers, options.numbers + 1):
        for rhythm in (another, steady):
            draw = np.random.default_rng(14)
            rate = 100 * chance(numbers, rhythm(draw), options.trials, draw)
            print(f"recording, {numbers} numbers, {rhythm.__name__} rhythm: {rate:.2f} % pass")


if __name__ == "__main__":
    main()
