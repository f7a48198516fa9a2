"""What a subject may have and who may not have it: copy, number of lines, erasure, withdrawal.

On both databases, with the gateway's own services and real registrations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from gateway.proofs.erased import ErasureInvalid, verify_erasure
from gateway.retention import holds
from gateway.retention.reaper import Reaper
from gateway.sequencing.sequencer import Alone
from gateway.server import rights as served
from gateway.server.rights import RightsRules, SubjectRights
from gateway.store import schema
from gateway.store.locks import hold_register
from gateway.store.parties import list_admin_actions
from gateway.wire import cose
from gateway.wire.admin import ChainKeys, verify_chain
from gateway.wire.cose import SigningKey
from gateway.wire.erasure import (
    Erasure,
    Withdrawal,
    erasure_commitment,
    erasure_secret,
    withdrawal_mark,
)
from gateway.wire.errors import Refused
from gateway.wire.fallback import FallbackStatement
from gateway.wire.ids import KeyId, digest_of, new_record_id
from gateway.wire.proof import Receipt, Statement
from gateway.wire.requests import sign_request
from gateway.wire.rights import SubjectRequest
from gateway.wire.subject import new_salt
from tests.support.drafts import ciphertexts, draft
from tests.support.fallbacks import Desk
from tests.support.postgres import PostgresServer
from tests.support.rights import DAY, Subscriber, columns_of, hold, later
from tests.support.samples import (
    ERASURES,
    SUBJECT_REQUESTS,
    Clock,
    new_number,
    pair,
)
from tests.support.world import World

LIMIT = 30


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    url = None
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgresql")
        url = server.new_database()
    with World(tmp_path_factory.mktemp("rights"), clock=Clock(), database=url) as world:
        yield world


@pytest.fixture(autouse=True)
def unhurried(world: World) -> None:
    """Each test may ask as often as a device in a new hour."""
    world.rights = rights_of(world)


def rights_of(world: World, per_hour: int = LIMIT) -> SubjectRights:
    """A gateway on the world's database."""
    rules = RightsRules(180, per_hour)
    return SubjectRights(world.gateway_key, rules, world.database, world.publication, world.clock)


def reaper_of(world: World) -> Reaper:
    return Reaper(world.database, Alone(), world.gateway_key, 180, world.clock)


def about(world: World, table: str, record: bytes) -> list[Any]:
    return [row for row in world.rows(table) if row.record_id == record]


def kinds(world: World) -> list[str]:
    """Kinds of all entries, in their order; none waits."""
    world.sequencer.step()
    assert world.rows("log_pending") == []
    return [row.kind for row in sorted(world.rows("log_entries"), key=lambda row: row.log_index)]


def refusal(ask: Callable[[], object]) -> str:
    """What the operator's log has of a refusal."""
    with pytest.raises(Refused) as caught:
        ask()
    return caught.value.detail


# Consents


def test_a_consent_comes_with_its_record_and_goes_with_it(world: World) -> None:
    somebody = Subscriber.registered(world)
    (kept,) = about(world, "consents", somebody.record_id)
    (record,) = about(world, "records", somebody.record_id)
    stated = somebody.done.verified.statement.message
    assert kept.digest == stated.consent_digest
    assert kept.text_version == stated.consent_text_version == 1
    assert kept.given_by == "subject"
    assert kept.given_on == world.clock() // DAY
    assert kept.expires_at == record.expires_at
    somebody.asks("erase")
    assert about(world, "consents", somebody.record_id) == []


# A copy, and lines


def test_a_live_match_gets_everything_of_its_document(world: World) -> None:
    number = new_number()
    first, second = (Subscriber.registered(world, number) for _ in range(2))
    failed = Subscriber.registered(world, number, cosine=0.1)
    stranger = Subscriber.registered(world)
    answer = first.asks("copy")
    found = columns_of(answer)
    named = {value for table, name, value in found if (table, name) == ("records", "record_id")}
    assert named == {first.record_id, second.record_id, failed.record_id}
    assert stranger.record_id not in {value for *_, value in found}
    assert answer.kept is not None
    assert (answer.kept.scope, answer.kept.live_lines, answer.kept.left_out) == ("document", 2, 0)
    assert answer.withdrawal is answer.erasure is answer.held is None


