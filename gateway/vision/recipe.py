"""Numbers of the default recipe that the counter's page needs too: ``recipe.json``.

One section per module; what a number means stands where the module takes it.
"""

import json
from importlib.resources import files
from typing import Any, Final

RECIPE: Final[dict[str, dict[str, Any]]] = json.loads(
    files(__package__).joinpath("recipe.json").read_text("utf-8")
)
