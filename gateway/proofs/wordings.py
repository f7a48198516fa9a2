"""The words of the printed receipt, in each language.

None of them is more certain than the English: a decision found two pictures to be of one person,
it does not know. The log is closed to the public, so no language calls it public.
"""

from dataclasses import dataclass
from typing import Final

ROWS: Final = (
    "decided", "purpose", "gateway", "authority", "outlet", "agent", "record", "digest", "place",
)  # fmt: skip
CHECKS: Final = (
    "comparison", "portrait", "liveness", "quality", "log", "witnesses", "audit", "policy",
)  # fmt: skip
"""What a receipt may show. Each is marked as done, as not passed, or in words as what it is not."""


@dataclass(frozen=True)
class Wording:
    """The page's words in one language."""

    title: str
    about: str
    match: str
    match_explained: str
    no_match: str
    no_match_explained: str
    rows: tuple[str, ...]
    """Labels, one for each of ``ROWS``."""
    shown: str
    checks: tuple[str, ...]
    """Labels, one for each of ``CHECKS``."""
    not_performed: str
    not_checked: str
    values: dict[str, str]
    """Words for what a statement says in codes; what is not here is printed as it is."""
    kept: str
    kept_explained: str
    check: str
    check_explained: str


WORDINGS: Final = {
    "en": Wording(
        "Receipt of an identity check",
        "The face before the camera was compared with the portrait on the identity document. "
        "Neither left the shop in readable form.",
        "Passed",
        "Both were found to be of the same person.",
        "Not passed",
        "They were not found to be of the same person. Ask for another attempt, or for a check "
        "by a person.",
        ("Decided", "Purpose", "Carrier's gateway", "Key authority", "Shop", "Person at the "
         "counter", "Record", "Digest of the statement", "Place in the log"),
        "What the receipt shows",
        ("Same person", "Portrait on the document", "Liveness check", "Quality of the pictures",
         "Transparency log", "Witnesses of the log", "Audit of the evaluation",
         "Signed thresholds"),
        "not performed",
        "not checked for this page",
        {"MATCH": "found", "NO_MATCH": "not found", "passed": "passed",
         "not-performed": "not performed", "not-possible": "not possible",
         "uncalibrated": "no calibrated check",
         "chip-verified": "from its chip, signed by the issuing State",
         "mobile-verified": "shown by a phone, signed by the issuing State",
         "read": "read as data; its origin was not verified",
         "photographed": "photographed or scanned; its origin was not verified",
         "unsigned-default": "default ones, signed by nobody",
         "sim-activation": "activation of a SIM"},
        "What is kept",
        "This statement and keyed hashes, until the retention ends. No photograph, no measurement "
        "of your face, no document number.",
        "How to check it",
        "Keep the receipt's file. The check page of the carrier or regulator, or the command "
        "\u201csealmatch receipt verify\u201d, checks its signatures without a network. The code "
        "above names the receipt; it proves nothing by itself.",
    ),
    "zh": Wording(
        "身份核验凭证",
        "镜头前的人脸已与证件照片比对。两者均未以可读形式离开门店。",
        "通过",
        "二者被认定为同一人。",
        "未通过",
        "未能认定二者为同一人。您可以要求再试一次，或改由人工核验。",
        ("判定时间", "用途", "运营商网关", "密钥机构", "门店", "经办人", "记录", "声明摘要",
         "日志中的位置"),
        "凭证表明了什么",
        ("同一人", "证件照片", "活体检测", "图像质量", "透明日志", "日志见证方", "计算的审计",
         "已签署的阈值"),
        "未进行",
        "生成本页时未核验",
        {"MATCH": "已认定", "NO_MATCH": "未认定", "passed": "通过", "not-performed": "未进行",
         "not-possible": "无法进行", "uncalibrated": "未经校准的检查",
         "chip-verified": "来自证件芯片，经签发国签名",
         "mobile-verified": "来自手机证件，经签发国签名",
         "read": "以数据方式读取，来源未经验证",
         "photographed": "拍摄或扫描所得，来源未经验证",
         "unsigned-default": "默认阈值，无人签署",
         "sim-activation": "开通 SIM 卡"},
        "保存了什么",
        "在保存期内仅保存本声明和带密钥的哈希值。不保存照片、面部数据或证件号码。",
        "如何核验",
        "请保留凭证文件。运营商或监管机构的核验页面，或命令 sealmatch receipt verify，"
        "无需联网即可核验签名。上方二维码只标识本凭证，本身不构成证明。",
    ),
    "es": Wording(
        "Recibo de una verificación de identidad",
        "Se comparó el rostro ante la cámara con el retrato del documento de identidad. Ninguno de "
        "los dos salió de la tienda en forma legible.",
        "Superada",
        "Se determinó que ambos son de la misma persona.",
        "No superada",
        "No se determinó que sean de la misma persona. Puede pedir otro intento o que la "
        "verificación la haga una persona.",
        ("Fecha de la decisión", "Finalidad", "Pasarela del operador", "Autoridad de claves",
         "Tienda", "Persona que atendió", "Identificador", "Resumen (hash) de la declaración",
         "Posición en el registro"),
        "Qué demuestra el recibo",
        ("Misma persona", "Retrato del documento", "Prueba de vida", "Calidad de las imágenes",
         "Registro de transparencia", "Testigos del registro", "Auditoría del cálculo",
         "Umbrales firmados"),
        "no se hizo",
        "no se comprobó para esta página",
        {"MATCH": "sí, según la decisión", "NO_MATCH": "no se determinó", "passed": "superada",
         "not-performed": "no se hizo", "not-possible": "no fue posible",
         "uncalibrated": "sin un control calibrado",
         "chip-verified": "de su chip, firmado por el Estado emisor",
         "mobile-verified": "mostrado por un teléfono, firmado por el Estado emisor",
         "read": "leído como dato; no se verificó su origen",
         "photographed": "fotografiado o escaneado; no se verificó su origen",
         "unsigned-default": "predeterminados, nadie los firmó",
         "sim-activation": "activación de una SIM"},
        "Qué se conserva",
        "Esta declaración y hashes con clave, hasta que acabe el plazo de conservación. Ninguna "
        "fotografía, ninguna medida de su rostro, ningún número de documento.",
        "Cómo comprobarlo",
        "Conserve el archivo del recibo. La página de comprobación del operador o del regulador, "
        "o el comando \u00absealmatch receipt verify\u00bb, comprueban sus firmas sin conexión. El "
        "código de arriba identifica el recibo; por sí solo no prueba nada.",
    ),
}  # fmt: skip
