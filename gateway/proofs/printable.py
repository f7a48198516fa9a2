"""One page for the subscriber to print and keep: what was decided, in plain words.

It is made from a receipt whose checks have passed. It says whom a reader would have to believe
without the file. The QR code names the receipt, so that paper and file can be matched: record,
digest of the statement, and the place in the log. It holds nothing that the page does not say.
"""

import datetime
import html
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import Final

import segno

from gateway.proofs.verify import VerifiedReceipt
from gateway.translog.verification import LoggedEntry

_STYLE: Final = """
@page { size: A4; margin: 18mm }
body { font: 12pt/1.45 system-ui, sans-serif; max-width: 174mm; margin: 8mm auto; color: #000 }
header { display: flex; justify-content: space-between; gap: 8mm; align-items: flex-start }
h1 { font-size: 20pt; line-height: 1.2; margin: 0 0 2mm }
.outcome { border: 1.5pt solid #000; border-radius: 3mm; padding: 4mm 5mm; margin: 5mm 0 }
.outcome strong { font-size: 15pt; display: block }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 1mm 6mm; margin: 4mm 0 }
dd { margin: 0; overflow-wrap: anywhere }
h2 { font-size: 12pt; margin: 5mm 0 1mm }
p { margin: 0 0 2mm }
.quiet { font-size: 10pt }
svg { width: 34mm; height: 34mm; flex: none }
"""


@dataclass(frozen=True)
class Wording:
    """The page's words in one language."""

    title: str
    about: str
    match: str
    match_explained: str
    no_match: str
    no_match_explained: str
    labels: tuple[str, ...]
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
         "counter", "Liveness check", "Record", "Digest of the statement", "Place in the log"),
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
        ("判定时间", "用途", "运营商网关", "密钥机构", "门店", "经办人", "活体检测", "记录",
         "声明摘要", "日志中的位置"),
        "保存了什么",
        "在保存期内仅保存本声明和带密钥的哈希值。不保存照片、面部数据或证件号码。",
        "如何核验",
        "请保留凭证文件。运营商或监管机构的核验页面，或命令 sealmatch receipt verify，"
        "无需联网即可核验签名。上方二维码只标识本凭证，本身不构成证明。",
    ),
    "es": Wording(
        "Recibo de una verificación de identidad",
        "Se comparó el rostro ante la cámara con el retrato del documento de identidad. Ninguno "
        "salió de la tienda en forma legible.",
        "Superada",
        "Ambos son de la misma persona.",
        "No superada",
        "No se confirmó que sean de la misma persona. Pida otro intento o que le atienda una "
        "persona.",
        ("Decidido", "Finalidad", "Pasarela del operador", "Autoridad de claves", "Tienda",
         "Persona que atendió", "Prueba de vida", "Registro", "Resumen de la declaración",
         "Lugar en el registro público"),
        "Qué se conserva",
        "Esta declaración y códigos con clave, hasta que acabe el plazo de conservación. Ninguna "
        "fotografía, ninguna medida de su rostro, ningún número de documento.",
        "Cómo comprobarlo",
        "Conserve el archivo del recibo. La página de comprobación del operador o del regulador, "
        "o la orden \u00absealmatch receipt verify\u00bb, comprueban sus firmas sin red. El código "
        "de arriba identifica el recibo; por sí solo no prueba nada.",
    ),
}  # fmt: skip


def printable_page(verified: VerifiedReceipt, language: str = "en") -> str:
    """The page as HTML that loads nothing.

    Args:
        language: a key of ``WORDINGS``.
    """
    words = WORDINGS[language]
    passed = verified.decision.message.outcome == "MATCH"
    values = _values(verified)
    rows = zip(words.labels, values, strict=True)
    return Template(_template()).substitute(
        language=language,
        style=_STYLE,
        title=words.title,
        about=words.about,
        outcome=words.match if passed else words.no_match,
        explained=words.match_explained if passed else words.no_match_explained,
        rows="".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in rows),
        kept=words.kept,
        kept_explained=words.kept_explained,
        check=words.check,
        check_explained=words.check_explained,
        code=_code(reference(verified)),
    )


def reference(verified: VerifiedReceipt) -> str:
    """What the QR code says."""
    statement = verified.statement
    return (
        f"sealmatch:receipt?record={statement.message.record_id.hex()}"
        f"&statement={statement.digest.hex()}"
    )


def _values(verified: VerifiedReceipt) -> list[str]:
    stated = verified.statement.message
    decided = datetime.datetime.fromtimestamp(stated.decided_at_minute, datetime.UTC)
    return [
        f"{decided:%Y-%m-%d %H:%M} UTC",
        stated.purpose,
        stated.gateway,
        stated.authority,
        stated.outlet,
        stated.agent,
        stated.liveness.outcome,
        stated.record_id.hex(),
        verified.statement.digest.hex(),
        _place(verified.logged),
    ]


def _place(logged: LoggedEntry | None) -> str:
    if logged is None:
        return "\u2013"
    under = logged.witnessed.checkpoint
    return f"{logged.index + 1} / {under.size} ({under.origin})"


def _code(content: str) -> str:
    """A QR code as SVG, medium error correction."""
    return str(segno.make(content, error="m", micro=False).svg_inline(border=2, omitsize=True))


def _template() -> str:
    return (files("gateway.proofs") / "page" / "printable.html").read_text(encoding="utf-8")
