"""Reads a whole log and checks what it claims (protocol, section 10).

A receipt shows that its entry is in *a* tree that log and witnesses signed. A reader checks the
tree itself. It reads every entry, builds the tree from them, and compares its root with the signed
one and with the root of the last reading. Steps:

1. the checkpoint is signed by the log and cosigned by the quorum of the trust policy
2. its tree is the one that was seen before, grown or not
3. every entry is a hash of 32 bytes: nothing else can be kept in the log
4. the entries lead to the checkpoint's root, and on the way to the root that was seen before
5. every receipt at hand is of this tree, at its place (if the log shows somebody another tree, that
   person's receipts are of the other tree)
6. every operators' action at hand is an entry, in their order

Cost: all entries once, 34 bytes each; afterwards only the new ones.
"""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.policy import TrustPolicy
from gateway.translog.tiles import TILE_WIDTH, bundles_of, parse_bundle
from gateway.translog.tree import HASH_BYTES, Frontier, leaf_hash
from gateway.translog.verification import (
    LogProofInvalid,
    Window,
    WitnessedCheckpoint,
    verify_checkpoint,
)
from gateway.wire.errors import CallerMisuse, MalformedMessage, SealmatchError, Unavailable
from gateway.wire.ids import Digest

STEPS: Final = {
    1: "checkpoint is signed and witnessed",
    2: "tree is the one that was seen before",
    3: "entries are hashes and nothing else",
    4: "entries lead to the signed root",
    5: "receipts are of this tree",
    6: "operators' actions are in it",
}
MAX_BUNDLE_BYTES: Final = TILE_WIDTH * (2 + HASH_BYTES)
"""A full bundle of a log whose entries are hashes."""
MAX_CHECKPOINT_BYTES: Final = 64 * 1024
MAX_SEEN_BYTES: Final = 2 * MAX_CHECKPOINT_BYTES
"""Room for the longest checkpoint in base64, and an edge of 63 hashes."""
_VERSION: Final = 1


class LogDisagrees(SealmatchError):
    """A step failed. ``step`` is its number in ``STEPS``."""

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(f"{step}. {STEPS[step]}: {reason}")
        self.step = step
        self.reason = reason
        self.evidence: bytes | None = None
        """From step 2 on: the checkpoint, which log and witnesses signed."""


@dataclass(frozen=True)
class Seen:
    """What a reader remembers: the last checkpoint that it accepted, and the tree's right edge."""

    note: bytes
    frontier: Frontier

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint in the note. Raises ``MalformedMessage`` if there is none."""
        return SignedCheckpoint.parse(self.note).checkpoint

    def __bytes__(self) -> bytes:
        edge = [one.hex() for one in self.frontier.hashes]
        note = base64.b64encode(self.note).decode()
        return json.dumps({"version": _VERSION, "checkpoint": note, "edge": edge}).encode()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what was remembered.

        Raises:
            MalformedMessage: not of this form, or edge and checkpoint are not of one tree.
        """
        try:
            if len(data) > MAX_SEEN_BYTES:
                raise ValueError
            found = json.loads(data)
            note = base64.b64decode(found["checkpoint"], validate=True)
            checkpoint = SignedCheckpoint.parse(note).checkpoint
            edge = tuple(bytes.fromhex(one) for one in found["edge"])
            seen = cls(note, Frontier(checkpoint.size, edge))
            if found["version"] != _VERSION or seen.frontier.root != checkpoint.root:
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, CallerMisuse):
            raise MalformedMessage("not what a log reader remembers, or damaged") from None
        return seen


@dataclass(frozen=True)
class LoggedReceipt:
    """What a verified receipt says about the log."""

    name: str
    entry: Digest
    index: int
    over: Checkpoint


@dataclass(frozen=True)
class Reading:
    """The result of reading a log that passed every step."""

    seen: Seen
    witnessed: WitnessedCheckpoint
    before: int | None
    """Entries that were seen the last time; None: nothing was remembered."""


class LogSource:
    """Access to a log. ``fetch`` takes a path below the log's prefix and a maximum length in bytes.
    It returns None if there is nothing at this path."""

    def __init__(self, fetch: Callable[[str, int], bytes | None]) -> None:
        self._fetch = fetch

    def checkpoint(self) -> bytes:
        """The latest checkpoint. Raises ``Unavailable`` if there is none."""
        found = self._fetch("checkpoint", MAX_CHECKPOINT_BYTES)
        if found is None:
            raise Unavailable("there is no log here, or it has no checkpoint yet")
        return found

    def entries(self, size: int, since: int) -> Iterator[list[bytes]]:
        """The entries from ``since`` to ``size``, in pieces.

        Raises:
            MalformedMessage: a bundle is missing, of another width, or too long.
        """
        for bundle in bundles_of(size, since):
            data, width = self._fetch(bundle.path, MAX_BUNDLE_BYTES), bundle.width
            if data is None and bundle.full != bundle:  # the log has grown meanwhile
                data, width = self._fetch(bundle.full.path, MAX_BUNDLE_BYTES), TILE_WIDTH
            if data is None:
                raise MalformedMessage(f"{bundle.path} is missing")
            first = bundle.index * TILE_WIDTH
            yield parse_bundle(data, width)[max(0, since - first) : bundle.width]


