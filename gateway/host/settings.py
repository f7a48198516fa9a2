"""Server configuration: a TOML file, overridden by environment variables, every field documented.

All servers share it, so that a field is written the same way everywhere. A configuration names
files that hold secrets; it never holds one.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.wire.errors import SealmatchError

_MAX_BYTES = 16 * 1024
_MAX_DOTS = 1000
"""tomllib's time and memory are quadratic in the parts of a dotted key: 100 MB for 5000 parts."""


class BadConfiguration(SealmatchError):
    """A configuration file or variable is missing or wrong; the text names the fields."""


class Settings(BaseModel):
    """Base of a server's settings. A subclass sets ``prefix`` and documents its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    prefix: ClassVar[str]
    """Environment variables are ``PREFIX_FIELD`` in capitals."""
    private: ClassVar[frozenset[str]] = frozenset()
    """Fields whose values are never printed, beside all paths."""

    @classmethod
    def read(cls, file: Path | None, environment: Mapping[str, str] = os.environ) -> Self:
        """Read a file, then the environment, which wins.

        Raises:
            BadConfiguration: unreadable, not TOML, unknown or invalid fields.
        """
        values: dict[str, object] = {}
        if file is not None:
            try:
                content = file.read_bytes()
                if len(content) > _MAX_BYTES or content.count(b".") > _MAX_DOTS:
                    raise BadConfiguration(f"{file}: too long, or too many dots, for settings")
                values = tomllib.loads(content.decode("utf-8-sig"))
            except OSError as error:
                raise BadConfiguration(f"{file}: {error.strerror}") from None
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise BadConfiguration(f"{file} is not valid TOML: {error}") from None
            except (ValueError, RecursionError):  # a number too long, or nesting too deep
                raise BadConfiguration(f"{file} is not valid TOML") from None
        for name in cls.model_fields:
            variable = f"{cls.prefix}_{name}".upper()
            if variable in environment:
                values[name] = environment[variable]
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            fields = sorted({".".join(map(str, e["loc"])) for e in error.errors()})
            raise BadConfiguration(f"check the settings: {', '.join(fields)}") from None

    @classmethod
    def describe(cls) -> str:
        """Every field with its variable, default and meaning."""
        lines = []
        for name, field in cls.model_fields.items():
            default = "required" if field.is_required() else f"default {field.default}"
            lines.append(f"{name} ({cls.prefix.upper()}_{name.upper()}, {default})")
            lines.append(f"    {field.description}")
        return "\n".join(lines)
