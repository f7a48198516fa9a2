"""The gateway's consent texts: what its operator registers, exports to counters and retires.

A version is registered whole, with the period for which records are kept and the way without a
face, and never changes afterwards. Nobody may be told less than what is true: a version whose
period is shorter than the gateway's retention is not taken.

To add and to retire a version are signed actions of the operator, and entries of the log. An
``add`` names the SHA-256 of the file that counters show from. So whoever can write the database,
but not sign, cannot put another text under a version's number: ``require_as_signed`` notices it.
"""

from collections.abc import Iterable
from typing import Final

from gateway.proofs.consent import ConsentText, ConsentTexts
from gateway.server.register import record
from gateway.store import consents
from gateway.store.consents import StoredText, StoredVersion
from gateway.store.database import Database
from gateway.store.locks import hold_register
from gateway.wire.admin import AdminAction, Concerned
from gateway.wire.cose import SigningKey
from gateway.wire.errors import CallerMisuse, SealmatchError
from gateway.wire.ids import Digest, KeyId


class NotAsSigned(SealmatchError):
    """A stored version is not the one whose addition, or retirement, the operator signed."""


DRAFT: Final = {
    "en": ConsentText(
        text="Your live picture and the portrait on your document are compared, to check that you "
        "are the document's holder. Both are turned into encrypted numbers on this device. The "
        "pictures are not sent and not kept. What is kept is the outcome, with codes that show "
        "neither your face nor your document number. You get a receipt.",
        without_face="You need not do this. Ask for the other way: a member of staff checks your "
        "document without a camera.",
    ),
    "zh": ConsentText(
        text="我们会比对您的现场影像与证件上的照片，以确认您是证件持有人。两者都在本设备上转换为加密数值，"
        "影像不会被发送，也不会被保存。保存的只有比对结果，以及不显示您的面容和证件号码的代码。您会得到一份回执。",
        without_face="您可以不进行人脸比对。请要求使用其他方式：由工作人员核验您的证件，不使用摄像头。",
    ),
    "es": ConsentText(
        text="Se comparan su imagen en vivo y el retrato de su documento para comprobar que usted "
        "es su titular. Ambos se convierten en números cifrados en este dispositivo. Las imágenes "
        "no se envían ni se guardan. Se guarda el resultado, con códigos que no muestran ni su "
        "cara ni el número de su documento. Usted recibe un recibo.",
        without_face="Usted no está obligado a hacerlo. Pida la otra vía: una persona del personal "
        "comprueba su documento sin cámara.",
    ),
}
"""A beginning for the operator, who knows what the law asks for and which other way there is."""


def draft(version: int, retention_days: int) -> ConsentTexts:
    """Texts to begin with, for this period."""
    return ConsentTexts(version=version, retention_days=retention_days, texts=DRAFT)


def add(
    database: Database, added: ConsentTexts, retention_days: int, key: SigningKey, now: int
) -> None:
    """Register a version, and sign that.

    Args:
        retention_days: for how long this gateway keeps records.

    Raises:
        CallerMisuse: the texts promise a shorter period.
        SessionConflict: there is a version of this number.
    """
    if added.retention_days < retention_days:
        raise CallerMisuse(
            f"the texts say {added.retention_days} days, and this gateway keeps records for "
            f"{retention_days} (retention_days)"
        )
    stored = {
        language: StoredText(one.text, one.without_face) for language, one in added.texts.items()
    }
    version = StoredVersion(added.version, added.retention_days, "active", stored)
    with database.writing() as connection:
        hold_register(connection)
        consents.add(connection, version)
        record(connection, "add", Concerned.text(added.version, added.digest), key, now)


def retire(database: Database, version: int, key: SigningKey, now: int) -> None:
    """Let no new session name a version, and sign that; nothing is done twice.

    Raises:
        SessionConflict: there is no such version.
    """
    with database.writing() as connection:
        hold_register(connection)
        if consents.retire(connection, version):
            (one,) = (one for one in consents.versions(connection) if one.version == version)
            record(connection, "retire", Concerned.text(version, _digest(one)), key, now)


def require_as_signed(stored: StoredVersion, actions: Iterable[AdminAction]) -> None:
    """Check a version against the operators' actions, whose signatures were checked.

    Raises:
        NotAsSigned: another text, none that was ever added, or one that was retired and is active.
    """
    number = str(stored.version)
    about = [one for one in actions if one.kind == "consent-text" and one.party == number]
    added = [one.key_id for one in about if one.verb == "add"]
    digest = _digest(stored)
    if added != ([] if digest is None else [KeyId(digest)]):
        what = "are not those that were registered" if added else "were never registered"
        raise NotAsSigned(
            f"the texts of version {number} {what} (history): export none of them; add another "
            "version, and retire this one"
        )
    if stored.state == "active" and any(one.verb == "retire" for one in about):
        raise NotAsSigned(f"version {number} was retired (history), and is active: retire it again")


def listed(database: Database) -> list[StoredVersion]:
    """All versions, oldest first."""
    with database.transaction() as connection:
        return consents.versions(connection)


def export(database: Database, version: int, actions: Iterable[AdminAction]) -> ConsentTexts:
    """A version as counters show it.

    Raises:
        CallerMisuse: there is no such version, or it says neither period nor way without a face.
        NotAsSigned: as ``require_as_signed``.
    """
    for one in listed(database):
        if one.version == version:
            require_as_signed(one, actions)
            return exported(one)
    raise CallerMisuse(f"there is no consent text of version {version}")


def _digest(stored: StoredVersion) -> Digest | None:
    """Of the file that counters show from; None: this version has none."""
    try:
        return exported(stored).digest
    except CallerMisuse:
        return None


def exported(stored: StoredVersion) -> ConsentTexts:
    """A stored version as counters show it. Raises ``CallerMisuse`` as ``export``."""
    texts = {
        language: ConsentText(text=one.text, without_face=one.without_face)
        for language, one in stored.texts.items()
        if one.without_face is not None
    }
    if stored.retention_days is None or len(texts) != len(stored.texts):
        raise CallerMisuse(
            f"version {stored.version} names no period and no way without a face: add another "
            "version, and retire this one"
        )
    return ConsentTexts(version=stored.version, retention_days=stored.retention_days, texts=texts)