def read_log(
    source: LogSource,
    policy: TrustPolicy,
    seen: Seen | None = None,
    receipts: Sequence[LoggedReceipt] = (),
    tell: Callable[[int, int], None] = lambda _done, _size: None,
    window: Window | None = None,
    actions: Sequence[Digest] = (),
    *,
    successor: bool = False,
) -> Reading:
    """Read a log up to its latest checkpoint.

    Args:
        seen: what an earlier reading remembered. Without receipts, only newer entries are read.
        receipts: verified ones. With any, all entries are read.
        actions: digests of operators' signed actions, oldest first. The same.
        tell: called with the number of entries read so far, and the number of all.
        window: when the checkpoint must have been cosigned; None: at any time.
        successor: ``seen`` is of a log that was closed, and this one is the log that followed it,
            which begins with the same entries.

    Raises:
        LogDisagrees: names the first step that fails.
        What ``source`` raises if the log does not answer.
    """
    with _step(1):
        note = source.checkpoint()
        witnessed = verify_checkpoint(note, policy, window)
    try:
        if seen is not None:
            _require_grown(seen.checkpoint, witnessed.checkpoint, successor=successor)
        places = _Places(_entries_to_meet(receipts), list(actions))
        frontier = _read_entries(source, witnessed.checkpoint, seen, receipts, places, tell)
    except LogDisagrees as error:
        error.evidence = note
        raise
    return Reading(Seen(note, frontier), witnessed, None if seen is None else seen.frontier.size)


def _read_entries(
    source: LogSource,
    claimed: Checkpoint,
    seen: Seen | None,
    receipts: Sequence[LoggedReceipt],
    places: "_Places",
    tell: Callable[[int, int], None],
) -> Frontier:
    """Steps 3 to 6."""
    before = None if seen is None else seen.checkpoint
    roots = _roots_to_meet(claimed, before, receipts)
    start = Frontier() if seen is None or receipts or places.actions else seen.frontier
    given = len(places.actions)
    frontier = _grow(source, start, claimed.size, roots, places, tell)
    if frontier.root != claimed.root:  # of an empty tree, no root was compared yet
        raise LogDisagrees(4, "they lead to another root")
    if places.actions:
        number = given - len(places.actions) + 1
        raise LogDisagrees(
            6, f"action {number} of {given} is not there after the one before it, or not yet"
        )
    return frontier


def _require_grown(before: Checkpoint, claimed: Checkpoint, *, successor: bool) -> None:
    """Step 2."""
    if before.origin != claimed.origin and not successor:
        raise LogDisagrees(
            2, f"a log of another origin was seen before, {before.origin}: was it closed?"
        )
    if claimed.size < before.size:
        raise LogDisagrees(2, f"it had {before.size} entries and has {claimed.size}")
    if claimed.size == before.size and claimed.root != before.root:
        raise LogDisagrees(2, f"there are two trees of {claimed.size} entries")


Roots = dict[int, list[tuple[bytes, int, str]]]
"""Tree size -> the roots expected there, with the step that fails otherwise, and why."""


def _roots_to_meet(
    claimed: Checkpoint, before: Checkpoint | None, receipts: Sequence[LoggedReceipt]
) -> Roots:
    roots: Roots = {claimed.size: [(claimed.root, 4, "they lead to another root")]}
    if before is not None:
        why = f"the first {before.size} entries are not those that were seen before"
        roots.setdefault(before.size, []).append((before.root, 4, why))
    for one in receipts:
        if one.over.origin != claimed.origin:
            raise LogDisagrees(5, f"{one.name} is of the log {one.over.origin}")
        if one.over.size > claimed.size:
            raise LogDisagrees(5, f"{one.name} is of a tree that is larger than the one shown here")
        why = f"{one.name} is of another tree of {one.over.size} entries"
        roots.setdefault(one.over.size, []).append((one.over.root, 5, why))
    return roots


@dataclass
class _Places:
    """What must be met on the way through the entries."""

    receipts: dict[int, list[LoggedReceipt]]
    actions: list[Digest]
    """Those that were not met yet."""


def _entries_to_meet(receipts: Sequence[LoggedReceipt]) -> dict[int, list[LoggedReceipt]]:
    found: dict[int, list[LoggedReceipt]] = {}
    for one in receipts:
        found.setdefault(one.index, []).append(one)
    return found


def _grow(
    source: LogSource,
    frontier: Frontier,
    size: int,
    roots: Roots,
    places: _Places,
    tell: Callable[[int, int], None],
) -> Frontier:
    """Append the entries up to ``size``. The root is compared at every size in ``roots``."""
    with _step(3):
        for entries in source.entries(size, frontier.size):
            for offset, entry in enumerate(entries):
                _check_entry(entry, frontier.size + offset, places)
            leaves = [leaf_hash(entry) for entry in entries]
            while leaves:
                ahead = min((s for s in roots if s > frontier.size), default=size)
                taken, leaves = leaves[: ahead - frontier.size], leaves[ahead - frontier.size :]
                frontier, _ = frontier.extend(taken)
                _meet(roots, frontier)
            tell(frontier.size, size)
    return frontier


def _check_entry(entry: bytes, index: int, places: _Places) -> None:
    if len(entry) != HASH_BYTES:
        raise LogDisagrees(3, f"entry {index} has {len(entry)} bytes")
    for one in places.receipts.get(index, []):
        if entry != one.entry:
            raise LogDisagrees(5, f"entry {index} is not that of {one.name}")
    if places.actions and entry == places.actions[0]:
        del places.actions[0]


def _meet(roots: Roots, frontier: Frontier) -> None:
    for root, step, why in roots.get(frontier.size, []):
        if frontier.root != root:
            raise LogDisagrees(step, why)


@contextmanager
def _step(number: int) -> Iterator[None]:
    """A malformed or unproven answer fails this step. A source that gives nothing has not lied."""
    try:
        yield
    except (MalformedMessage, LogProofInvalid) as error:
        raise LogDisagrees(number, str(error)) from None
