"""What goes into a bundle, and how it is collected: nothing of it is about a person.

No exhibit holds a statement, a handle, or the id of a record. Where an exhibit is a list, its order
tells nothing that its source does not tell anybody who reads the log.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import sqlalchemy as sa

from gateway.inspection.evidence import Evidence, Exhibit, NoAccess
from gateway.proofs.trust import TrustFile
from gateway.store import schema
from gateway.store.policies import PolicyRow
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.tree import HASH_BYTES
from gateway.wire.admin import from_lines, to_lines
from gateway.wire.errors import MalformedMessage
from gateway.wire.ids import digest_of

MAX_AUTHORITY_TRUST: Final = 32 * 2**20


def encoded(value: object) -> bytes:
    """JSON with one encoding: sorted members, one to a line."""
    return json.dumps(value, ensure_ascii=True, indent=1, sort_keys=True).encode() + b"\n"


def decoded(content: bytes) -> Any:
    """What ``encoded`` wrote. Raises ``MalformedMessage``."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise MalformedMessage("an exhibit is not JSON") from None


def has_table(evidence: Evidence, name: str) -> bool:
    """Whether the gateway's database has such a table or view."""
    return sa.inspect(evidence.database.connection).has_table(name)


def table_rows(evidence: Evidence, query: sa.Select[Any]) -> Iterator[sa.Row[Any]]:
    """Rows of the gateway's database, in batches.

    Raises:
        NoAccess: a table of the query is not there.
        Unavailable: the database does not answer.
    """
    for table in query.get_final_froms():
        name = getattr(table, "name", "")
        if not has_table(evidence, name):
            raise NoAccess(f"the database has no table {name}")
    return evidence.database.rows(query)


# The trust file


def _trust(evidence: Evidence) -> bytes:
    if evidence.trust_given is None:
        raise NoAccess("not given: the trust file (--trust)")
    return trust_of(evidence.trust_given).encode()


def trust_of(content: bytes) -> TrustFile:
    """Read a trust file without its counter's part, which names one counter's files.

    Raises:
        MalformedMessage: it is not valid.
    """
    try:
        return TrustFile.model_validate_json(content).model_copy(update={"counter": None})
    except ValueError:
        raise MalformedMessage("not a trust file") from None


TRUST: Final = Exhibit("trust.json", _trust, "the pinned public keys, and the log's policy")


def trust(evidence: Evidence) -> TrustFile:
    """The pinned parties. Raises ``NoAccess``, ``MalformedMessage``."""
    return trust_of(evidence.read(TRUST))


# The log


def _checkpoint(evidence: Evidence) -> bytes:
    return evidence.log.checkpoint()


def _entries(evidence: Evidence) -> bytes:
    """Up to the first one that is missing, or is no hash: what the checkpoint names beyond that is
    found missing by whoever counts."""
    size = SignedCheckpoint.parse(evidence.read(CHECKPOINT)).checkpoint.size
    content = bytearray()
    with suppress(MalformedMessage):
        for bundle in evidence.log.entries(size, 0):
            if any(len(entry) != HASH_BYTES for entry in bundle):
                break
            content += b"".join(bundle)
    return bytes(content)


def _pending(evidence: Evidence) -> bytes:
    """Entries of the database that the checkpoint does not cover yet, in their order."""
    size = SignedCheckpoint.parse(evidence.read(CHECKPOINT)).checkpoint.size
    held, queued = schema.log_entries.c, schema.log_pending.c
    given = sa.select(held.entry).where(held.log_index >= size).order_by(held.log_index)
    waiting = sa.select(queued.entry).order_by(queued.number)
    found = [*table_rows(evidence, given), *table_rows(evidence, waiting)]
    return b"".join(bytes(row.entry) for row in found if len(row.entry) == HASH_BYTES)


CHECKPOINT: Final = Exhibit(
    "log/checkpoint", _checkpoint, "the log's signed checkpoint, with its cosignatures"
)
ENTRIES: Final = Exhibit(
    "log/entries", _entries, "the log's entries, 32 bytes each: hashes of signed objects"
)

