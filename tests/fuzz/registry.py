"""All targets by name."""

from __future__ import annotations

from functools import cache

from tests.fuzz import (
    targets_answers,
    targets_audit,
    targets_authority,
    targets_chips,
    targets_documents,
    targets_files,
    targets_gateway,
    targets_he,
    targets_http,
    targets_inspection,
    targets_log,
    targets_mobile,
    targets_pictures,
    targets_reader,
    targets_secrets,
    targets_wire,
    targets_workers,
)
from tests.support.fuzzing import Target


@cache
def all_targets() -> dict[str, Target]:
    """Every parser of foreign bytes."""
    found: dict[str, Target] = {}
    modules = (
        targets_wire,
        targets_he,
        targets_authority,
        targets_gateway,
        targets_workers,
        targets_audit,
        targets_files,
        targets_documents,
        targets_chips,
        targets_mobile,
        targets_secrets,
        targets_http,
        targets_answers,
        targets_log,
        targets_inspection,
        targets_reader,
        targets_pictures,
    )
    for target in (target for module in modules for target in module.targets()):
        if target.name in found:
            raise AssertionError(f"two targets are named {target.name}")
        found[target.name] = target
    return found
