"""What the person at the counter reads: message ids. ``texts.json`` has a text for each in every
language. The counter's page shows the same texts, so none names an option of the command
(``options``).

Left and right are the person's own. Texts are short, polite, and say what to do.
"""

from typing import Final, Literal, get_args

from gateway.client.liveness.limits import TEXTS
from gateway.wire.liveness import ActionKind, AttemptReason

Language = Literal["en", "zh", "es"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

MessageId = Literal[
    "hold-still", "ask-blink", "ask-open-mouth", "ask-turn-left", "ask-turn-right", "ask-count",
    "good", "done", "failed", "passive-warning",
    "no-face", "several-faces", "come-closer", "too-dark", "too-bright", "look-straight",
    "more-clearly",
    "advice-time-ran-out", "advice-wrong-action", "advice-face-lost", "advice-several-faces",
    "advice-face-changed", "advice-recording-ended", "advice-passive-check", "advice-interrupted",
    "advice-use-camera", "advice-not-possible", "advice-locked",
    "advice-exclusions-ignored", "advice-not-as-sent",
    "why-sideways", "why-upside-down", "why-distorted", "why-few-views", "why-dark", "why-bright",
    "why-not-sharp", "why-flat", "why-grainy", "why-colours", "why-edited", "why-unclear",
    "why-averted", "why-from-above", "why-from-below",
    "why-face-covered", "why-eyes-covered", "why-mouth-covered",
    "why-eyes-shut", "why-eyes-stay-open", "why-one-eye", "why-blink-unclear",
    "why-mouth-still", "why-mouth-little", "why-mouth-unclear",
    "why-head-still", "why-head-little", "why-turn-unclear", "why-several-unseen",
    "why-number-missed", "why-number-uneven",
    "why-other-side", "why-mirrored",
    "otherwise-without-face",
]  # fmt: skip
MESSAGE_IDS: Final[tuple[MessageId, ...]] = get_args(MessageId)

ASK: Final[dict[ActionKind, MessageId]] = {
    "blink": "ask-blink",
    "open-mouth": "ask-open-mouth",
    "turn-left": "ask-turn-left",
    "turn-right": "ask-turn-right",
    "count": "ask-count",
}
ADVICE: Final[dict[AttemptReason, MessageId]] = {
    "time-ran-out": "advice-time-ran-out",
    "wrong-action": "advice-wrong-action",
    "face-lost": "advice-face-lost",
    "several-faces": "advice-several-faces",
    "face-changed": "advice-face-changed",
    "recording-ended": "advice-recording-ended",
    "passive-check": "advice-passive-check",
    "interrupted": "advice-interrupted",
}


def text(message: MessageId, language: Language) -> str:
    """The text of a message."""
    said: str = TEXTS[language][message]
    return said
