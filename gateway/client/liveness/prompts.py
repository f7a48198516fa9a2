"""What the person at the counter reads: message ids, and a text for each in every language.

Left and right are the person's own. Texts are short, polite, and say what to do.
"""

from typing import Final, Literal, get_args

from gateway.wire.liveness import ActionKind, AttemptReason

Language = Literal["en", "zh", "es"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

MessageId = Literal[
    "hold-still", "ask-blink", "ask-open-mouth", "ask-turn-left", "ask-turn-right",
    "good", "done", "failed", "passive-warning",
    "no-face", "several-faces", "come-closer", "too-dark", "too-bright", "look-straight",
    "more-clearly",
    "advice-time-ran-out", "advice-wrong-action", "advice-face-lost", "advice-several-faces",
    "advice-face-changed", "advice-recording-ended", "advice-passive-check", "advice-interrupted",
    "advice-use-camera", "advice-not-possible", "advice-locked",
]  # fmt: skip
MESSAGE_IDS: Final[tuple[MessageId, ...]] = get_args(MessageId)

ASK: Final[dict[ActionKind, MessageId]] = {
    "blink": "ask-blink",
    "open-mouth": "ask-open-mouth",
    "turn-left": "ask-turn-left",
    "turn-right": "ask-turn-right",
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

_CATALOGUE: Final[dict[Language, dict[MessageId, str]]] = {
    "en": {
        "hold-still": "Look at the camera and hold still",
        "ask-blink": "Close your eyes briefly, then open them",
        "ask-open-mouth": "Open your mouth wide, then close it",
        "ask-turn-left": "Turn your head slowly to your left, then back",
        "ask-turn-right": "Turn your head slowly to your right, then back",
        "good": "Good",
        "done": "Done, thank you",
        "failed": "That did not work",
        "passive-warning": "The picture looks like a photograph or a screen: please check",
        "no-face": "No face in the picture: look at the camera",
        "several-faces": "Only one person before the camera, please",
        "come-closer": "Come closer",
        "too-dark": "Too dark: face the light",
        "too-bright": "Too bright: turn away from the lamp",
        "look-straight": "Look straight at the camera",
        "more-clearly": "A little more clearly, please",
        "advice-time-ran-out": "Try again; there is time for each movement.",
        "advice-wrong-action": "Try again, and make each movement only when it is asked for.",
        "advice-face-lost": "Keep the whole face in the picture, and turn slowly.",
        "advice-several-faces": "Let only one person stand before the camera.",
        "advice-face-changed": "The same person must stay before the camera to the end.",
        "advice-recording-ended": "The recording does not show the movements that were asked for.",
        "advice-passive-check": "Use a live person before the camera, in even light.",
        "advice-interrupted": "Start again when the person is ready.",
        "advice-use-camera": "This gateway asks for movements: use a camera, not a photograph.",
        "advice-not-possible": "Too few movements are left to ask for: register in another way.",
        "advice-locked": "Try again when the lock has ended, with sharp and upright pictures.",
    },
    "zh": {
        "hold-still": "请看着镜头，保持不动",
        "ask-blink": "请闭一下眼睛，再睁开",
        "ask-open-mouth": "请张大嘴巴，再闭上",
        "ask-turn-left": "请慢慢向您的左边转头，再转回来",
        "ask-turn-right": "请慢慢向您的右边转头，再转回来",
        "good": "很好",
        "done": "完成，谢谢",
        "failed": "这次没有成功",
        "passive-warning": "画面像是照片或屏幕，请核对",
        "no-face": "画面中没有人脸，请看着镜头",
        "several-faces": "镜头前请只留一个人",
        "come-closer": "请靠近一点",
        "too-dark": "太暗了，请面向光线",
        "too-bright": "太亮了，请避开灯光",
        "look-straight": "请正视镜头",
        "more-clearly": "动作请再明显一点",
        "advice-time-ran-out": "请再试一次，每个动作都有足够的时间。",
        "advice-wrong-action": "请再试一次，提示到哪个动作再做哪个动作。",
        "advice-face-lost": "请让整张脸保持在画面里，慢慢转头。",
        "advice-several-faces": "请只让一个人站在镜头前。",
        "advice-face-changed": "从开始到结束，镜头前必须是同一个人。",
        "advice-recording-ended": "录像中没有所要求的动作。",
        "advice-passive-check": "请让本人在均匀的光线下面对镜头。",
        "advice-interrupted": "准备好后请重新开始。",
        "advice-use-camera": "本网关要求做动作，请使用摄像头，不要使用照片。",
        "advice-not-possible": "可用的动作太少，请改用其他方式办理。",
        "advice-locked": "请等锁定时间结束后，再用清晰、端正的照片重试。",
    },
    "es": {
        "hold-still": "Mire a la cámara y no se mueva",
        "ask-blink": "Cierre los ojos un momento y vuelva a abrirlos",
        "ask-open-mouth": "Abra bien la boca y ciérrela",
        "ask-turn-left": "Gire despacio la cabeza hacia su izquierda y vuelva al frente",
        "ask-turn-right": "Gire despacio la cabeza hacia su derecha y vuelva al frente",
        "good": "Bien",
        "done": "Listo, gracias",
        "failed": "No ha funcionado",
        "passive-warning": "La imagen parece una foto o una pantalla: compruébelo, por favor",
        "no-face": "No se ve ninguna cara: mire a la cámara",
        "several-faces": "Solo una persona ante la cámara, por favor",
        "come-closer": "Acérquese",
        "too-dark": "Demasiado oscuro: póngase de cara a la luz",
        "too-bright": "Demasiada luz: apártese de la lámpara",
        "look-straight": "Mire de frente a la cámara",
        "more-clearly": "Un poco más claro, por favor",
        "advice-time-ran-out": "Inténtelo de nuevo; hay tiempo para cada movimiento.",
        "advice-wrong-action": "Inténtelo de nuevo y haga cada movimiento solo cuando se le pida.",
        "advice-face-lost": "Mantenga toda la cara en la imagen y gire despacio.",
        "advice-several-faces": "Que haya una sola persona ante la cámara.",
        "advice-face-changed": "La misma persona debe quedarse ante la cámara hasta el final.",
        "advice-recording-ended": "La grabación no muestra los movimientos que se pidieron.",
        "advice-passive-check": "La persona misma debe estar ante la cámara, con luz uniforme.",
        "advice-interrupted": "Empiece de nuevo cuando la persona esté lista.",
        "advice-use-camera": "Esta pasarela pide movimientos: use una cámara, no una foto.",
        "advice-not-possible": "Quedan muy pocos movimientos: haga el registro de otro modo.",
        "advice-locked": "Inténtelo de nuevo al terminar el bloqueo, con fotos nítidas y derechas.",
    },
}


def text(message: MessageId, language: Language) -> str:
    """The text of a message."""
    return _CATALOGUE[language][message]
