"""The gateway's consent texts: what its operator registers, exports to counters and retires.

A version is registered whole, with the period for which records are kept and the way without a
face, and never changes afterwards. Nobody may be told less than what is true: a version whose
period is shorter than the gateway's retention is not taken.
"""

from typing import Final

from gateway.proofs.consent import ConsentText, ConsentTexts
from gateway.store import consents
from gateway.store.consents import StoredText, StoredVersion
from gateway.store.database import Database
from gateway.wire.errors import CallerMisuse

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


def add(database: Database, added: ConsentTexts, retention_days: int) -> None:
    """Register a version.

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
    with database.writing() as connection:
        consents.add(
            connection, StoredVersion(added.version, added.retention_days, "active", stored)
        )


def retire(database: Database, version: int) -> None:
    """Let no new session name a version. Raises ``SessionConflict`` for one that is not there."""
    with database.writing() as connection:
        consents.retire(connection, version)


def listed(database: Database) -> list[StoredVersion]:
    """All versions, oldest first."""
    with database.transaction() as connection:
        return consents.versions(connection)


def export(database: Database, version: int) -> ConsentTexts:
    """A version as counters show it.

    Raises:
        CallerMisuse: there is no such version, or it says neither period nor way without a face.
    """
    for one in listed(database):
        if one.version == version:
            return exported(one)
    raise CallerMisuse(f"there is no consent text of version {version}")


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
