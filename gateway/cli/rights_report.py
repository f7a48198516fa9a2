"""A copy of what is kept, for its subject: JSON for programs, and a text that labels each value.

The labels say what a value is for, in the subject's language. Values are as they are kept: hashes
and random numbers in hexadecimal, times in UTC.
"""

import base64
import datetime
from collections.abc import Iterator
from typing import Final

from gateway.client.liveness.prompts import Language
from gateway.wire.rights import KeptColumn, SubjectCopy

_TIMES: Final = frozenset({"decided_at", "expires_at", "created_at", "until"})
_DAYS: Final = frozenset({"given_on"})
_DAY_ZERO: Final = datetime.date(1970, 1, 1)
_LONG: Final = 64
"""Bytes from which on a text says how long a value is; JSON has all of it."""

Labels = dict[str, str]
TABLES: Final[dict[Language, Labels]] = {
    "en": {
        "records": "Record of a registration",
        "consents": "Consent",
        "holds": "Legal hold",
        "withdrawals": "Withdrawal of consent",
        "sessions": "Session (forgotten within a day)",
    },
    "zh": {
        "records": "登记记录",
        "consents": "同意",
        "holds": "法定保留",
        "withdrawals": "撤回同意",
        "sessions": "会话（一天内删除）",
    },
    "es": {
        "records": "Registro de una verificación",
        "consents": "Consentimiento",
        "holds": "Retención legal",
        "withdrawals": "Retirada del consentimiento",
        "sessions": "Sesión (se borra en un día)",
    },
}
COLUMNS: Final[dict[Language, Labels]] = {
    "en": {
        "record_id": "random number of the record, as in the receipt",
        "kind": "a face check (decision) or a registration without one (fallback)",
        "outcome": "what came of it",
        "policy_digest": "under which rules faces were compared (hash of the rules)",
        "subject_handle": "code of the document; the number cannot be found from it",
        "activation_commitment": "code of the number or order that was activated",
        "statement": "what the gateway signed; the receipt contains the same",
        "log_index": "place in the log of hashes",
        "decided_at": "when, to the minute",
        "expires_at": "when it is removed",
        "consent_id": "random number of the consent",
        "digest": "code of the consent record; language and second cannot be found from it",
        "text_version": "which version of the text was shown",
        "given_by": "who agreed: the person, or a guardian",
        "given_on": "on which day",
        "reason": "why the law forbids to erase it for now",
        "until": "until when",
        "withdrawal_id": "random number of the withdrawal",
        "mark": "code that belongs to the receipt",
        "withdrawal": "what the gateway signed about the withdrawal",
        "session_id": "random number of the session",
        "state": "how far the session came",
        "device": "name of the shop's device",
        "issuer": "name of the document reader",
        "purpose": "what it was for",
        "consent_text_version": "which version of the text was shown",
        "challenge": "which movements were asked for, and which left out",
        "submission_digest": "code of what the counter sent, encrypted",
        "created_at": "when it began",
    },
    "zh": {
        "record_id": "记录的随机编号，与回执相同",
        "kind": "人脸核验（decision）或不使用人脸的登记（fallback）",
        "outcome": "结果",
        "policy_digest": "比对所用规则（规则的哈希值）",
        "subject_handle": "证件的代码；无法由此得出证件号码",
        "activation_commitment": "所开通号码或订单的代码",
        "statement": "网关签署的内容；回执中有相同内容",
        "log_index": "在哈希日志中的位置",
        "decided_at": "时间，精确到分钟",
        "expires_at": "何时删除",
        "consent_id": "同意的随机编号",
        "digest": "同意记录的代码；无法由此得出语言和时刻",
        "text_version": "所展示文本的版本",
        "given_by": "由谁同意：本人（subject）或监护人（guardian）",
        "given_on": "同意日期",
        "reason": "法律暂时禁止删除的原因",
        "until": "截止时间",
        "withdrawal_id": "撤回的随机编号",
        "mark": "属于该回执的代码",
        "withdrawal": "网关就撤回所签署的内容",
        "session_id": "会话的随机编号",
        "state": "会话进展",
        "device": "门店设备名称",
        "issuer": "证件阅读器名称",
        "purpose": "用途",
        "consent_text_version": "所展示文本的版本",
        "challenge": "要求的动作，以及未要求的动作",
        "submission_digest": "柜台所发送加密内容的代码",
        "created_at": "开始时间",
    },
    "es": {
        "record_id": "número aleatorio del registro, como en el recibo",
        "kind": "verificación facial (decision) o registro sin ella (fallback)",
        "outcome": "resultado",
        "policy_digest": "reglas con que se compararon los rostros (su hash)",
        "subject_handle": "código del documento; de él no se obtiene el número",
        "activation_commitment": "código del número o pedido que se activó",
        "statement": "lo que firmó la pasarela; el recibo contiene lo mismo",
        "log_index": "posición en el registro de hashes",
        "decided_at": "cuándo, al minuto",
        "expires_at": "cuándo se elimina",
        "consent_id": "número aleatorio del consentimiento",
        "digest": "código del consentimiento; de él no se obtienen idioma ni segundo",
        "text_version": "versión del texto que se mostró",
        "given_by": "quién consintió: la persona (subject) o quien ejerce la tutela (guardian)",
        "given_on": "qué día",
        "reason": "por qué la ley prohíbe borrarlo por ahora",
        "until": "hasta cuándo",
        "withdrawal_id": "número aleatorio de la retirada",
        "mark": "código que corresponde al recibo",
        "withdrawal": "lo que firmó la pasarela sobre la retirada",
        "session_id": "número aleatorio de la sesión",
        "state": "hasta dónde llegó la sesión",
        "device": "nombre del equipo de la tienda",
        "issuer": "nombre del lector de documentos",
        "purpose": "para qué fue",
        "consent_text_version": "versión del texto que se mostró",
        "challenge": "qué movimientos se pidieron y cuáles no",
        "submission_digest": "código de lo que envió el mostrador, cifrado",
        "created_at": "cuándo empezó",
    },
}
_ABOUT: Final[dict[Language, tuple[str, str, str, str]]] = {
    "en": (
        "What {} keeps, as of {} UTC. No photograph, no measure of a face, no document number.",
        "Live lines on the document: {}.",
        "Other registrations of the same document, if there are any, are told to whoever shows the "
        "receipt of a match that is still kept.",
        "{} more records did not fit in; ask the operator.",
    ),
    "zh": (
        "截至 {1} UTC，{0} 保存的内容。不含照片、面部数据或证件号码。",
        "该证件名下有效线路数：{}。",
        "同一证件的其他登记（如有），仅告知出示仍在保存期内且结果为匹配的回执的人。",
        "另有 {} 条记录未列出；请询问运营商。",
    ),
    "es": (
        "Lo que conserva {}, a {} UTC. Ninguna fotografía, ninguna medida del rostro, ningún "
        "número de documento.",
        "Líneas activas del documento: {}.",
        "Otros registros del mismo documento, si los hay, se comunican a quien muestre el recibo "
        "de una coincidencia que aún se conserve.",
        "{} registros más no cupieron; pregunte al operador.",
    ),
}


