"""An attacker against the quality gate: a search for poor pictures that pass and still look alike.

It combines up to three degradations of the list at strengths in between, applies them to the
pictures of all people alike, and climbs: of each generation the recipe survives under which
strangers come nearest to each other among pictures that pass. An agent with a picture editor can do
no less.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from gateway.lab.evaluation.degradation import Degradation
from gateway.lab.evaluation.degradations import DEGRADATIONS
from gateway.lab.evaluation.photograph import Photograph
from gateway.vision.geometry import BgrImage, DetectedFace

MOST_STEPS = 3
_LEAST_PAIRS = 3
"""Among fewer, chance decides."""
_NEAREST = 5
_BY_NAME: Final = {one.name: one for one in DEGRADATIONS}

Embed = Callable[[BgrImage], npt.NDArray[np.float32] | None]
"""A unit vector, or None for a picture that is refused."""
FindFace = Callable[[BgrImage], DetectedFace | None]


@dataclass(frozen=True, slots=True)
class Step:
    """One degradation; ``level`` from 0, slight, to 1, severe."""

    name: str
    level: float

    @property
    def kind(self) -> Degradation:
        return _BY_NAME[self.name]

    @property
    def strength(self) -> float:
        """Between the listed strengths; of turns and channels only the listed ones exist."""
        listed = self.kind.strengths
        if self.name in ("turned", "one channel"):
            return listed[round(self.level * (len(listed) - 1))]
        return float(np.interp(self.level * (len(listed) - 1), range(len(listed)), listed))


Recipe = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a recipe."""

    recipe: Recipe
    passed: int
    pairs: int
    matches: int
    nearest: float
    """Mean cosine of the nearest strangers; -1 where too few pictures pass."""


def try_recipe(
    recipe: Recipe,
    photographs: Sequence[Photograph],
    embed: Embed,
    find: FindFace,
    threshold: float,
) -> Tried:
    """Apply a recipe to everybody. ``photographs``: one of each person."""
    vectors = []
    for photograph in photographs:
        image = prepared(photograph, recipe, find)
        vector = None if image is None else embed(image)
        if vector is not None:
            vectors.append(vector)
    pairs = len(vectors) * (len(vectors) - 1) // 2
    if pairs < _LEAST_PAIRS:
        return Tried(recipe, len(vectors), pairs, 0, -1.0)
    stacked = np.stack(vectors)
    cosines = np.sort((stacked @ stacked.T)[np.triu_indices(len(vectors), 1)])[::-1]
    matches = int((cosines >= threshold).sum())
    return Tried(recipe, len(vectors), pairs, matches, float(cosines[:_NEAREST].mean()))


def prepared(photograph: Photograph, recipe: Recipe, find: FindFace) -> BgrImage | None:
    """The degraded picture; None where a step between left no face to go on with."""
    for number, step in enumerate(recipe):
        image = step.kind.degrade(photograph, step.strength)
        if number == len(recipe) - 1:
            return image
        face = find(image)
        if face is None:
            return None
        photograph = Photograph(image, face)
    return photograph.image


def climb(evaluate: Callable[[Recipe], Tried], rounds: int, seed: int) -> list[Tried]:
    """Everything tried: a third of the rounds at random, then changes of the best so far."""
    draw = random.Random(seed)  # noqa: S311 - a search, not a secret
    tried: list[Tried] = []
    for number in range(rounds):
        best = max(tried, key=lambda one: (one.matches, one.nearest), default=None)
        if best is None or number < rounds // 3 or draw.random() < 0.2:
            recipe = tuple(_random_step(draw) for _ in range(draw.randint(1, MOST_STEPS)))
        else:
            recipe = _changed(best.recipe, draw)
        tried.append(evaluate(recipe))
    return tried


def _random_step(draw: random.Random) -> Step:
    return Step(draw.choice(list(_BY_NAME)), draw.random())


def _changed(recipe: Recipe, draw: random.Random) -> Recipe:
    """One step stronger or weaker, another kind, one more or one less."""
    steps = list(recipe)
    place = draw.randrange(len(steps))
    action = draw.random()
    if action < 0.6:
        level = min(max(steps[place].level + draw.gauss(0, 0.15), 0.0), 1.0)
        steps[place] = replace(steps[place], level=level)
    elif action < 0.75:
        steps[place] = _random_step(draw)
    elif action < 0.9 and len(steps) < MOST_STEPS:
        steps.insert(place, _random_step(draw))
    elif len(steps) > 1:
        steps.pop(place)
    return tuple(steps)
