"""What a counter accepts: which kinds of document, read how, and for how long after their expiry.

The kind is the agent's word, and so is a number that is typed. A policy that names kinds keeps an
agent from a looser one; a policy that wants the zone makes the agent read what the document says of
itself, its date of expiry among it. A policy that wants the chip, or the mobile document, leaves
the agent no other portrait than the one that the issuing State signed.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.documents.kinds import KINDS
from gateway.documents.reading import Document
from gateway.wire.errors import CallerMisuse, Refused

Reading = Literal["chip", "mobile", "mrz", "any"]
"""By its chip, with a listed issuer's signature; as a mobile document, with such a signature and
the telephone's; by its machine-readable zone; or in any way."""


class DocumentNotAccepted(Refused):
    """The counter's policy does not take this document. ``detail`` is for the counter."""


class DocumentExpired(DocumentNotAccepted):
    """Its last day was too long ago."""


class ChipWanted(DocumentNotAccepted):
    """Of this kind the counter takes the chip alone, with a listed issuer's signature."""


class MobileWanted(DocumentNotAccepted):
    """Of this kind the counter takes the mobile document alone, verified."""


class ZoneWanted(DocumentNotAccepted):
    """Of this kind the counter reads the machine-readable zone."""


@dataclass(frozen=True)
class DocumentPolicy:
    """A counter's policy; as it stands here, every kind that is not expired."""

    kinds: Mapping[str, Reading] | None = None
    """Kinds that are accepted, and how each must be read. None: all, in any way."""
    expired_grace_days: int | None = 0
    """For how long after its date of expiry a document is accepted. None: for ever."""

    def __post_init__(self) -> None:
        if unknown := set(self.kinds or ()) - KINDS.keys():
            raise CallerMisuse(f"unknown kinds of document: {', '.join(sorted(unknown))}")

    def require(self, document: Document, today: datetime.date) -> None:
        """Check a document. It is valid throughout its last day.

        Raises:
            DocumentNotAccepted: another kind, not read as it must be, or expired for too long.
        """
        if self.kinds is not None:
            reading = self.kinds.get(document.kind)
            if reading is None:
                raise DocumentNotAccepted(
                    f"this counter accepts no {document.kind}, but: {', '.join(self.kinds)}"
                )
            if reading == "chip" and not document.chip_verified:
                raise ChipWanted(
                    f"of a {document.kind} this counter takes the chip alone, verified"
                )
            if reading == "mobile" and not document.mobile_verified:
                raise MobileWanted(
                    f"of a {document.kind} this counter takes the mobile document alone, verified"
                )
            if reading == "mrz" and not document.from_zone:
                raise ZoneWanted(
                    f"of a {document.kind} this counter reads the machine-readable zone (MRZ)"
                )
        if document.expires is None or self.expired_grace_days is None:
            return
        if (today - document.expires).days > self.expired_grace_days:
            raise DocumentExpired("the document has expired")