def test_a_copy_has_every_column_of_every_row(world: World) -> None:
    somebody = Subscriber.registered(world)
    hold(world.database, somebody.record_id, world.gateway_key, world.clock())
    somebody.asks("withdraw")
    found = columns_of(somebody.asks("copy"))
    for table in ("records", "consents", "sessions", "holds", "withdrawals"):
        columns = {name for of, name, _ in found if of == table}
        own = {column.name for column in schema.metadata.tables[table].columns}
        untold = {"records": {"subject_handle"}, "holds": {"hold", "hold_id"}}.get(table, set())
        assert columns == own - untold, table
    rows = {
        (table, name, value)
        for table in ("records", "consents", "sessions")
        for row in about(world, table, somebody.record_id)
        for name, value in row._mapping.items()
    }
    hidden = {one for one in rows if one[1] == "subject_handle"}
    assert rows - hidden <= set(found)
    every = {
        name for name in schema.metadata.tables if "record_id" in schema.metadata.tables[name].c
    }
    assert every == {"records", "consents", "sessions", "holds", "log_pending"}, (
        "a table that names records is in the copy; an entry waits for milliseconds"
    )


def test_each_copy_is_in_the_history_and_nobody_can_say_whose(world: World) -> None:
    somebody = Subscriber.registered(world)
    asked = somebody.request("copy")
    answer = world.rights.answer(asked, world.counter.device.public)
    with world.database.transaction() as connection:
        signed = list_admin_actions(connection)
    action = verify_chain(signed, ChainKeys((world.gateway_key.public,))).actions[-1]
    assert answer.kept is not None
    assert (action.verb, action.kind) == ("disclose", "record-copy")
    assert action.party == answer.kept.copy_id.hex()
    assert action.key_id == KeyId(digest_of(asked.request)) == answer.kept.request_digest
    for one in (somebody.record_id, somebody.statement, somebody.done.opening.erasure_secret):
        assert one not in signed[-1]
        assert one.hex().encode() not in signed[-1]
    assert kinds(world)[-1] == "admin"


def test_a_fraudster_who_failed_with_a_victim_s_document_learns_nothing_of_them(
    world: World,
) -> None:
    """He holds the opening of a mismatch, as anybody does who was once at a counter."""
    number = new_number()
    victim = Subscriber.registered(world, number)
    fraudster = Subscriber.registered(world, number, cosine=0.1)
    answer = fraudster.asks("copy")
    assert answer.kept is not None
    assert (answer.kept.scope, answer.kept.live_lines) == ("record", None)
    found = columns_of(answer)
    assert {value for table, name, value in found if name == "record_id"} == {fraudster.record_id}
    (row,) = about(world, "records", victim.record_id)
    (own,) = about(world, "records", fraudster.record_id)
    assert row.subject_handle == own.subject_handle, "the control: one would join them"
    told = {bytes(value) for *_, value in found if isinstance(value, bytes)}
    assert not told & {row.subject_handle, row.record_id, row.activation_commitment}
    assert not any(row.subject_handle in one for one in told)


def test_a_match_that_is_no_longer_live_opens_its_own_record_at_most(world: World) -> None:
    number = new_number()
    first = Subscriber.registered(world, number)
    hold(world.database, first.record_id, world.gateway_key, world.clock(), days=400)
    later(world, 181 * DAY)
    Subscriber.registered(world, number)
    answer = first.asks("copy")
    assert answer.kept is not None
    assert (answer.kept.scope, answer.kept.live_lines) == ("record", None)
    named = {value for _, name, value in columns_of(answer) if name == "record_id"}
    assert named == {first.record_id}


# Erasure