PENDING: Final = Exhibit(
    "log/pending", _pending, "entries that wait for the next checkpoint, 32 bytes each"
)


def entries(evidence: Evidence) -> list[bytes]:
    """The log's entries in their order. Raises ``NoAccess``, ``MalformedMessage``."""
    content = evidence.read(ENTRIES)
    if len(content) % HASH_BYTES:
        raise MalformedMessage("the log's entries are not hashes of 32 bytes")
    return [content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES)]


# What operators did, and the register


def _actions(evidence: Evidence) -> bytes:
    query = sa.select(schema.admin_actions.c.action).order_by(schema.admin_actions.c.number)
    return to_lines(bytes(row.action) for row in table_rows(evidence, query)).encode()


def _parties(evidence: Evidence) -> bytes:
    held = schema.parties.c
    query = sa.select(held.kind, held.party, held.public_key, held.key_id, held.state)
    rows = table_rows(evidence, query.order_by(held.kind, held.party))
    return encoded([_party(row) for row in rows])


def _party(row: sa.Row[Any]) -> list[str | None]:
    """Kind, name, public key, its id, and state. Of what is too long for a key, only a part."""
    return [row.kind, row.party, _start(row.public_key), _start(row.key_id), row.state]


def _start(key: bytes | None) -> str | None:
    return None if key is None else bytes(key)[: HASH_BYTES + 1].hex()


ACTIONS: Final = Exhibit(
    "actions", _actions, "what operators did at the gateway, signed, one to a line in base64"
)
PARTIES: Final = Exhibit(
    "parties.json", _parties, "the register: enrolled parties by pseudonym, with public keys"
)


def actions(evidence: Evidence) -> list[bytes]:
    """Signed actions, oldest first; nothing is checked yet."""
    return from_lines(evidence.read(ACTIONS))


def _authority_trust(evidence: Evidence) -> bytes:
    path = evidence.authority / "trust.json"
    if not path.is_file():
        raise NoAccess("the authority's directory has no trust.json")
    with path.open("rb") as file:
        content = file.read(MAX_AUTHORITY_TRUST + 1)
    if len(content) > MAX_AUTHORITY_TRUST:
        raise MalformedMessage("the authority's trust list is too long")
    return content


AUTHORITY_TRUST: Final = Exhibit(
    "authority-trust.json",
    _authority_trust,
    "the authority's list of enrolled parties, with the signed history that it follows from",
)


# Consent texts


def _consent_texts(evidence: Evidence) -> bytes:
    versions, texts = schema.consent_versions.c, schema.consent_texts.c
    found: dict[int, dict[str, Any]] = {}
    for row in table_rows(
        evidence, sa.select(versions.text_version, versions.retention_days, versions.state)
    ):
        found[row.text_version] = {
            "retentionDays": row.retention_days,
            "state": row.state,
            "texts": {},
        }
    for row in table_rows(
        evidence, sa.select(texts.text_version, texts.language, texts.text, texts.without_face)
    ):
        held = found.setdefault(row.text_version, {"retentionDays": None, "state": "", "texts": {}})
        held["texts"][row.language] = {"text": row.text, "withoutFace": row.without_face}
    return encoded({str(version): one for version, one in found.items()})


CONSENT_TEXTS: Final = Exhibit(
    "consent-texts.json", _consent_texts, "the texts that people are shown, by version"
)


# Totals


def _counters(evidence: Evidence) -> bytes:
    """Totals over all days: single days of a small shop would be about single people."""
    outcome, live = schema.outcome_counters.c, schema.liveness_counters.c
    outcomes = sa.select(outcome.outcome, sa.func.sum(outcome["count"]).label("total"))
    liveness = sa.select(live.measure, sa.func.sum(live.total).label("total"))
    return encoded(
        {
            "outcomes": {
                row[0]: int(row.total)
                for row in table_rows(evidence, outcomes.group_by(outcome.outcome))
            },
            "liveness": {
                row[0]: int(row.total)
                for row in table_rows(evidence, liveness.group_by(live.measure))
            },
        }
    )


