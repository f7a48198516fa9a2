"""All targets by name."""

from __future__ import annotations

from functools import cache

from tests.fuzz import targets_files, targets_http, targets_wire
from tests.support.fuzzing import Target


@cache
def all_targets() -> dict[str, Target]:
    """Every parser of foreign bytes."""
    found: dict[str, Target] = {}
    for target in (*targets_wire.targets(), *targets_files.targets(), *targets_http.targets()):
        if target.name in found:
            raise AssertionError(f"two targets are named {target.name}")
        found[target.name] = target
    return found
