"""The document's portrait, for ``sealmatch register``: a picture, what its chip holds, or what a
telephone showed."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.client.document_reader import ReadingRules, chip_told, read_document, reading_rules
from gateway.client.mobile_reader import read_mobile
from gateway.client.pictures import PictureReader, naming, photograph_bytes
from gateway.client.registration import Measurements
from gateway.documents.reading import Document
from gateway.proofs.trust import TrustFile
from gateway.vision.geometry import BgrImage
from gateway.wire.errors import CallerMisuse
from gateway.wire.submission import PortraitSource


@dataclass(frozen=True)
class GivenPortrait:
    """A document, and where its portrait comes from."""

    document: Document
    how: PortraitSource
    name: str
    """What the user called it."""
    fetch: Callable[[], Callable[[], BgrImage]] = field(repr=False)
    """Reads what is still to be read, and gives what decodes it. Both raise ``UnreadableImage``,
    the first ``OSError`` too."""


def portrait_given(
    options: argparse.Namespace,
    trust: TrustFile,
    named: Document | None,
    measured: Measurements,
    now: int,
) -> GivenPortrait:
    """The portrait that the arguments name. Chip and mobile document are read at once, a picture
    later.

    Args:
        named: the document as its number or zone was given; None: chip or telephone tell it.
        now: Unix time.

    Raises:
        ChipRefused, MobileRefused: a step of its authentication failed; nothing of it is used.
        DocumentNotAccepted: it is another document than the one that was named.
        UnreadableImage, OSError: its portrait or its files cannot be read.
        UnusableTrustFile: a list of issuers cannot be used.
    """
    rules = reading_rules(options.trust, trust)
    if options.chip is not None:
        return _of_chip(options, rules, named, measured, now)
    if options.mobile is not None:
        return _of_mobile(options, rules, named, measured, now)
    if named is None:
        raise CallerMisuse("a picture without a document")
    return GivenPortrait(
        named, rules.pictures, str(options.id_portrait), lambda: _of_file(options.id_portrait)
    )


def _of_chip(
    options: argparse.Namespace,
    rules: ReadingRules,
    named: Document | None,
    measured: Measurements,
    now: int,
) -> GivenPortrait:
    with measured.stage("readChip"), naming(str(options.chip)), PictureReader() as pictures:
        read = read_document(options.chip, rules, pictures, now, named, options.id_type)
    told = chip_told(read, options.language)
    if told is not None:
        print(told, file=sys.stderr, flush=True)
    return GivenPortrait(read.document, read.how, str(options.chip), lambda: lambda: read.portrait)


def _of_mobile(
    options: argparse.Namespace,
    rules: ReadingRules,
    named: Document | None,
    measured: Measurements,
    now: int,
) -> GivenPortrait:
    name = str(options.mobile)
    with measured.stage("readMobile"), naming(name), PictureReader() as pictures:
        read = read_mobile(options.mobile, rules, pictures, now, named, options.id_type)
    return GivenPortrait(read.document, read.how, name, lambda: lambda: read.portrait)


def _of_file(path: Path) -> Callable[[], BgrImage]:
    encoded = photograph_bytes(path)

    def decoded() -> BgrImage:
        with PictureReader() as pictures:
            return pictures.read(encoded)

    return decoded
