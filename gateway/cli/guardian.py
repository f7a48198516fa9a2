"""A guardian who agrees in a minor's place: who needs one, and the document that shows who it is.

Where a machine-readable zone was read, the counter knows how old its holder is at least. Otherwise
it is the agent's word (``--minor``). The age stays here. The guardian's document is read as the
person's is; of it only a salted commitment leaves the counter.
"""

import argparse
import datetime

from gateway.cli.subject import document_of, names_document, require_accepted, subject_of
from gateway.documents import guardians
from gateway.documents.guardians import OF_AGE, Guardianship, NoGuardian, NotAMinor
from gateway.documents.kinds import KINDS
from gateway.documents.reading import Document
from gateway.proofs.trust import TrustFile
from gateway.wire.subject import Subject

__all__ = ["OF_AGE", "Guardianship", "NoGuardian"]


def add_guardian_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--minor",
        action="store_true",
        help="a guardian agrees in the person's place; needed where no machine-readable zone tells "
        "the age (guardianBelowAge in the trust file)",
    )
    add_guardian_document(parser)


def add_guardian_document(parser: argparse.ArgumentParser) -> None:
    """The guardian's document: kind and number, or machine-readable zone."""
    parser.add_argument("--guardian-id-type", choices=KINDS, metavar="KIND", help="as --id-type")
    number = parser.add_mutually_exclusive_group()
    number.add_argument(
        "--guardian-id-number-file", metavar="FILE", help="as --id-number-file, of the guardian"
    )
    number.add_argument("--guardian-mrz", metavar="FILE", help="as --mrz, of the guardian")


def require_guardian_usage(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End as wrong usage where a guardian's document is half given, or two share one input."""
    given = _options(options)
    half = given.id_type is not None or given.id_number_file is not None
    if half and not names_document(given):
        parser.error("--guardian-id-type and --guardian-id-number-file go together")
    from_input = (options.id_number_file, options.mrz, given.id_number_file, given.mrz)
    if from_input.count("-") > 1:
        parser.error("standard input is one file")


def guardianship(
    options: argparse.Namespace, document: Document, trust: TrustFile, today: datetime.date
) -> Guardianship:
    """Who agrees: the person, or a guardian.

    Raises:
        NotAMinor: the person is of age.
        NoGuardian: the guardian's document is the person's own, or that of another minor.
        DocumentNotAccepted, UnusableNumber: as for the person's document.
    """
    given = _options(options)
    guardian = document_of(given, today) if names_document(given) else None
    below = None if trust.counter is None else trust.counter.guardian_below_age
    try:
        agreeing = guardians.guardianship(document, guardian, below, said_minor=options.minor)
    except NotAMinor as error:
        raise NotAMinor(f"{error.detail}; --minor says so") from None
    if guardian is not None:
        require_accepted(guardian, trust, today)
    return agreeing


def guardian_named(options: argparse.Namespace) -> Subject | None:
    """The guardian whose document the arguments name, whatever its number looks like. Raises
    ``UnusableNumber``."""
    given = _options(options)
    return subject_of(given) if names_document(given) else None


def _options(options: argparse.Namespace) -> argparse.Namespace:
    """The guardian's document, under the names that the person's has."""
    return argparse.Namespace(
        id_type=options.guardian_id_type,
        id_number=None,
        id_number_file=options.guardian_id_number_file,
        mrz=options.guardian_mrz,
    )
