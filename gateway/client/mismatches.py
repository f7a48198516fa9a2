"""What a counter remembers of its own mismatches, to explain a refusal that gives no reason.

Some mismatches in a row lock a document for a while. The refusals that follow look like all others,
because a reason on the wire would tell strangers about people. But a counter that was itself
answered ``NO_MATCH`` so often knows the reason. So the counter keeps what it was told, and
explains. It learns nothing new: mismatches at other counters stay unknown to it, and the operator
has published the rule.

The file must not tell which document was read. So it names documents as the issuer's file does, by
one of 4096 groups under the site salt (``gateway.issuer.caps``). At worst, a document of the same
group gives a refusal a wrong explanation. A match removes the rows of its group. Other rows are
removed after a day, when the counter is next used or swept.
"""

import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.client.gateway_client import SubmissionRefused
from gateway.client.liveness.prompts import Language
from gateway.host.ledger import Ledger
from gateway.issuer.caps import group_of
from gateway.wire.subject import Subject

_MINUTE: Final = 60
_DAY: Final = 24 * 3600

_SCHEMA = """
CREATE TABLE IF NOT EXISTS mismatches (
    document_group INTEGER NOT NULL,
    minute INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (document_group, minute)
) WITHOUT ROWID;
"""


_SAID: Final[Mapping[Language, tuple[str, str]]] = {
    "en": (
        "{seen} mismatches in a row lock this document until {until}",
        "{seen} in a row at this counter; {most} lock this document for {minutes} minutes",
    ),
    "zh": (
        "连续 {seen} 次未能判定，此证件锁定至 {until}",
        "在本柜台已连续 {seen} 次未能判定；满 {most} 次，此证件锁定 {minutes} 分钟",
    ),
    "es": (
        "{seen} intentos seguidos sin coincidencia bloquean este documento hasta {until}",
        "{seen} seguidos sin coincidencia en este mostrador; con {most} el documento se bloquea "
        "{minutes} minutos",
    ),
}
"""Of a locked document, and of one that is not."""


@dataclass(frozen=True)
class LockRule:
    """The authority's rule, as its operator published it."""

    mismatches: int = 3
    """In a row, within a day. 0: not known, and nothing is explained."""
    seconds: int = 3600
    """Length of the lock, from the last mismatch."""


@dataclass(frozen=True)
class Standing:
    """A document's mismatches in a row at this counter, and its lock if any."""

    in_a_row: int
    rule: LockRule
    until: int | None = None
    """When its lock ends, in seconds since 1970; no earlier than the authority's lock. None: no
    lock."""

    def said(self, language: Language) -> str:
        """For the agent, in this language."""
        locked, free = _SAID[language]
        if self.until is not None:
            until = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.until))
            return locked.format(seen=self.in_a_row, until=until)
        minutes = self.rule.seconds // _MINUTE
        return free.format(seen=self.in_a_row, most=self.rule.mismatches, minutes=minutes)

    def __str__(self) -> str:
        return self.said("en")


class SubjectLocked(SubmissionRefused):
    """Refused, and this counter remembers mismatches that lock the document."""

    def __init__(self, standing: Standing) -> None:
        super().__init__(f"the gateway refuses: {standing}")
        self.standing = standing


class Mismatches:
    """The file of mismatches. Several processes may use it at once."""

    def __init__(self, path: Path, site_salt: bytes, rule: LockRule) -> None:
        """Open or create the file.

        Raises:
            Unavailable: it cannot be opened.
        """
        self._site_salt = site_salt
        self._rule = rule
        self._ledger = Ledger.create(path, _SCHEMA, "the file of mismatches")

    def note(self, subject: Subject, now: int, *, matched: bool) -> Standing:
        """Remember an outcome and return the document's standing. Raises ``Unavailable``."""
        group, minute = group_of(subject, self._site_salt), -(-now // _MINUTE)
        with self._ledger.transaction() as connection:
            _remove_old(connection, minute)
            if matched:
                connection.execute("DELETE FROM mismatches WHERE document_group = ?", (group,))
            else:
                connection.execute(
                    "INSERT INTO mismatches VALUES (?, ?, 1) "
                    "ON CONFLICT DO UPDATE SET count = count + 1",
                    (group, minute),
                )
        return self.standing(subject, now)

    def standing(self, subject: Subject, now: int) -> Standing:
        """The document's standing now. Raises ``Unavailable``."""
        group = group_of(subject, self._site_salt)
        query = (
            "SELECT coalesce(sum(count), 0), coalesce(max(minute), 0) FROM mismatches "
            "WHERE document_group = ? AND minute > ?"
        )
        with self._ledger.reading() as connection:
            since = now // _MINUTE - _DAY // _MINUTE
            count, last = connection.execute(query, (group, since)).fetchone()
        until = last * _MINUTE + self._rule.seconds
        locked = 0 < self._rule.mismatches <= count and now < until
        return Standing(count, self._rule, until if locked else None)

    def sweep(self, now: int) -> None:
        """Remove what is a day old; the bytes go with it. Raises ``Unavailable``."""
        with self._ledger.transaction() as connection:
            _remove_old(connection, now // _MINUTE)

    def close(self) -> None:
        self._ledger.close()


def _remove_old(connection: sqlite3.Connection, minute: int) -> None:
    old = minute - _DAY // _MINUTE
    connection.execute("DELETE FROM mismatches WHERE minute <= ?", (old,))
