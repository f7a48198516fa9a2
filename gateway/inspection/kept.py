"""One pass over the records that are kept: whether each row is what its signed statement says.

A row has columns of its own for what is asked often, and its expiry. Who can write the database can
change those, but not the statement. So each column is compared with the statement, the statement's
signature is checked with the pinned key, and its digest with the log's entry at the row's index.
Nothing of a record leaves the pass but counts.
"""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final

import sqlalchemy as sa

from gateway.inspection.evidence import Evidence, NoAccess
from gateway.inspection.exhibits import (
    CONSENT_TEXTS,
    PENDING,
    decoded,
    entries,
    policies,
    schedules,
    table_rows,
    trust,
)
from gateway.inspection.lines import Progress
from gateway.inspection.statements import stated
from gateway.proofs.approval import OPEN_SECONDS, approval_digest, policy_digest
from gateway.retention.schedule import BadSchedule, RetentionSchedule
from gateway.store import schema
from gateway.store.reading import BATCH
from gateway.translog.tree import HASH_BYTES
from gateway.wire import cose
from gateway.wire.cose import VerifyKey
from gateway.wire.erasure import tombstone
from gateway.wire.errors import SealmatchError
from gateway.wire.fallback import FallbackStatement
from gateway.wire.ids import MINUTE, digest_of
from gateway.wire.proof import Statement

DAY: Final = 24 * 3600

_STATED: Final[dict[str, type[Statement] | type[FallbackStatement]]] = {
    "decision": Statement,
    "fallback": FallbackStatement,
}


@dataclass
class Kept:
    """What the pass gave."""

    records: Counter[str] = field(default_factory=Counter)
    """By kind."""
    faults: Counter[str] = field(default_factory=Counter)
    """Sentences about rows that are not what their statement says."""
    expiries: Counter[str] = field(default_factory=Counter)
    """Sentences about expiries that do not follow from time and schedule."""
    consents: Counter[str] = field(default_factory=Counter)
    """Sentences about consents."""
    policies: Counter[str] = field(default_factory=Counter)
    """Sentences about decisions under a match policy that was not in force."""
    under_signed: int = 0
    """Decisions whose statement names the approval of a match policy."""
    agreed: int = 0
    """Records with their consent."""
    tombstones: "array[int]" = field(default_factory=lambda: array("Q"))
    """Of the statements that are kept, their first 8 bytes: an erased one may not be among them."""
    ids: "array[int]" = field(default_factory=lambda: array("Q"))
    """Of the records that are kept and of their sessions, likewise."""


class Periods:
    """For how many days a record was to be kept, by its kind and the time of its decision."""

    def __init__(self, evidence: Evidence) -> None:
        """Raises ``NoAccess``, ``MalformedMessage``, ``BadSchedule``."""
        self._adopted = [
            (int(one["adoptedAt"]), RetentionSchedule.decode(one["content"]))
            for one in schedules(evidence)
        ]
        self._promised = {
            int(version): one["retentionDays"]
            for version, one in decoded(evidence.read(CONSENT_TEXTS)).items()
            if one["retentionDays"] is not None
        }

    def days(self, kind: str, decided_at: int) -> tuple[int | None, bool]:
        """The shortest period in force since the decision, and whether the record expires exactly
        then. Before the first schedule was adopted a built-in one held, which is not known here:
        then a record may expire sooner. None: no schedule was in force since."""
        ends = [adopted_at for adopted_at, _ in self._adopted[1:]]
        since = [
            (schedule.fallbacks if kind == "fallback" else schedule.records).days
            for (_, schedule), end in zip_longest(self._adopted, ends)
            if end is None or end >= decided_at
        ]
        exact = bool(self._adopted) and self._adopted[0][0] <= decided_at
        return min(since, default=None), exact

    def at_most(self, text_version: object) -> int | None:
        """What people were told by a version of the consent texts."""
        return self._promised.get(text_version) if isinstance(text_version, int) else None


