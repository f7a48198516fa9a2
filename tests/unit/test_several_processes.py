"""Several processes of a gateway on one database: whose session it is, and what counts once."""

import copy
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.proofs.verify import verify_receipt
from gateway.server.nonces import SharedNonces
from gateway.server.service import GatewayRules, GatewayService
from gateway.server.sessions import OpenSessions
from gateway.store import fallbacks
from gateway.store.database import Database
from gateway.wire.errors import SessionConflict, SessionNotFound
from gateway.wire.ids import digest_of
from gateway.wire.requests import NonceMemory
from tests.support.drafts import ciphertexts, draft
from tests.support.parties import refused
from tests.support.processes import PATIENCE
from tests.support.samples import pair
from tests.support.world import World

HERE, THERE = 7, 255
HOUR_END = 1_800_000_000 - 1_800_000_000 % 3600 - 1


def other_process(world: World, shard: int) -> GatewayService:
    """The same gateway with a memory of its own."""
    service = copy.copy(world.service)
    service._limits = replace(service._limits, shard=shard)
    service._sessions = OpenSessions(10, world.clock)
    return service


def test_a_session_belongs_to_the_process_that_its_id_names(tmp_path: Path) -> None:
    """Another one tells what is recorded to whoever asks anew, and nothing to a repeat: it cannot
    know whether it is the very request that the first one answered."""
    with World(tmp_path, limits=GatewayRules(180, 5, shard=HERE)) as world:
        opened, there = world.open(), other_process(world, THERE)
        assert opened.session[0] == HERE
        submission = draft(world.counter, opened, *ciphertexts(opened, *pair(0.7)), world.clock())
        sent = (submission, digest_of(submission.encode()), world.counter.device.public)
        with pytest.raises(SessionNotFound):
            there.status(opened.session, world.counter.device.public)
        with pytest.raises(SessionNotFound):
            there.submit(opened.session, *sent)
        made = world.service.submit(opened.session, *sent)
        assert there.status(opened.session, world.counter.device.public) == made
        verify_receipt(made.receipt or b"", world.trust)
        with pytest.raises(SessionConflict):
            there.submit(opened.session, *sent)
        assert world.service.submit(opened.session, *sent) == made


@pytest.mark.parametrize("shared", [True, False])
def test_a_request_that_any_process_takes_counts_once(database: Database, shared: bool) -> None:
    """Also where the hour ends between; the control remembers in each process alone."""

    def process() -> NonceMemory:
        return SharedNonces(NonceMemory(), database) if shared else NonceMemory()

    first, second = process(), process()
    first.use("nonce", HOUR_END)
    with refused("replayed") if shared else nullcontext():
        second.use("nonce", HOUR_END + 1)
    second.use("another", HOUR_END)
    with database.transaction() as connection:
        fallbacks.forget_hours(connection, HOUR_END + 7200)
    process().use("nonce", HOUR_END + 7200)


@pytest.mark.usefixtures("patient")
def test_a_request_at_two_processes_at_once_counts_once_though_the_hour_ends_between(
    database: Database,
) -> None:
    """Neither sees what the other one has not committed yet."""
    asked = threading.Event()

    def second(nonce: str) -> None:
        with database.writing() as connection:
            asked.set()
            fallbacks.use_request(connection, nonce, HOUR_END + 1)

    def at_once(first: str, other: str) -> None:
        with ThreadPoolExecutor(1) as pool:
            with database.writing() as connection:
                fallbacks.use_request(connection, first, HOUR_END)
                answer = pool.submit(second, other)
                asked.wait(0.5)  # in a file it begins when this one has ended
                time.sleep(0.1)
            answer.result(PATIENCE)

    at_once("one", "another")  # the control
    asked.clear()
    with refused("replayed"):
        at_once("nonce", "nonce")
