"""Sessions of people who signed in, and how often a passphrase may be guessed. In memory alone.

A session is a random token in a cookie; its hash stands here. It ends when nobody has used it for
some minutes, after some hours in any case, when the person signs out, when the credential is
removed, and with the process.
"""

import hashlib
import secrets
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from typing import Final

from gateway.console.people import Person
from gateway.wire.errors import TooManyRequests

MAX_SESSIONS: Final = 200
"""Of them the one that was not used for longest goes when another person signs in."""
MOST_KEPT: Final = 1000
"""Names and addresses whose guesses are remembered."""
WINDOW: Final = 900
PER_NAME, PER_ADDRESS = 10, 30
"""Wrong guesses in a quarter of an hour. A person's own mistakes are fewer; a stranger who uses
them up keeps that person out for as long, and no longer."""


@dataclass(frozen=True)
class Session:
    """One person at one browser."""

    person: Person
    since: float
    used: float


class Sessions:
    """Thread-safe. ``now``: seconds of a clock that never goes back."""

    def __init__(self, idle_seconds: float, longest_seconds: float) -> None:
        self._idle = idle_seconds
        self._longest = longest_seconds
        self._held: OrderedDict[bytes, Session] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, person: Person, now: float) -> str:
        """A new session; returns its token."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._held[_digest(token)] = Session(person, now, now)
            if len(self._held) > MAX_SESSIONS:
                self._held.popitem(last=False)
        return token

    def find(self, token: str, now: float, *, idle: bool = False) -> Person | None:
        """Whose session this is, or None. ``idle``: a page that fetched itself is no use of it."""
        key = _digest(token)
        with self._lock:
            held = self._held.get(key)
            if held is None:
                return None
            if now - held.used > self._idle or now - held.since > self._longest:
                del self._held[key]
                return None
            if not idle:
                self._held[key] = replace(held, used=now)
                self._held.move_to_end(key)
            return held.person

    def end(self, token: str) -> None:
        with self._lock:
            self._held.pop(_digest(token), None)


class Guesses:
    """Counts wrong guesses, by name and by address. Thread-safe."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def admit(self, name: str, address: str, now: float) -> None:
        """Raise ``TooManyRequests`` if this name or address has no guess left."""
        with self._lock:
            for key, most in _keys(name, address):
                made = self._wrong.get(key, deque())
                while made and made[0] <= now - WINDOW:
                    made.popleft()
                if len(made) >= most:
                    raise TooManyRequests("too many wrong guesses; wait a quarter of an hour")

    def wrong(self, name: str, address: str, now: float) -> None:
        """Count a guess before it is tried; ``right`` takes it back."""
        with self._lock:
            for key, _ in _keys(name, address):
                self._wrong.setdefault(key, deque()).append(now)
                self._wrong.move_to_end(key)
            while len(self._wrong) > MOST_KEPT:
                self._wrong.popitem(last=False)

    def right(self, name: str, address: str) -> None:
        """The guess that was counted last was right."""
        with self._lock:
            self._wrong.pop(("name", _short(name)), None)
            if made := self._wrong.get(("address", address)):
                made.pop()


def _keys(name: str, address: str) -> tuple[tuple[tuple[str, str], int], ...]:
    return (("name", _short(name)), PER_NAME), (("address", address), PER_ADDRESS)


def _short(name: str) -> str:
    return name[:64]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
