"""The transparency log: what it claims, and whether the database holds the same log."""

from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa

from gateway.inspection.evidence import Evidence, NoAccess
from gateway.inspection.exhibits import (
    CHECKPOINT,
    PENDING,
    actions,
    entries,
    table_rows,
    trust,
)
from gateway.inspection.lines import Basis, Check, Line, Progress, judged
from gateway.inspection.stored_tree import StoredTree
from gateway.store import schema
from gateway.store.reading import BATCH
from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.cosignature import check_signed
from gateway.translog.policy import NO_QUORUM, TrustPolicy
from gateway.translog.tree import HASH_BYTES, Frontier, leaf_hash
from gateway.translog.verification import LogProofInvalid, WitnessedCheckpoint, verify_checkpoint
from gateway.wire.admin import ChainKeys, verify_chain
from gateway.wire.errors import MalformedMessage, Refused, SealmatchError
from gateway.wire.ids import digest_of

CLOCKS: Final = 300
"""Seconds by which a witness's clock may be ahead of the inspector's."""


def policy_of(evidence: Evidence) -> TrustPolicy:
    """The log's trust policy. Raises ``NoAccess`` if the trust file pins no log."""
    policy = trust(evidence).log
    if policy is None:
        raise NoAccess("the trust file pins no log (logPolicy)")
    return policy


def gateway_keys(evidence: Evidence) -> ChainKeys:
    """The keys under which the gateway's history counts."""
    pinned = trust(evidence).gateways
    party = pinned[0].party
    return ChainKeys(tuple(one.verify_key for one in pinned if one.party == party))


def _witnessed(evidence: Evidence) -> WitnessedCheckpoint:
    return verify_checkpoint(evidence.read(CHECKPOINT), policy_of(evidence))


# The published checkpoint


def _checkpoint(evidence: Evidence, _: Progress) -> Line:
    policy, wrong, notes = policy_of(evidence), [], []
    try:
        found = verify_checkpoint(evidence.read(CHECKPOINT), policy)
        notes.append(
            f"log {found.checkpoint.origin}, {found.checkpoint.size:,} entries, root "
            f"{found.checkpoint.root.hex()}"
        )
    except LogProofInvalid as error:
        wrong.append(str(error))
    return judged(
        PUBLISHED,
        "the newest published checkpoint",
        1,
        wrong,
        limit="the log's policy in the trust file",
        repeat="sealmatch log check --trust FILE; or any C2SP tlog-checkpoint verifier",
        notes=notes,
    )


def _cosignatures(evidence: Evidence, _: Progress) -> Line:
    policy = policy_of(evidence)
    signed = SignedCheckpoint.parse(evidence.read(CHECKPOINT))
    cosigned, wrong = {}, []
    for witness in policy.witnesses:
        try:
            times = [t for t in check_signed(signed, witness.key) if t is not None]
        except SealmatchError:
            wrong.append(f"the cosignature of {witness.name} does not verify")
            continue
        if times:
            cosigned[witness.name] = max(times)
    if policy.quorum != NO_QUORUM:
        try:
            policy.check_quorum(cosigned)
        except Refused as error:
            wrong.append(error.detail)
    ahead = [name for name, at in cosigned.items() if at > evidence.now + CLOCKS]
    wrong += [f"{name} cosigned at a time that has not come yet" for name in ahead]
    notes = [f"{name} cosigned {_age(evidence.now - at)} before" for name, at in cosigned.items()]
    if policy.quorum == NO_QUORUM:
        notes.append(
            "the policy asks for no witness: nobody but the log vouches that all are "
            "shown the same log, and for its time"
        )
    return judged(
        COSIGNATURES,
        "witnesses that the policy lists",
        len(policy.witnesses),
        wrong,
        limit=f"quorum {policy.quorum}",
        repeat="sealmatch log check --trust FILE --max-age SECONDS",
        notes=notes,
    )


def _age(seconds: int) -> str:
    if seconds >= 2 * 86_400:
        return f"{seconds // 86_400} days"
    return f"{seconds // 3600} hours" if seconds >= 7200 else f"{max(0, seconds)} seconds"


