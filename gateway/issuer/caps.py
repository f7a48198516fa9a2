"""Limits how often one document is asserted in a day (protocol, section 9).

The authority has caps too, but nobody else enforces them: together with a device it could decide as
often as it likes. The issuer works for neither of them. So it counts as well, and refuses.

To count, it must remember documents for a day, on a reader's disk and beside the site salt.
Document numbers are soon enumerated. So of each assertion it keeps only the hour and one of 4096
groups, into which a keyed hash puts the document. About 250,000 nine-digit numbers fall in each
group, so a thief of the disk cannot tell which of them was read. The thief can still test a guess
about one person. A wrong guess is confirmed once in 4096 times for each document that was read.

Documents of one group share its count, so a document can be refused because of others. At 1,000
documents a day and a limit of 10 that happens to less than one in 10^12.

An assertion is on disk before it leaves. If the storage fails, nothing is asserted.
"""

import hmac
import sqlite3
from pathlib import Path
from typing import Final

from gateway.host.ledger import Ledger
from gateway.wire.errors import Refused
from gateway.wire.subject import Subject

GROUP_BITS: Final = 12
ASSERTIONS_PER_DOCUMENT: Final = 10
"""Per day. Twice an authority's default cap, because sessions may end without a decision."""

_LABEL: Final = b"sealmatch/assertion-group/1"
_HOUR: Final = 3600
_HOURS_KEPT: Final = 24

_SCHEMA = """
CREATE TABLE IF NOT EXISTS assertions (
    document_group INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (document_group, hour)
) WITHOUT ROWID;
"""
"""Without row numbers: they would tell the order."""


class AssertionCaps:
    """The counters, in a database of their own. Several processes may use it at once."""

    def __init__(self, path: Path, site_salt: bytes, limit: int = ASSERTIONS_PER_DOCUMENT) -> None:
        """Open or create the database.

        Args:
            limit: assertions per document in the present hour and the 24 hours before it.

        Raises:
            Unavailable: it cannot be opened.
        """
        self._site_salt = site_salt
        self._limit = limit
        self._ledger = Ledger.create(path, _SCHEMA, "the file of assertion counters")

    def admit(self, subject: Subject, now: int) -> None:
        """Count one assertion, durably, or refuse it.

        Raises:
            Refused: the document was asserted as often as it may be; nothing is counted.
            Unavailable: the storage failed; nothing may be asserted.
        """
        group, hour = group_of(subject, self._site_salt), now // _HOUR
        with self._ledger.transaction() as connection:
            _remove_old(connection, hour)
            (count,) = connection.execute(
                "SELECT coalesce(sum(count), 0) FROM assertions WHERE document_group = ?", (group,)
            ).fetchone()
            if count >= self._limit:
                raise Refused(
                    f"this document has reached the limit of {self._limit} readings a day at this "
                    "reader: try again tomorrow"
                )
            connection.execute(
                "INSERT INTO assertions VALUES (?, ?, 1) "
                "ON CONFLICT DO UPDATE SET count = count + 1",
                (group, hour),
            )

    def sweep(self, now: int) -> None:
        """Remove hours that count no longer; the bytes go with them. Raises ``Unavailable``."""
        with self._ledger.transaction() as connection:
            _remove_old(connection, now // _HOUR)

    def close(self) -> None:
        self._ledger.close()


def _remove_old(connection: sqlite3.Connection, hour: int) -> None:
    connection.execute("DELETE FROM assertions WHERE hour < ?", (hour - _HOURS_KEPT,))


def group_of(subject: Subject, site_salt: bytes) -> int:
    """The group of a document: the first 12 bits of HMAC-SHA-256(site salt, label || 0x00 ||
    subject)."""
    digest = hmac.digest(site_salt, _LABEL + b"\0" + subject.encode(), "sha256")
    return int.from_bytes(digest[:2], "big") >> (16 - GROUP_BITS)
