"""What a database says of itself: tables, views, columns, triggers, and what else it may hold.

SQLite and PostgreSQL are asked for everything that they have, so that what our code does not know
is found as well. Only names and types are read, and no value.
"""

import re
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gateway.inspection.data_map import parse, published
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
    objects, triggers, others = [], [], _beside_tables(database)
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
                            "more": one.dflt_value is not None,
                        }
                        for one in columns
                    ],
                    "indexes": _indexes(database, name),
                    "words": _other_words(database, name),
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


def _indexes(database: ReadingDatabase, table: str) -> list[Described]:
    return [
        {
            "name": one.name,
            "own": one.origin == "c",
            "partial": bool(one.partial),
            "columns": [
                row.name
                for row in ask(database, "SELECT name FROM pragma_index_info(:v0)", one.name)
            ],
        }
        for one in ask(database, "SELECT name, origin, partial FROM pragma_index_list(:v0)", table)
    ]


_WORD: Final = re.compile(r"\w+|[^\w\s(),\"=]")
_SQL: Final = frozenset(
    {
        *("CREATE", "TABLE", "INDEX", "UNIQUE", "ON", "CONSTRAINT", "PRIMARY", "KEY", "NOT"),
        *("NULL", "AUTOINCREMENT", "CHECK", "1"),
        *("BLOB", "TEXT", "VARCHAR", "INTEGER", "BIGINT", "BOOLEAN"),
    }
)


def _other_words(database: ReadingDatabase, table: str) -> int:
    """Words in the definitions of a table and its indexes that a definition of the data map has
    not: comments, conditions, collations. SQLite keeps definitions as they were written."""
    query = "SELECT sql FROM sqlite_master WHERE tbl_name = :v0 AND type IN ('table', 'index')"
    words = _WORD.findall(" ".join(row[0] or "" for row in ask(database, query, table)))
    return sum(word not in _SQL and word not in _known() for word in words)


@cache
def _known() -> frozenset[str]:
    """Names of the data map, and lengths."""
    found: set[str] = set()
    for tables in parse(published()).values():
        for name, table in tables.items():
            found |= {name, *table.columns, *table.indexes}
            found |= {str(one.length) for one in table.columns.values()}
    return frozenset(found)


def _beside_tables(database: ReadingDatabase) -> list[Described]:
    """Where SQLite keeps something besides tables: numbers of the file, and notes of its own."""
    found = [
        {"kind": "number in the header of the file", "name": name}
        for name in ("user_version", "application_id")
        if ask(database, f"SELECT {name} FROM pragma_{name}")[0][0]  # noqa: S608  one of two
    ]
    listed = {row[0] for row in ask(database, "SELECT name FROM sqlite_master")}
    for table, strange in _NOTES.items():
        query = f"SELECT 1 FROM {table} WHERE {strange}"  # noqa: S608  one of two
        if table in listed and ask(database, query):
            found.append({"kind": "row that SQLite does not write into", "name": table})
    return found


_NAMED: Final = "{} NOT IN (SELECT name FROM sqlite_master)"
_NOTES: Final = {
    "sqlite_sequence": f"{_NAMED.format('name')} OR typeof(seq) <> 'integer'",
    "sqlite_stat1": f"{_NAMED.format('tbl')} OR {_NAMED.format('idx')} OR stat GLOB '*[^0-9 ]*'",
}
"""Tables of SQLite itself, and which rows of theirs it does not write."""

_RELATIONS: Final = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text AS relkind FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT LIKE 'pg!_%' ESCAPE '!' AND n.nspname <> 'information_schema'
AND c.relkind IN ('r', 'v', 'm', 'f', 'p') ORDER BY 2, 3
"""
_COLUMNS: Final = r"""
SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull,
a.attgenerated <> '' AS made, a.attcollation <> t.typcollation OR
coalesce(pg_get_expr(d.adbin, d.adrelid) !~ '^nextval\(''[a-z_]+''\:\:regclass\)$', false) AS more
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
WHERE a.attrelid = :v0 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_INDEXES: Final = r"""
SELECT c.relname AS name, i.indpred IS NOT NULL AS partial, ARRAY(
    SELECT a.attname\:\:text FROM unnest(i.indkey) WITH ORDINALITY k (number, place)
    JOIN pg_attribute a ON (a.attrelid, a.attnum) = (i.indrelid, k.number) ORDER BY k.place
) AS columns
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = :v0 ORDER BY 1
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
    "type": """
        SELECT t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        LEFT JOIN pg_class c ON c.oid = t.typrelid
        WHERE n.nspname NOT LIKE 'pg!_%' ESCAPE '!' AND n.nspname <> 'information_schema'
        AND (t.typtype IN ('e', 'd', 'r', 'm') OR c.relkind = 'c')""",
    "constraint": """
        SELECT conname FROM pg_constraint WHERE oid >= 16384 AND contype IN ('c', 'f', 'x')""",
    "policy": "SELECT polname FROM pg_policy",
    "statistics object": "SELECT stxname FROM pg_statistic_ext",
    "collation": "SELECT collname FROM pg_collation WHERE oid >= 16384",
    "text search configuration": "SELECT cfgname FROM pg_ts_config WHERE oid >= 16384",
    "text search dictionary": "SELECT dictname FROM pg_ts_dict WHERE oid >= 16384",
    "operator": "SELECT oprname FROM pg_operator WHERE oid >= 16384",
    "language": "SELECT lanname FROM pg_language WHERE oid >= 16384",
    "foreign data wrapper": "SELECT fdwname FROM pg_foreign_data_wrapper",
    "subscription": "SELECT subname FROM pg_stat_subscription",
    "comment": """
        SELECT 'on ' || CAST(CAST(classoid AS regclass) AS text) FROM pg_description
        WHERE objoid >= 16384""",
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
                    "more": column.more,
                }
                for column in ask(database, _COLUMNS, one.oid)
            ],
            "indexes": [
                {"name": i.name, "own": True, "partial": i.partial, "columns": list(i.columns)}
                for i in ask(database, _INDEXES, one.oid)
            ],
            "words": 0,
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