def as_json(copy: SubjectCopy, language: Language) -> dict[str, object]:
    """Everything in a copy, with its labels."""
    return {
        "gateway": copy.gateway,
        "madeAt": _time(copy.made_at),
        "scope": copy.scope,
        "liveLines": copy.live_lines,
        "leftOut": copy.left_out,
        "disclosure": {
            "id": copy.copy_id.hex(),
            "requestDigest": copy.request_digest.hex(),
        },
        "rows": [
            {"table": row.table, **{one.name: _plain(one) for one in row.columns}}
            for row in copy.rows
        ],
        "labels": {"tables": TABLES[language], "columns": COLUMNS[language]},
    }


def as_text(copy: SubjectCopy, language: Language) -> Iterator[str]:
    """Lines for a person."""
    about, lines, alone, more = _ABOUT[language]
    yield about.format(copy.gateway, f"{_moment(copy.made_at):%Y-%m-%d %H:%M}")
    yield alone if copy.live_lines is None else lines.format(copy.live_lines)
    if copy.left_out:
        yield more.format(copy.left_out)
    for row in copy.rows:
        yield ""
        yield TABLES[language].get(row.table, row.table)
        for one in row.columns:
            yield f"  {_shown(one)}  ({COLUMNS[language].get(one.name, one.name)})"


def _plain(one: KeptColumn) -> object:
    """A value as JSON has it: long bytes in base64url, others in hexadecimal."""
    if isinstance(one.value, bytes):
        if len(one.value) <= _LONG:
            return one.value.hex()
        return base64.urlsafe_b64encode(one.value).rstrip(b"=").decode()
    if isinstance(one.value, int):
        return _dated(one.name, one.value)
    return one.value


def _shown(one: KeptColumn) -> str:
    if isinstance(one.value, bytes) and len(one.value) > _LONG:
        return f"{len(one.value)} bytes"
    return "-" if one.value is None else str(_plain(one))


def _dated(name: str, value: int) -> int | str:
    if name in _TIMES:
        return _time(value)
    return str(_DAY_ZERO + datetime.timedelta(days=value)) if name in _DAYS else value


def _time(at: int) -> str:
    return f"{_moment(at):%Y-%m-%dT%H:%M:%SZ}"


def _moment(at: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at, datetime.UTC)
