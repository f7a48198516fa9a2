"""The words of the printed receipt of a registration without a face, in each language.

They say first what the receipt is not: no face was compared. Reasons are told without a word about
the person. What is here repeats nothing of ``wordings``, whose headings serve both kinds.
"""

from dataclasses import dataclass
from typing import Final

ROWS: Final = (
    "recorded", "purpose", "reason", "means", "gateway", "outlet", "agent", "supervisor", "record",
    "digest", "place",
)  # fmt: skip
CHECKS: Final = ("comparison", "agent", "supervisor", "log", "witnesses")


@dataclass(frozen=True)
class FallbackWording:
    """The page's words in one language."""

    title: str
    about: str
    outcome: str
    explained: str
    rows: tuple[str, ...]
    """Labels, one for each of ``ROWS``."""
    checks: tuple[str, ...]
    """Labels, one for each of ``CHECKS``."""
    signed: str
    by_word: str
    """Signed by somebody whom the gateway has enrolled, and whom the verifier does not pin."""
    values: dict[str, str]
    """Words for reasons and means."""
    kept_explained: str


FALLBACK_WORDINGS: Final = {
    "en": FallbackWording(
        "Receipt of a registration without a face",
        "No face was compared for this registration. The person was identified by other means.",
        "Registered without a face",
        "An employee of the shop and a supervisor, two people, signed that the person was "
        "identified by the means below. This is not the result of a face check.",
        ("Recorded", "Purpose", "Why no face was checked", "Identified by", "Carrier's gateway",
         "Shop", "Person at the counter", "Supervisor", "Record", "Digest of the statement",
         "Place in the log"),
        ("Same person, by face", "Signature of the person at the counter",
         "Signature of the supervisor", "Transparency log", "Witnesses of the log"),
        "signed",
        "signed by a person whom the gateway vouches for",
        {"declined": "not wanted", "not-possible": "not possible",
         "equipment": "the shop's equipment did not work", "no-match": "no match came of it",
         "locked": "no further attempt was allowed", "unavailable": "the service was not available",
         "no-portrait": "the document shows no portrait that can be read",
         "document-in-person": "the document, looked at by a person",
         "second-document": "a second document", "existing-account": "an account with the carrier",
         "mobile-document": "a document on a phone", "electronic-identity": "electronic identity",
         "notary": "a notary"},
        "This statement, until the retention ends. No photograph, no document number, and nothing "
        "about your face.",
    ),
    "zh": FallbackWording(
        "不使用人脸的登记凭证",
        "本次登记没有比对人脸，而是以其他方式核实身份。",
        "已登记，未使用人脸",
        "门店经办人与一名主管（二人）签署确认，已按下列方式核实身份。这不是人脸核验的结果。",
        ("记录时间", "用途", "未核验人脸的原因", "核实方式", "运营商网关", "门店", "经办人", "主管",
         "记录", "声明摘要", "日志中的位置"),
        ("同一人（人脸）", "经办人签名", "主管签名", "透明日志", "日志见证方"),
        "已签名",
        "已签名，签名人由网关担保",
        {"declined": "未选择人脸核验", "not-possible": "无法进行", "equipment": "门店设备不可用",
         "no-match": "未能认定", "locked": "暂不允许再次尝试", "unavailable": "服务不可用",
         "no-portrait": "证件上没有可读取的照片", "document-in-person": "人工查验证件原件",
         "second-document": "第二份证件", "existing-account": "在运营商的已有账户",
         "mobile-document": "手机证件", "electronic-identity": "电子身份", "notary": "公证"},
        "在保存期内仅保存本声明。不保存照片、证件号码，也不保存任何面部信息。",
    ),
    "es": FallbackWording(
        "Recibo de un registro sin rostro",
        "Para este registro no se comparó ningún rostro. La persona se identificó por otros "
        "medios.",
        "Registro sin rostro",
        "Una persona de la tienda y una supervisora o un supervisor, dos personas distintas, "
        "firmaron que la identificación se hizo por los medios indicados. No es el resultado de "
        "una verificación del rostro.",
        ("Fecha del registro", "Finalidad", "Por qué no se verificó el rostro", "Identificación "
         "por", "Pasarela del operador", "Tienda", "Persona que atendió", "Supervisión",
         "Identificador", "Resumen (hash) de la declaración", "Posición en el registro de "
         "transparencia"),
        ("Misma persona, por el rostro", "Firma de la persona que atendió",
         "Firma de la supervisión", "Registro de transparencia", "Testigos del registro"),
        "firmado",
        "firmado por una persona de la que responde la pasarela",
        {"declined": "no se quiso", "not-possible": "no fue posible",
         "equipment": "el equipo de la tienda no funcionó", "no-match": "no hubo coincidencia",
         "locked": "no se permitía otro intento", "unavailable": "el servicio no estaba disponible",
         "no-portrait": "el documento no muestra un retrato legible",
         "document-in-person": "el documento, examinado por una persona",
         "second-document": "un segundo documento",
         "existing-account": "una cuenta con el operador",
         "mobile-document": "un documento en el teléfono",
         "electronic-identity": "identidad electrónica", "notary": "notaría"},
        "Esta declaración, hasta que acabe el plazo de conservación. Ninguna fotografía, ningún "
        "número de documento y nada sobre su rostro.",
    ),
}  # fmt: skip