def test_what_was_erased_is_gone_and_the_proof_says_so(world: World) -> None:
    somebody = Subscriber.registered(world)
    before = kinds(world)
    answer = somebody.asks("erase")
    proof = answer.erasure
    assert proof is not None
    assert proof.log_proof is not None
    for table in ("records", "consents", "sessions"):
        assert about(world, table, somebody.record_id) == []
    assert kinds(world) == [*before, "erasure"]
    left = cose.verify(proof.erasure, Erasure, world.gateway_key.public).message
    assert left.tombstone == somebody.tombstone
    assert left.erased_on == world.clock() // DAY
    assert world.rights.erasure(somebody.tombstone) == proof, "the same, whenever it is asked for"
    found = verify_erasure(proof, somebody.done.receipt, world.trust)
    assert found.days == left.erased_on
    stranger = Subscriber.registered(world)
    with pytest.raises(ErasureInvalid, match="another record"):
        verify_erasure(proof, stranger.done.receipt, world.trust)


@pytest.mark.parametrize("emptied", [True, False])
def test_the_bytes_go_at_once(world: World, emptied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """From SQLite's files; PostgreSQL's go with the day's scrub. The control leaves its log."""
    if world.database.dialect != "sqlite":
        return
    somebody = Subscriber.registered(world)
    if not emptied:
        monkeypatch.setattr(served, "truncate_log", lambda _: False)
    needle = somebody.statement[200:1000]
    files = list(world.directory.glob("gateway.sqlite3*"))
    assert any(needle in file.read_bytes() for file in files)
    somebody.asks("erase")
    assert any(needle in file.read_bytes() for file in files) == (not emptied)


def test_the_session_of_an_erased_record_is_unknown(world: World) -> None:
    """Its state would tell that there was a record, and which session it came from."""
    somebody = Subscriber.registered(world)
    session = Receipt.decode(somebody.done.receipt)
    stated = cose.peek(session.statement, Statement)
    path = f"/face-verification/v0.1/sessions/{stated.session.hex()}"
    assert send(world, "GET", path).status_code == 200
    somebody.asks("erase")
    gone = send(world, "GET", path)
    never = send(world, "GET", f"/face-verification/v0.1/sessions/{'0' * 32}")
    assert (gone.status_code, gone.content) == (never.status_code, never.content)


# Refusals


def send(world: World, method: str, path: str, body: bytes = b"") -> httpx.Response:
    headers = sign_request(method, "gateway", path, body, world.counter.device, world.clock())
    return world._at_gateway(
        httpx.Request(method, f"http://gateway{path}", headers=headers, content=body or None)
    )


def not_published(world: World) -> tuple[bytes, bytes]:
    """Record and secret of a decision whose entry waits in the queue."""
    secret = new_salt()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.publication, "wait_for", lambda *_: None)
        opened = world.open()
        made = {"erasure_commitment": erasure_commitment(secret)}
        both = ciphertexts(opened, *pair(0.7))
        view = world.submit(opened, draft(world.counter, opened, *both, world.clock(), made=made))
    assert view.state == "RECORDED"
    (pending,) = world.rows("log_pending")
    return pending.record_id, secret


def test_there_is_one_refusal(world: World) -> None:
    somebody, erased, expired = (Subscriber.registered(world) for _ in range(3))
    erased.asks("erase")
    later(world, 181 * DAY)  # that one is due, and nobody has reaped it
    fresh = Subscriber.registered(world)
    record, secret = not_published(world)
    asked = {
        "unknown": fresh.request("erase", record_id=new_record_id()),
        "wrong secret": fresh.request("erase", secret=bytes(32)),
        "another's secret": fresh.request("erase", secret=somebody.done.opening.erasure_secret),
        "erased": erased.request("erase"),
        "expired": expired.request("erase"),
        "not published": fresh.request("erase", record_id=record, secret=secret),
    }
    found = {
        name: send(world, "POST", SUBJECT_REQUESTS, one.encode()) for name, one in asked.items()
    }
    assert {(one.status_code, one.content) for one in found.values()} == {
        (
            403,
            send(
                world, "POST", SUBJECT_REQUESTS, fresh.request("copy", secret=bytes(32)).encode()
            ).content,
        )
    }
    device = world.counter.device.public
    told = {refusal(lambda one=one: world.rights.answer(one, device)) for one in asked.values()}
    assert len(told) == 1, "nor does the operator's log"
    assert about(world, "records", record), "nothing was changed"
    world.sequencer.step()
    assert fresh.asks("erase", record_id=record, secret=secret).erasure is not None


