"""What operators do to a server, signed and chained: enrolments, suspensions, changes of its key,
consent texts that are added and retired.

1. Each action is one signed object of this server and names the digest of the one before.
2. Where the key that it names is known, that key's signature holds.
3. The last one is signed by a key in force: the server's present key, its staged one, or one to
   which a key in force handed over (it enrolled it as the server's own; a suspended one is out).

By the first rule the last signature vouches for everything before it. So whoever can write the
record but not sign can neither alter, drop, insert nor reorder an action. A stolen key of the past
signs nothing that counts, and a key too old to be remembered does no harm. No chain shows that its
end was cut off. A reader who saw more (``after``) notices that, and so does an operator who noted
the head.
"""

import base64
import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Self

from pydantic import AfterValidator, ValidationError, model_validator

from gateway.wire.cose import SigningKey, VerifyKey, named_key, peek, sign, verify
from gateway.wire.errors import CallerMisuse, MalformedMessage, Refused
from gateway.wire.ids import Digest, DigestField, KeyId, KeyIdField, PartyId, UnixTime, digest_of
from gateway.wire.message import Message

Verb = Literal[
    "enrol",
    "suspend",
    "clear-audits",
    "add",
    "retire",
    "adopt",
    "reap",
    "scrub",
    "hold",
    "release",
    "erase",
    "disclose",
    "restore",
    "resume",
    "begin",
    "close",
]
"""``clear-audits``: at the authority, a gateway's unanswered demands were forgotten. The others are
the gateway's: ``add`` and ``retire`` a consent text; ``adopt`` a retention schedule, or a match
policy that two operators signed; ``reap`` what expired, ``scrub`` the bytes of what was deleted;
``hold`` and ``release`` a record; ``erase`` one by order of two operators; ``disclose`` a copy of
what is kept about a subject; ``restore`` the database from a backup, ``resume`` its log where it
was, ``begin`` another log in its place. At the authority: ``restore`` the counters of attempts,
``close`` them because they were lost."""
PartyKind = Literal[
    "gateway",
    "device",
    "issuer",
    "agent",
    "outlet",
    "authority",
    "witness",
    "auditor",
    "supervisor",
    "operator",
]
"""Every kind of party. A register says which of them it holds: its ``KINDS``. A supervisor signs
registrations without a face; two operators sign what one of them must not do alone."""
ObjectKind = Literal[
    "consent-text",
    "retention",
    "match-policy",
    "legal-hold",
    "order",
    "record-copy",
    "log",
    "caps",
]
ActionKind = Literal[PartyKind, ObjectKind]
"""What an action can be about."""

_DONE_TO: Final[dict[str, frozenset[str]]] = {
    "consent-text": frozenset({"add", "retire"}),
    "retention": frozenset({"adopt", "reap", "scrub"}),
    "match-policy": frozenset({"adopt"}),
    "legal-hold": frozenset({"hold", "release"}),
    "order": frozenset({"erase"}),
    "record-copy": frozenset({"disclose"}),
    "log": frozenset({"restore", "resume", "begin"}),
    "caps": frozenset({"restore", "close"}),
}
"""What is done to each kind of object. Everything else is done to parties."""
_TO_PARTIES: Final = frozenset({"enrol", "suspend", "clear-audits"})


def held_by(kinds: Sequence[PartyKind]) -> AfterValidator:
    """For a register's field: one of the kinds that it holds."""

    def check(kind: PartyKind) -> PartyKind:
        if kind not in kinds:
            raise ValueError("no kind of party of this register")
        return kind

    return AfterValidator(check)


_FORMS: Final = {
    "kind": "this register holds no parties of this kind",
    "party": "a name has 1 to 63 lower-case letters, digits, dots and hyphens, the first a letter "
    "or digit",
    "public_key": "a public key is 64 lower-case hexadecimal digits",
}


def no_entry(error: ValidationError) -> CallerMisuse:
    """What an operator is told of a party that cannot be enrolled."""
    wrong = {str(one["loc"][0]) for one in error.errors()}
    return CallerMisuse("; ".join(form for name, form in _FORMS.items() if name in wrong))


NO_PREVIOUS: Final = Digest(bytes(32))
_VERSION: Final = re.compile("[1-9][0-9]{0,9}")


class AdminAction(Message):
    """Signed by the server on whose register the operator acted."""

    server: PartyId
    verb: Verb
    kind: ActionKind
    party: PartyId
    """A party's name. Of a consent text: its version in decimal. Of any other object: its number,
    or its id in hexadecimal."""
    key_id: KeyIdField | None
    """SHA-256 of the public key. None: the party has none, or all of its keys are suspended. Of a
    consent text: SHA-256 of the file that counters show from. None: a text of no such file. Of any
    other object: SHA-256 of what was signed or adopted."""
    at: UnixTime
    previous: DigestField
    """Digest of the signed action before this one; 32 zero bytes for the first."""

    @model_validator(mode="after")
    def _of_this_kind(self) -> Self:
        """To each kind of object its own verbs, and a digest of what they are about."""
        if self.verb not in _DONE_TO.get(self.kind, _TO_PARTIES):
            raise ValueError("nothing that is done to this kind")
        if self.verb not in ("retire", "close", *_TO_PARTIES) and self.key_id is None:
            raise ValueError("it is said by a digest what was done")
        if self.kind == "consent-text" and not _VERSION.fullmatch(self.party):
            raise ValueError("a consent text has a version")
        return self

    def line(self) -> str:
        """For an operator: time, what was done to whom, and the key's id or the text's digest."""
        at = datetime.datetime.fromtimestamp(self.at, datetime.UTC)
        key = "" if self.key_id is None else self.key_id.hex()
        return f"{at:%Y-%m-%d %H:%M:%S}\t{self.verb}\t{self.kind}\t{self.party}\t{key}"


