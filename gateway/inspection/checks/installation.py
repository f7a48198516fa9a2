"""What surrounds the deployment: its software, its consent texts, backups, and who has access."""

import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from gateway.inspection.catalogs import ask
from gateway.inspection.checks.log import gateway_keys
from gateway.inspection.database_files import database_files, is_backup
from gateway.inspection.evidence import Evidence, NoAccess
from gateway.inspection.exhibits import CONSENT_TEXTS, actions, decoded
from gateway.inspection.lines import Basis, Check, Line, Progress, judged, shown_name
from gateway.inspection.software import differences, installed_files, parse_list
from gateway.inspection.word import days_in_schedule, word
from gateway.proofs.consent import ConsentText, ConsentTexts
from gateway.wire.admin import AdminAction, verify_chain
from gateway.wire.errors import Refused

_DAY: Final = 86_400
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


# Consent texts


def _consent_texts(evidence: Evidence, _: Progress) -> Line:
    """The texts that are stored are those whose addition was signed."""
    stored = decoded(evidence.read(CONSENT_TEXTS))
    wrong: list[str] = []
    try:
        history = verify_chain(actions(evidence), gateway_keys(evidence)).actions
        for version, held in sorted(stored.items()):
            wrong += _text_faults(version, held, history)
        added = {one.party for one in history if (one.kind, one.verb) == ("consent-text", "add")}
        wrong += [
            f"version {one} was added, and is not there" for one in sorted(added - set(stored))
        ]
    except Refused as error:
        wrong.append(f"nothing follows from operators' history: {error.detail}")
    active = [version for version, held in stored.items() if held["state"] == "active"]
    return judged(
        CONSENT,
        "versions of the consent texts",
        len(stored),
        wrong,
        limit="operators' signed actions",
        repeat="sealmatch-gateway consent list; sealmatch log check --actions FILE",
        notes=(f"active: {', '.join(sorted(active)) or 'none'}",),
    )


def _text_faults(
    version: str, held: dict[str, Any], history: tuple[AdminAction, ...]
) -> Iterator[str]:
    about = [one for one in history if one.kind == "consent-text" and one.party == version]
    signed = [one.key_id for one in about if one.verb == "add"]
    digest = _digest(version, held)
    none = digest is None and version == _FIRST
    if signed != ([] if none else [digest]):
        what = "is not the one that was added" if signed else "was added by nobody who signed"
        yield f"the text of version {shown_name(version)} {what}"
    if held["state"] == "active" and any(one.verb == "retire" for one in about):
        yield f"version {shown_name(version)} was retired, and is active"
    if held["state"] not in ("active", "retired"):
        yield f"version {shown_name(version)} is in no known state"


_FIRST: Final = "1"
"""The version that a database begins with, which nobody adds."""


def _digest(version: str, held: dict[str, Any]) -> bytes | None:
    """Of the file that counters show from; None: this version has none, as the first."""
    try:
        texts = {
            language: ConsentText(text=one["text"], without_face=one["withoutFace"])
            for language, one in held["texts"].items()
            if one["withoutFace"] is not None
        }
        if held["retentionDays"] is None or len(texts) != len(held["texts"]):
            return None
        return ConsentTexts(
            version=int(version), retention_days=held["retentionDays"], texts=texts
        ).digest
    except (KeyError, TypeError, ValueError):  # what no operator's command would have taken
        return b""


# Software


def _software(evidence: Evidence, progress: Progress) -> Line:
    """The installed files against a published list."""
    if evidence.published_given is None:
        raise NoAccess("not given: the published list of the software (--published)")
    published = parse_list(evidence.published_given)
    directory = evidence.installed
    found = installed_files(directory)
    progress.at(len(found), what="files of the software")
    whose = "that was named" if directory is not None else "that this inspection runs from"
    return judged(
        SOFTWARE,
        "files of the software",
        len(found),
        differences(found, published),
        limit="the published list",
        repeat="sealmatch inspect digest [--installed DIR]; compare with the published list",
        notes=(
            f"the installation {whose} was looked at",
            "which files a running process has loaded, only its host's operator can say",
        ),
    )


# Backups


