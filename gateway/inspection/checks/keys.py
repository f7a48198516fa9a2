"""Keys: which ones sign, whether they are the pinned ones, and how the private ones are kept."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.host.keystore import DEFAULT_COST, KEYSTORE_FILE, KeystoreHeader
from gateway.inspection.checks.log import gateway_keys, policy_of
from gateway.inspection.checks.parties import authority_chain, authority_list
from gateway.inspection.evidence import Evidence, NoAccess
from gateway.inspection.exhibits import CHECKPOINT, actions, trust
from gateway.inspection.lines import Basis, Check, Line, Progress, judged
from gateway.inspection.word import days_in_schedule, word
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.cosignature import check_signed
from gateway.wire import cbor
from gateway.wire.admin import AdminAction, verify_chain
from gateway.wire.cose import named_key
from gateway.wire.errors import MalformedMessage, Refused, SealmatchError

TOKEN_INDEX: Final = "token.index"  # noqa: S105  a file's name
_MAX_KEYSTORE: Final = 64 * 1024
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def _gateway(evidence: Evidence, _: Progress) -> Line:
    """The gateway's pinned keys are those that sign: operators' history, and the log."""
    keys, wrong, notes = gateway_keys(evidence), [], []
    signed = actions(evidence)
    pinned = {key.key_id for key in keys.in_force}
    try:
        verify_chain(signed, keys)
        others = {named_key(one, AdminAction) for one in signed} - pinned
        notes += [f"{len(others)} earlier keys signed before the present one"] if others else []
    except (Refused, MalformedMessage) as error:
        wrong.append(getattr(error, "detail", str(error)))
    wrong += _log_keys(evidence)
    notes += [f"gateway key {key.key_id.hex()}" for key in keys.in_force]
    log_keys = [log.key for log in policy_of(evidence).logs]
    notes += [f"log key {key}" for key in log_keys]
    if len(keys.in_force) > 1:
        notes.append("the signing key is being rotated: two are pinned")
    return judged(
        GATEWAY_SIGNS,
        "pinned keys of the gateway and its log",
        len(keys.in_force) + len(log_keys),
        wrong,
        limit="the trust file",
        repeat="sealmatch-gateway keys show; compare publicKey and logPolicy with the trust file",
        notes=notes,
    )


def _log_keys(evidence: Evidence) -> Iterator[str]:
    """Every pinned key of the log signs its checkpoint."""
    policy, signed = policy_of(evidence), SignedCheckpoint.parse(evidence.read(CHECKPOINT))
    for key in policy.keys_of(signed.checkpoint.origin):
        try:
            if not check_signed(signed, key):
                yield f"the log's pinned key {key.name}, {key.kind.name}, did not sign"
        except SealmatchError:
            yield f"a signature in the name of the log's key {key.name} does not verify"


def _authority(evidence: Evidence, _: Progress) -> Line:
    """The authority's pinned key signs its history."""
    listed, history = authority_list(evidence)
    wrong, notes = [], []
    try:
        chain = authority_chain(evidence, listed, history)
        changes = sum(one.kind == "authority" and one.verb == "enrol" for one in chain.actions)
        notes.append(f"the signing key was replaced {changes} times")
    except Refused as error:
        wrong.append(error.detail)
    pinned = trust(evidence).authorities
    notes += [f"authority {one.party}, key {one.verify_key.key_id.hex()}" for one in pinned]
    return judged(
        AUTHORITY_SIGNS,
        "pinned keys of the authority",
        len(pinned) if history else 0,
        wrong,
        limit="the trust file",
        repeat="sealmatch-authority keys show; compare publicKey with the trust file",
        notes=notes,
    )


# How private keys are kept


def _gateway_kept(evidence: Evidence, _: Progress) -> Line:
    places = [evidence.gateway_directory, *evidence.paths]
    directories = [one for one in places if one is not None and (one / KEYSTORE_FILE).is_file()]
    if not directories:
        raise NoAccess("not given: the gateway's data directory (--paths)")
    return _kept(GATEWAY_KEPT, directories)


