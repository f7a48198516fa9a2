"""``log resume`` and ``log begin``: an operator settles a halt (``gateway.sequencing.settling``).

What is shown comes from four places: this gateway's mark, its witnesses, the database itself, and
files that the operator brings. A file is a signed checkpoint, a reader's state (``sealmatch log
check --state``), or the mark of another gateway on the same database.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import httpx
import sqlalchemy as sa

from gateway.host import crash
from gateway.host.cli import read_bytes
from gateway.sequencing.guard import Mark, closed_keys, leads_to, signed_by
from gateway.sequencing.reading import PublishedLog
from gateway.sequencing.settling import (
    Shown,
    close_and_begin,
    contradiction,
    require_erasures,
    require_shown,
    shown_by,
)
from gateway.sequencing.witnesses import WitnessClient
from gateway.server import custody, register
from gateway.server.config import GatewaySettings
from gateway.server.custody import GatewayKeys
from gateway.server.opened import opened_database
from gateway.store import halts
from gateway.store import log as stored_log
from gateway.store.database import Database
from gateway.store.halts import ClosedLog
from gateway.store.locks import hold_register
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.note import NoteKey, check_name
from gateway.wire.admin import Concerned
from gateway.wire.errors import BodyTooLarge, CallerMisuse, MalformedMessage
from gateway.wire.ids import digest_of

_MAX_FILE_BYTES: Final = 512 * 1024


@dataclass(frozen=True)
class _Asked:
    """What was shown, and whom one can ask to vouch."""

    shown: tuple[Shown, ...]
    keys: tuple[NoteKey, ...]
    witnesses: WitnessClient


def resume(
    settings: GatewaySettings,
    files: Sequence[Path],
    now: int,
    *,
    word: bool,
    transport: httpx.Client | None = None,
) -> SignedCheckpoint:
    """Let the log go on from the database's newest checkpoint, and say so in the signed history.

    Args:
        files: what the operator brings.
        word: the operator says that nothing was signed after the last reading shown.
        transport: to the witnesses; over the network unless given.

    Raises:
        CallerMisuse: there is no open halt, or it is not shown that nothing newer was signed.
        KeyFileError, BadConfiguration, Unavailable: keys, settings or database cannot be used.
    """
    held = custody.read_keys(settings)
    policy = custody.log_policy(held, settings.origin, settings.log_witnesses)
    with (
        opened_database(settings) as database,
        _asked(settings, held, database, files, transport) as asked,
    ):
        with database.transaction() as connection:
            if halts.open_halt(connection) is None:
                raise CallerMisuse("the log is not halted: it goes on")
            _require_same_key(connection, asked.keys)
            own = require_shown(connection, asked.shown, policy, asked.witnesses.vouch, word=word)
        with database.writing() as connection:
            hold_register(connection)
            halt = halts.open_halt(connection)
            if halt is None or not leads_to(connection, own):
                raise CallerMisuse("somebody else has settled it meanwhile")
            halts.settle(connection, "resumed", now)
            went_on = Concerned.object("log", str(halt.number), digest_of(bytes(own)))
            register.record(connection, "resume", went_on, held.signing_key, now)
        return own


def begin(
    settings: GatewaySettings,
    origin: str,
    files: Sequence[Path],
    now: int,
    *,
    word: bool,
    transport: httpx.Client | None = None,
) -> ClosedLog:
    """Close the log for ever and begin another one, with new keys; the old private keys are gone.

    The database changes first, then the keystore. Given again after a crash in between, it ends
    what it began.

    Args:
        word: the operator answers for erasures that are not known.
        transport: as ``resume``.

    Raises:
        CallerMisuse: the log is not in doubt; erasures may be unknown; the name was used before.
        KeyFileError, BadConfiguration, Unavailable: as ``resume``.
    """
    try:
        check_name(origin)
    except MalformedMessage as error:
        raise CallerMisuse(f"that is no name of a log: {error}") from None
    held = custody.read_keys(settings)
    with opened_database(settings) as database:
        log = _begun(database, origin, held)
        if log is None:
            with _asked(settings, held, database, files, transport) as asked:
                log = _close(database, origin, held, asked, now, word=word)
    crash.reach("log-begun")
    custody.replace_log_keys(settings, now)
    return log


def _close(
    database: Database, origin: str, held: GatewayKeys, asked: _Asked, now: int, *, word: bool
) -> ClosedLog:
    with database.writing() as connection:
        hold_register(connection)
        halt = halts.open_halt(connection)
        if halt is None:
            if contradiction(connection, asked.shown) is None:
                raise CallerMisuse("nothing newer than this database was shown: the log goes on")
            halt = halts.halt(connection, now)
        require_erasures(connection, halt, asked.shown, word=word)
        log = close_and_begin(connection, origin, asked.keys, asked.shown, now)
        last = digest_of(log.checkpoint or log.origin.encode())
        begun = Concerned.object("log", str(halt.number), last)
        register.record(connection, "begin", begun, held.signing_key, now)
        crash.reach("log-begin-written")
    return log


def _require_same_key(connection: sa.Connection, keys: tuple[NoteKey, ...]) -> None:
    newest = stored_log.newest(connection)
    if newest is None or newest.note is None:
        return
    if not signed_by(SignedCheckpoint.parse(newest.note), keys):
        raise CallerMisuse(
            "the newest checkpoint in the database is not of the log whose key this keystore "
            "holds: it cannot be resumed. sealmatch-gateway log begin"
        )


def _begun(database: Database, origin: str, held: GatewayKeys) -> ClosedLog | None:
    """The closed log, if this was begun before and only the keystore is still the old one."""
    with database.transaction() as connection:
        if stored_log.origin(connection) != origin:
            return None
        before = halts.closed(connection)
    public = {one.signer(origin).key.public for one in held.log}
    for log in reversed(before):
        if public & {key.public for key in closed_keys(log)}:
            return log
    raise CallerMisuse(f"the log {origin} is the present one already")


@contextmanager
def _asked(
    settings: GatewaySettings,
    held: GatewayKeys,
    database: Database,
    files: Sequence[Path],
    given: httpx.Client | None,
) -> Iterator[_Asked]:
    """Ask mark, witnesses and files for checkpoints of the database's log."""
    with database.transaction() as connection:
        origin = stored_log.origin(connection) or settings.origin
    keys = tuple(one.key for one in held.log_signers(origin))
    _require_known(settings, database, origin)
    policy = custody.log_policy(held, origin, settings.log_witnesses)
    prove = PublishedLog(database).consistency
    with given or httpx.Client(trust_env=False) as transport:
        witnesses = WitnessClient(policy, transport, prove, settings.witness_seconds)
        try:
            yield _Asked(tuple(_shown(settings, files, keys, witnesses)), keys, witnesses)
        finally:
            witnesses.close()


