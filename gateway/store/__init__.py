"""What the gateway keeps (protocol, section 12): SQLite, in SQL that PostgreSQL also takes.

schema        the tables, each column with its reason to exist
database      connections, migrations, storage faults as ``Unavailable``
parties, sessions, records, totals   the only queries
log           the log's queries
migrations    alembic
"""
