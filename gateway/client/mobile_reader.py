"""The issuer's reader of mobile documents: a folder with what a reader left of one session.

    holds_mobile(folder)                              whether there is a mobile document to read
    read_mobile(folder, rules, pictures, now)         -> ReadDocument

A reader (a program with NFC, Bluetooth or a camera for the QR code) speaks ISO/IEC 18013-5 with the
telephone and leaves DeviceResponse and SessionTranscript, and, where telephones answer by a MAC,
its own key of that session. As with a chip, a folder in which any of these files lies is a mobile
document: where a step of its authentication fails, nothing of it is used, and no picture that lies
beside it.
"""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.client.document_reader import (
    OtherDocument,
    ReadDocument,
    ReadingRules,
    holds_chip,
)
from gateway.client.liveness.prompts import Language
from gateway.client.pictures import PictureReader
from gateway.client.reader_folder import FilesOf
from gateway.documents.mobile.authentication import MAX_BYTES, MobileFiles, authenticate
from gateway.documents.mobile.elements import KIND
from gateway.documents.mobile.errors import IssuerNotListed, MobileRefused
from gateway.documents.reading import Document

_FILES: Final = FilesOf(
    names={
        "deviceresponse": "response",
        **dict.fromkeys(("sessiontranscript", "sessiontranscriptbytes"), "transcript"),
        **dict.fromkeys(("readerkey", "ereaderkey"), "reader key"),
    },
    endings=(".cbor", ".bin", ".dat", ".mdoc", ".pem", ".der"),
    max_bytes=MAX_BYTES,
    needed=("response", "transcript"),
    refused=lambda found: MobileRefused(1, found),
)
"""As the standard calls them."""


def holds_mobile(folder: Path) -> bool:
    """Whether any file of a mobile document lies there. Raises ``OSError``."""
    return _FILES.are_in(folder)


def is_mobile_file(path: Path) -> bool:
    """Whether a file is one of a mobile document's, by its name."""
    return _FILES.name(path) is not None


def read_mobile(
    folder: Path,
    rules: ReadingRules,
    pictures: PictureReader,
    now: int,
    named: Document | None = None,
    kind: str | None = None,
) -> ReadDocument:
    """Read what a reader left, and authenticate it.

    Args:
        now: Unix time.
        named: what the agent named, by what is printed: it must be the same document.
        kind: of document, as the agent named it; that of ``named`` otherwise.

    Raises:
        MobileRefused: names the step and what was found there.
        OtherDocument: it is another document than the one that was named.
        UnreadableImage: its portrait is damaged.
        OSError: the folder or a file cannot be read.
    """
    files = _read(folder)
    at = datetime.datetime.fromtimestamp(now, datetime.UTC)
    mobile = authenticate(files, rules.mobile, at, datetime.date.fromtimestamp(now))
    if kind not in (None, KIND) or (named and named.subject != mobile.document.subject):
        raise OtherDocument("the telephone showed another document than the one that was named")
    portrait = pictures.read_apart(mobile.portrait)
    return ReadDocument(mobile.document, portrait, "mobile-verified", mobile.country)


def _read(folder: Path) -> MobileFiles:
    if holds_chip(folder):
        raise MobileRefused(1, "a chip's files lie beside: leave the ones of this document")
    content = _FILES.read(folder)
    return MobileFiles(content["response"], content["transcript"], content.get("reader key"))


_FAILED: Final[Mapping[Language, str]] = {
    "en": "Nothing of this mobile document is used. Read it again in a new session. If that fails "
    "too, ask for the document itself; where this counter's rules allow it, its printed portrait "
    "may be used, and the receipt will say so.",
    "zh": "不使用此手机证件中的任何内容。请在新的会话中重新读取；如仍失败，请要求出示实体证件。"
    "在本柜台规则允许时，可改用证件上印刷的照片，凭证会写明。",
    "es": "No se usa nada de este documento móvil. Léalo otra vez en una sesión nueva. Si vuelve a "
    "fallar, pida el documento físico; si las normas de este mostrador lo permiten, puede usarse "
    "su retrato impreso, y el recibo lo dirá.",
}
_NOT_LISTED: Final[Mapping[Language, str]] = {
    "en": "Nothing of this mobile document is used: nobody here can tell whether it is genuine. "
    "Whoever runs this counter may add the issuing authority's certificate (iacaFile). Otherwise "
    "ask for the document itself.",
    "zh": "不使用此手机证件中的任何内容：此处无法判断其真伪。柜台管理者可添加签发机构的证书"
    "（iacaFile）。否则请要求出示实体证件。",
    "es": "No se usa nada de este documento móvil: aquí nadie puede saber si es auténtico. Quien "
    "administra este mostrador puede añadir el certificado de la autoridad emisora (iacaFile). Si "
    "no, pida el documento físico.",
}


def mobile_told(found: MobileRefused, language: Language) -> str:
    """What the agent is told of a mobile document that was refused."""
    return (_NOT_LISTED if isinstance(found, IssuerNotListed) else _FAILED)[language]
