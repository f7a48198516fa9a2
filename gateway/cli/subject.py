"""The document that a command is about: its type, and its number, preferably from a file."""

import argparse
import sys
from pathlib import Path

from gateway.wire.ids import DOCUMENT_TYPES
from gateway.wire.subject import Subject

_NUMBER_FILE_BYTES = 4096


def add_subject_arguments(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """The document's type and number; the number preferably from a file."""
    parser.add_argument("--id-type", choices=DOCUMENT_TYPES, required=required)
    number = parser.add_mutually_exclusive_group(required=required)
    number.add_argument(
        "--id-number", metavar="X", help="seen by everyone on this machine in process lists"
    )
    number.add_argument(
        "--id-number-file", metavar="FILE", help="file with the number, - for standard input"
    )


def subject_of(options: argparse.Namespace) -> Subject:
    """The subject that the arguments name.

    Raises:
        UnusableNumber: not a document number.
    """
    number = options.id_number
    if number is None:
        number = read_text(options.id_number_file)
    return Subject.of(options.id_type, number)


def read_text(name: str) -> str:
    """A short text from a file or standard input."""
    if name == "-":
        return sys.stdin.read(_NUMBER_FILE_BYTES).strip()
    with Path(name).open(encoding="utf-8", errors="replace") as file:
        return file.read(_NUMBER_FILE_BYTES).strip()
