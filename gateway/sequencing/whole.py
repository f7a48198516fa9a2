"""Whether what a database holds of a log is whole: what a restore checks before anybody uses it.

1. The entries, in their order, lead to the stored edge, to every root that was fixed, and to every
   tile.
2. The newest signed checkpoint carries the signature of the log's key.
3. Every record's statement is the entry at the record's index, or waits for one.

Costs one reading of all entries and records, some at a time.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from gateway.sequencing.guard import closed_keys, signed_by
from gateway.store import halts
from gateway.store import log as store
from gateway.store.schema import log_checkpoints, log_entries, log_pending, records
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.note import NoteKey
from gateway.translog.tiles import TILE_HEIGHT, TILE_WIDTH
from gateway.translog.tree import HASH_BYTES, Frontier, Node, leaf_hash
from gateway.wire.errors import BodyTooLarge, MalformedMessage, SealmatchError
from gateway.wire.ids import digest_of

_PAGE: Final = 1024


class NotWhole(SealmatchError):
    """The database does not hold what its own log says."""


def require_whole(connection: sa.Connection, keys: Sequence[NoteKey]) -> None:
    """Check a database by the rules above.

    Args:
        keys: of the log that it holds now.

    Raises:
        NotWhole: names what does not fit.
    """
    _require_tree(connection)
    _require_signed(connection, keys)
    _require_records(connection)


def _require_tree(connection: sa.Connection) -> None:
    head, tree = store.head(connection), Frontier()
    fixed = {int(size): bytes(root) for size, root in connection.execute(_FIXED)}
    while entries := store.entries(connection, tree.size, _PAGE):
        leaves = [leaf_hash(entry) for entry in entries]
        while leaves:
            ahead = min((size for size in fixed if size > tree.size), default=tree.size + _PAGE)
            some, leaves = leaves[: ahead - tree.size], leaves[ahead - tree.size :]
            tree, complete = tree.extend(some)
            _require_tiles(connection, complete)
            if fixed.pop(tree.size, tree.root) != tree.root:
                raise NotWhole(f"the log's entries do not lead to the root at size {tree.size}")
    if fixed.keys() - {0}:
        raise NotWhole("the log has fewer entries than its checkpoints say")
    if (tree.size, b"".join(tree.hashes)) != (head.size, head.edge):
        raise NotWhole("the log's entries do not lead to its stored edge")


def _require_tiles(connection: sa.Connection, complete: Sequence[tuple[Node, bytes]]) -> None:
    held: dict[tuple[int, int], bytes] = {}
    for node, computed in complete:
        level, between = divmod(node.level, TILE_HEIGHT)
        if between:
            continue
        number, place = divmod(node.index, TILE_WIDTH)
        if (level, number) not in held:
            held[level, number] = store.tile(connection, level, number)
        begin = place * HASH_BYTES
        if held[level, number][begin : begin + HASH_BYTES] != computed:
            raise NotWhole("a tile does not follow from the log's entries")


_FIXED: Final = sa.select(log_checkpoints.c.size, log_checkpoints.c.root)


def _require_signed(connection: sa.Connection, keys: Sequence[NoteKey]) -> None:
    newest = store.newest(connection)
    if newest is None or newest.note is None:
        return
    try:
        signed = SignedCheckpoint.parse(newest.note)
    except (MalformedMessage, BodyTooLarge):
        raise NotWhole("the newest checkpoint is none") from None
    of = signed.checkpoint
    old = [key for log in halts.closed(connection) for key in closed_keys(log)]
    named = [key for key in (*keys, *old) if key.name == of.origin]
    if (of.size, of.root) != (newest.size, newest.root) or not signed_by(signed, named):
        raise NotWhole(
            f"the newest checkpoint is of the log {of.origin}, and not signed with the key of this "
            "gateway's keystore: restore the keystore that belongs to this backup first"
        )


def _require_records(connection: sa.Connection) -> None:
    waiting = sa.select(log_pending.c.record_id).where(log_pending.c.record_id.is_not(None))
    queued = {bytes(one) for one in connection.execute(waiting).scalars()}
    joined = records.outerjoin(log_entries, records.c.log_index == log_entries.c.log_index)
    query = (
        sa.select(records.c.record_id, records.c.statement, log_entries.c.entry)
        .select_from(joined)
        .order_by(records.c.record_id)
        .limit(_PAGE)
    )
    after = b""
    while rows := connection.execute(query.where(records.c.record_id > after)).all():
        for row in rows:
            is_entry = row.entry is not None and bytes(row.entry) == digest_of(row.statement)
            if not is_entry and bytes(row.record_id) not in queued:
                raise NotWhole("a record's statement is not an entry of the log")
        after = bytes(rows[-1].record_id)
