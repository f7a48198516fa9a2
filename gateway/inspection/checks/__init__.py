"""The inspection's checks, one module for each group of lines, in the order of the report.

A module has ``CHECKS``: a tuple of ``Check``. What is not listed here is not inspected.
"""

from typing import Final

from gateway.inspection.checks import (
    canary,
    contents,
    counts,
    data_map,
    erased,
    holds,
    installation,
    keys,
    log,
    operation,
    orders,
    parties,
    policy,
    retention,
    visit,
)
from gateway.inspection.lines import Check

ALL: Final[tuple[Check, ...]] = (
    *data_map.CHECKS,
    *log.CHECKS,
    *visit.CHECKS,
    *parties.CHECKS,
    *keys.CHECKS,
    *retention.CHECKS,
    *holds.CHECKS,
    *erased.CHECKS,
    *counts.CHECKS,
    *operation.CHECKS,
    *installation.CHECKS,
    *orders.CHECKS,
    *policy.CHECKS,
    *contents.CHECKS,
    *canary.CHECKS,
)
