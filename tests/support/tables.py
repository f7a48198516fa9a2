"""The tables and columns that the protocol permits a gateway, and those that a database has."""

import sqlalchemy as sa

from gateway.store.database import Database

# Protocol, section 12. A column more is a decision about somebody's data, not a detail.
SECTION_12 = {
    "sessions": {
        "session_id",
        "state",
        "device",
        "issuer",
        "purpose",
        "consent_text_version",
        "policy_digest",
        "challenge",
        "submission_digest",
        "record_id",
        "created_at",
        "expires_at",
    },
    "records": {
        "record_id",
        "kind",
        "outcome",
        "policy_digest",
        "subject_handle",
        "activation_commitment",  # also part of the statement; unique, so that it serves once
        "statement",
        "log_index",
        "expires_at",
    },
    "parties": {"kind", "party", "public_key", "key_id", "state"},
    "admin_actions": {"number", "action"},
    "consent_texts": {"text_version", "language", "text"},
    "outcome_counters": {"day", "outcome", "count"},
    "liveness_counters": {"day", "measure", "total"},  # totals of nobody
    "log_head": {"log", "origin", "size", "edge", "epoch"},
    "log_pending": {"number", "entry", "kind", "record_id"},
    "log_entries": {"log_index", "entry", "kind"},
    "log_tiles": {"level", "number", "hashes"},
    "log_checkpoints": {"size", "root", "note", "published"},
}


def columns_of(database: Database) -> dict[str, set[str]]:
    with database.transaction() as connection:
        inspected = sa.inspect(connection)
        return {
            name: {column["name"] for column in inspected.get_columns(name)}
            for name in inspected.get_table_names()
        }
