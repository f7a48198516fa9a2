"""The issuer's reader of electronic documents: a folder with the files of a chip.

Interface, for every counter (command or browser):

    rules = reading_rules(trust_path, trust)          once
    holds_chip(folder)                                whether there is a chip to read
    read_document(folder, rules, pictures, now)       -> ReadDocument
    ReadDocument.how                                  goes to ``TemplateIssuer.issue`` as ``source``

A folder in which any file of a chip lies is a chip. Where a step of its authentication fails, that
is an error with the step's name (``ChipRefused``), and nothing of the chip is used: no number, no
portrait, and no picture that lies beside it. What the agent may do then is the counter's policy
(``documents`` in its trust file): where it says ``chip``, no other portrait of that kind of
document is taken. ``chip_told`` says it in the counter's languages.

A picture without a chip is ``rules.pictures``: photographed, or written by a reader on this machine
that takes it out of the document's chip. Readers that decode on a vendor's server are not to be
used: the portrait would leave the counter.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.client.liveness.prompts import Language
from gateway.client.pictures import PictureReader
from gateway.client.reader_folder import FilesOf
from gateway.documents.chip.certificates import MAX_LIST_BYTES, CscaList, UnusableList
from gateway.documents.chip.elements import MAX_BYTES
from gateway.documents.chip.errors import ChipRefused, IssuerNotListed
from gateway.documents.chip.passive import ChipFiles, WhereNotListed, authenticate
from gateway.documents.policy import DocumentNotAccepted
from gateway.documents.reading import Document
from gateway.proofs.trust import TrustFile, UnusableTrustFile
from gateway.vision.geometry import BgrImage
from gateway.wire.submission import PortraitSource

_FILES: Final = FilesOf(
    names={
        **dict.fromkeys(("efsod", "sod", "011d"), "EF.SOD"),
        **dict.fromkeys(("efdg1", "dg1", "0101"), "EF.DG1"),
        **dict.fromkeys(("efdg2", "dg2", "0102"), "EF.DG2"),
    },
    endings=(".bin", ".der", ".dat"),
    max_bytes=MAX_BYTES,
    needed=tuple(MAX_BYTES),
    refused=lambda found: ChipRefused(1, found),
)
"""As readers call a chip's files: by name, or by file identifier (ICAO 9303-10, 3.11.3)."""


@dataclass(frozen=True)
class ReadingRules:
    """What this counter makes of chips and of pictures."""

    listed: CscaList
    where_not_listed: WhereNotListed
    pictures: PortraitSource
    """What a picture without a chip is."""
    mobile: CscaList = field(default_factory=CscaList)
    """Authorities whose mobile documents count (IACA)."""


@dataclass(frozen=True)
class ReadDocument:
    """A document that was read out of its chip, or that a telephone showed."""

    document: Document
    """Kind, number as subject, date of expiry, age."""
    portrait: BgrImage = field(repr=False)
    """Shape (height, width, 3), uint8, BGR."""
    how: PortraitSource
    """``chip-verified`` or ``mobile-verified``; or ``read`` where the policy takes a chip of an
    unlisted issuer."""
    country: str
    """Two letters of the signer's certificate, or empty: for the agent's eyes."""


class OtherDocument(DocumentNotAccepted):
    """Chip or telephone have another document than the one that was named."""


def reading_rules(trust_path: Path, trust: TrustFile) -> ReadingRules:
    """The rules of the trust file's counter.

    Raises:
        UnusableTrustFile: it names no counter, or its list of issuers cannot be used.
    """
    counter = trust.counter
    if counter is None:
        raise UnusableTrustFile("the trust file names no enrolled counter to register with")
    listed = _list_in("cscaFile", trust_path, counter.csca_file)
    mobile = _list_in("iacaFile", trust_path, counter.iaca_file)
    return ReadingRules(listed, counter.chips_not_listed, counter.pictures, mobile)


def _list_in(called: str, trust_path: Path, name: str | None) -> CscaList:
    if name is None:
        return CscaList()
    try:
        with (trust_path.parent / name).open("rb") as file:
            return CscaList.read(file.read(MAX_LIST_BYTES + 1))
    except OSError as error:
        raise UnusableTrustFile(f"counter.{called}: {error.strerror}") from None
    except UnusableList as error:
        raise UnusableTrustFile(f"counter.{called}: {error}") from None


