"""The issuer's side of the counter: one document at a time, and templates of its portrait.

1. The page names the document (number or machine-readable zone) and has it read. The portrait is
   embedded here and dropped; its embedding stays under a random handle.
2. For each session the page asks for a template. The issuer verifies the session's key itself.
3. The page tells the outcome, so that this counter can explain a lock.

Reading another document, or forgetting this one, overwrites the embedding. Nothing of a document is
written anywhere, but for the counters that ``gateway.issuer.caps`` and ``client.mismatches`` keep.
"""

import datetime
import hmac
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from gateway.client.liveness.prompts import Language
from gateway.client.mismatches import Mismatches, Standing
from gateway.documents.guardians import Guardianship, guardianship
from gateway.documents.policy import DocumentPolicy
from gateway.documents.reading import Document, read_number, read_zone
from gateway.issuer.issuer import SessionToServe, TemplateIssuer
from gateway.kiosk.messages import HANDLE_BYTES, TemplateIssued, TemplateOrder
from gateway.kiosk.reader import Portrait
from gateway.vision.pipeline import FacePipeline
from gateway.wire.errors import MalformedMessage, SealmatchError, Unavailable
from gateway.wire.evaluation import Outcome
from gateway.wire.ids import PartyId
from gateway.wire.number import UnusableNumber
from gateway.wire.subject import guardian_salt
from gateway.wire.submission import PortraitSource

HELD_SECONDS: Final = 1800
"""For so long a document that was read can be used; a person may try several times."""

_Text = Annotated[str, Field(max_length=200)]
_Kind = Annotated[str, Field(max_length=40)]


class NoDocument(SealmatchError):
    """The document was not read, or another one was read since, or it lay there for too long."""


class GuardianNeeded(SealmatchError):
    """The person is a minor, and no guardian's document was given."""


class Asked(BaseModel):
    """What the page asks in JSON."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,
    )


class NamedDocument(Asked):
    """A document as the agent names it: its kind and number, or its machine-readable zone."""

    kind: _Kind | None = None
    number: _Text | None = Field(default=None, repr=False)
    zone: _Text | None = Field(default=None, repr=False)

    def read(self, today: datetime.date) -> Document:
        """Raises ``UnusableNumber``: it names no document."""
        if self.zone is not None and self.number is None:
            return read_zone(self.zone, today, self.kind)
        if self.number is None or self.kind is None or self.zone is not None:
            raise UnusableNumber("give the kind and number of the document, or its zone")
        return read_number(self.kind, self.number, today)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said but perhaps the kind: a chip tells the rest."""
        return self.number is None and self.zone is None


class ReadRequest(NamedDocument):
    """What the page asks when the agent presses "read the document"."""

    language: Language = "en"
    minor: bool = False
    """The agent's word that a guardian agrees in the person's place."""
    guardian: NamedDocument | None = None


class HandleAsked(Asked):
    """A question about the document that was read."""

    language: Language = "en"
    handle: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", repr=False)]

    @property
    def of_document(self) -> bytes:
        return bytes.fromhex(self.handle)


class OutcomeNote(HandleAsked):
    """What became of a document that was read."""

    outcome: Outcome


_A = TypeVar("_A", bound=Asked)


def parsed(kind: type[_A], content: bytes) -> _A:
    """A request's JSON. Raises ``MalformedMessage``, whose text repeats none of it."""
    try:
        return kind.model_validate_json(content)
    except ValidationError:
        raise MalformedMessage("not the form of this request") from None


class Reader(Protocol):
    """What reads documents: ``gateway.kiosk.reader``."""

    def read(
        self,
        named: Document | None,
        kind: str | None,
        now: int,
        require: Callable[[Document], None],
    ) -> Portrait: ...
    def done(self, portrait: Portrait) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Rules:
    """What this counter accepts."""

    documents: DocumentPolicy
    guardian_below_age: int | None
    device: PartyId
    """The page's device: templates are made for its sessions alone."""


@dataclass
class _Held:
    """A document that was read, and its portrait's embedding."""

    handle: bytes = field(repr=False)
    document: Document
    how: PortraitSource
    who: Guardianship
    template: NDArray[np.float32] = field(repr=False)
    until: float
    turn: int
    """Whose it is: how often ``disown`` was called before."""

    def wipe(self) -> None:
        self.template.fill(0)


