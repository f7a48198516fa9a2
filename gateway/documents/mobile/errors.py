"""What can be wrong with a mobile document, by the step that found it.

The steps are numbered in ``authentication``. Each error says its step's name and what was found
there, and nothing that stands in the document.
"""

from typing import Final

from gateway.wire.errors import Refused

STEPS: Final[dict[int, str]] = {
    1: "the reader's files are whole",
    2: "the telephone returned one document of a kind that is read",
    3: "the issuer's signed object (MSO) is well-formed",
    4: "the signer signed it",
    5: "the certificate is one of a signer of mobile documents",
    6: "the certificate's issuer is listed here",
    7: "the issuer signed the certificate",
    8: "the certificates are valid today, and not revoked",
    9: "what was signed is this kind of document, and valid now",
    10: "every element is one that was signed",
    11: "the telephone to which it was issued answered in this session",
    12: "the elements hold a number, a date of expiry and a portrait",
    13: "the certificates are of the State that issued the document",
}
"""Of a mobile document's authentication. The numbers stand beside the code."""


class MobileRefused(Refused):
    """The document is not authentic, or nobody here can tell. ``detail`` is for the counter."""

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(f"mobile document, step {step}, {STEPS[step]}: {reason}")
        self.step = step


class IssuerNotListed(MobileRefused):
    """No certificate of this document's issuer is listed here: it may be genuine, or anybody's."""
