"""The one form in which our own parties sign requests, written and read as text (RFC 9421).

It is the very text that the library of signatures writes for our components and parameters. Its
general grammar, character by character, costs as much as all other cryptography of a request
together. Whoever signs in another form is read by the library (``requests``). Tests hold both to
the same signatures and verdicts.
"""

import base64
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

LABEL: Final = "sealmatch"
COMPONENTS: Final = ("@method", "@authority", "@path", "content-digest")
NONCE_LENGTH: Final = 64
"""Characters of a nonce: 32 bytes in hexadecimal."""

_COVERED: Final = "(" + " ".join(f'"{name}"' for name in COMPONENTS) + ")"
_INPUT: Final = re.compile(
    rf"{LABEL}=({re.escape(_COVERED)};created=([1-9][0-9]{{0,11}});"
    rf'keyid="([0-9a-f]{{64}})";alg="ed25519";nonce="([0-9a-f]{{{NONCE_LENGTH}}})";tag="{LABEL}")'
)
_SIGNATURE: Final = re.compile(rf"{LABEL}=:([A-Za-z0-9+/]{{86}}==):")


class OwnForm(NamedTuple):
    """What a request says of its signature, if it says it in our form."""

    parameters: str
    created: int
    key_id: bytes
    nonce: str
    signature: bytes


def parameters(created: int, key_id: bytes, nonce: str) -> str:
    """``@signature-params`` of a request. ``nonce``: 64 hexadecimal digits."""
    return (
        f'{_COVERED};created={created};keyid="{key_id.hex()}";alg="ed25519";'
        f'nonce="{nonce}";tag="{LABEL}"'
    )


def signature_base(method: str, host: str, path: str, digest: str, signed: str) -> bytes:
    """What is signed (section 2.5). ``digest``: the ``Content-Digest`` header; ``signed``: the
    parameters."""
    values = (method, host, path, digest)
    lines = [f'"{name}": {value}' for name, value in zip(COMPONENTS, values, strict=True)]
    return "\n".join([*lines, f'"@signature-params": {signed}']).encode("ascii")


def headers(signed: str, signature: bytes) -> dict[str, str]:
    """``Signature-Input`` and ``Signature``."""
    text = base64.b64encode(signature).decode()
    return {"Signature-Input": f"{LABEL}={signed}", "Signature": f"{LABEL}=:{text}:"}


def own_form(given: Mapping[str, str]) -> OwnForm | None:
    """What these headers say, or None for any other form. Names are in lower case."""
    stated = _INPUT.fullmatch(given.get("signature-input", ""))
    signature = _SIGNATURE.fullmatch(given.get("signature", ""))
    if stated is None or signature is None:
        return None
    signed, created, key_id, nonce = stated.groups()
    raw = base64.b64decode(signature[1])
    if base64.b64encode(raw).decode() != signature[1]:
        return None
    return OwnForm(signed, int(created), bytes.fromhex(key_id), nonce, raw)