def holds_chip(folder: Path) -> bool:
    """Whether any file of a chip lies there. Raises ``OSError``."""
    return _FILES.are_in(folder)


def read_document(
    folder: Path,
    rules: ReadingRules,
    pictures: PictureReader,
    now: int,
    named: Document | None = None,
    kind: str | None = None,
) -> ReadDocument:
    """Read a chip and authenticate it.

    Args:
        now: Unix time.
        named: what the agent named, by what is printed: the chip must be of the same document.
        kind: of document, where it is a card; that of ``named`` otherwise.

    Raises:
        ChipRefused: names the step and what was found there.
        OtherDocument: see the class.
        UnreadableImage: its portrait is no JPEG or JPEG 2000 picture, or one that is damaged.
        OSError: the folder or a file cannot be read.
    """
    content = _FILES.read(folder)
    files = ChipFiles(content["EF.SOD"], content["EF.DG1"], content["EF.DG2"])
    at = datetime.datetime.fromtimestamp(now, datetime.UTC)
    today = datetime.date.fromtimestamp(now)
    of_kind = kind if named is None else named.kind
    chip = authenticate(files, rules.listed, at, today, rules.where_not_listed, of_kind)
    if named is not None and named.subject != chip.document.subject:
        raise OtherDocument("the chip is of another document than the one that was named")
    how: PortraitSource = "chip-verified" if chip.verified else "read"
    return ReadDocument(chip.document, pictures.read_record(chip.portrait), how, chip.country)


def is_chip_file(path: Path) -> bool:
    """Whether a file is one of a chip's, by its name."""
    return _FILES.name(path) is not None


_FAILED: Final[Mapping[Language, str]] = {
    "en": "Nothing of this chip is used. Look at the document itself: if a page or the chip was "
    "tampered with, keep to your rules for forgeries. If it is in order, read the chip again; "
    "where this counter's rules allow it, its printed portrait may be used, and the receipt will "
    "say so.",
    "zh": "不使用此芯片中的任何内容。请查看证件本身：如页面或芯片被改动，请按伪造证件的规定处理。"
    "如证件正常，请重新读取芯片；在本柜台规则允许时，可改用证件上印刷的照片，凭证会写明。",
    "es": "No se usa nada de este chip. Mire el documento: si alguna página o el chip están "
    "manipulados, siga sus normas sobre falsificaciones. Si está en orden, lea el chip otra vez; "
    "si las normas de este mostrador lo permiten, puede usarse el retrato impreso, y el recibo lo "
    "dirá.",
}
_NOT_LISTED: Final[Mapping[Language, str]] = {
    "en": "Nothing of this chip is used: nobody here can tell whether it is genuine. Whoever runs "
    "this counter may add the issuing State's certificates (cscaFile). Where this counter's rules "
    "allow it, the printed portrait may be used, and the receipt will say so.",
    "zh": "不使用此芯片中的任何内容：此处无法判断其真伪。柜台管理者可添加签发国的证书（cscaFile）。"
    "在本柜台规则允许时，可改用证件上印刷的照片，凭证会写明。",
    "es": "No se usa nada de este chip: aquí nadie puede saber si es auténtico. Quien administra "
    "este mostrador puede añadir los certificados del Estado emisor (cscaFile). Si las normas de "
    "este mostrador lo permiten, puede usarse el retrato impreso, y el recibo lo dirá.",
}
_READ: Final[Mapping[Language, str]] = {
    "en": "The chip was read and NOT verified: its issuer is not on this counter's list. The "
    "receipt will say so.",
    "zh": "芯片已读取，但未经验证：签发者不在本柜台的名单上。凭证会写明。",
    "es": "El chip se leyó y NO se verificó: su emisor no está en la lista de este mostrador. El "
    "recibo lo dirá.",
}


def chip_told(found: ChipRefused | ReadDocument, language: Language) -> str | None:
    """What the agent is told of a chip that was not verified; None of one that was."""
    if isinstance(found, ReadDocument):
        return _READ[language] if found.how == "read" else None
    return (_NOT_LISTED if isinstance(found, IssuerNotListed) else _FAILED)[language]
