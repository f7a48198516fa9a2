"""Limits that the client and the counter's page share: ``limits.json``, one section per module.

What a value means, and where it comes from, stands where the module takes it.
"""

import json
from importlib.resources import files
from typing import Any, Final

LIMITS: Final[dict[str, dict[str, Any]]] = json.loads(
    files(__package__).joinpath("limits.json").read_text("utf-8")
)
