"""Targets as most are: they raise what is documented for their name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.fuzz.mutations import Mutator, from_seeds
from tests.support.fuzzing import DOCUMENTED, Parse, Target


def target(
    name: str,
    seeds: Callable[[], Sequence[bytes]],
    mutate: Mutator,
    prepare: Callable[[Path], Parse],
    weight: int,
    *,
    silent: bool = True,
    bytewise: float = 0.2,
) -> Target:
    """A parser that is made ready in a directory of its own.

    Args:
        bytewise: share of the inputs that are altered without regard to the format.
    """
    made = from_seeds(mutate, bytewise=bytewise)
    return Target(name, seeds, made, prepare, DOCUMENTED[name], weight, silent=silent)


def stateless(parse: Parse) -> Callable[[Path], Parse]:
    """A parser that needs no directory."""
    return lambda _scratch: parse
