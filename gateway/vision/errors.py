"""What can go wrong between an image and an embedding, as one readable tree.

::

    VisionError
    |-- UnreadableImage        not a whole, bounded JPEG or PNG photograph
    |-- NoFaceFound
    |-- SeveralFacesFound      .count
    |-- FaceTooSmall
    |-- PoorPicture            the quality gate refuses: strangers would look alike
    |   |-- NotUpright
    |   |-- OutOfFocus             blurred, moved, or enlarged from too few pixels
    |   |-- TooDark, TooBright, TooFlat
    |   |-- PictureGrainy
    |   |-- WrongColours           negative, one colour, a strong tint
    |   |-- FaceCovered            mask, dark glasses, hand, hair
    |   |-- FaceAverted            turned, raised or bowed too far
    |   |-- PictureDistorted       stretched, slanted, or taken at a steep angle
    |   |-- PictureEdited          an effect or an editor changed the face
    |   `-- FaceUnclear            the embedding says so, and nothing in the picture says why
    `-- ModelPackError         the models are at fault, not the photograph
        |-- ModelPackMissing       nothing at the place where the pack should be
        |-- ModelPackCorrupt       a file or manifest is not the one that was pinned
        |-- ModelPackUncalibrated  the pack states no threshold for the asked false match rate
        `-- ModelPackFetchFailed   npm, the tarball or the disk refused

Every error carries ``advice``: one sentence that a person at a counter can act on. Rule: no text
here contains a vector, a score, a coordinate or file content. This module imports nothing, so that
callers can catch these errors without loading onnxruntime.
"""


class VisionError(Exception):
    """Base of every error that ``gateway.vision`` raises on purpose."""

    advice: str = "Try again with another photograph."

    def __init__(self, message: str, advice: str | None = None) -> None:
        super().__init__(message)
        if advice is not None:
            self.advice = advice


class UnreadableImage(VisionError):
    """The bytes are not a complete JPEG or PNG image within the permitted size."""

    advice = "Use a complete JPEG or PNG photograph, at most 20 MiB and 50 megapixels."


class NoFaceFound(VisionError):
    """No face was detected."""

    advice = (
        "Face the camera in even light, with the whole head in the picture and upright; crop a "
        "scanned page to the portrait."
    )

    def __init__(self, message: str = "no face was found in the image") -> None:
        super().__init__(message)


class SeveralFacesFound(VisionError):
    """More than one face is large enough to be the customer's. ``count``: how many are."""

    advice = "Let only one person stand before the camera, or crop the photograph to one face."

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} faces of similar size were found; exactly one is needed")
        self.count = count


class FaceTooSmall(VisionError):
    """The only face has too few pixels to be recognised reliably."""

    advice = "Move closer to the camera, or scan the portrait at a higher resolution."

    def __init__(self, message: str = "the face has too few pixels") -> None:
        super().__init__(message)


class PoorPicture(VisionError):
    """The picture is too poor to compare: two strangers, both as poor, could look alike.

    Raised by its subclasses. ``what``: the finding as one word, for programs.
    """

    what = "poor"
    message = "the picture is too poor to compare faces"
    advice = "Take another picture in even light, sharp, upright and with nothing on the face."

    def __init__(self) -> None:
        super().__init__(self.message)


class NotUpright(PoorPicture):
    """The head does not stand upright in the picture."""

    what = "not-upright"
    message = "the face is not upright in the picture"
    advice = "Turn the picture or the camera so that the top of the head is up."


class OutOfFocus(PoorPicture):
    """Out of focus, smeared by motion, or enlarged from too few pixels."""

    what = "not-sharp"
    message = "the face is not sharp"
    advice = (
        "Hold still, clean the lens, let the camera focus on the face, and come closer; scan a "
        "printed portrait again, at a higher resolution."
    )


class TooDark(PoorPicture):
    """Most of the face is nearly black."""

    what = "too-dark"
    message = "the face is too dark"
    advice = "Bring light to the front of the face; no lamp or window behind the head."


class TooBright(PoorPicture):
    """Most of the face is nearly white."""

    what = "too-bright"
    message = "the face is too bright"
    advice = "Move out of the glaring light, or turn the lamp away from the face."


class TooFlat(PoorPicture):
    """The face has hardly any contrast."""

    what = "too-little-contrast"
    message = "the face has too little contrast"
    advice = "Clean the lens or the scanner's glass, and avoid haze, glare and backlight."


class PictureGrainy(PoorPicture):
    """Noise, speckles or the marks of strong compression cover the face."""

    what = "too-grainy"
    message = "noise or compression covers the face"
    advice = "Use more light, or a file that is compressed less."


class WrongColours(PoorPicture):
    """A negative, one colour, or a strong tint."""

    what = "wrong-colours"
    message = "the colours of the face are not natural"
    advice = "Switch off coloured light, filters and inverted colours; grey pictures are fine."


class FaceCovered(PoorPicture):
    """Something hides part of the face."""

    what = "covered"
    message = "part of the face is covered"
    advice = "Take off mask, dark glasses and scarf; keep hands and hair off the face."


class FaceAverted(PoorPicture):
    """The head is turned, raised or bowed too far."""

    what = "averted"
    message = "the face is turned away"
    advice = "Look straight into the camera, held at the height of the eyes."


class PictureDistorted(PoorPicture):
    """Stretched, slanted, or taken at a steep angle."""

    what = "distorted"
    message = "the picture of the face is distorted"
    advice = "Hold camera or scanner straight before the portrait, and do not stretch the picture."


class PictureEdited(PoorPicture):
    """The picture looks as if an effect or an editor changed the face."""

    what = "edited"
    message = "the face looks changed by an effect or an editor"
    advice = "Switch off beauty, portrait and other effects; use the picture as it was taken."


class FaceUnclear(PoorPicture):
    """The face model finds too little in the picture, and nothing measured says why."""

    what = "unclear"
    message = "the face cannot be recognised reliably in this picture"


class ModelPackError(VisionError):
    """The models are at fault, not the photograph."""


class ModelPackMissing(ModelPackError):
    """There is no model pack at the given place, or a file or model of it is missing."""

    advice = "Fetch the default pack with `sealmatch models fetch`, or name one that you supply."


class ModelPackCorrupt(ModelPackError):
    """A manifest is malformed, or a file differs from the hash that is pinned for it."""

    advice = "Remove the pack's directory and run `sealmatch models fetch` again."


class ModelPackUncalibrated(ModelPackError):
    """The pack names no cosine for the false match rate that was asked for."""

    advice = "Use a pack whose manifest states calibrated thresholds, or choose a rate it lists."


class ModelPackFetchFailed(ModelPackError):
    """The default pack could not be obtained; the text names the step."""

    advice = (
        "Check the network and that npm is installed, or download the tarball elsewhere and pass "
        "it with `sealmatch models fetch --from FILE.tgz`."
    )
