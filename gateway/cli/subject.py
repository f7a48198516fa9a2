"""The document that a command is about: its kind and number, or its machine-readable zone.

A number on the command line is seen by everyone on the machine, so it comes from a file, from
standard input, or, where that is a terminal, in answer to a question. Two ways to read it: at the
counter ``document_of`` insists on what the kind of document prescribes; ``subject_of`` takes every
number that ever was a subject, because receipts outlive rules.
"""

import argparse
import datetime
import sys
from pathlib import Path

from gateway.documents import mrz
from gateway.documents.encodings import MAX_BYTES, decoded
from gateway.documents.kinds import KINDS
from gateway.documents.policy import DocumentPolicy
from gateway.documents.reading import (
    Document,
    kind_named,
    read_number,
    read_zone,
    subject_of_zone,
)
from gateway.proofs.trust import TrustFile, UnusableTrustFile
from gateway.wire.errors import CallerMisuse
from gateway.wire.number import UnusableNumber
from gateway.wire.subject import Subject

_ZONE_LINES = 3


def add_subject_arguments(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """The document's kind and number, or its machine-readable zone."""
    parser.add_argument(
        "--id-type",
        "--document-type",
        choices=KINDS,
        metavar="KIND",
        help=f"kind of document: {', '.join(KINDS)}; with --mrz it may be left out",
    )
    number = parser.add_mutually_exclusive_group(required=required)
    number.add_argument(
        "--id-number", metavar="X", help="seen by everyone on this machine in process lists"
    )
    number.add_argument(
        "--id-number-file",
        metavar="FILE",
        help="file with the number, - for standard input, which asks if it is a terminal",
    )
    number.add_argument(
        "--mrz",
        metavar="FILE",
        help="file with the machine-readable zone, two or three lines, - as above",
    )


def require_kind(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End as wrong usage where a number is given without its kind."""
    if options.id_type is None and options.mrz is None:
        parser.error("--id-type is needed, or --mrz in its place")


def require_chip_or_number(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End as wrong usage where neither a chip, a mobile document nor a whole document is named, or
    half of one."""
    number = options.id_number is not None or options.id_number_file is not None
    read = options.chip is not None or options.mobile is not None
    if not read and not number and options.mrz is None:
        parser.error("one of --id-number, --id-number-file, --mrz, --chip or --mobile is needed")
    if number:
        require_kind(parser, options)


def names_document(options: argparse.Namespace) -> bool:
    """Whether the arguments name a whole document."""
    number = options.id_number is not None or options.id_number_file is not None
    return options.mrz is not None or (options.id_type is not None and number)


def document_of(options: argparse.Namespace, today: datetime.date) -> Document:
    """The document that the arguments name, as the counter takes it.

    Raises:
        UnusableNumber: not one number, or not one of this kind; not a machine-readable zone.
    """
    if options.mrz is not None:
        return read_zone(_zone(options), today, options.id_type)
    return read_number(options.id_type, _number(options), today)


def subject_of(options: argparse.Namespace) -> Subject:
    """The subject that the arguments name; its number need not have the form of its kind.

    Raises:
        UnusableNumber: not one number, or not a machine-readable zone.
    """
    if options.mrz is not None:
        return subject_of_zone(_zone(options), options.id_type)
    return Subject.of(kind_named(options.id_type).document_type, _number(options))


def require_accepted(document: Document, trust: TrustFile, today: datetime.date) -> None:
    """Check a document against the policy of the trust file's counter, if it names one.

    Raises:
        DocumentNotAccepted: of another kind, not read as it must be, or expired for too long.
        UnusableTrustFile: the policy names a kind of document that is not known.
    """
    if trust.counter is None:
        return
    try:
        policy = DocumentPolicy(trust.counter.documents, trust.counter.expired_grace_days)
    except CallerMisuse as error:
        raise UnusableTrustFile(f"counter.documents: {error}") from None
    policy.require(document, today)


def read_text(name: str) -> str:
    """A short text from a file, or from standard input.

    Raises:
        UnusableNumber: more than 4 KiB, or in an unusable encoding; the text names the file.
    """
    if name == "-":
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        with Path(name).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    try:
        return decoded(content).strip()
    except UnusableNumber as error:
        source = "standard input" if name == "-" else name
        raise UnusableNumber(f"{source}: {error}") from None


def _number(options: argparse.Namespace) -> str:
    if options.id_number is not None:
        return str(options.id_number)
    return _text(options.id_number_file, "document number", lines=1)


def _zone(options: argparse.Namespace) -> str:
    return _text(options.mrz, "machine-readable zone", _ZONE_LINES)


def _text(name: str, asked: str, lines: int) -> str:
    """From a file or standard input; typed on a terminal, up to so many lines or an empty one."""
    if name != "-" or not sys.stdin.isatty():
        return read_text(name)
    print(f"{asked}: ", end="", file=sys.stderr, flush=True)
    typed: list[str] = []
    while len(typed) < lines and not mrz.is_whole(typed):
        line = decoded(sys.stdin.buffer.readline(MAX_BYTES)).strip()
        if not line:
            break
        typed.append(line)
    return "\n".join(typed)
