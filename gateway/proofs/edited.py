"""JSON files that people edit: members in camelCase, unknown ones refused.

An error names a member and never repeats its value: a key or an address may stand there.
"""

from typing import Final

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

MAX_FAULTS: Final = 5
"""What is told of a file; more would hide the first."""


class EditedPart(BaseModel):
    """A file, or an object in it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )
