"""Who is enrolled, and who signed that: the gateway's register and the authority's trust list."""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from gateway.inspection.checks.log import gateway_keys
from gateway.inspection.evidence import Evidence
from gateway.inspection.exhibits import AUTHORITY_TRUST, PARTIES, actions, decoded, trust
from gateway.inspection.lines import Basis, Check, Line, Progress, judged, shown_name
from gateway.wire.admin import AdminAction, Chain, ChainKeys, verify_chain
from gateway.wire.cose import VerifyKey
from gateway.wire.errors import MalformedMessage, Refused, SealmatchError

_NO_PARTIES: Final = frozenset(
    {"consent-text", "retention", "match-policy", "legal-hold", "order", "record-copy", "log"}
    | {"caps"}
)
"""What an action can be about that is no party."""


class Row(NamedTuple):
    """A row of the register, as its exhibit has it."""

    kind: str
    party: str
    public_key: str | None
    key_id: str | None
    state: str

    @property
    def shown(self) -> str:
        return f"{shown_name(self.kind)} {shown_name(self.party)}"


def rows(evidence: Evidence) -> list[Row]:
    """The gateway's register. Raises ``NoAccess``, ``MalformedMessage``."""
    try:
        return [Row(*one) for one in decoded(evidence.read(PARTIES))]
    except TypeError:
        raise MalformedMessage("the register of the bundle is malformed") from None


# The gateway's register


def _enrolled(evidence: Evidence, _: Progress) -> Line:
    register = rows(evidence)
    try:
        history = verify_chain(actions(evidence), gateway_keys(evidence)).actions
    except Refused as error:
        return judged(
            ENROLLED,
            "parties of the register",
            len(register),
            (f"nothing follows from operators' history: {error.detail}",),
            limit="the gateway's pinned key",
            repeat="sealmatch-gateway history --signed > FILE; sealmatch log check --actions FILE",
        )
    wrong = list(_unsigned(register, left_enrolled(history)))
    active = Counter(one.kind for one in register if one.state == "active")
    return judged(
        ENROLLED,
        "parties of the register",
        len(register),
        wrong,
        limit="operators' signed actions",
        repeat="sealmatch-gateway list; sealmatch-gateway history",
        notes=(", ".join(f"{count:,} active {kind}s" for kind, count in sorted(active.items())),)
        if active
        else (),
    )


def left_enrolled(history: Iterable[AdminAction]) -> dict[tuple[str, str], tuple[str | None, bool]]:
    """Kind and name of every party that was ever enrolled -> id of its key, and whether it is
    active."""
    held: dict[tuple[str, str], tuple[str | None, bool]] = {}
    for action in history:
        name = (action.kind, action.party)
        if action.kind in _NO_PARTIES or action.verb not in ("enrol", "suspend"):
            continue
        if action.verb == "enrol":
            key = None if action.key_id is None else action.key_id.hex()
            held[name] = (key, True)
        elif name in held:
            held[name] = (held[name][0], False)
    return held


def _unsigned(
    register: Sequence[Row], signed: dict[tuple[str, str], tuple[str | None, bool]]
) -> Iterator[str]:
    there = {(one.kind, one.party): one for one in register}
    for name, one in there.items():
        if name not in signed:
            yield f"{one.shown}: an enrolment that nobody signed"
            continue
        key_id, active = signed[name]
        if one.state == "active" and not active:
            yield f"{one.shown} is active, and its suspension was signed"
        elif one.state != "active" and active:
            yield f"{one.shown} is {shown_name(one.state)}, and nobody signed that"
        if one.key_id != key_id or not _is_of(one):
            yield f"{one.shown} has another key than the one whose enrolment was signed"
    for kind, party in sorted(signed.keys() - there.keys()):
        yield f"{kind} {party}: its enrolment was signed, and the register has no such party"


def _is_of(row: Row) -> bool:
    """Whether the id beside a key is that of the key."""
    if row.public_key is None:
        return row.key_id is None
    return hashlib.sha256(bytes.fromhex(row.public_key)).hexdigest() == row.key_id


# The authority's trust list