class AdoptedPolicies:
    """Which match policy was in force at a time, as the database has it."""

    def __init__(self, evidence: Evidence) -> None:
        """An older database has no such table, and no signed policy. Raises
        ``MalformedMessage``."""
        try:
            rows = policies(evidence)
        except NoAccess:
            rows = []
        self._from = [row.adopted_at for row in rows]
        self._places = {approval_digest(row.approval): n for n, row in enumerate(rows)}
        self._digests = [policy_digest(row.approval) for row in rows]

    def fault(self, said: Mapping[str, Any], decided_at: int) -> str | None:
        """What is wrong with the policy that a decision's statement names."""
        named = said.get("policyApproval")
        if named is None:
            late = self._from and decided_at > self._from[0] + OPEN_SECONDS
            return "were decided by unsigned thresholds after a policy was signed" if late else None
        place = self._places.get(named)
        if place is None:
            return "name an approval that the database does not hold"
        if said.get("policyDigest") != self._digests[place]:
            return "name another policy than the approval that they name"
        if decided_at + MINUTE <= self._from[place]:
            return "name an approval that was not given yet"
        ends = self._from[place + 1 : place + 2]
        if ends and decided_at > ends[0] + OPEN_SECONDS:
            return "were decided under a policy that had been replaced"
        return None


def kept(evidence: Evidence, progress: Progress) -> Kept:
    """The counts; the pass is made once.

    Raises:
        NoAccess, Unavailable: the database, or what the rows are compared with, was not given.
    """
    return evidence.remember("kept", lambda: _passed(evidence, progress))


def kept_again(evidence: Evidence, progress: Progress) -> Kept:
    """The same of the snapshot that stands now; what was kept in the first one counts as kept."""
    first, now = kept(evidence, progress), _passed(evidence, progress)
    now.tombstones.extend(first.tombstones)
    now.ids.extend(first.ids)
    return now


def _passed(evidence: Evidence, progress: Progress) -> Kept:
    found, held, agreed = Kept(), schema.records.c, schema.consents
    keys = {one.party: one.verify_key for one in trust(evidence).gateways}
    try:
        periods = Periods(evidence)
    except BadSchedule as error:
        raise NoAccess(f"an adopted schedule cannot be read: {error}") from None
    adopted = AdoptedPolicies(evidence)
    # What waits for a checkpoint stands behind it in the same order; some has no index yet.
    pending = evidence.read(PENDING)
    waiting = [pending[at : at + HASH_BYTES] for at in range(0, len(pending), HASH_BYTES)]
    logged, unnumbered = (*entries(evidence), *waiting), frozenset(waiting)
    columns = (held.record_id, held.kind, held.outcome, held.policy_digest, held.subject_handle,
               held.activation_commitment, held.statement, held.log_index, held.decided_at,
               held.expires_at)  # fmt: skip
    consent = (agreed.c.digest, agreed.c.text_version, agreed.c.given_by,
               agreed.c.expires_at.label("consent_until"))  # fmt: skip
    held_by_law = sa.exists().where(schema.holds.c.record_id == held.record_id)
    query = sa.select(*columns, *consent, held_by_law.label("is_held")).select_from(
        schema.records.outerjoin(agreed, agreed.c.record_id == held.record_id)
    )
    for table in (schema.records, agreed, schema.holds):
        table_rows(evidence, sa.select(table))  # NoAccess where one is missing
    for row in evidence.database.rows(query):
        found.records[row.kind] += 1
        if found.records.total() % BATCH == 0:
            progress.at(found.records.total(), what="records")
        _compare(row, found, keys, periods, logged, unnumbered)
        _compare_policy(row, found, adopted)
    return found


