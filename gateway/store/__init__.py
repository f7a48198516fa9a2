"""What the gateway keeps (protocol, section 12), in SQLite or PostgreSQL.

schema        the tables
connecting    connections to SQLite and PostgreSQL, with their limits on time
locks         what a transaction keeps others from changing until it ends
database      transactions, migrations, storage faults as ``Unavailable``
parties, sessions, records, totals   the only queries
log           the log's queries
migrations    alembic
"""
