"""What a database says of itself: tables, views, columns, triggers, and what else it may hold.

SQLite and PostgreSQL are asked for everything that they have, so that what our code does not know
is found as well. Only names and types are read, and no value.
"""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gateway.store.reading import UNREADABLE, ReadingDatabase
from gateway.wire.errors import Unavailable

MAX_OBJECTS: Final = 100_000
"""Of one kind; a gateway has some twenty tables."""

Described = dict[str, Any]


def described(database: ReadingDatabase) -> Described:
    described = _postgresql(database) if database.dialect == "postgresql" else _sqlite(database)
    return {"dialect": database.dialect, **described}


def ask(database: ReadingDatabase, query: str, *values: Any) -> list[Any]:
    try:
        found = database.connection.execute(
            sa.text(query), {f"v{n}": value for n, value in enumerate(values)}
        ).fetchmany(MAX_OBJECTS)
    except (SQLAlchemyError, OSError):
        database.again()
        raise Unavailable(UNREADABLE) from None
    return list(found)


def _sqlite(database: ReadingDatabase) -> Described:
    objects, triggers, others = [], [], []
    for kind, name, sql in ask(database, "SELECT type, name, sql FROM sqlite_master"):
        if kind in ("table", "view"):
            if name in ("sqlite_sequence", "sqlite_stat1"):  # numbers of rows
                continue
            virtual = (sql or "").lstrip().upper().startswith("CREATE VIRTUAL")
            columns = ask(database, "SELECT * FROM pragma_table_xinfo(:v0)", name)
            objects.append(
                {
                    "schema": "main",
                    "name": name,
                    "kind": "virtual table" if virtual else kind,
                    "columns": [
                        {
                            "name": one.name,
                            "type": (one.type or "").upper(),
                            "nullable": not one.notnull and not one.pk,
                            "generated": bool(one.hidden),
                        }
                        for one in columns
                    ],
                }
            )
        elif kind == "trigger":
            triggers.append(name)
        elif kind == "index" and _computed(database, name):
            others.append({"kind": "index of an expression", "name": name})
    return {"objects": objects, "triggers": triggers, "others": others, "databases": []}


def _computed(database: ReadingDatabase, index: str) -> bool:
    """Whether an index keeps something else than columns as they are."""
    columns = ask(database, "SELECT cid, name FROM pragma_index_info(:v0)", index)
    return any(one.cid == -2 for one in columns)


_RELATIONS: Final = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text AS relkind FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT LIKE 'pg!_%' ESCAPE '!' AND n.nspname <> 'information_schema'
AND c.relkind IN ('r', 'v', 'm', 'f', 'p') ORDER BY 2, 3
"""
_COLUMNS: Final = """
SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull, attgenerated <> '' AS made
FROM pg_attribute WHERE attrelid = :v0 AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_KINDS: Final = {
    "r": "table",
    "p": "table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}
_OTHERS: Final = {
    "function": """
        SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname NOT LIKE 'pg!_%' ESCAPE '!' AND n.nspname <> 'information_schema'""",
    "schema": """
        SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg!_%' ESCAPE '!'
        AND nspname NOT IN ('information_schema', 'public')""",
    "publication": "SELECT pubname FROM pg_publication",
    "foreign server": "SELECT srvname FROM pg_foreign_server",
    "event trigger": "SELECT evtname FROM pg_event_trigger",
    "extension": "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'",
    "large object": "SELECT 'large objects' FROM pg_largeobject_metadata LIMIT 1",
    "rewriting rule": """
        SELECT rulename FROM pg_rules
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema')""",
    "sequence": """
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname NOT LIKE 'pg!_%' ESCAPE '!' AND n.nspname <> 'information_schema'
        AND c.relkind = 'S' AND NOT EXISTS
        (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i'))""",
    "index of an expression": """
        SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname NOT LIKE 'pg!_%' ESCAPE '!' AND n.nspname <> 'information_schema'
        AND i.indexprs IS NOT NULL""",
}
"""What a database may have besides tables, and ours has not. A sequence that no column owns is one
of them."""
_OTHER_DATABASES: Final = """
SELECT d.datname, d.datdba = own.datdba AS same FROM pg_database d, pg_database own
WHERE own.datname = current_database() AND d.datname <> own.datname AND NOT d.datistemplate
AND d.datname <> 'postgres' ORDER BY 1
"""


def _postgresql(database: ReadingDatabase) -> Described:
    objects = [
        {
            "schema": one.nspname,
            "name": one.relname,
            "kind": _KINDS[one.relkind],
            "columns": [
                {
                    "name": column.attname,
                    "type": column.type.upper(),
                    "nullable": not column.attnotnull,
                    "generated": column.made,
                }
                for column in ask(database, _COLUMNS, one.oid)
            ],
        }
        for one in ask(database, _RELATIONS)
    ]
    triggers = [
        row[0] for row in ask(database, "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")
    ]
    others = [
        {"kind": kind, "name": str(row[0])}
        for kind, query in _OTHERS.items()
        for row in ask(database, query)
    ]
    databases = [{"name": r[0], "same": bool(r[1])} for r in ask(database, _OTHER_DATABASES)]
    return {"objects": objects, "triggers": triggers, "others": others, "databases": databases}
