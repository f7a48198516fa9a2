"""What the page asks of the issuer, and what it gets: deterministic CBOR, over loopback."""

from typing import Annotated, Final

from pydantic import Field

from gateway.wire.ids import CommitmentField, NonceField, Salt
from gateway.wire.message import Message, SignedBytes
from gateway.wire.session import PublicKeyBytes
from gateway.wire.submission import Submission

HANDLE_BYTES: Final = 16

HandleField = Annotated[bytes, Field(min_length=HANDLE_BYTES, max_length=HANDLE_BYTES, repr=False)]


class TemplateOrder(Message):
    """Page to issuer: seal a template of the document that was read, for this session."""

    max_bytes = 2**20

    handle: HandleField
    """Of the document that was read."""
    grant: SignedBytes
    """As the gateway's offer has it; the issuer verifies it itself."""
    public_key: PublicKeyBytes
    """As the offer has it."""
    client_nonce: NonceField
    """That the page drew for this session."""


class TemplateIssued(Message):
    """Issuer to page: what the page carries to the gateway, and the opening for the subscriber."""

    max_bytes = Submission.max_bytes

    sealed_template: Annotated[bytes, Field(min_length=1, repr=False)]
    """Template ciphertext and the gateway's dealing, to the gateway."""
    sealed_dealing: Annotated[bytes, Field(min_length=1, repr=False)]
    """The authority's dealing, to the authority."""
    assertion: SignedBytes
    """What the issuer signed."""
    subject_salt: Annotated[Salt, Field(repr=False)]
    """With it the subscriber can show whose receipt it is."""
    guardian_commitment: CommitmentField | None
    """To the document of the guardian who agrees in a minor's place; null where nobody does."""
