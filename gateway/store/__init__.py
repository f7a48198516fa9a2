"""What the gateway keeps (protocol, section 12), in SQLite or PostgreSQL.

schema        the tables
connecting    connections to SQLite and PostgreSQL, with their limits on time
locks         what a transaction keeps others from changing until it ends
database      transactions, migrations, storage faults as ``Unavailable``
election      which of several processes does what one does for all
parties, sessions, records, consents, totals, erasures, holds, orders, retention, log
              the only queries
migrations    alembic
"""
