"""Base of all messages: frozen, strict, bounded, versioned, with exactly one encoding.

A message is a CBOR map with camelCase text keys in deterministic CBOR. Decoding checks the
length first, then the encoding, then every field. Unknown and missing keys are refused. Parse once
at the edge and pass the type inward.
"""

from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator
from pydantic.alias_generators import to_camel

from gateway.wire import cbor
from gateway.wire.errors import BodyTooLarge, MalformedMessage
from gateway.wire.ids import Digest, digest_of

SMALL = 16 * 1024
"""Bound in bytes for messages that carry no ciphertext."""

SignedBytes = Annotated[bytes, Field(min_length=1, max_length=SMALL, repr=False)]
"""An encoded COSE_Sign1."""
MaybeSignedBytes = Annotated[bytes, Field(min_length=1, max_length=SMALL)] | None
"""The same, or null; to be given ``repr=False`` where it is used."""

CLAIM_ISSUER: Final = 1
CLAIM_SUBJECT: Final = 2
"""CWT claims (RFC 8392)."""


_OFF_THE_WIRE: Final = "off the wire"


STRICT: Final = ConfigDict(
    frozen=True,
    strict=True,
    extra="forbid",
    alias_generator=to_camel,
    validate_by_alias=True,
    validate_by_name=True,
    hide_input_in_errors=True,
)
"""Frozen, strict, names in camelCase outside, unknown ones refused; errors repeat no input."""


class Message(BaseModel):
    """A message with ``version`` 1. Subclasses set ``max_bytes`` when they carry ciphertexts."""

    model_config = STRICT

    max_bytes: ClassVar[int] = SMALL

    version: Annotated[int, Field(ge=1, le=1, description="Of the message's form.")] = 1
    """Not ``Literal[1]``, which takes true for 1: two encodings of one message."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: Any, info: ValidationInfo) -> Any:
        """Off the wire no field may be left out, in this message or one inside it: a default would
        be a second encoding of the same message."""
        off_the_wire = info.context is _OFF_THE_WIRE and isinstance(value, dict)
        if off_the_wire and len(value) < len(cls.model_fields):
            raise ValueError("a field is missing")
        return value

    def encode(self) -> bytes:
        """The one encoding of this message."""
        return cbor.dump(self.to_map())

    def claims(self) -> dict[int, str]:
        """CWT claims in the header when this message is signed; they follow from its fields."""
        return {}

    def to_map(self) -> dict[str, Any]:
        return self.model_dump(by_alias=True)

    @property
    def digest(self) -> Digest:
        """SHA-256 of the encoding."""
        return digest_of(self.encode())

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse bytes off the wire.

        Raises:
            BodyTooLarge: longer than any valid message of this type.
            MalformedMessage: anything but the one valid encoding of a valid message.
        """
        if len(data) > cls.max_bytes:
            raise BodyTooLarge(f"{cls.__name__} is longer than {cls.max_bytes} bytes")
        return cls.from_map(cbor.decode(data))

    @classmethod
    def from_map(cls, value: Any) -> Self:
        """Check a decoded map.

        Raises:
            MalformedMessage: a field is missing, unknown, or outside its bounds.
        """
        if not isinstance(value, dict) or "version" not in value:
            raise MalformedMessage(f"not a {cls.__name__}")
        try:
            return cls.model_validate(value, by_alias=True, by_name=False, context=_OFF_THE_WIRE)
        except ValidationError as error:
            fields = sorted({cls._own_field(item["loc"]) for item in error.errors()})[:4]
            raise MalformedMessage(f"not a {cls.__name__}: check {', '.join(fields)}") from None

    @classmethod
    def _own_field(cls, location: tuple[int | str, ...]) -> str:
        """The name of one of our fields; a peer's unknown key is never repeated back."""
        own = {field.alias for field in cls.model_fields.values()}
        return str(location[0]) if location and location[0] in own else "unknown keys"