def _require_known(settings: GatewaySettings, database: Database, origin: str) -> None:
    """This gateway has signed no log that the database does not know of."""
    mark = Mark(settings.data_dir).read()
    if mark is None or mark.checkpoint.origin == origin:
        return
    with database.transaction() as connection:
        if mark.checkpoint.origin not in {one.origin for one in halts.closed(connection)}:
            raise CallerMisuse(
                f"this gateway has signed the log {mark.checkpoint.origin}, of which the database "
                f"knows nothing: it is from before {origin} was closed. Restore a later backup"
            )


def _shown(
    settings: GatewaySettings,
    files: Sequence[Path],
    keys: tuple[NoteKey, ...],
    witnesses: WitnessClient,
) -> Iterator[Shown]:
    mark = Mark(settings.data_dir).read()
    if mark is not None and (own := shown_by("log.mark", mark, keys, required=False)) is not None:
        yield replace(own, outside=False)
    for path in files:
        found = shown_by(path.name, _checkpoint(path), keys)
        assert found is not None, "required"
        yield found
    for name, signed in witnesses.latest():
        if (seen := shown_by(f"witness {name}", signed, keys, required=False)) is not None:
            yield seen


def _checkpoint(path: Path) -> SignedCheckpoint:
    """The checkpoint in a file: by itself, or in a reader's state."""
    content = read_bytes(path, _MAX_FILE_BYTES)
    if content.startswith(b"{"):
        try:
            content = base64.b64decode(json.loads(content)["checkpoint"], validate=True)
        except (ValueError, KeyError, TypeError):
            raise CallerMisuse(f"{path.name} is no state of sealmatch log check") from None
    try:
        return SignedCheckpoint.parse(content)
    except (MalformedMessage, BodyTooLarge):
        raise CallerMisuse(f"{path.name} is no signed checkpoint") from None