def _trust_lists(evidence: Evidence, _: Progress) -> Line:
    listed, history = authority_list(evidence)
    wrong = []
    try:
        chain = authority_chain(evidence, listed, history)
        if _keys(listed) != _left(chain.actions):
            wrong.append("its parties are not those that its signed history leaves enrolled")
        wrong += _gateways(evidence, listed)
    except Refused as error:
        wrong.append(error.detail)
    kinds = Counter(kind for kind, _, _ in listed)
    return judged(
        TRUST_LISTS,
        "keys of the authority's trust list",
        len(listed),
        wrong,
        limit="the authority's signed history, and the pinned gateway",
        repeat="sealmatch-authority list; sealmatch-authority history",
        notes=(
            *(
                [", ".join(f"{n:,} {kind} keys" for kind, n in sorted(kinds.items()))]
                if kinds
                else []
            ),
            *_only_there(evidence, listed),
        ),
    )


Listed = list[tuple[str, str, str]]
"""Kind, name, public key in hexadecimal."""


def authority_list(evidence: Evidence) -> tuple[Listed, list[bytes]]:
    """The list, and the signed actions that it should follow from. Raises ``MalformedMessage``."""
    file = decoded(evidence.read(AUTHORITY_TRUST))
    try:
        listed = [(one["kind"], one["party"], one["public_key"]) for one in file["parties"]]
        for _, _, key in listed:
            bytes.fromhex(key)
        return listed, [base64.b64decode(one, validate=True) for one in file["history"]]
    except (KeyError, TypeError, ValueError):
        raise MalformedMessage("the authority's trust list has another form") from None


def authority_chain(evidence: Evidence, listed: Listed, history: list[bytes]) -> Chain:
    """The authority's history, checked with its pinned keys. Raises ``Refused``."""
    pinned = trust(evidence).authorities
    party = pinned[0].party
    keys = ChainKeys(tuple(one.verify_key for one in pinned if one.party == party))
    successors = [
        VerifyKey(name, bytes.fromhex(key)) for kind, name, key in listed if kind == "authority"
    ]
    return verify_chain(history, keys, successors)


def _keys(listed: Listed) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for kind, party, key in listed:
        key_id = hashlib.sha256(bytes.fromhex(key)).hexdigest()
        found.setdefault((kind, party), []).append(key_id)
    return found


def _left(history: Iterable[AdminAction]) -> dict[tuple[str, str], list[str]]:
    """Key ids by kind and name, in the order of their enrolment; a party may have two."""
    held: dict[tuple[str, str], list[str]] = {}
    for action in history:
        keys = held.setdefault((action.kind, action.party), [])
        key = None if action.key_id is None else action.key_id.hex()
        if action.verb == "suspend":
            keys[:] = [] if key is None else [one for one in keys if one != key]
        elif action.verb == "enrol" and key is not None and key not in keys:
            keys.append(key)
    return {name: keys for name, keys in held.items() if keys}


def _gateways(evidence: Evidence, listed: Listed) -> Iterator[str]:
    """The gateway that is pinned is the one that the authority answers."""
    known = {(party, key) for kind, party, key in listed if kind == "gateway"}
    pinned = trust(evidence).gateways
    for one in pinned:
        if (one.party, one.public_key) not in known:
            yield f"the pinned key of gateway {one.party} is not enrolled at the authority"


def _only_there(evidence: Evidence, listed: Listed) -> Iterator[str]:
    """Devices and issuers that one side knows and the other does not: no violation, since an
    authority serves several gateways."""
    try:
        register = rows(evidence)
    except SealmatchError:  # the register is another line's business
        return
    for kind in ("device", "issuer"):
        there = {key for k, _, key in listed if k == kind}
        here = {one.public_key for one in register if one.kind == kind and one.state == "active"}
        if missing := len(here - there):
            yield f"{missing:,} active {kind}s of the gateway are not enrolled at the authority"
        if more := len(there - here):
            yield f"{more:,} {kind} keys of the authority are not active at this gateway"


ENROLLED: Final = Check(
    "parties.enrolled",
    "Every party of the register was enrolled by a signed action, and every one that was is there",
    _enrolled,
    Basis.PROVEN,
)
TRUST_LISTS: Final = Check(
    "parties.trust-lists",
    "The authority's trust list follows from its signed history, and has the pinned gateway",
    _trust_lists,
    Basis.PROVEN,
)

CHECKS: Final = (ENROLLED, TRUST_LISTS)