def test_tombstones_of_nobody_of_others_and_of_the_living_look_alike(world: World) -> None:
    living, gone = (Subscriber.registered(world) for _ in range(2))
    gone.asks("erase")
    guesses = [
        living.tombstone,
        digest_of(gone.statement),
        withdrawal_mark(gone.statement),
        digest_of(gone.record_id),
        bytes(32),
    ]
    answers = {
        (one.status_code, one.content)
        for one in (send(world, "GET", f"{ERASURES}/{guess.hex()}") for guess in guesses)
    }
    assert len(answers) == 1
    assert answers.pop()[0] == 404
    assert send(world, "GET", f"{ERASURES}/{gone.tombstone.hex()}").status_code == 200


# Attackers


def test_a_device_that_guesses_secrets_is_soon_refused_whatever_it_asks(world: World) -> None:
    victim = Subscriber.registered(world)
    world.rights = rights_of(world, per_hour=5)
    told = [refusal(lambda: victim.asks("erase", secret=new_salt())) for _ in range(5)]
    assert len(set(told)) == 1
    assert "5 times in an hour" in refusal(lambda: victim.asks("erase"))
    other = SigningKey.generate("device-2")
    assert victim.asks("copy", key=other).kept is not None, "another counter is not concerned"
    later(world, 3600)
    assert victim.asks("erase").erasure is not None


def test_the_carrier_with_the_activation_opening_cannot_erase(world: World) -> None:
    """It knows the record, the receipt, the reference and one of the two salts."""
    victim = Subscriber.registered(world)
    held = victim.done.opening.of_activation(victim.record_id)
    stated = victim.done.verified.statement.message
    known = [held.activation_salt, stated.subject_commitment, stated.consent_digest, bytes(32)]
    known += [stated.erasure_commitment, digest_of(held.activation_salt)]
    guesses = [*known, *(erasure_secret(one, held.activation_salt) for one in known)]
    for guess in guesses:
        refusal(lambda guess=guess: victim.asks("erase", secret=guess))
    assert about(world, "records", victim.record_id)
    own = erasure_secret(victim.done.opening.subject_salt, held.activation_salt)
    assert victim.asks("erase", secret=own).erasure is not None


def test_an_erase_request_counts_once_and_for_its_sender_alone(world: World) -> None:
    somebody = Subscriber.registered(world)
    body = somebody.request("erase").encode()
    headers = sign_request(
        "POST", "gateway", SUBJECT_REQUESTS, body, world.counter.device, world.clock()
    )
    recorded = httpx.Request(
        "POST", f"http://gateway{SUBJECT_REQUESTS}", headers=headers, content=body
    )
    assert world._at_gateway(recorded).status_code == 200
    assert world._at_gateway(recorded).status_code == 403, "replayed"
    assert send(world, "POST", SUBJECT_REQUESTS, body).status_code == 403, "signed again"
    victim = Subscriber.registered(world)
    taken = victim.request("erase")
    thief = SigningKey.generate("device-2")
    refusal(lambda: world.rights.answer(taken, thief.public))
    resigned = cose.sign(cose.peek(taken.request, SubjectRequest), thief)
    signed = type(taken)(request=resigned.encoded)
    assert "another device's name" in refusal(lambda: world.rights.answer(signed, thief.public))
    assert "another gateway" in refusal(lambda: victim.asks("erase", gateway="other"))
    late = world.clock() - 16 * 60
    assert "not fresh" in refusal(lambda: victim.asks("erase", requested_at=late))
    assert about(world, "records", victim.record_id)


# Withdrawal, and holds


