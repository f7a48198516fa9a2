"""The gateway's database under load: its transactions, and its own processes.

PostgreSQL counts the transactions of a database itself, the sequencer's and those of reads among
them. SQLite counts nothing; there the gateways' metrics tell how many their requests had.
"""

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx
import sqlalchemy as sa

from gateway.host.observation import FRESH_SECONDS
from gateway.lab.deployment.processes import Groups, descendants
from gateway.store.connecting import make_engine

_FLUSH_SECONDS: Final = 1.5
"""PostgreSQL's processes tell what they counted after a second at most."""
_METRICS_SECONDS: Final = 60
_COUNT: Final = sa.text(
    "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
)
_POSTMASTER: Final = sa.text("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
_METRIC: Final = re.compile(
    r'^sealmatch_stage_seconds_count\{stage="transaction"\} (\S+)$', re.MULTILINE
)


def transactions_of_requests(ports: Sequence[int]) -> int:
    """What the metrics at these ports count; 0 where nobody answers.

    One text of the metrics serves everybody for some seconds: it is waited for a new one.
    """
    time.sleep(FRESH_SECONDS)
    counted = 0.0
    for port in ports:
        with suppress(httpx.HTTPError):
            url = f"http://127.0.0.1:{port}/metrics"
            text = httpx.get(url, trust_env=False, timeout=_METRICS_SECONDS).text
            counted += sum(map(float, _METRIC.findall(text)))
    return int(counted)


class CountedDatabase:
    """A PostgreSQL database that is looked at from outside. None of this is the gateway's."""

    def __init__(self, url: str) -> None:
        self._url = url

    def transactions(self) -> int:
        """How many there were so far, these questions included."""
        time.sleep(_FLUSH_SECONDS)
        return self._asked(_COUNT)

    def processes(self) -> list[int]:
        """All processes of the server, if it runs on this machine; else none."""
        found = self._asked(_POSTMASTER)
        with suppress(OSError, IndexError, TypeError, ValueError):
            stat = Path(f"/proc/{found}/stat").read_text()
            if "(postgres)" in stat:
                postmaster = int(stat.rpartition(")")[2].split()[1])
                return [postmaster, *descendants(postmaster)]
        return []

    def groups(self) -> Groups:
        return {"database": self.processes()}

    def _asked(self, query: sa.TextClause) -> int:
        """On a connection of its own: the server may be another one by the next question."""
        engine = make_engine(self._url)
        try:
            with engine.connect() as connection:
                return int(connection.execute(query).scalar_one())
        finally:
            engine.dispose()
