"""The trust list on disk: who is enrolled, and the signed history from which this follows.

One JSON file, replaced in one step, so that the list and its history never disagree:

    parties   kind, name and public key of everyone whose signatures count now
    history   the operator's actions (``gateway.wire.admin``), base64, oldest first

Rules of reading:

1. The history is the authority's own, checked with keys that are not in this file.
2. The parties are exactly those that the history leaves enrolled, with these very keys.

So whoever can write the file but not sign can enrol nobody. If an older version is put back whole,
a running server notices, but a starting one does not: see THREAT_MODEL.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.host.keyfile import write_private
from gateway.wire.admin import (
    AdminAction,
    Chain,
    ChainKeys,
    Concerned,
    PartyKind,
    Verb,
    held_by,
    next_action,
    verify_chain,
)
from gateway.wire.cose import MAX_KEYS, SigningKey, VerifyKey
from gateway.wire.errors import (
    BodyTooLarge,
    CallerMisuse,
    MalformedMessage,
    Refused,
    SealmatchError,
)
from gateway.wire.ids import Digest, KeyId, PartyId

KINDS: Final[tuple[PartyKind, ...]] = ("gateway", "issuer", "device", "auditor")

MAX_FILE_BYTES: Final = 32 * 2**20
"""Some 60,000 actions."""


class TrustListDamaged(SealmatchError):
    """The file is not a trust list, or does not follow from its signed history."""


class Enrolled(BaseModel):
    """One key of an enrolled party."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: Annotated[PartyKind, held_by((*KINDS, "authority"))]
    """``authority``: the authority's own later key, to which its history handed over."""
    party: PartyId
    public_key: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Ed25519 public key in hexadecimal."""

    @property
    def name(self) -> tuple[str, str]:
        return self.kind, self.party

    @property
    def verify_key(self) -> VerifyKey:
        return VerifyKey(self.party, bytes.fromhex(self.public_key))

    @property
    def concerned(self) -> Concerned:
        """This key, as an action names it."""
        return Concerned.with_key(self.kind, self.verify_key)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: Literal[2]
    parties: list[Enrolled]
    history: list[str]


class _Step(NamedTuple):
    verb: Verb
    concerned: Concerned
    signing: SigningKey


@dataclass(frozen=True)
class TrustRecord:
    """What the file says, checked. A change gives another record, which ``write`` keeps."""

    keys: ChainKeys
    parties: tuple[Enrolled, ...]
    chain: Chain

    @classmethod
    def empty(cls, keys: ChainKeys) -> "TrustRecord":
        return cls(keys, (), keys.beginning())

    @cached_property
    def by_name(self) -> dict[tuple[str, str], tuple[Enrolled, ...]]:
        """A party's keys by its kind and name, in the order of their enrolment."""
        found: dict[tuple[str, str], tuple[Enrolled, ...]] = {}
        for one in self.parties:
            found[one.name] = (*found.get(one.name, ()), one)
        return found

    @cached_property
    def gateways(self) -> dict[bytes, VerifyKey]:
        """Gateways' keys by key id."""
        keys = (one.verify_key for one in self.parties if one.kind == "gateway")
        return {key.key_id: key for key in keys}

    def with_enrolled(
        self, parties: Iterable[Enrolled], signing: SigningKey, now: int, *, overlap: bool = False
    ) -> "TrustRecord":
        """The record with parties, or further keys of them; the same one if all are there already.

        Args:
            overlap: a key that a party has goes on counting beside the new one.

        Raises:
            CallerMisuse: a name has another key without ``overlap``, or two with it; or the key has
                another name.
        """
        held, in_use = dict(self.by_name), {(one.kind, one.public_key) for one in self.parties}
        added: list[Enrolled] = []
        for one in parties:
            keys = held.get(one.name, ())
            if one in keys:
                continue
            if keys and not overlap:
                raise CallerMisuse(f"{one.kind} {one.party} is enrolled with another key")
            if len(keys) >= MAX_KEYS:
                raise CallerMisuse(f"{one.kind} {one.party} has two keys; suspend one of them")
            if (one.kind, one.public_key) in in_use:
                raise CallerMisuse(f"{one.kind} {one.party}: this key has another name")
            held[one.name] = (*keys, one)
            in_use.add((one.kind, one.public_key))
            added.append(one)
        steps = [_Step("enrol", one.concerned, signing) for one in added]
        return self._after(steps, now, (*self.parties, *added))

    def with_suspended(
        self, kind: PartyKind, party: PartyId, public_key: str | None, signing: SigningKey, now: int
    ) -> "TrustRecord":
        """The record without a party, or only without its key ``public_key`` if that is given.

        Raises:
            CallerMisuse: not enrolled, or not with this key.
        """
        held = self.by_name.get((kind, party), ())
        leaving = [one for one in held if public_key in (None, one.public_key)]
        if not leaving:
            with_key = " with this key" if held else ""
            raise CallerMisuse(f"{kind} {party} is not enrolled{with_key}")
        gone = Concerned(kind, party) if public_key is None else leaving[0].concerned
        left = tuple(one for one in self.parties if one not in leaving)
        return self._after([_Step("suspend", gone, signing)], now, left)

    def with_audits_cleared(self, gateway: PartyId, signing: SigningKey, now: int) -> "TrustRecord":
        """The record, noting that a gateway's unanswered demands were forgotten. It enrols
        nobody."""
        step = _Step("clear-audits", Concerned("gateway", gateway), signing)
        return self._after([step], now, self.parties)

    def with_noted(
        self, verb: Verb, counters: Digest | None, signing: SigningKey, now: int
    ) -> "TrustRecord":
        """The record, noting what was done to the counters of attempts. It enrols nobody.

        Args:
            counters: digest of the backup that they come from; None: they were lost.
        """
        key_id = None if counters is None else KeyId(counters)
        step = _Step(verb, Concerned("caps", signing.party, key_id), signing)
        return self._after([step], now, self.parties)

    def with_key_changed(self, old: SigningKey, new: SigningKey, now: int) -> "TrustRecord":
        """The record with the authority's next signing key in the place of its present one.

        The old key names the new one, for a running server that knows only the old one. The new key
        ends the old one's service: from here on a thief of the old key signs nothing that counts.
        Without a history, or if this was done before a crash, nothing changes.
        """
        if not self.chain.encoded or self.chain.in_force == {new.public.key_id}:
            return self
        key = Enrolled(kind="authority", party=new.party, public_key=new.public.raw.hex())
        parties = (*(one for one in self.parties if one.kind != "authority"), key)
        steps = [
            _Step("enrol", Concerned.with_key("authority", new.public), old),
            _Step("suspend", Concerned.with_key("authority", old.public), new),
        ]
        return self._after(steps, now, parties)

    def encode(self) -> bytes:
        content = {
            "version": 2,
            "parties": [one.model_dump() for one in self.parties],
            "history": [base64.b64encode(action).decode() for action in self.chain.encoded],
        }
        return json.dumps(content, indent=1).encode()

    def _after(
        self, steps: Sequence[_Step], now: int, parties: tuple[Enrolled, ...]
    ) -> "TrustRecord":
        """The record with further actions, checked as a reader will check them."""
        if not steps:
            return self
        if steps[0].signing.public.key_id not in self.chain.in_force:
            raise CallerMisuse("the history has passed to the next signing key; activate that key")
        history = list(self.chain.encoded)
        for step in steps:
            before = history[-1] if history else None
            history.append(next_action(before, step.verb, step.concerned, step.signing, now))
        return _checked(tuple(history), parties, self.keys, self.chain)


