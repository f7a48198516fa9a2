"""What the person at the counter is told before the camera opens, and is asked to agree to.

The text comes from the file that the trust file pins, so it is the very text whose version the
gateway registered and the receipt names. For how long the record is kept and how to register
without a face stand below it.
"""

from pathlib import Path
from typing import Final

from gateway.client.liveness.prompts import Language
from gateway.proofs.consent import ConsentText, ConsentTexts
from gateway.proofs.trust import TrustFile, UnusableTrustFile
from gateway.wire.errors import MalformedMessage, SealmatchError
from gateway.wire.ids import Digest

KEPT: Final[dict[Language, str]] = {
    "en": "The record is kept for {} days.",
    "zh": "记录保存 {} 天。",
    "es": "El registro se conserva {} días.",
}

TO_GUARDIAN: Final[dict[Language, str]] = {
    "en": "To the parent or guardian: this is about the minor for whom you are here. You decide in "
    "their place. Below, \u201cyou\u201d is the minor.",
    "zh": "致父母或其他监护人：以下内容涉及您所陪同的未成年人，由您代为决定。"
    "下文中的“您”指该未成年人。",
    "es": "Para la madre, el padre o quien ejerza la tutela: se trata de la persona menor de edad "
    "a la que usted acompaña. Usted decide en su lugar. A continuación, \u00abusted\u00bb es la "
    "persona menor.",
}


class NotAgreed(SealmatchError):
    """The person did not agree, or could not be asked. Nothing was captured."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.advice = advice


def pinned_texts(trust_path: Path, trust: TrustFile) -> ConsentTexts:
    """The consent texts that this counter shows.

    Raises:
        UnusableTrustFile: it pins none, or the file beside it is another.
    """
    counter = trust.counter
    if counter is None:
        raise UnusableTrustFile("the trust file names no enrolled counter to register with")
    if counter.consent_file is None or counter.consent_digest is None:
        raise UnusableTrustFile(
            f"{trust_path}: it pins no consent texts (consentFile, consentDigest): ask the "
            "gateway's operator for its consent export"
        )
    digest = Digest(bytes.fromhex(counter.consent_digest))
    try:
        return ConsentTexts.read(trust_path.parent / counter.consent_file, digest)
    except MalformedMessage as error:
        raise UnusableTrustFile(str(error)) from None


def text_in(texts: ConsentTexts, language: Language) -> ConsentText:
    """The text in a language. Raises ``UnusableTrustFile`` if there is none."""
    shown = texts.texts.get(language)
    if shown is None:
        there = ", ".join(sorted(texts.texts))
        raise UnusableTrustFile(
            f"version {texts.version} of the consent texts has no text in {language}; it has: "
            f"{there}"
        )
    return shown


def to_be_read(texts: ConsentTexts, language: Language, *, guardian: bool = False) -> str:
    """Everything that the person, or the ``guardian``, reads or is read. Raises as ``text_in``."""
    shown = text_in(texts, language)
    addressed = (TO_GUARDIAN[language],) if guardian else ()
    kept = KEPT[language].format(texts.retention_days)
    return "\n\n".join((*addressed, shown.text, kept, shown.without_face))
