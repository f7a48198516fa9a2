"""The settings in force, as a server's own command prints them for others to read.

Only the server knows them whole: its file, its environment and its defaults. What is printed holds
no secret (settings name files that do) and no path: of these it says that they are set.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from gateway.wire.errors import MalformedMessage

if TYPE_CHECKING:
    from gateway.host.settings import Settings

Origin = Literal["given", "default"]
"""``given``: in the file, the environment or an option."""

MAX_BYTES: Final = 64 * 1024
_FORM: Final = "sealmatch settings 1"

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Setting:
    """One setting. ``value`` is None where it is unset, and where it is not printed."""

    value: Value
    origin: Origin
    is_set: bool


@dataclass(frozen=True)
class InForce:
    """All settings of one server."""

    server: str
    """Its command: ``sealmatch-gateway``."""
    product: str
    """The product's version."""
    settings: Mapping[str, Setting]

    def encode(self) -> bytes:
        """One JSON object, readable for people."""
        settings = {
            name: {"value": one.value, "from": one.origin, "set": one.is_set}
            for name, one in self.settings.items()
        }
        told = {
            "form": _FORM,
            "server": self.server,
            "product": self.product,
            "settings": settings,
        }
        return (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """Read what ``encode`` wrote. Raises ``MalformedMessage``."""
        try:
            if len(encoded) > MAX_BYTES:
                raise ValueError
            told = json.loads(encoded)
            if told["form"] != _FORM:
                raise ValueError
            settings = dict(_settings(told["settings"]))
            return cls(_text(told["server"]), _text(told["product"]), settings)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise MalformedMessage("not settings in force, as a server prints them") from None


def in_force(server: str, product: str, settings: "Settings") -> InForce:
    """A server's settings, for ``encode``."""
    told = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        printed = not isinstance(value, Path) and name not in settings.private
        origin: Origin = "given" if name in settings.model_fields_set else "default"
        told[name] = Setting(value if printed else None, origin, value is not None)
    return InForce(server, product, told)


def _settings(told: Any) -> Iterator[tuple[str, Setting]]:
    for name, one in told.items():
        value, origin, is_set = one["value"], one["from"], one["set"]
        if not isinstance(value, str | int | float | bool | None) or not isinstance(is_set, bool):
            raise ValueError
        if isinstance(value, str):
            _text(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError
        if origin not in ("given", "default"):
            raise ValueError
        yield _text(name), Setting(value, origin, is_set)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > 10_000:
        raise ValueError
    return value
