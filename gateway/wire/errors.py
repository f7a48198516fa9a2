"""One tree of exceptions, and the one table that turns it into HTTP answers.

Rule: no error text contains a vector, score, noise figure, key, token or document number.
After parsing, every fault of trust, cap, freshness or replay is the same 403 with the same bytes
(protocol, section 8): the reason travels in ``Refused.detail`` to the operator's log and no
further. The body has the form that CAMARA prescribes: ``{status, code, message}``.

SealmatchError
    MalformedMessage      these bytes are not a valid encoding of that type
    BodyTooLarge          more bytes than the message can have
    BodyTooSlow           fewer bytes in a second than are asked for
    UnsupportedMedia      another content type than the route takes
    UnknownProfile        a profile that this side does not speak
    LivenessNotPossible   too few kinds of action are left to ask for, and the policy insists
    SessionNotFound       never existed, or is gone
    SessionConflict       the session is in another state than this message needs
    UnknownLog            a witness is asked about a transparency log that it does not know
    NotConsistent         a log's new tree does not extend the one that a witness remembers
    Refused               trust, cap, freshness or replay
    TooManyRequests       this sender must wait
    Unavailable           a peer or the storage cannot be reached; the same request may be repeated
    CallerMisuse          our own code called something wrongly; never caused by a peer
"""

from dataclasses import dataclass


class SealmatchError(Exception):
    """Base of all errors of the product. ``str()`` is safe to show to a peer."""


class MalformedMessage(SealmatchError):
    """Bytes that are not the one valid encoding of the expected type."""


class BodyTooLarge(SealmatchError):
    """A body longer than the longest valid message."""


class BodyTooSlow(SealmatchError):
    """A body whose sender does not reach the rate that is asked for."""


class UnsupportedMedia(SealmatchError):
    """A body in another content type."""


class UnknownProfile(SealmatchError):
    """A homomorphic encryption profile that this side does not speak."""


class LivenessNotPossible(SealmatchError):
    """So many kinds of action were excluded that no challenge is left, and one is required."""


class SessionNotFound(SealmatchError):
    """No such session, or no longer."""


class SessionConflict(SealmatchError):
    """The session is not in the state that this message needs."""


class UnknownLog(SealmatchError):
    """A transparency log that this witness does not know."""


class NotConsistent(SealmatchError):
    """A log's tree does not extend the one that the witness cosigned before."""


class TooManyRequests(SealmatchError):
    """More requests than one sender may make in this time."""


class Refused(SealmatchError):
    """A fault of trust, cap, freshness or replay.

    ``detail`` is for the operator's log. ``str()`` is the same for every instance.
    """

    def __init__(self, detail: str) -> None:
        super().__init__("the request is refused")
        self.detail = detail


class Unavailable(SealmatchError):
    """A peer, the key authority or the storage does not answer. Safe to retry."""

    def __init__(self, text: str = "", *, retry_after: int | None = None) -> None:
        """
        Args:
            retry_after: seconds after which it is worth trying again, where that is known.
        """
        super().__init__(text)
        self.retry_after = retry_after


class CallerMisuse(SealmatchError):
    """A function of ours was called against its contract."""


@dataclass(frozen=True)
class Problem:
    """HTTP status with the CAMARA error code and the text a peer may read."""

    status: int
    code: str
    message: str
    retry_after: int | None = None
    """Seconds, for the header ``Retry-After``."""

    def body(self) -> dict[str, int | str]:
        return {"status": self.status, "code": self.code, "message": self.message}


_TABLE: dict[type[SealmatchError], tuple[int, str]] = {
    MalformedMessage: (400, "INVALID_ARGUMENT"),
    BodyTooLarge: (413, "PAYLOAD_TOO_LARGE"),
    BodyTooSlow: (408, "REQUEST_TIMEOUT"),
    UnsupportedMedia: (415, "UNSUPPORTED_MEDIA_TYPE"),
    UnknownProfile: (400, "FACE_VERIFICATION.UNKNOWN_PROFILE"),
    SessionNotFound: (404, "NOT_FOUND"),
    SessionConflict: (409, "CONFLICT"),
    UnknownLog: (404, "NOT_FOUND"),
    NotConsistent: (422, "UNPROCESSABLE_CONTENT"),
    TooManyRequests: (429, "TOO_MANY_REQUESTS"),
    LivenessNotPossible: (422, "FACE_VERIFICATION.LIVENESS_NOT_POSSIBLE"),
    Refused: (403, "PERMISSION_DENIED"),
    Unavailable: (503, "UNAVAILABLE"),
}

INTERNAL = Problem(500, "INTERNAL", "the server met an error of its own; nothing was stored")
INVALID = Problem(400, "INVALID_ARGUMENT", "the request does not have the documented form")
NOT_FOUND = Problem(404, "NOT_FOUND", "there is nothing at this path")
METHOD_NOT_ALLOWED = Problem(405, "METHOD_NOT_ALLOWED", "the path does not take this method")


def answered_as(kind: type[SealmatchError]) -> tuple[int, str]:
    """Status and code with which errors of this kind are answered."""
    return _TABLE[kind]


def problem_for(error: SealmatchError) -> Problem:
    """Return the answer for an error; anything not in the table is our own fault (500)."""
    entry = _TABLE.get(Unavailable if isinstance(error, Unavailable) else type(error))
    if entry is None:
        return INTERNAL
    pause = error.retry_after if isinstance(error, Unavailable) else None
    return Problem(entry[0], entry[1], str(error), pause)