# Entries


def _entries(evidence: Evidence, progress: Progress) -> Line:
    claimed = checkpoint_of(evidence)
    held = entries(evidence)
    frontier = grown(held, claimed.size, progress)
    wrong = []
    if len(held) != claimed.size:
        wrong.append(
            f"the checkpoint names {claimed.size:,} entries, and the log gives the first "
            f"{len(held):,} of them"
        )
    elif frontier.root != claimed.root:
        wrong.append("the entries lead to another root than the signed one")
    return judged(
        ENTRIES_LEAD,
        "entries",
        len(held),
        wrong,
        limit="the signed root",
        repeat="hash the entries of log/entries into a tree of RFC 6962, and compare the root",
    )


def grown(held: list[bytes], size: int, progress: Progress) -> Frontier:
    """The tree of the first ``size`` entries."""
    frontier = Frontier()
    for at in range(0, min(size, len(held)), BATCH):
        batch = held[at : min(at + BATCH, size)]
        frontier, _ = frontier.extend(map(leaf_hash, batch))
        progress.at(frontier.size, size, "entries")
    return frontier


def _stored_entries(evidence: Evidence, progress: Progress) -> Line:
    """The database's entries, tiles and head are those of the log that was shown."""
    tree, wrong = StoredTree(evidence), []
    published = entries(evidence)
    for frontier, batch in tree.grow(progress):
        first = frontier.size - len(batch)
        shown = published[first : frontier.size]
        if batch[: len(shown)] != shown:
            wrong.append(f"entries from {first:,} on are others than those that the log shows")
            break
    wrong += tree.faults()
    wrong += _other_log(evidence)
    if tree.size < len(published):
        wrong.append(f"the log shows {len(published):,} entries, and {tree.size:,} are stored")
    return judged(
        STORED_ENTRIES,
        "stored entries",
        tree.size,
        wrong,
        limit="the log that was shown",
        repeat="select entry from log_entries order by log_index; compare with log/entries",
        notes=(f"{tree.size - len(published):,} entries are not published yet",)
        if tree.size > len(published)
        else (),
    )


def _other_log(evidence: Evidence) -> Iterator[str]:
    """Whether the database names another log than the one that was shown, or says of a restore
    what our code does not say."""
    origin, head, halts = checkpoint_of(evidence).origin, schema.log_head.c, schema.log_halts.c
    if any(row.origin != origin for row in table_rows(evidence, sa.select(head.origin))):
        yield "the head names another log"
    settled = {row.settled for row in table_rows(evidence, sa.select(halts.settled))}
    if settled - {None, "resumed", "begun"}:
        yield "a restore of the database ended in a way that does not exist"


def _stored_checkpoints(evidence: Evidence, progress: Progress) -> Line:
    """Every stored checkpoint is of the stored tree, and signed by the log."""
    policy, tree = policy_of(evidence), StoredTree(evidence)
    held = schema.log_checkpoints.c
    query = sa.select(held.size, held.root, held.note, held.published).order_by(held.size)
    rows = [
        (int(row.size), bytes(row.root), row.note and bytes(row.note), bool(row.published))
        for row in table_rows(evidence, query)
    ]
    roots = tree.roots({size for size, *_ in rows}, progress)
    wrong = [
        fault
        for size, root, note, published in rows
        for fault in _checkpoint_faults(size, root, note, published, roots.get(size), policy)
    ]
    if not rows and tree.size:
        wrong.append("there are entries, and no checkpoint over them")
    else:
        shown = checkpoint_of(evidence)
        if not any((size, root) == (shown.size, shown.root) for size, root, _, p in rows if p):
            wrong.append("the checkpoint that the log shows is not stored as a published one")
    return judged(
        STORED_CHECKPOINTS,
        "stored checkpoints",
        len(rows),
        wrong,
        limit="the stored tree, and the log's pinned keys",
        repeat="select size, root, note from log_checkpoints; sealmatch log check --state FILE",
    )


