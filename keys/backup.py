"""Backup and restore of what the authority keeps: trust list, unanswered audits, attempts. No keys:
those are backed up apart, and lie in the directory before anything is restored into it.

A restore brings back what is missing and leaves what is there. **Counters are never reset by it.**
What was counted after the backup is not in it, and counts for a day. So restored counters are
closed (``keys.caps``) until a day after the restore: something may have been counted until then.

If the operator knows that the mark in the directory is the one that the authority wrote last, and
no copy, its time takes the place of the restore's. A backup that was made after that time misses
nothing, and its counters are open. So a later copy can take the place of counters that are closed.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.host import crash
from gateway.host.archive import ArchiveReader, ArchiveWriter, DamagedArchive
from gateway.host.directories import occupied
from gateway.host.keyfile import exclusive, write_private
from gateway.host.newfile import new_file
from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import Digest
from keys import trust_file
from keys.audits import AuditLedger, StoredDemand
from keys.caps import DAY
from keys.caps_mark import CapsLost, CapsMark
from keys.caps_store import (
    StoredAttempt,
    are_there,
    create_caps,
    mark_beside,
    of_older_version,
    still_closed,
    stored_attempts,
    stored_standing,
)
from keys.config import AuthoritySettings
from keys.custody import open_custody
from keys.places import SharedPlace
from keys.trust import TrustList
from keys.vault import record_file

BACKUP: Final = "sealmatch-authority-backup"
_TRUST, _ATTEMPTS, _DEMANDS = "trust", "attempts", "demands"
_PIECE: Final = 128 * 1024


@dataclass(frozen=True)
class Brought:
    """What a restore brought back."""

    digest: Digest
    made_at: int
    parts: tuple[str, ...]
    closed_until: int | None
    """Of the counters, if they were brought back; 0: they miss nothing, and are open."""


def make(settings: AuthoritySettings, out: Path, now: int) -> tuple[dict[str, int], Digest]:
    """Write a backup of an authority that may be serving; returns its rows by part, and its digest.

    Raises:
        CallerMisuse: there is such a file already.
        NotWritten, OSError: the disk does not take it; nothing is left behind.
        Unavailable: a ledger cannot be read.
    """
    with new_file(out) as file:
        # The time comes before what is read: what is counted in between is taken for missing.
        archive = ArchiveWriter(file, BACKUP, {"made_at": now, "party": settings.party})
        archive.add(_ATTEMPTS, stored_attempts(settings.caps_place))
        with closing(_ledger(settings, now)) as audits:
            archive.add(_DEMANDS, audits.stored())
        archive.add(_TRUST, _pieces(settings.trust_file))
        return archive.end()


def restore(
    settings: AuthoritySettings, path: Path, now: int, *, mark_survived: bool = False
) -> Brought:
    """Bring back what is missing. Given again after a crash, it brings back the rest.

    Args:
        mark_survived: the operator's word that the mark here is the last that was written.

    Raises:
        CallerMisuse: nothing is missing, there is no mark to go by, or the backup is another
            authority's.
        DamagedArchive, TrustListDamaged: the backup is damaged, or its history is not this
            authority's.
        KeyFileError: there are no keys here, or they do not open.
        InUse: the authority is serving.
        Unavailable, OSError: something cannot be written.
    """
    with occupied(settings.data_dir, "restore"), path.open("rb") as file:
        archive = ArchiveReader(file, BACKUP)
        _, digest = archive.verify()
        if archive.described.get("party") != settings.party:
            raise CallerMisuse(f"that is a backup of {archive.described.get('party')}")
        made_at = _time(archive)
        parts = _parts(archive)
        last = _counted_until(settings, now, survived=mark_survived)
        misses_none = mark_survived and made_at >= last
        with exclusive(settings.data_dir):
            own = open_custody(settings, now)
            found = trust_file.parse(parts[_TRUST], own.chain_keys) if parts[_TRUST] else None
            brought = []
            if found is not None and not settings.trust_file.exists():
                write_private(settings.trust_file, parts[_TRUST])
                brought.append(_TRUST)
            crash.reach("trust-list-restored")
            new = not settings.audits_file.exists() and settings.database_url is None
            with closing(_ledger(settings, now)) as audits:
                if audits.bring_back(parts[_DEMANDS]) and (new or parts[_DEMANDS]):
                    brought.append(_DEMANDS)
            until = 0 if misses_none else last + DAY
            closed = _bring_caps(settings, parts[_ATTEMPTS], last, until, now)
            if closed is not None:
                brought.append(_ATTEMPTS)
            if not brought:
                raise CallerMisuse(
                    "nothing is missing here: a restore takes the place of nothing that is there"
                )
            TrustList(settings.trust_file, own.chain_keys).note_counters(
                "restore", digest, own.signing, now
            )
    return Brought(digest, made_at, tuple(brought), closed)


def close_lost(settings: AuthoritySettings, now: int) -> int:
    """Make new counters in the place of lost ones, closed for a day; returns until when. It is
    written into the signed history.

    Where another instance has done so in a shared database, this one joins its counters: they are
    closed, so nothing is lost by that.

    Raises:
        CallerMisuse: they are not lost.
        KeyFileError: there are no keys here, or they do not open.
        InUse: the authority is serving.
    """
    with occupied(settings.data_dir, "serve --caps-lost"), exclusive(settings.data_dir):
        own = open_custody(settings, now)
        if not _lost(settings):
            raise CallerMisuse(
                "the counters of attempts are there, with their mark: start without --caps-lost"
            )
        TrustList(settings.trust_file, own.chain_keys).note_counters(
            "close", None, own.signing, now
        )
        if isinstance(settings.caps_place, SharedPlace) and still_closed(settings.caps_place, now):
            return _join(settings.caps_place)
        create_caps(settings.caps_place, now, now + DAY)
        return now + DAY


def _join(place: SharedPlace) -> int:
    """Write the mark of counters that are there; returns until when they are closed."""
    own = stored_standing(place)
    if own is None:  # they went this moment
        raise CapsLost("the counters of attempts are missing")
    CapsMark(own.counters, own.counted_until).write(mark_beside(place))
    return own.closed_until


def require_keys(settings: AuthoritySettings) -> None:
    """Raise ``CallerMisuse`` where there are no keys that a restore could belong to."""
    if not record_file(settings).exists():
        raise CallerMisuse("there are no keys here: bring the authority's own keys back first")


def _bring_caps(
    settings: AuthoritySettings, attempts: list[StoredAttempt], last: int, closed: int, now: int
) -> int | None:
    """Counters in the place of lost or closed ones. Returns until when they are closed; None: those
    that are there count."""
    if not _lost(settings) and not still_closed(settings.caps_place, now):
        return None
    create_caps(settings.caps_place, last, closed, attempts)
    return closed


def _counted_until(settings: AuthoritySettings, now: int, *, survived: bool) -> int:
    """No attempt was counted after this time."""
    if not survived:
        return now
    mark = _readable(mark_beside(settings.caps_place))
    if mark is None:
        raise CallerMisuse("there is no mark here that could have survived")
    return mark.until


def _lost(settings: AuthoritySettings) -> bool:
    """Whether an authority would not start on these counters."""
    if not are_there(settings.caps_place):
        return True
    mark, own = _readable(mark_beside(settings.caps_place)), stored_standing(settings.caps_place)
    if own is None:
        return mark is not None or not of_older_version(settings.caps_place)
    return mark is None or mark.counters != own.counters


def _readable(path: Path) -> CapsMark | None:
    try:
        return CapsMark.read(path)
    except CapsLost:
        return None


def _ledger(settings: AuthoritySettings, now: int) -> AuditLedger:
    return AuditLedger(settings.audits_place, settings.audit_unanswered, lambda: now)


def _pieces(path: Path) -> Iterator[tuple[bytes]]:
    """A trust list as rows of one piece each; nothing if there is none yet."""
    if not path.exists():
        return
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield (piece,)


def _time(archive: ArchiveReader) -> int:
    made_at = archive.described.get("made_at")
    if not isinstance(made_at, int):
        raise DamagedArchive("it does not say when it was made")
    return made_at


def _parts(archive: ArchiveReader) -> dict[str, Any]:
    parts: dict[str, Any] = {_TRUST: b"", _ATTEMPTS: [], _DEMANDS: []}
    try:
        for part, rows in archive.rows():
            match part:
                case "trust":
                    parts[part] += b"".join(piece for (piece,) in rows)
                case "attempts":
                    parts[part] += [StoredAttempt(*row) for row in rows]
                case "demands":
                    parts[part] += [StoredDemand(*row) for row in rows]
                case _:
                    raise DamagedArchive("it has a part that no authority has")
    except (TypeError, ValueError):
        raise DamagedArchive("a row of it has another form") from None
    return parts