@dataclass(frozen=True)
class ChainKeys:
    """A server's own keys, as its history is checked with them."""

    in_force: tuple[VerifyKey, ...]
    """The present one, and a staged one if there is one."""
    old: tuple[VerifyKey, ...] = ()

    @property
    def party(self) -> PartyId:
        return self.in_force[0].party

    def beginning(self) -> "Chain":
        """A history without actions."""
        return Chain(in_force=frozenset(key.key_id for key in self.in_force))


@dataclass(frozen=True)
class Chain:
    """A checked history, oldest first."""

    encoded: tuple[bytes, ...] = ()
    actions: tuple[AdminAction, ...] = ()
    in_force: frozenset[KeyId] = frozenset()
    """Ids of the keys whose signature on the last action counts."""

    @property
    def digests(self) -> tuple[Digest, ...]:
        """Of the signed actions: their entries in a gateway's log."""
        return tuple(map(digest_of, self.encoded))

    @property
    def head(self) -> Digest:
        """Digest of the last signed action, which stands for all of them."""
        return digest_of(self.encoded[-1]) if self.encoded else NO_PREVIOUS


class Concerned(NamedTuple):
    """The party, or the consent text, that an action is about."""

    kind: ActionKind
    party: PartyId
    key_id: KeyId | None = None
    """None: it has no key, or the action is about all of its keys."""

    @classmethod
    def with_key(cls, kind: PartyKind, key: VerifyKey) -> Self:
        return cls(kind, key.party, key.key_id)

    @classmethod
    def object(cls, kind: ObjectKind, name: str, digest: Digest) -> Self:
        """Anything that is no party: by its number or id, and what was signed or adopted."""
        return cls(kind, name, KeyId(digest))

    @classmethod
    def text(cls, version: int, digest: Digest | None) -> Self:
        """A consent text. ``digest``: of its file; None: it has none that counters show."""
        return cls("consent-text", str(version), None if digest is None else KeyId(digest))


def to_lines(signed: Iterable[bytes]) -> str:
    """Signed actions, oldest first, for an inspector: one to a line, in base64."""
    return "".join(f"{base64.b64encode(one).decode()}\n" for one in signed)


def from_lines(content: bytes) -> list[bytes]:
    """What ``to_lines`` wrote; nothing is checked yet.

    Raises:
        MalformedMessage: a line is not base64.
    """
    try:
        return [base64.b64decode(line, validate=True) for line in content.splitlines()]
    except ValueError:
        raise MalformedMessage("these are no signed actions, one to a line in base64") from None


def next_action(
    previous: bytes | None, verb: Verb, concerned: Concerned, key: SigningKey, now: int
) -> bytes:
    """Sign an action that follows ``previous``, the last signed one."""
    action = AdminAction(
        server=key.party,
        verb=verb,
        kind=concerned.kind,
        party=concerned.party,
        key_id=concerned.key_id,
        at=now,
        previous=NO_PREVIOUS if previous is None else digest_of(previous),
    )
    return sign(action, key).encoded


def verify_chain(
    encoded: Sequence[bytes],
    keys: ChainKeys,
    successors: Iterable[VerifyKey] = (),
    after: Chain | None = None,
) -> Chain:
    """Check a server's history by the rules above.

    Args:
        encoded: all signed actions, oldest first.
        successors: keys that the history may hand over to; their ids alone stand in it.
        after: what was checked before; the history must go on from there.

    Raises:
        MalformedMessage: an entry is not a signed action.
        Refused: a rule is broken, or ``after`` is not the beginning.
    """
    known = {key.key_id: key for key in (*successors, *keys.old, *keys.in_force)}
    before = keys.beginning() if after is None else after
    start = len(before.encoded)
    if tuple(encoded[:start]) != before.encoded:
        raise Refused("the history was cut or rewritten since it was last read")
    in_force, head, checked = set(before.in_force), before.head, list(before.actions)
    for entry in encoded[start:]:
        signer = named_key(entry, AdminAction)
        if signer in in_force and signer not in known:
            raise Refused("a key that the history hands over to is not given")
        action = _checked(entry, keys.party, known.get(signer))
        if action.previous != head:
            raise Refused(f"action {len(checked) + 1} does not follow the one before it")
        _hand_over(action, signer, in_force)
        head = digest_of(entry)
        checked.append(action)
    if encoded and named_key(encoded[-1], AdminAction) not in in_force:
        raise Refused("the last action is not signed by a key in force")
    return Chain(tuple(encoded), tuple(checked), frozenset(in_force))


def _checked(entry: bytes, server: PartyId, signer: VerifyKey | None) -> AdminAction:
    """An action of this server; the signature holds if its key is still known."""
    if signer is None:
        action = peek(entry, AdminAction)
    else:
        action = verify(entry, AdminAction, signer).message
    if action.server != server:
        raise Refused(f"an action of {action.server}, not of {server}")
    return action


def _hand_over(action: AdminAction, signer: KeyId, in_force: set[KeyId]) -> None:
    """A key in force may name its successor, and end the service of another."""
    own = action.kind == "authority" and action.party == action.server
    if not own or action.key_id is None or signer not in in_force:
        return
    if action.verb == "enrol":
        in_force.add(action.key_id)
    else:
        in_force.discard(action.key_id)
