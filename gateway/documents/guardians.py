"""Who agrees for a person who is a minor: a guardian, whose document is read as the person's is.

Where a machine-readable zone was read, the counter knows how old its holder is at least. Otherwise
it is the agent's word. The age stays at the counter.
"""

from dataclasses import dataclass, field
from typing import Final

from gateway.documents.reading import Document
from gateway.wire.errors import Refused
from gateway.wire.subject import Subject


@dataclass(frozen=True)
class Guardianship:
    """Whether the person is a minor here, and who agrees in their place."""

    minor: bool
    guardian: Subject | None = field(repr=False)


OF_AGE: Final = Guardianship(minor=False, guardian=None)


class NoGuardian(Refused):
    """The document given for a guardian is not one's. ``detail`` is for the counter."""


class NotAMinor(NoGuardian):
    """A guardian's document was given for somebody who is no minor here."""


def is_minor(document: Document, below_age: int | None) -> bool:
    """Whether the document says that a guardian agrees in its holder's place.

    Args:
        below_age: the counter's ``guardian_below_age``; None: nobody's age is looked at.
    """
    return below_age is not None and document.age is not None and document.age < below_age


def guardianship(
    document: Document, guardian: Document | None, below_age: int | None, *, said_minor: bool
) -> Guardianship:
    """Who agrees: the person, or a guardian.

    Args:
        guardian: the guardian's document, which the counter accepts; None: none was given.
        said_minor: the agent's word that the person is a minor.

    Raises:
        NotAMinor: the person is of age.
        NoGuardian: the guardian's document is the person's own, or that of another minor.
    """
    minor = said_minor or is_minor(document, below_age)
    if guardian is None:
        return Guardianship(minor, None)
    if not minor:
        raise NotAMinor(
            "a guardian agrees for a minor only: neither the document (guardianBelowAge) nor the "
            "agent says that its holder is one"
        )
    if guardian.subject == document.subject:
        raise NoGuardian("the guardian's document is the person's own")
    if is_minor(guardian, below_age):
        raise NoGuardian("the guardian is a minor too")
    return Guardianship(minor, guardian.subject)