def _checkpoint_faults(
    size: int,
    root: bytes,
    note: bytes | None,
    published: bool,
    expected: bytes | None,
    policy: TrustPolicy,
) -> Iterator[str]:
    what = f"the checkpoint of {size:,} entries"
    if expected is None:
        yield f"{what} is larger than the stored tree"
    elif root != expected:
        yield f"{what} has another root than the stored tree"
    if note is None:
        if published:
            yield f"{what} is published and not signed"
        return
    try:
        signed = SignedCheckpoint.parse(note)
        of = signed.checkpoint
        keys = policy.keys_of(of.origin)
        if (of.size, of.root) != (size, root):
            yield f"{what} is stored with a signed text about another tree"
        elif not any(check_signed(signed, key) for key in keys):
            yield f"{what} is not signed by a pinned key of the log"
    except SealmatchError:
        yield f"{what} is stored with a text that is not a signed checkpoint of a pinned log"


# Operators' actions


def _actions(evidence: Evidence, _: Progress) -> Line:
    signed, wrong = actions(evidence), []
    try:
        verify_chain(signed, gateway_keys(evidence))
    except (Refused, MalformedMessage) as error:
        wrong.append(getattr(error, "detail", str(error)))
    held, waiting = iter(entries(evidence)), set(_pending(evidence))
    unlogged = [one for one in map(digest_of, signed) if not _goes_on_to(held, one)]
    # The iterator is spent at the first one that is missing: all later ones are missing with it.
    missing = [one for one in unlogged if one not in waiting]
    if missing:
        number = len(signed) - len(unlogged) + 1
        wrong.append(
            f"action {number} of {len(signed)} is not an entry of the log, or not after "
            "the one before it"
        )
    return judged(
        ACTIONS_LOGGED,
        "signed actions",
        len(signed),
        wrong,
        limit="the gateway's pinned key, and the log",
        repeat="sealmatch-gateway history --signed > FILE; sealmatch log check --actions FILE",
        notes=(f"{len(unlogged)} wait for the next checkpoint",)
        if unlogged and not missing
        else (),
    )


def _goes_on_to(held: Iterator[bytes], entry: bytes) -> bool:
    """Whether the entry stands after those that were passed; they are passed up to it."""
    return entry in held


def _pending(evidence: Evidence) -> list[bytes]:
    content = evidence.read(PENDING)
    return [content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES)]


def checkpoint_of(evidence: Evidence) -> Checkpoint:
    """The published checkpoint that the exhibit holds; its signature is another line's."""
    return SignedCheckpoint.parse(evidence.read(CHECKPOINT)).checkpoint


PUBLISHED: Final = Check(
    "log.checkpoint",
    "The log's checkpoint is signed by the pinned log, and the quorum cosigned it",
    _checkpoint,
    Basis.PROVEN,
)
STORED_CHECKPOINTS: Final = Check(
    "log.checkpoint",
    "Every stored checkpoint is signed, and of the stored tree",
    _stored_checkpoints,
    Basis.SEEN,
)
ENTRIES_LEAD: Final = Check(
    "log.entries",
    "The entries are hashes and nothing else, and lead to the signed root",
    _entries,
    Basis.PROVEN,
)
STORED_ENTRIES: Final = Check(
    "log.entries",
    "The database holds the very tree that the log shows: no leaf is missing or another",
    _stored_entries,
    Basis.SEEN,
)
COSIGNATURES: Final = Check(
    "log.cosignatures",
    "The witnesses of the policy cosigned the checkpoint, as many as the quorum asks for",
    _cosignatures,
    Basis.PROVEN,
)
ACTIONS_LOGGED: Final = Check(
    "log.actions",
    "What operators did is signed, chained, and in the log in its order",
    _actions,
    Basis.PROVEN,
)

CHECKS: Final = (
    *(PUBLISHED, STORED_CHECKPOINTS, ENTRIES_LEAD, STORED_ENTRIES, COSIGNATURES, ACTIONS_LOGGED),
)
