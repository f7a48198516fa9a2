"""Consent texts by version. A version that was added never changes, because receipts name it.

Each function works inside a transaction that its caller opened.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import sqlalchemy as sa

from gateway.store.schema import consent_texts, consent_versions
from gateway.wire.errors import Refused, SessionConflict

_ACTIVE: Final = sa.select(consent_versions.c.text_version).where(
    consent_versions.c.text_version == sa.bindparam("version"), consent_versions.c.state == "active"
)
_HELD: Final = _ACTIVE.with_for_update(read=True)


class StoredText(NamedTuple):
    """What is shown in one language."""

    text: str
    without_face: str | None
    """How the person can register without a face; None in the first version."""


class StoredVersion(NamedTuple):
    """A version with its texts by language."""

    version: int
    retention_days: int | None
    state: str
    texts: Mapping[str, StoredText]


def add(connection: sa.Connection, added: StoredVersion) -> None:
    """Add a version.

    Raises:
        SessionConflict: there is one of this number.
    """
    if any(one.version == added.version for one in versions(connection)):
        raise SessionConflict(f"consent text version {added.version} exists, and never changes")
    connection.execute(
        consent_versions.insert().values(
            text_version=added.version, retention_days=added.retention_days, state=added.state
        )
    )
    for language, shown in sorted(added.texts.items()):
        connection.execute(
            consent_texts.insert().values(
                text_version=added.version,
                language=language,
                text=shown.text,
                without_face=shown.without_face,
            )
        )


def retire(connection: sa.Connection, version: int) -> bool:
    """Let no new session name a version. Its texts stay.

    Returns:
        Whether anything changed.

    Raises:
        SessionConflict: there is no such version.
    """
    one = consent_versions.c.text_version == version
    active = consent_versions.update().where(one, consent_versions.c.state != "retired")
    if connection.execute(active.values(state="retired")).rowcount:
        return True
    if not connection.execute(sa.select(sa.exists().where(one))).scalar():
        raise SessionConflict(f"there is no consent text of version {version}")
    return False


def is_active(connection: sa.Connection, version: int) -> bool:
    """Whether a new session may name this version."""
    return connection.execute(_ACTIVE, {"version": version}).first() is not None


def hold_active(connection: sa.Connection, version: int) -> None:
    """Check that a version is not retired, and keep it so until this unit of work ends.

    Raises:
        Refused: it is unknown, or retired.
    """
    if connection.execute(_HELD, {"version": version}).first() is None:
        raise Refused("unknown or retired consent text")


def versions(connection: sa.Connection) -> list[StoredVersion]:
    """All versions, oldest first."""
    texts: dict[int, dict[str, StoredText]] = {}
    for row in connection.execute(consent_texts.select().order_by("text_version", "language")):
        shown = StoredText(row.text, row.without_face)
        texts.setdefault(row.text_version, {})[row.language] = shown
    rows = connection.execute(consent_versions.select().order_by("text_version"))
    return [
        StoredVersion(
            row.text_version, row.retention_days, row.state, texts.get(row.text_version, {})
        )
        for row in rows
    ]
