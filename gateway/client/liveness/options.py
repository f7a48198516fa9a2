"""What the command adds to an advice: its options.

``texts.json`` has what customer and agent read, in the command and on the counter's page. A page
has buttons and no options, so no sentence there names one. These are for a terminal alone.
"""

from collections.abc import Mapping
from typing import Final

from gateway.client.liveness.prompts import Language, MessageId
from gateway.wire.liveness import Exclusion

_MIRRORED: Final[Mapping[Language, str]] = {
    "en": "Start again with --mirrored (or, if that is set, without it).",
    "zh": "请加上 --mirrored 重新开始（如已加上，则请去掉）。",
    "es": "Empiece de nuevo con --mirrored (o sin esa opción, si ya está puesta).",
}
_EXCLUDE: Final[Mapping[Language, str]] = {
    "en": "If this cannot be done, start again with --exclude {}.",
    "zh": "如果做不到，请加上 --exclude {} 重新开始。",
    "es": "Si no es posible, empiece de nuevo con --exclude {}.",
}
_AFTER: Final[Mapping[MessageId, Mapping[Language, str]]] = {
    "why-other-side": _MIRRORED,
    "why-mirrored": _MIRRORED,
}


def option_after(message: MessageId, language: Language) -> str | None:
    """The option that helps where this message is told; None: there is none."""
    words = _AFTER.get(message)
    return None if words is None else words[language]


def to_exclude(exclusion: Exclusion, language: Language) -> str:
    """How to leave an action out."""
    return _EXCLUDE[language].format(f"{exclusion.kind}={exclusion.reason}")
