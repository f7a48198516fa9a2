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
    "why-sideways", "why-upside-down", "why-distorted", "why-few-views", "why-dark", "why-bright",
    "why-not-sharp", "why-flat", "why-grainy", "why-colours", "why-edited", "why-unclear",
    "why-averted", "why-from-above", "why-from-below",
    "why-face-covered", "why-eyes-covered", "why-mouth-covered",
    "why-eyes-shut", "why-eyes-stay-open", "why-one-eye", "why-blink-unclear",
    "why-mouth-still", "why-mouth-little", "why-mouth-unclear",
    "why-head-still", "why-head-little", "why-turn-unclear", "why-several-unseen",
    "why-other-side", "why-mirrored",
    "otherwise-exclude", "otherwise-without-face",
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
        "advice-not-possible": "Too few movements are left to ask for: ask for the registration "
        "without a face check.",
        "advice-locked": "Try again when the lock has ended, with sharp and upright pictures.",
        "why-sideways": "The camera's picture lies on its side: set the camera upright.",
        "why-upside-down": "The camera's picture is upside down: turn the camera round.",
        "why-distorted": "The picture is stretched or slanted: set the camera straight before the "
        "face, and to its own picture format.",
        "why-edited": "An effect seems to change the face: switch off beauty, portrait and other "
        "effects of the camera.",
        "why-few-views": "The camera gives too few pictures a second: more light helps, or another "
        "camera, or closing other programs.",
        "why-dark": "The face is too dark: bring light to its front; no lamp or window behind it.",
        "why-bright": "The face is too bright: turn the lamp away, or move out of the sun.",
        "why-not-sharp": "The face is not sharp: wipe the lens, come closer and hold still.",
        "why-flat": "The face has too little contrast: wipe the lens, and avoid light from behind.",
        "why-grainy": "The picture is too grainy: more light helps, or another camera.",
        "why-colours": "The colours are not natural: switch off coloured light and filters.",
        "why-unclear": "The face cannot be seen clearly: try even light, and nothing on the face.",
        "why-averted": "The face is turned away too far: look straight into the camera.",
        "why-from-above": "The camera looks down on the face: lower it to the height of the eyes.",
        "why-from-below": "The camera looks up at the face: raise it to the height of the eyes.",
        "why-face-covered": "Part of the face is covered: keep it free of mask, scarf, hair, hands "
        "and dark glasses.",
        "why-eyes-covered": "The eyes are hidden, as behind tinted glasses: take the glasses off.",
        "why-mouth-covered": "The mouth is covered: take off what covers it.",
        "why-eyes-shut": "The eyes were not seen open: open them, and look at the camera.",
        "why-eyes-stay-open": "The eyes were not seen to close: close both for a moment.",
        "why-one-eye": "Only one eye was seen to move: close both together, then open them.",
        "why-blink-unclear": "Both eyes moved, but no clear blink was seen: close them for half a "
        "second, and hold the head still.",
        "why-mouth-still": "The mouth was not seen to open: open it wide, then close it.",
        "why-mouth-little": "The mouth opened only a little: open it wider.",
        "why-mouth-unclear": "The mouth moved, but could not be seen clearly: hold the head still, "
        "in even light.",
        "why-head-still": "The head was not seen to turn: turn it slowly to the side asked for.",
        "why-head-little": "The head turned only a little: turn it further.",
        "why-turn-unclear": "The head moved, but no clear turn was seen: look straight first, then "
        "turn slowly, without tilting.",
        "why-several-unseen": "Several of the movements were not seen, or hardly.",
        "why-other-side": "The head turned to the other side. If it turned as asked, the camera "
        "mirrors its picture: start again with --mirrored (or, if that is set, without it).",
        "why-mirrored": "Every turn was seen on the other side: the camera mirrors its picture. "
        "Start again with --mirrored (or, if that is set, without it).",
        "otherwise-exclude": "If this cannot be done, start again with --exclude {}.",
        "otherwise-without-face": "If this cannot be done, ask for the registration without a face "
        "check.",
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
        "advice-not-possible": "可用的动作太少，请要求办理不做人脸核验的登记。",
        "advice-locked": "请等锁定时间结束后，再用清晰、端正的照片重试。",
        "why-sideways": "摄像头画面是横倒的，请把摄像头摆正。",
        "why-upside-down": "摄像头画面上下颠倒，请把摄像头转过来。",
        "why-distorted": "画面被拉伸或倾斜，请把摄像头正对脸部，并使用摄像头原本的画面比例。",
        "why-edited": "画面似乎经过特效处理，请关闭摄像头的美颜、人像等特效。",
        "why-few-views": "摄像头每秒的画面太少，请增加光线、换一个摄像头，或关闭其他程序。",
        "why-dark": "脸部太暗，请让光线照在脸的正面，不要背对灯或窗户。",
        "why-bright": "脸部太亮，请移开灯光，或避开阳光。",
        "why-not-sharp": "脸部不清晰，请擦净镜头，靠近一点，不要晃动。",
        "why-flat": "脸部对比度太低，请擦净镜头，避免逆光。",
        "why-grainy": "画面噪点太多，请增加光线，或换一个摄像头。",
        "why-colours": "画面颜色不自然，请关闭彩色灯光和滤镜。",
        "why-unclear": "看不清脸部，请使用均匀的光线，脸上不要有遮挡。",
        "why-averted": "脸偏得太多，请正对镜头。",
        "why-from-above": "摄像头是从上往下拍的，请把它降到与眼睛同高。",
        "why-from-below": "摄像头是从下往上拍的，请把它升到与眼睛同高。",
        "why-face-covered": "脸的一部分被遮住了，请取下口罩、围巾、深色眼镜，移开头发和手。",
        "why-eyes-covered": "眼睛被遮住了（例如有色眼镜），请摘下眼镜。",
        "why-mouth-covered": "嘴部被遮住了，请取下遮挡物。",
        "why-eyes-shut": "没有看到眼睛睁开，请睁开眼睛看着镜头。",
        "why-eyes-stay-open": "没有看到眼睛闭上，请双眼闭一下。",
        "why-one-eye": "只看到一只眼睛在动，请双眼同时闭上，再睁开。",
        "why-blink-unclear": "双眼动了，但没有看清眨眼，请闭眼半秒钟，头不要动。",
        "why-mouth-still": "没有看到嘴张开，请张大嘴巴，再闭上。",
        "why-mouth-little": "嘴张得太小，请再张大一些。",
        "why-mouth-unclear": "嘴动了，但看不清楚，请在均匀的光线下保持头部不动。",
        "why-head-still": "没有看到转头，请向要求的一侧慢慢转头。",
        "why-head-little": "转头幅度太小，请再多转一些。",
        "why-turn-unclear": "头动了，但没有看清转头，请先正视镜头，再慢慢转头，不要歪头。",
        "why-several-unseen": "有好几个动作没有看到，或几乎看不出来。",
        "why-other-side": "看到头转向了另一侧。如果确实是按要求转的，说明摄像头画面是镜像的："
        "请加上 --mirrored 重新开始（如已加上，则请去掉）。",
        "why-mirrored": "每次转头都看到转向了另一侧，说明摄像头画面是镜像的："
        "请加上 --mirrored 重新开始（如已加上，则请去掉）。",
        "otherwise-exclude": "如果做不到，请加上 --exclude {} 重新开始。",
        "otherwise-without-face": "如果做不到，请要求办理不做人脸核验的登记。",
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
        "advice-not-possible": "Quedan muy pocos movimientos: pida el registro sin comprobación "
        "facial.",
        "advice-locked": "Inténtelo de nuevo al terminar el bloqueo, con fotos nítidas y derechas.",
        "why-sideways": "La imagen de la cámara está de lado: ponga la cámara derecha.",
        "why-upside-down": "La imagen de la cámara está al revés: dele la vuelta a la cámara.",
        "why-distorted": "La imagen está estirada o inclinada: ponga la cámara recta ante la cara "
        "y con su propio formato de imagen.",
        "why-edited": "Parece que un efecto cambia la cara: desactive los efectos de belleza, de "
        "retrato y otros de la cámara.",
        "why-few-views": "La cámara da muy pocas imágenes por segundo: ayuda tener más luz, usar "
        "otra cámara o cerrar otros programas.",
        "why-dark": "La cara está demasiado oscura: ilumínela de frente, sin lámpara ni ventana "
        "detrás.",
        "why-bright": "La cara está demasiado iluminada: aparte la lámpara o evite el sol.",
        "why-not-sharp": "La cara no se ve nítida: limpie la lente, acérquese y no se mueva.",
        "why-flat": "La cara tiene poco contraste: limpie la lente y evite el contraluz.",
        "why-grainy": "La imagen tiene demasiado ruido: ayuda tener más luz o usar otra cámara.",
        "why-colours": "Los colores no son naturales: apague las luces de color y los filtros.",
        "why-unclear": "La cara no se ve con claridad: busque luz uniforme y nada sobre la cara.",
        "why-averted": "La cara está demasiado girada: mire directamente a la cámara.",
        "why-from-above": "La cámara mira la cara desde arriba: bájela a la altura de los ojos.",
        "why-from-below": "La cámara mira la cara desde abajo: súbala a la altura de los ojos.",
        "why-face-covered": "Parte de la cara está tapada: retire mascarilla, bufanda, gafas "
        "oscuras, pelo y manos.",
        "why-eyes-covered": "Los ojos no se ven, como tras unas gafas tintadas: quítese las gafas.",
        "why-mouth-covered": "La boca está tapada: retire lo que la tapa.",
        "why-eyes-shut": "No se han visto los ojos abiertos: ábralos y mire a la cámara.",
        "why-eyes-stay-open": "No se ha visto que los ojos se cierren: cierre los dos un momento.",
        "why-one-eye": "Solo se ha visto mover un ojo: cierre los dos a la vez y ábralos.",
        "why-blink-unclear": "Los dos ojos se han movido, pero no se ha visto un parpadeo claro: "
        "ciérrelos medio segundo, con la cabeza quieta.",
        "why-mouth-still": "No se ha visto que la boca se abra: ábrala bien y ciérrela.",
        "why-mouth-little": "La boca se ha abierto muy poco: ábrala más.",
        "why-mouth-unclear": "La boca se ha movido, pero no se ve con claridad: no mueva la "
        "cabeza, y con luz uniforme.",
        "why-head-still": "No se ha visto girar la cabeza: gírela despacio hacia el lado pedido.",
        "why-head-little": "La cabeza ha girado muy poco: gírela más.",
        "why-turn-unclear": "La cabeza se ha movido, pero no se ha visto un giro claro: mire "
        "primero de frente y gire despacio, sin inclinarla.",
        "why-several-unseen": "Varios de los movimientos no se han visto, o apenas.",
        "why-other-side": "La cabeza ha girado hacia el otro lado. Si ha girado como se pedía, la "
        "cámara invierte la imagen como un espejo: empiece de nuevo con --mirrored (o sin esa "
        "opción, si ya está puesta).",
        "why-mirrored": "Todos los giros se han visto hacia el otro lado: la cámara invierte la "
        "imagen como un espejo. Empiece de nuevo con --mirrored (o sin esa opción, si ya está "
        "puesta).",
        "otherwise-exclude": "Si no es posible, empiece de nuevo con --exclude {}.",
        "otherwise-without-face": "Si no es posible, pida el registro sin comprobación facial.",
    },
}


def text(message: MessageId, language: Language) -> str:
    """The text of a message."""
    return _CATALOGUE[language][message]