def _backups_seen(evidence: Evidence, progress: Progress) -> Line:
    """Copies of databases among the named places, and their age."""
    if not evidence.paths:
        raise NoAccess("not given: where backups are (--paths)")
    days = days_in_schedule(evidence, "backups")
    ages = [
        (path, max(0, evidence.now - int(path.stat().st_mtime)) // _DAY)
        for path in _copies(evidence, progress)
    ]
    wrong = [
        f"{shown_name(path.name)} is {age} days old, and backups are kept for {days}"
        for path, age in ages
        if days is not None and age > days
    ]
    wrong += [
        f"{shown_name(path.name)} is open to other accounts"
        for path, _ in ages
        if path.stat().st_mode & _OTHERS
    ]
    return judged(
        BACKUPS_SEEN,
        "copies of databases in the named places",
        len(ages),
        wrong,
        limit="" if days is None else f"{days} days",
        repeat="find DIR -type f -mtime +DAYS",
        notes=() if days is not None else ("the schedule says nothing of backups",),
    )


def _copies(evidence: Evidence, progress: Progress) -> Iterator[Path]:
    own = [evidence.gateway_directory, evidence.authority_given]
    ours = [one.resolve() for one in own if one is not None]
    for number, (path, kind) in enumerate(database_files(evidence.paths)):
        progress.at(number, what="databases among files")
        if any(one in path.resolve().parents for one in ours):
            continue
        if is_backup(path, kind):
            yield path


def _backups_stated(evidence: Evidence, _: Progress) -> Line:
    stated = word(evidence).backups
    if stated is None:
        raise NoAccess("the operator's statement (--word) says nothing of backups")
    days = days_in_schedule(evidence, "backups")
    wrong = []
    if days is not None and stated.removed_after_days > days:
        wrong.append(
            f"backups are removed after {stated.removed_after_days} days, and the schedule says "
            f"{days}"
        )
    if stated.oldest_age_days > stated.removed_after_days:
        wrong.append("the oldest backup is older than the time after which backups are removed")
    return judged(
        BACKUPS_STATED,
        "backups, as the operator counts them",
        stated.copies,
        wrong,
        limit="" if days is None else f"{days} days",
        repeat="ask where backups are, and look there with --paths",
        notes=(f"the oldest is {stated.oldest_age_days} days old",),
    )


# Access


def _files_private(evidence: Evidence, _: Progress) -> Line:
    """Files of the data directories belong to one account each, and are open to no other."""
    directories = [one for one in (evidence.gateway_directory, evidence.authority_given) if one]
    if not directories:
        raise NoAccess(
            "not given: a data directory (--gateway-database of SQLite, --authority-data)"
        )
    found = [path for one in directories for path in (one, *sorted(one.rglob("*")))]
    wrong = [
        f"{shown_name(path.name)} is open to other accounts"
        for path in found
        if not path.is_symlink() and path.stat().st_mode & _OTHERS
    ]
    owners = {path.lstat().st_uid for path in found}
    notes = [f"{len(owners)} accounts own them"]
    if len(directories) == 2 and len({one.stat().st_uid for one in directories}) == 1:
        notes.append(
            "gateway and authority lie on one host under one account: that two operators keep "
            "them apart is not seen here"
        )
    return judged(
        FILES_PRIVATE,
        "files and directories of gateway and authority",
        len(found),
        wrong,
        limit="mode 0600 and 0700",
        repeat="find DIR -perm /077",
        notes=notes,
    )


_READERS: Final = """
SELECT rolname, rolsuper FROM pg_roles r WHERE rolcanlogin AND has_table_privilege(
r.oid, 'records', 'SELECT') AND rolname <> current_user
"""
_PUBLIC: Final = """
SELECT DISTINCT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
LATERAL aclexplode(c.relacl) a WHERE a.grantee = 0 AND c.relkind = 'r' AND n.nspname = 'public'
"""


def _database_access(evidence: Evidence, _: Progress) -> Line:
    """PostgreSQL: which accounts may read records; names of accounts may be those of people."""
    if evidence.database.dialect != "postgresql":
        why = "SQLite has no accounts: see the files"
        return judged(DATABASE_ACCESS, "accounts", 0, (), limit="", repeat="", notes=(why,))
    readers, public = ask(evidence.database, _READERS), ask(evidence.database, _PUBLIC)
    counted = Counter("superusers" if one.rolsuper else "others" for one in readers)
    return judged(
        DATABASE_ACCESS,
        "accounts of the database that may read records",
        1 + len(readers),
        (f"every account may read the table {shown_name(one[0])}" for one in public),
        limit="no table is open to every account",
        repeat="psql: \\du and \\dp",
        notes=tuple(f"besides this one: {count} {kind}" for kind, count in counted.items()),
    )


def _staff(evidence: Evidence, _: Progress) -> Line:
    stated = word(evidence).staff
    if stated is None:
        raise NoAccess("the operator's statement (--word) says nothing of staff")
    return judged(
        STAFF,
        "accounts of staff, as the operator counts them",
        stated.accounts,
        (),
        limit="",
        repeat="ask for the list of accounts with access, and for the last review of it",
        notes=(f"last reviewed {stated.reviewed_days_ago} days ago",),
    )


CONSENT: Final = Check(
    "consent.texts",
    "The texts that people are shown are those whose addition was signed",
    _consent_texts,
    Basis.PROVEN,
)
SOFTWARE: Final = Check(
    "software.digest", "The installed software is the published one", _software, Basis.SEEN
)
BACKUPS_SEEN: Final = Check(
    "backups.kept",
    "Backups that were seen are no older than the schedule says",
    _backups_seen,
    Basis.SEEN,
)
BACKUPS_STATED: Final = Check(
    "backups.kept", "Backups are removed when the schedule says", _backups_stated, Basis.WORD
)
FILES_PRIVATE: Final = Check(
    "access.staff",
    "Files of the servers are open to their own account alone",
    _files_private,
    Basis.SEEN,
)
DATABASE_ACCESS: Final = Check(
    "access.staff",
    "No table of the database is open to every account",
    _database_access,
    Basis.SEEN,
)
STAFF: Final = Check(
    "access.staff", "Who of the staff has access is known and reviewed", _staff, Basis.WORD
)

CHECKS: Final = (
    *(CONSENT, SOFTWARE, BACKUPS_SEEN, BACKUPS_STATED),
    *(FILES_PRIVATE, DATABASE_ACCESS, STAFF),
)
