"""How well an offline recogniser hears recited digits: ``python -m tests.measure_digits``.

Needs ``pip install pocketsphinx`` (BSD; carries an English model) and the program espeak-ng, whose
synthetic voices stand for people: clear, close to the microphone, without a counter's other noises.
Nothing is written; sound stays in memory.
"""

import importlib
import io
import random
import subprocess
import sys
import wave
from collections.abc import Iterator
from typing import Any

import numpy as np

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
VOICES = ("en-us", "en-gb", "en-us+f3", "en-gb+f4", "en-us+m7", "en-gb-scotland")
FOREIGN = ("es", "zh", "de")
"""Voices of other languages reading English words: a foreign accent, at its crudest."""
RATE = 16_000
LENGTH = 4
LOUDNESS = 0.25
"""Full loudness makes the recogniser hear digits that were not said."""
GRAMMAR = (
    f"#JSGF V1.0; grammar digits; <digit> = {' | '.join(DIGITS)}; "
    f"public <digits> = {' <digit>' * LENGTH};"
)
"""As many digits as were asked for: free to hear any number, it got 2 sequences of 30 right."""


def spoken(words: str, voice: str, speed: int) -> np.ndarray:
    """Sound of some words: shape (n,), int16, 16 kHz."""
    done = subprocess.run(
        ["espeak-ng", "-v", voice, "-s", str(speed), "-g", "8", "--stdout", words],
        capture_output=True,
        check=True,
    )
    with wave.open(io.BytesIO(done.stdout)) as sound:
        rate, raw = sound.getframerate(), sound.readframes(sound.getnframes())
    samples = np.frombuffer(raw, np.int16).astype(np.float64)
    at = np.arange(0, len(samples) - 1, rate / RATE)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.int16)


def noisy(sound: np.ndarray, decibels: float | None, draw: np.random.Generator) -> np.ndarray:
    """With white noise at this distance from the voice, and silence around it."""
    padded = np.concatenate([np.zeros(RATE // 2), sound, np.zeros(RATE // 2)])
    padded *= LOUDNESS
    power = LOUDNESS**2 * float(np.mean(sound.astype(np.float64) ** 2))
    scale = 3.0 if decibels is None else np.sqrt(power / 10 ** (decibels / 10))
    return np.clip(padded + draw.normal(0, scale, len(padded)), -32768, 32767).astype(np.int16)


def heard(decoder: Any, sound: np.ndarray) -> str:
    decoder.start_utt()
    decoder.process_raw(sound.tobytes(), full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return "" if found is None else str(found.hypstr)


def trials(count: int, seed: int) -> Iterator[tuple[str, int]]:
    rng = random.Random(seed)
    for _ in range(count):
        yield " ".join(rng.choice(DIGITS) for _ in range(LENGTH)), rng.choice((110, 140, 170))


def main(count: int = 40) -> None:
    """Print, per voice and noise, how many sequences and digits were heard right."""
    decoder = importlib.import_module("pocketsphinx").Decoder(lm=None, loglevel="FATAL")
    decoder.add_jsgf_string("digits", GRAMMAR)
    decoder.activate_search("digits")
    draw = np.random.default_rng(1)
    for voices, name in ((VOICES, "English"), (FOREIGN, "foreign")):
        for decibels in (None, 20, 10):
            right = digits = 0
            for number, (words, speed) in enumerate(trials(count, 7)):
                sound = noisy(spoken(words, voices[number % len(voices)], speed), decibels, draw)
                answer = heard(decoder, sound)
                right += answer == words
                digits += sum(a == b for a, b in zip(answer.split(), words.split(), strict=False))
            quiet = "quiet" if decibels is None else f"{decibels} dB"
            print(f"{name} {quiet}: {right} of {count} sequences, {digits} of {count * LENGTH}")


if __name__ == "__main__":
    main(*(int(given) for given in sys.argv[1:]))
