"""The engines by name. Apart from ``engine``, which loads one of them."""

from typing import Final, Literal

EngineName = Literal["seal-python", "tenseal"]
DEFAULT_ENGINE: Final = "seal-python"