def parse(data: bytes, keys: ChainKeys, seen: TrustRecord | None = None) -> TrustRecord:
    """Check a file's content by the rules above.

    Args:
        seen: what this process read before; the history must go on from there.

    Raises:
        TrustListDamaged: not a trust list, or one that its history does not support.
    """
    if len(data) > MAX_FILE_BYTES:
        raise TrustListDamaged("longer than a trust list can be")
    try:
        file = _File.model_validate_json(data)
        history = tuple(base64.b64decode(entry, validate=True) for entry in file.history)
    except (ValidationError, binascii.Error, ValueError):
        raise TrustListDamaged("not a valid trust list") from None
    try:
        return _checked(history, tuple(file.parties), keys, seen.chain if seen else None)
    except Refused as error:
        raise TrustListDamaged(error.detail) from None
    except (MalformedMessage, BodyTooLarge):
        raise TrustListDamaged("its history holds what is no signed action") from None


def read(path: Path, keys: ChainKeys, seen: TrustRecord | None = None) -> TrustRecord:
    """Read and check the file; without one nobody is enrolled.

    Raises:
        TrustListDamaged: as ``parse``, or a file that was there is gone.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        if seen is not None and seen.chain.encoded:
            raise TrustListDamaged(f"{path.name} is gone") from None
        return TrustRecord.empty(keys)
    try:
        return parse(data, keys, seen)
    except TrustListDamaged as error:
        raise TrustListDamaged(f"{path.name}: {error}") from None


def write(path: Path, record: TrustRecord) -> None:
    """Replace the file. A crash at any point leaves the old list or the new one.

    Raises:
        CallerMisuse: no more actions fit.
        OSError: the disk is full or not writable; the old list remains.
    """
    data = record.encode()
    if len(data) > MAX_FILE_BYTES:
        raise CallerMisuse(f"{path.name} is full")
    write_private(path, data)


def _checked(
    history: tuple[bytes, ...],
    parties: tuple[Enrolled, ...],
    keys: ChainKeys,
    after: Chain | None,
) -> TrustRecord:
    successors = [one.verify_key for one in parties if one.kind == "authority"]
    chain = verify_chain(history, keys, successors, after)
    record = TrustRecord(keys, parties, chain)
    listed = {n: [one.verify_key.key_id for one in held] for n, held in record.by_name.items()}
    if listed != _left_enrolled(chain.actions):
        raise Refused("its parties are not those that its history leaves enrolled")
    return record


def _left_enrolled(actions: tuple[AdminAction, ...]) -> dict[tuple[str, str], list[KeyId]]:
    """Key ids by kind and name, in the order of their enrolment."""
    held: dict[tuple[str, str], list[KeyId]] = {}
    for action in actions:
        keys = held.setdefault((action.kind, action.party), [])
        if action.verb == "suspend":
            keys[:] = [] if action.key_id is None else [k for k in keys if k != action.key_id]
        elif action.verb == "enrol" and action.key_id is not None and action.key_id not in keys:
            keys.append(action.key_id)
    return {name: keys for name, keys in held.items() if keys}