COUNTERS: Final = Exhibit(
    "counters.json", _counters, "totals of outcomes and of liveness checks, over all days"
)


# Retention


def _signed(evidence: Evidence, column: sa.Column[Any], *, ordered: bool) -> bytes:
    """Signed objects in base64, one to a line; sorted by digest where the order would tell."""
    table = column.table
    query = sa.select(column)
    if ordered:
        query = query.order_by(*table.primary_key)
    found = [bytes(row[0]) for row in table_rows(evidence, query)]
    return to_lines(found if ordered else sorted(found, key=digest_of)).encode()


def _erasures(evidence: Evidence) -> bytes:
    return _signed(evidence, schema.erasures.c.erasure, ordered=False)


def _withdrawals(evidence: Evidence) -> bytes:
    return _signed(evidence, schema.withdrawals.c.withdrawal, ordered=False)


def _runs(evidence: Evidence) -> bytes:
    return _signed(evidence, schema.retention_runs.c.report, ordered=True)


def _schedules(evidence: Evidence) -> bytes:
    held = schema.retention_schedules.c
    query = sa.select(held.number, held.content, held.adopted_at).order_by(held.number)
    rows = table_rows(evidence, query)
    return encoded(
        [
            {
                "number": row.number,
                "content": base64.b64encode(bytes(row.content)).decode(),
                "adoptedAt": row.adopted_at,
            }
            for row in rows
        ]
    )


def _policies(evidence: Evidence) -> bytes:
    held = schema.match_policies.c
    query = sa.select(held.number, held.approval, held.adopted_at).order_by(held.number)
    return encoded(
        [
            {
                "number": row.number,
                "approval": base64.b64encode(bytes(row.approval)).decode(),
                "adoptedAt": row.adopted_at,
            }
            for row in table_rows(evidence, query)
        ]
    )


ERASURES: Final = Exhibit(
    "erasures", _erasures, "signed erasures: of which record, only its receipt's holder can say"
)
WITHDRAWALS: Final = Exhibit(
    "withdrawals", _withdrawals, "signed withdrawals of consent: the same holds of them"
)
RUNS: Final = Exhibit("retention-runs", _runs, "signed reports of the reaper")
SCHEDULES: Final = Exhibit(
    "retention-schedules.json", _schedules, "the retention schedules that were adopted"
)

POLICIES: Final = Exhibit(
    "match-policies.json", _policies, "the match policies that two operators approved"
)


def policies(evidence: Evidence) -> list[PolicyRow]:
    """Adopted match policies, oldest first; nothing is checked yet.

    Raises:
        NoAccess, MalformedMessage.
    """
    try:
        return [
            PolicyRow(
                int(one["number"]),
                base64.b64decode(one["approval"], validate=True),
                int(one["adoptedAt"]),
            )
            for one in decoded(evidence.read(POLICIES))
        ]
    except (TypeError, KeyError, ValueError):
        raise MalformedMessage("the match policies of the bundle are malformed") from None


def signed_objects(evidence: Evidence, exhibit: Exhibit) -> list[bytes]:
    """The signed objects of ``ACTIONS``, ``ERASURES``, ``WITHDRAWALS`` or ``RUNS``."""
    return from_lines(evidence.read(exhibit))


def schedules(evidence: Evidence) -> list[dict[str, Any]]:
    """Adopted schedules, oldest first: ``number``, ``content`` (bytes of the file), ``adoptedAt``.

    Raises:
        NoAccess, MalformedMessage.
    """
    try:
        return [
            one | {"content": base64.b64decode(one["content"], validate=True)}
            for one in decoded(evidence.read(SCHEDULES))
        ]
    except (TypeError, KeyError, ValueError):
        raise MalformedMessage("the schedules of the bundle are malformed") from None