def _authority_kept(evidence: Evidence, _: Progress) -> Line:
    return _kept(AUTHORITY_KEPT, [evidence.authority])


def _kept(check: Check, directories: list[Path]) -> Line:
    files = [
        one / name
        for one in directories
        for name in (KEYSTORE_FILE, TOKEN_INDEX)
        if (one / name).is_file()
    ]
    notes = ["the keys lie in a token" for one in files if one.name == TOKEN_INDEX]
    wrong = [fault for one in files for fault in _file_faults(one)]
    if not files:
        wrong.append("there is neither a sealed keystore nor the index of a token")
    return judged(
        check,
        "keystores",
        max(1, len(files)),
        wrong,
        limit="sealed with a passphrase, and its owner's alone",
        repeat="ls -l keystore.sealed; the file begins with its costs in the clear (CBOR)",
        notes=[*notes, *(note for one in files for note in _cost(one))],
    )


def _file_faults(path: Path) -> Iterator[str]:
    if path.stat().st_mode & _OTHERS:
        yield f"{path.name} is open to other accounts"
    if path.name == KEYSTORE_FILE and _header(path) is None:
        yield f"{path.name} is not a sealed keystore"


def _cost(path: Path) -> Iterator[str]:
    header = _header(path) if path.name == KEYSTORE_FILE else None
    if header is not None:
        usual = (header.memory_kib, header.iterations) == (
            DEFAULT_COST.memory_kib,
            DEFAULT_COST.iterations,
        )
        guess = f"{header.memory_kib // 1024} MiB, {header.iterations} times"
        yield f"one guess at the passphrase costs {guess}" + ("" if usual else ": not the default")


def _header(path: Path) -> KeystoreHeader | None:
    """What stands in the clear before the sealed content."""
    try:
        with path.open("rb") as file:
            parts = cbor.decode(file.read(_MAX_KEYSTORE))
        return KeystoreHeader.decode(parts[0])
    except (SealmatchError, OSError, TypeError, IndexError, KeyError):
        return None


def _peppers(evidence: Evidence, _: Progress) -> Line:
    """Epochs of the peppers. They are sealed: only the operator's own command shows their ages."""
    stated = word(evidence).peppers
    if stated is None:
        raise NoAccess("the operator's statement (--word) says nothing of the peppers")
    days = days_in_schedule(evidence, "records")
    wrong = []
    if days is not None and stated.previous_age_days is not None and stated.current_age_days > days:
        wrong.append(
            f"the previous pepper is kept {stated.current_age_days} days after its rotation, "
            f"longer than records ({days} days)"
        )
    notes = [f"the present pepper is {stated.current_age_days} days old"]
    notes.append(
        "there is no previous one"
        if stated.previous_age_days is None
        else f"the previous one is {stated.previous_age_days} days old"
    )
    return judged(
        PEPPERS,
        "peppers",
        1 if stated.previous_age_days is None else 2,
        wrong,
        limit="" if days is None else f"{days} days of overlap",
        repeat="ask the authority's operator for sealmatch-authority keys show",
        notes=notes,
    )


GATEWAY_SIGNS: Final = Check(
    "keys.gateway",
    "The gateway's pinned keys sign its operators' history and its log",
    _gateway,
    Basis.PROVEN,
)
GATEWAY_KEPT: Final = Check(
    "keys.gateway", "The gateway's private keys lie sealed", _gateway_kept, Basis.SEEN
)
AUTHORITY_SIGNS: Final = Check(
    "keys.authority",
    "The authority's pinned key signs its history",
    _authority,
    Basis.PROVEN,
)
AUTHORITY_KEPT: Final = Check(
    "keys.authority", "The authority's private keys lie sealed", _authority_kept, Basis.SEEN
)
PEPPERS: Final = Check(
    "keys.peppers",
    "Peppers change, and a previous one is dropped after one retention period",
    _peppers,
    Basis.WORD,
)

CHECKS: Final = (GATEWAY_SIGNS, GATEWAY_KEPT, AUTHORITY_SIGNS, AUTHORITY_KEPT, PEPPERS)
