"""Whose signatures the authority accepts: gateways, issuers, devices and auditors it enrolled.

The authority trusts no list of the gateway's, because the gateway may be the attacker. The list is
a file in the data directory that follows from a signed history (``keys.trust_file``).
``sealmatch-authority enrol`` and ``suspend`` write it, and the running service notices a change at
the next request. If the list fails its check, nobody is trusted.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from gateway.host.watched import WatchedFile
from gateway.wire.admin import AdminAction, ChainKeys, PartyKind, Verb
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import Refused
from gateway.wire.ids import Digest, PartyId
from keys import trust_file
from keys.trust_file import Enrolled, TrustRecord


class TrustList:
    """Enrolled parties, read from a file and re-read when it changes."""

    def __init__(self, path: Path, keys: ChainKeys) -> None:
        """``keys``: the authority's own, which signed the file's history."""
        self._file = WatchedFile(
            path, lambda at, seen: trust_file.read(at, keys, seen), TrustRecord.empty(keys)
        )

    def key(self, kind: PartyKind, party: PartyId) -> VerifyKey:
        """The key of an enrolled party; during a rotation with its other one as alternate.

        Raises:
            Refused: not enrolled in this role.
            TrustListDamaged: the list is broken; nobody is trusted.
        """
        found = self._read().by_name.get((kind, party))
        if not found:
            raise Refused(f"{kind} {party} is not enrolled")
        first, *others = (one.verify_key for one in found)
        return replace(first, alternate=others[0] if others else None)

    def gateway_by_key_id(self, key_id: bytes) -> VerifyKey | None:
        """The gateway that signs with this key, or None."""
        return self._read().gateways.get(key_id)

    def parties(self) -> list[Enrolled]:
        """All enrolled parties, one entry a key; the authority's own keys are not among them."""
        return [one for one in self._read().parties if one.kind != "authority"]

    def history(self) -> tuple[AdminAction, ...]:
        """What operators did, oldest first."""
        return self._read().chain.actions

    def head(self) -> Digest:
        """Digest of the last signed action, which stands for the whole history."""
        return self._read().chain.head

    def holds(self, head: bytes) -> bool:
        """Whether an earlier head, noted elsewhere, is in the history."""
        chain = self._read().chain
        return head in {chain.head, *(action.previous for action in chain.actions)}

    def enrol(
        self, parties: Iterable[Enrolled], signing: SigningKey, now: int, *, overlap: bool = False
    ) -> None:
        """Enrol parties, all or none. Of several processes only one may do this at a time.

        Raises:
            CallerMisuse: as ``TrustRecord.with_enrolled``.
        """
        self._change(lambda record: record.with_enrolled(parties, signing, now, overlap=overlap))

    def suspend(
        self,
        kind: PartyKind,
        party: PartyId,
        signing: SigningKey,
        now: int,
        public_key: str | None = None,
    ) -> None:
        """Remove a party, or one of its keys.

        Raises:
            CallerMisuse: as ``TrustRecord.with_suspended``.
        """
        self._change(lambda record: record.with_suspended(kind, party, public_key, signing, now))

    def note_cleared_audits(self, gateway: PartyId, signing: SigningKey, now: int) -> None:
        """Record that the operator lets a gateway's unanswered demands pass."""
        self._change(lambda record: record.with_audits_cleared(gateway, signing, now))

    def note_counters(
        self, verb: Verb, counters: Digest | None, signing: SigningKey, now: int
    ) -> None:
        """Note what was done to the counters of attempts. Raises as ``enrol``."""
        self._change(lambda record: record.with_noted(verb, counters, signing, now))

    def change_key(self, old: SigningKey, new: SigningKey, now: int) -> None:
        """Hand the history over to the authority's next signing key."""
        self._change(lambda record: record.with_key_changed(old, new, now))

    def _change(self, alter: Callable[[TrustRecord], TrustRecord]) -> None:
        before = self._read()
        after = alter(before)
        if after is not before:
            trust_file.write(self._file.path, after)
            self._file.put(after)

    def _read(self) -> TrustRecord:
        return self._file.value()