def test_a_withdrawal_is_a_record_of_its_own_and_erases(world: World) -> None:
    somebody = Subscriber.registered(world)
    before = kinds(world)
    answer = somebody.asks("withdraw")
    assert answer.withdrawal is not None
    assert answer.withdrawal.log_proof is not None
    assert answer.erasure is not None
    assert kinds(world) == [*before, "withdrawal", "erasure"]
    made = cose.verify(answer.withdrawal.withdrawal, Withdrawal, world.gateway_key.public).message
    assert made.mark == withdrawal_mark(somebody.statement)
    assert (made.consent_text_version, made.withdrawn_on) == (1, world.clock() // DAY)
    (row,) = [row for row in world.rows("withdrawals") if row.mark == made.mark]
    assert row.withdrawal == answer.withdrawal.withdrawal
    assert row.expires_at == (world.clock() // DAY + 1095) * DAY
    assert about(world, "records", somebody.record_id) == []


def test_a_held_record_stays_and_its_holder_is_told(world: World) -> None:
    number = new_number()
    somebody, other = (Subscriber.registered(world, number) for _ in range(2))
    made = hold(world.database, somebody.record_id, world.gateway_key, world.clock())
    answer = somebody.asks("erase")
    assert answer.erasure is None
    assert answer.held is not None
    assert (answer.held.reason, answer.held.until) == ("court-order", made.until)
    assert about(world, "records", somebody.record_id)
    refusal(lambda: somebody.asks("erase", secret=bytes(32)))
    # Withdrawn: it counts for nothing from now on.
    copy = other.asks("copy").kept
    assert copy is not None
    assert copy.live_lines == 2
    first, again = somebody.asks("withdraw"), somebody.asks("withdraw")
    assert first.held == answer.held
    assert first.withdrawal == again.withdrawal, "one withdrawal"
    copy = other.asks("copy").kept
    assert copy is not None
    assert copy.live_lines == 1
    (row,) = about(world, "records", somebody.record_id)
    assert row.expires_at <= world.clock()
    # The hold ends, and the reaper does the rest.
    reaper_of(world).run(lift_guard=True)
    assert about(world, "records", somebody.record_id), "while it is held"
    later(world, made.until + 1 - world.clock())
    reaper_of(world).run(lift_guard=True)
    assert about(world, "records", somebody.record_id) == []
    assert world.rights.erasure(somebody.tombstone) is not None


def test_a_hold_that_has_ended_holds_nothing(world: World) -> None:
    somebody = Subscriber.registered(world)
    made = hold(world.database, somebody.record_id, world.gateway_key, world.clock(), days=2)
    later(world, made.until - world.clock())
    assert somebody.asks("erase").erasure is not None
    assert about(world, "holds", somebody.record_id) == []


def test_without_the_hold_s_check_the_record_would_be_erased(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: a gateway that ends every hold before it asks."""
    somebody = Subscriber.registered(world)
    made = hold(world.database, somebody.record_id, world.gateway_key, world.clock())
    with world.database.writing() as connection:
        hold_register(connection)
        holds.release(connection, made.hold_id, digest_of(b"agreed"), world.gateway_key, 0)
    assert somebody.asks("erase").erasure is not None


def test_an_answer_comes_though_the_log_does_not_publish(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    somebody = Subscriber.registered(world)
    monkeypatch.setattr(world.publication, "wait_for", lambda *_: None)
    answer = somebody.asks("withdraw")
    assert answer.erasure is not None
    assert answer.withdrawal is not None
    assert answer.erasure.log_proof is answer.withdrawal.log_proof is None
    world.sequencer.step()
    later = world.rights.erasure(somebody.tombstone)
    assert later is not None
    assert later.erasure == answer.erasure.erasure
    assert later.log_proof is not None


def test_a_registration_without_a_face_is_its_subject_s_too(world: World) -> None:
    """It has no handle, so a copy is of itself, and no lines are told."""
    desk = Desk(world)
    asserted = desk.asserted()
    receipt = desk.record(desk.request(asserted))
    stated = cose.peek(Receipt.decode(receipt).statement, FallbackStatement)
    done = SimpleNamespace(
        receipt=receipt, opening=asserted.opening, record_id=stated.record_id, verified=None
    )
    somebody = Subscriber(world, done)  # type: ignore[arg-type]
    copy = somebody.asks("copy").kept
    assert copy is not None
    assert (copy.scope, copy.live_lines) == ("record", None)
    assert {row.table for row in copy.rows} == {"records"}
    answer = somebody.asks("withdraw")
    assert answer.erasure is not None
    assert verify_erasure(answer.erasure, receipt, world.trust).days == world.clock() // DAY
    assert about(world, "records", stated.record_id) == []
