"""What can be wrong with a chip, by the step that found it.

The steps are numbered in ``passive``. Each error says its step's name and what was found there,
and nothing that stands in the document.
"""

from typing import Final

from gateway.wire.errors import Refused

STEPS: Final[dict[int, str]] = {
    1: "the files are whole",
    2: "the security object (EF.SOD) is well-formed",
    3: "the signer's certificate is in it",
    4: "the signer signed it",
    5: "the certificate is one of a document signer",
    6: "the certificate's issuer is listed here",
    7: "the issuer signed the certificate",
    8: "the certificates and their keys are valid, and not revoked",
    9: "EF.DG1 is the one that was signed",
    10: "EF.DG2 is the one that was signed",
    11: "EF.DG1 holds a machine-readable zone",
    12: "the certificates are for documents of this State and kind",
}
"""Of a chip's authentication. The numbers stand beside the code in ``passive``."""


class ChipRefused(Refused):
    """The chip is not authentic, or nobody here can tell. ``detail`` is for the counter."""

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(f"chip, step {step}, {STEPS[step]}: {reason}")
        self.step = step


class IssuerNotListed(ChipRefused):
    """No certificate of this chip's issuer is listed here: it may be genuine, or anybody's."""