def _compare(
    row: sa.Row[Any],
    found: Kept,
    keys: Mapping[str, VerifyKey],
    periods: Periods,
    logged: Sequence[bytes],
    waiting: frozenset[bytes],
) -> None:
    statement = bytes(row.statement)
    found.tombstones.append(first_bytes(tombstone(statement)))
    found.ids.append(first_bytes(bytes(row.record_id)))
    said = stated(statement)
    if said is None:
        found.faults["hold no signed statement"] += 1
        return
    if isinstance(session := said.get("session"), bytes):
        found.ids.append(first_bytes(session))
    if not _is_signed(row.kind, statement, keys.get(said.get("gateway", ""))):
        found.faults["hold a statement that the pinned gateway did not sign"] += 1
    for column, name in _COLUMNS.items():
        if getattr(row, column) != said.get(name):
            found.faults[f"have another {column} than their statement"] += 1
    if row.decided_at != _time(said):
        found.faults["have another decided_at than their statement"] += 1
    if row.policy_digest != said.get("policyDigest", row.policy_digest):
        found.faults["have another policy_digest than their statement"] += 1
    if row.kind == "decision" and row.subject_handle is None:
        found.faults["are decisions without a subject handle"] += 1
    if row.kind == "decision" and row.outcome != _outcome(said):
        found.faults["have another outcome than the decision in their statement"] += 1
    index, entry = row.log_index, digest_of(statement)
    if index is None and entry not in waiting:
        found.faults["have no index in the log, and wait for none"] += 1
    elif index is not None and (not 0 <= index < len(logged) or logged[index] != entry):
        found.faults["are not the entry at their index of the log"] += 1
    _compare_expiry(row, found, periods, said)
    _compare_consent(row, found, said)


def _compare_policy(row: sa.Row[Any], found: Kept, adopted: AdoptedPolicies) -> None:
    said = stated(bytes(row.statement)) if row.kind == "decision" else None
    if said is None:
        return
    found.under_signed += said.get("policyApproval") is not None
    if (wrong := adopted.fault(said, row.decided_at)) is not None:
        found.policies[wrong] += 1


_COLUMNS: Final = {
    "record_id": "recordId",
    "kind": "kind",
    "activation_commitment": "activationCommitment",
}


_MAY_AGREE: Final = ("subject", "guardian")


def _outcome(said: Mapping[str, Any]) -> object:
    decision = said.get("decision")
    return (stated(decision) or {}).get("outcome") if isinstance(decision, bytes) else None


def first_bytes(value: bytes) -> int:
    """The first 8 bytes as a number: what stands for a hash or an id in memory."""
    return int.from_bytes(value[:8], "big")


def _time(said: Mapping[str, Any]) -> int | None:
    """Of the decision, or of the registration without a face."""
    at = said.get("decidedAtMinute", said.get("recordedAtMinute"))
    return at if isinstance(at, int) else None


def _compare_expiry(
    row: sa.Row[Any], found: Kept, periods: Periods, said: Mapping[str, Any]
) -> None:
    decided_at = _time(said)
    if decided_at is None:
        found.expiries["have no time in their statement"] += 1
        return
    days, exact = periods.days(row.kind, decided_at)
    if days is not None:
        due = decided_at + days * DAY
        if row.expires_at > due:
            found.expiries["expire later than their time and the schedule say"] += 1
        elif exact and row.expires_at < due and not row.is_held:
            found.expiries["expire sooner than their time and the schedule say"] += 1
    promised = periods.at_most(said.get("consentTextVersion"))
    if promised is not None and row.expires_at > decided_at + promised * DAY:
        found.expiries["expire later than the person was told"] += 1


def _compare_consent(row: sa.Row[Any], found: Kept, said: Mapping[str, Any]) -> None:
    if "consentDigest" not in said or said["consentDigest"] is None:
        return
    if row.digest is None:
        found.consents["records have no consent"] += 1
        return
    found.agreed += 1
    if bytes(row.digest) != said["consentDigest"]:
        found.consents["consents are not the one that the statement names"] += 1
    if row.text_version != said.get("consentTextVersion"):
        found.consents["consents name another version of the texts than the statement"] += 1
    if row.given_by not in _MAY_AGREE:
        found.consents["consents were given by somebody who may not"] += 1
    if row.consent_until != row.expires_at:
        found.consents["consents expire at another time than their record"] += 1


def _is_signed(kind: str, statement: bytes, key: VerifyKey | None) -> bool:
    """By the key of the gateway that the statement names, if it is pinned."""
    form = _STATED.get(kind)
    if form is None or key is None:
        return False
    try:
        cose.verify(statement, form, key)
    except SealmatchError:
        return False
    return True