class Desk:
    """One counter's issuer. Several threads may use it; documents are read one after another."""

    def __init__(
        self,
        reader: Reader,
        vision: FacePipeline,
        issuer: TemplateIssuer,
        mismatches: Mismatches,
        rules: Rules,
        clock: Callable[[], int],
    ) -> None:
        self._reader = reader
        self._vision = vision
        self._issuer = issuer
        self._mismatches = mismatches
        self._rules = rules
        self._clock = clock
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._turn = 0

    def read(self, asked: ReadRequest, may_still: Callable[[], None]) -> dict[str, object]:
        """Read the document that lies at the reader, in the place of any that was read before.

        Args:
            may_still: called when it is this request's turn; raises if it comes too late.

        Raises:
            As ``may_still``.
            UnusableNumber, DocumentNotAccepted, NoGuardian, GuardianNeeded: the document, or the
                guardian's, is not one that counts here.
            NothingToRead, ReadForAnother, NotNamed, ChipRefused, VisionError, OSError: as the
                reader; also a portrait that cannot be used.
        """
        now = self._clock()
        today = datetime.date.fromtimestamp(now)
        named = None if asked.is_empty else asked.read(today)
        with self._alone():
            may_still()
            turn = self._turn
            self._drop()

            def require(document: Document) -> None:
                self._rules.documents.require(document, today)
                self._agreeing(asked, document, today)

            portrait = self._reader.read(named, asked.kind, now, require)
            held = self._take(portrait, self._agreeing(asked, portrait.document, today), turn)
            self._reader.done(portrait)
            self._held = held
            return self._told(held, portrait, asked.language)

    def _agreeing(
        self, asked: ReadRequest, document: Document, today: datetime.date
    ) -> Guardianship:
        """Who agrees. Raises ``NoGuardian``, ``GuardianNeeded``, ``DocumentNotAccepted``."""
        guardian = None if asked.guardian is None else asked.guardian.read(today)
        if guardian is not None:
            self._rules.documents.require(guardian, today)
        below = self._rules.guardian_below_age
        who = guardianship(document, guardian, below, said_minor=asked.minor)
        if who.minor and who.guardian is None:
            raise GuardianNeeded("the person is a minor: the guardian's document is needed too")
        return who

    def _take(self, portrait: Portrait, who: Guardianship, turn: int) -> _Held:
        template = self._vision.embed(portrait.image).vector.copy()
        if portrait.image.flags.writeable:
            portrait.image.fill(0)
        until = self._clock() + HELD_SECONDS
        handle = secrets.token_bytes(HANDLE_BYTES)
        return _Held(handle, portrait.document, portrait.how, who, template, until, turn)

    def _told(self, held: _Held, portrait: Portrait, language: Language) -> dict[str, object]:
        document, expires = held.document, held.document.expires
        return {
            "handle": held.handle.hex(),
            "kind": document.kind,
            "documentType": document.subject.document_type,
            "number": document.subject.number,
            "expires": None if expires is None else expires.isoformat(),
            "how": held.how,
            "file": portrait.name,
            "notice": None if portrait.notice is None else portrait.notice[language],
            "minor": held.who.minor,
            "guardian": held.who.guardian is not None,
            "standing": _said(self._standing(held), language)["standing"],
        }

    def issue(self, order: TemplateOrder) -> TemplateIssued:
        """A template of the document that was read, for one session.

        Raises:
            NoDocument: the handle is not of the document that is held.
            As ``TemplateIssuer.issue``.
        """
        with self._alone():
            held = self._required(order.handle)
            issued = self._issuer.issue(
                held.template,
                held.document.subject,
                SessionToServe(
                    order.grant, order.public_key, self._rules.device, order.client_nonce
                ),
                self._clock(),
                held.how,
            )
            guardian = held.who.guardian
        return TemplateIssued(
            sealed_template=issued.sealed_template,
            sealed_dealing=issued.sealed_dealing,
            assertion=issued.assertion,
            subject_salt=issued.subject_salt,
            guardian_commitment=None
            if guardian is None
            else guardian.commitment(guardian_salt(issued.subject_salt)),
        )

    def note(self, told: OutcomeNote) -> dict[str, object]:
        """Remember an outcome; after a match the document is forgotten. Raises ``NoDocument``."""
        with self._alone():
            held = self._required(told.of_document)
            matched = told.outcome == "MATCH"
            standing: Standing | None = None
            with suppress(Unavailable):  # the registration stands, whatever this file does
                standing = self._mismatches.note(
                    held.document.subject, self._clock(), matched=matched
                )
            if matched:
                self._drop()
        return _said(standing, told.language)

    def standing(self, asked: HandleAsked) -> dict[str, object]:
        """What this counter remembers of the document that is held. Raises ``NoDocument``."""
        with self._alone():
            return _said(self._standing(self._required(asked.of_document)), asked.language)

    def forget(self, asked: HandleAsked) -> dict[str, object]:
        """Overwrite this document, if it is the one that is held.

        A check that ended may say so late. The document that was read since is not its own.
        """
        with self._alone():
            if self._held is not None and hmac.compare_digest(asked.of_document, self._held.handle):
                self._drop()
        return {}

    def disown(self) -> None:
        """Whatever was read, or is being read now, is nobody's: its handle is worth nothing.

        It is overwritten, at once or by whoever is at work on it. So this never waits, and nobody
        can delay it. For one thread.
        """
        self._turn += 1
        if self._lock.acquire(blocking=False):
            try:
                self._drop()
            finally:
                self._lock.release()

    def expire(self) -> None:
        """Overwrite what lay here for too long."""
        with self._alone():
            if self._held is not None and self._clock() > self._held.until:
                self._drop()

    def close(self) -> None:
        with self._lock:
            self._drop()
        self._reader.close()
        self._mismatches.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            finally:
                if self._held is not None and self._held.turn != self._turn:
                    self._drop()

    def _standing(self, held: _Held) -> Standing | None:
        with suppress(Unavailable):
            return self._mismatches.standing(held.document.subject, self._clock())
        return None

    def _required(self, handle: bytes | None = None) -> _Held:
        held = self._held
        if held is None or held.turn != self._turn or self._clock() > held.until:
            raise NoDocument("no document was read, or it lay there for too long: read it again")
        if handle is not None and not hmac.compare_digest(handle, held.handle):
            raise NoDocument("another document was read since: read this one again")
        return held

    def _drop(self) -> None:
        if self._held is not None:
            self._held.wipe()
            self._held = None


def _said(standing: Standing | None, language: Language) -> dict[str, object]:
    if standing is None or not standing.in_a_row or not standing.rule.mismatches:
        return {"standing": None, "locked": False}
    return {"standing": standing.said(language), "locked": standing.until is not None}
