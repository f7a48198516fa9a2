"""What this client and the counter's page share: ``limits.json`` and ``texts.json``.

What a limit means, and where it comes from, stands where a module takes it.
"""

import json
from importlib.resources import files
from typing import Any, Final


def _read(name: str) -> dict[str, dict[str, Any]]:
    content: dict[str, dict[str, Any]] = json.loads(
        files(__package__).joinpath(name).read_text("utf-8")
    )
    return content


LIMITS: Final = _read("limits.json")
TEXTS: Final = _read("texts.json")
