"""What to do about a picture that is refused, in the language of the counter.

Errors of ``gateway.vision`` carry their advice in English, because nothing there knows a counter.
Here are the same sentences in the other languages. A sentence that is not here is given as it is.
"""

from typing import Final

from gateway.client.liveness.prompts import Language
from gateway.vision.errors import VisionError

_OTHERWISE: Final[dict[str, dict[Language, str]]] = {
    "Try again with another photograph.": {
        "zh": "请换一张照片重试。",
        "es": "Inténtelo de nuevo con otra foto.",
    },
    "Use a complete JPEG or PNG photograph, at most 20 MiB and 50 megapixels.": {
        "zh": "请使用完整的 JPEG 或 PNG 照片，不超过 20 MiB、5000 万像素。",
        "es": "Use una foto JPEG o PNG completa, de 20 MiB y 50 megapíxeles como máximo.",
    },
    "Face the camera in even light, with the whole head in the picture and upright; crop a "
    "scanned page to the portrait.": {
        "zh": "请在均匀的光线下正对镜头，整个头部端正地出现在画面里；扫描的整页请裁剪到照片部分。",
        "es": "Mire a la cámara con luz uniforme, con toda la cabeza derecha en la imagen; "
        "recorte la página escaneada hasta el retrato.",
    },
    "Let only one person stand before the camera, or crop the photograph to one face.": {
        "zh": "请只让一个人站在镜头前，或把照片裁剪到只有一张脸。",
        "es": "Que haya una sola persona ante la cámara, o recorte la foto a una sola cara.",
    },
    "Move closer to the camera, or scan the portrait at a higher resolution.": {
        "zh": "请靠近镜头，或用更高的分辨率扫描证件照。",
        "es": "Acérquese a la cámara, o escanee el retrato con más resolución.",
    },
    "Take another picture in even light, sharp, upright and with nothing on the face.": {
        "zh": "请在均匀的光线下重拍，画面清晰、端正，脸上没有遮挡。",
        "es": "Tome otra foto con luz uniforme, nítida, derecha y sin nada sobre la cara.",
    },
    "Turn the picture or the camera so that the top of the head is up.": {
        "zh": "请转动照片或摄像头，让头顶朝上。",
        "es": "Gire la foto o la cámara para que la cabeza quede hacia arriba.",
    },
    "Hold still, clean the lens, let the camera focus on the face, and come closer; scan a "
    "printed portrait again, at a higher resolution.": {
        "zh": "请不要晃动，擦净镜头，让摄像头对焦到脸上，并靠近一点；印刷的照片请用更高的分辨率"
        "重新扫描。",
        "es": "No se mueva, limpie la lente, deje que la cámara enfoque la cara y acérquese; "
        "un retrato impreso, escanéelo de nuevo con más resolución.",
    },
    "Bring light to the front of the face; no lamp or window behind the head.": {
        "zh": "请让光线照在脸的正面，不要背对灯或窗户。",
        "es": "Ilumine la cara de frente, sin lámpara ni ventana detrás de la cabeza.",
    },
    "Move out of the glaring light, or turn the lamp away from the face.": {
        "zh": "请避开强光，或把灯从脸上移开。",
        "es": "Salga de la luz intensa, o aparte la lámpara de la cara.",
    },
    "Clean the lens or the scanner's glass, and avoid haze, glare and backlight.": {
        "zh": "请擦净镜头或扫描仪的玻璃，避免雾气、反光和逆光。",
        "es": "Limpie la lente o el cristal del escáner, y evite vaho, reflejos y contraluz.",
    },
    "Use more light, or a file that is compressed less.": {
        "zh": "请增加光线，或使用压缩较少的文件。",
        "es": "Use más luz, o un archivo menos comprimido.",
    },
    "Switch off coloured light, filters and inverted colours; grey pictures are fine.": {
        "zh": "请关闭彩色灯光、滤镜和反色；黑白照片可以使用。",
        "es": "Apague la luz de color, los filtros y los colores invertidos; una foto gris vale.",
    },
    "Take off mask, dark glasses and scarf; keep hands and hair off the face.": {
        "zh": "请取下口罩、深色眼镜和围巾，移开手和头发。",
        "es": "Quítese mascarilla, gafas oscuras y bufanda; aparte manos y pelo de la cara.",
    },
    "Look straight into the camera, held at the height of the eyes.": {
        "zh": "请正对与眼睛同高的镜头。",
        "es": "Mire directamente a la cámara, colocada a la altura de los ojos.",
    },
    "Hold camera or scanner straight before the portrait, and do not stretch the picture.": {
        "zh": "请把摄像头或扫描仪正对照片，不要拉伸画面。",
        "es": "Ponga la cámara o el escáner recto ante el retrato, y no estire la imagen.",
    },
    "Switch off beauty, portrait and other effects; use the picture as it was taken.": {
        "zh": "请关闭美颜、人像等特效，使用未经处理的原图。",
        "es": "Desactive los efectos de belleza, de retrato y otros; use la foto tal como se tomó.",
    },
    "Save it as an ordinary JPEG file, or set the camera to JPEG.": {
        "zh": "请另存为普通的 JPEG 文件，或把相机设置为 JPEG。",
        "es": "Guárdela como archivo JPEG corriente, o ponga la cámara en JPEG.",
    },
    "Save it as an ordinary JPEG file.": {
        "zh": "请另存为普通的 JPEG 文件。",
        "es": "Guárdela como archivo JPEG corriente.",
    },
    "Save the one that is meant as a JPEG file.": {
        "zh": "请把要用的那一张另存为 JPEG 文件。",
        "es": "Guarde la que se quiere usar como archivo JPEG.",
    },
    "Save it smaller, or as a JPEG file; scan at 300 dots per inch.": {
        "zh": "请缩小后保存，或另存为 JPEG 文件；扫描请用 300 dpi。",
        "es": "Guárdela con menos tamaño, o como archivo JPEG; escanee a 300 puntos por pulgada.",
    },
    "Save or send the photograph again.": {
        "zh": "请重新保存或发送照片。",
        "es": "Guarde o envíe la foto de nuevo.",
    },
    "Use a photograph here.": {"zh": "这里请使用照片。", "es": "Use aquí una foto."},
    "Save it smaller.": {"zh": "请缩小后保存。", "es": "Guárdela con menos tamaño."},
    "Copy or send the whole file again.": {
        "zh": "请重新复制或发送整个文件。",
        "es": "Copie o envíe de nuevo el archivo entero.",
    },
    "Copy or save the photograph again.": {
        "zh": "请重新复制或保存照片。",
        "es": "Copie o guarde la foto de nuevo.",
    },
    "Read the chip again, or use the portrait as a JPEG file.": {
        "zh": "请重新读取芯片，或使用 JPEG 格式的照片。",
        "es": "Lea el chip de nuevo, o use el retrato como archivo JPEG.",
    },
    "Use the document holder's portrait alone.": {
        "zh": "请只使用持证人本人的照片。",
        "es": "Use solo el retrato del titular del documento.",
    },
    "Record it again.": {"zh": "请重新录制。", "es": "Grábelo de nuevo."},
    "Use a video (MP4, WebM), a directory of JPEG files, or a camera.": {
        "zh": "请使用视频（MP4、WebM）、存放 JPEG 文件的目录，或摄像头。",
        "es": "Use un vídeo (MP4, WebM), un directorio de archivos JPEG o una cámara.",
    },
    "Name a directory or a pattern of JPEG or PNG files.": {
        "zh": "请指定存放 JPEG 或 PNG 文件的目录或文件名模式。",
        "es": "Indique un directorio o un patrón de archivos JPEG o PNG.",
    },
    "Check its cable, and that no other program uses it; then start again.": {
        "zh": "请检查连接线，并确认没有其他程序占用，然后重新开始。",
        "es": "Compruebe el cable y que ningún otro programa la use; después, empiece de nuevo.",
    },
    "Check --live.": {"zh": "请检查 --live。", "es": "Revise --live."},
    "Check --frame-rate.": {"zh": "请检查 --frame-rate。", "es": "Revise --frame-rate."},
    "Check --live, or try another.": {
        "zh": "请检查 --live，或换一个。",
        "es": "Revise --live, o pruebe con otro.",
    },
}


def advice_on(error: VisionError, language: Language) -> str:
    """What helps, in this language if it is known there, in English otherwise."""
    return _OTHERWISE.get(error.advice, {}).get(language, error.advice)
