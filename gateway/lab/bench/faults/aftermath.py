"""What clients know against what the gateway has, when everything has come to rest.

- Every decision that a client knows is in the records, with the same outcome, and in the log.
- Every record is a decision of a submission that a client handed in, and is what the plaintexts
  decide. So nothing was decided twice, and nothing for nobody.
- A client that lost its connection can fetch its outcome and receipt later, wherever there is a
  record.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import httpx

from gateway.client.gateway_client import GatewayClient
from gateway.client.pending import PendingReceipt
from gateway.host.clock import unix_time
from gateway.lab.bench.load.deployment import LoadDeployment
from gateway.lab.bench.load.figures import Done
from gateway.proofs.verify import verify_receipt
from gateway.store import log as stored_log
from gateway.store.database import Database
from gateway.store.records import all_records
from gateway.wire import cose
from gateway.wire.cose import VerifyKey
from gateway.wire.errors import SealmatchError
from gateway.wire.proof import Statement

_REST_SECONDS: Final = 60


class LostOrWrong(SealmatchError):
    """A decision is wrong, a record is nobody's, or a receipt cannot be had any more."""


@dataclass(frozen=True)
class Found:
    """Counts of an aftermath: records of these clients, receipts fetched later, entries."""

    records: int
    fetched_later: int
    undecided: int
    entries: int


def check(deployment: LoadDeployment, done: Sequence[Done]) -> Found:
    """Hold everything against everything. Raises ``LostOrWrong``."""
    recorded, entries, logged = _records(deployment)
    expected = {one.session: one.expected for one in done if one.session}
    ours = {session: outcome for session, outcome in recorded.items() if session in expected}
    if len(ours) != len(recorded):
        raise LostOrWrong(f"{len(recorded) - len(ours)} records are of no client's submission")
    wrong = [session for session, outcome in ours.items() if outcome != expected[session]]
    if wrong:
        raise LostOrWrong(f"{len(wrong)} records differ from what the plaintexts decide")
    for one in done:
        if one.decided and ours.get(one.session) != one.outcome:
            raise LostOrWrong("a client has a receipt of which there is no record")
    fetched = _fetch(deployment, [one for one in done if not one.decided and one.session], ours)
    if logged != len(recorded):
        raise LostOrWrong(f"{len(recorded)} records and {logged} entries of decisions")
    undecided = sum(one.session not in ours for one in done)
    return Found(len(ours), fetched, undecided, entries)


def _records(deployment: LoadDeployment) -> tuple[dict[bytes, str], int, int]:
    """Outcome by session, the size of the log, and how many decisions are in it."""
    settings = deployment.gateway.settings
    url = settings.get("database_url") or f"sqlite:///{settings['data_dir']}/gateway.sqlite3"
    pinned = deployment.trust.gateways[0]
    key = VerifyKey(pinned.party, bytes.fromhex(pinned.public_key))
    with closing(Database(url)) as database:
        _await_rest(database)
        with database.transaction() as connection:
            rows = all_records(connection)
            size = stored_log.head(connection).size
            entries = set(stored_log.entries(connection, 0, size))
    found: dict[bytes, str] = {}
    for row in rows:
        if row.kind != "decision":
            continue
        stated = cose.verify(row.statement, Statement, key)
        if stated.message.session in found:
            raise LostOrWrong("a session has two records")
        found[stated.message.session] = str(row.outcome)
    logged = sum(cose.verify(row.statement, Statement, key).digest in entries for row in rows)
    return found, size, logged


def _await_rest(database: Database) -> None:
    """Wait until nothing is left to sequence. Raises ``LostOrWrong``."""
    until = time.monotonic() + _REST_SECONDS
    while time.monotonic() < until:
        with database.transaction() as connection:
            newest = stored_log.newest_published(connection)
            waiting = stored_log.has_pending(connection) or stored_log.unsigned(connection)
            if not waiting and newest and newest.size == stored_log.head(connection).size:
                return
        time.sleep(0.1)
    raise LostOrWrong("the log does not come to rest")


def _fetch(deployment: LoadDeployment, lost: Sequence[Done], ours: dict[bytes, str]) -> int:
    """Fetch what clients lost, as ``receipt fetch`` does; returns how many receipts came."""
    fetched = 0
    with httpx.Client(timeout=30, trust_env=False) as transport:
        for one in lost:
            if one.session not in ours:
                continue
            device = deployment.counters[one.counter % len(deployment.counters)].device
            pending = PendingReceipt.decode(one.opening)
            gateway = GatewayClient(transport, deployment.trust.gateways[0].url, device, unix_time)
            try:
                answer = gateway.fetch(pending.session, pending.sent_at)
                verified = verify_receipt(answer.receipt, deployment.trust)
                pending.require_own(answer, verified, unix_time())
            except SealmatchError as error:
                why = f"{type(error).__name__}: {error}"
                raise LostOrWrong(f"a recorded decision cannot be fetched: {why}") from None
            if answer.outcome != one.expected:
                raise LostOrWrong("a fetched outcome differs from what the plaintexts decide")
            fetched += 1
    return fetched
