"""What the page is told of what the desk refuses: a code for programs, words for the agent.

This is the counter itself, so a refusal says its reason. No text repeats a number or a measure.
"""

from typing import Final

from starlette.responses import Response

from gateway.client.advice import advice_on
from gateway.client.document_reader import OtherDocument, chip_told
from gateway.client.liveness.prompts import Language
from gateway.client.mobile_reader import mobile_told
from gateway.documents.chip.errors import ChipRefused
from gateway.documents.guardians import NoGuardian
from gateway.documents.mobile.errors import MobileRefused
from gateway.documents.policy import (
    ChipWanted,
    DocumentExpired,
    DocumentNotAccepted,
    MobileWanted,
    ZoneWanted,
)
from gateway.host.http import json_response
from gateway.kiosk.access import NoLongerHolder
from gateway.kiosk.desk import GuardianNeeded, NoDocument
from gateway.kiosk.reader import NothingToRead, NotNamed, ReadForAnother
from gateway.vision.errors import VisionError
from gateway.wire.errors import Refused, SealmatchError, Unavailable
from gateway.wire.number import UnusableNumber

_TABLE: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (NoLongerHolder, 403, "PERMISSION_DENIED"),
    (NoDocument, 409, "KIOSK.NO_DOCUMENT"),
    (NothingToRead, 422, "KIOSK.NOTHING_TO_READ"),
    (ReadForAnother, 409, "KIOSK.READ_FOR_ANOTHER"),
    (GuardianNeeded, 422, "KIOSK.GUARDIAN_NEEDED"),
    (NotNamed, 422, "KIOSK.NOT_NAMED"),
    (ChipRefused, 422, "KIOSK.CHIP"),
    (MobileRefused, 422, "KIOSK.MOBILE"),
    (NoGuardian, 422, "KIOSK.NO_GUARDIAN"),
    (OtherDocument, 422, "KIOSK.OTHER_DOCUMENT"),
    (DocumentExpired, 422, "KIOSK.EXPIRED"),
    (ChipWanted, 422, "KIOSK.CHIP_WANTED"),
    (MobileWanted, 422, "KIOSK.MOBILE_WANTED"),
    (ZoneWanted, 422, "KIOSK.ZONE_WANTED"),
    (DocumentNotAccepted, 422, "KIOSK.NOT_ACCEPTED"),
    (UnusableNumber, 422, "KIOSK.NUMBER"),
    (VisionError, 422, "KIOSK.PORTRAIT"),
    (Refused, 403, "KIOSK.REFUSED"),
    (Unavailable, 503, "KIOSK.UNAVAILABLE"),
    (OSError, 503, "KIOSK.READER"),
)
"""The first that fits."""

TOLD: Final = tuple(kind for kind, _, _ in _TABLE)
NO_ANSWER: Final = "KIOSK.NO_ANSWER"
"""Nothing came back from the gateway."""


def problem_of(error: Exception, language: Language = "en") -> Response:
    """The answer for one of the errors in ``TOLD``."""
    _, status, code = next(row for row in _TABLE if isinstance(error, row[0]))
    return problem(status, code, _words(error), _advice(error, language))


def _advice(error: Exception, language: Language) -> str | None:
    match error:
        case VisionError():
            return advice_on(error, language)
        case ChipRefused():
            return chip_told(error, language)
        case MobileRefused():
            return mobile_told(error, language)
    return None


def problem(status: int, code: str, message: str, advice: str | None = None) -> Response:
    body = {"status": status, "code": code, "message": message, "advice": advice}
    return json_response(body, status)


def _words(error: Exception) -> str:
    match error:
        case Refused():
            return error.detail
        case OSError() if not isinstance(error, SealmatchError):
            return f"the reader's folder: {error.strerror or type(error).__name__}"
    return str(error)
