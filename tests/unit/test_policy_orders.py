"""A match policy that two operators signed: how it comes into force, and what attackers gain who
lack a key, the gateway's or an operator's."""

import logging
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.host.settings import BadConfiguration
from gateway.proofs.approval import verify_approval
from gateway.server import orders
from gateway.server.config import GatewaySettings
from gateway.server.policy import Policies
from gateway.store import policies, schema
from gateway.store.database import Database
from gateway.wire import cose
from gateway.wire.admin import Concerned
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import Refused, SessionConflict, Unavailable
from gateway.wire.ids import PartyId
from gateway.wire.orders import NO_APPROVAL, AgreedOrder, Agreement
from gateway.wire.policy import LanePolicy
from tests.support.operators import KEYS, Desk
from tests.support.parties import GATEWAY
from tests.vectors.ordered import PROPOSAL, SIGNED_POLICY

STRICTER = PROPOSAL.model_copy(
    update={
        "policy": SIGNED_POLICY.model_copy(
            update={"policy_id": "stricter", "lanes": (LanePolicy.for_cosine("0.5"),) * 2}
        )
    }
)
SETTINGS = {
    "authority_public_key": "0" * 64,
    "model_id": SIGNED_POLICY.model_id,
    "model_digest": SIGNED_POLICY.model_digest.hex(),
}


@pytest.fixture
def desk(shared: Database) -> Desk:
    """A database as a new gateway has it: the tests of this module share one."""
    desk = Desk(shared)
    written = ("match_policies", "orders", "admin_actions", "parties", "log_pending")
    desk.write(*(schema.metadata.tables[name].delete() for name in written))
    return desk


def running(desk: Desk, directory: Path, **values: Any) -> Policies:
    """A gateway process that has started on this database."""
    found = Policies(GatewaySettings(data_dir=directory, **(SETTINGS | values)), KEYS)
    with desk.database.transaction() as connection:
        found.start(connection)
    return found


def for_a_session(process: Policies, desk: Desk) -> Any:
    with desk.database.transaction() as connection:
        return process.in_force(connection)


# How it comes into force


def test_an_adoption_reaches_every_process_at_its_next_session(
    desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    processes = [running(desk, tmp_path) for _ in range(2)]
    assert caplog.text.count("no match policy is signed") == len(processes)
    assert {for_a_session(one, desk).policy.assurance for one in processes} == {"unsigned-default"}
    anna, ben = desk.operator(), desk.operator()
    order_id, order = desk.proposed(anna)
    assert for_a_session(processes[0], desk).approval is None  # a proposal changes nothing
    desk.agree(order_id, desk.agreement(ben, order))
    approval = desk.policies()[-1]
    for one in processes:
        assert for_a_session(one, desk) == (SIGNED_POLICY, approval.digest)
    assert approval.operators == (anna.party, ben.party)
    action = desk.actions()[-1]
    assert (action.verb, action.kind, action.party) == ("adopt", "match-policy", "1")
    assert action.key_id == approval.digest
    second = desk.adopted(ben, anna, proposal=STRICTER)
    assert for_a_session(processes[0], desk) == (STRICTER.policy, second.digest)
    assert (second.order.number, second.order.previous) == (2, approval.digest)
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        running(desk, tmp_path)  # a signed one is nothing to warn of
    assert caplog.text == ""


def test_settings_that_a_signed_policy_overrules_are_named_at_the_start(
    desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk.adopted(desk.operator(), desk.operator())
    running(desk, tmp_path, threshold_cosine="0.431", action_cosine="0.352")  # the same ones
    assert caplog.text == ""
    process = running(desk, tmp_path, threshold_cosine="0.35")
    assert "threshold_cosine = 0.35 of the settings is not used" in caplog.text
    assert for_a_session(process, desk).policy == SIGNED_POLICY


def test_a_gateway_that_requires_a_signed_policy_starts_only_with_one(
    desk: Desk, tmp_path: Path
) -> None:
    with pytest.raises(BadConfiguration, match="require_signed_policy"):
        running(desk, tmp_path, require_signed_policy=True)
    desk.adopted(desk.operator(), desk.operator())
    running(desk, tmp_path, require_signed_policy=True)


def test_a_policy_for_another_face_model_stops_start_and_sessions(
    desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process = running(desk, tmp_path, model_digest="ab" * 32)
    desk.adopted(desk.operator(), desk.operator())
    with pytest.raises(Unavailable, match="no session is opened"):
        for_a_session(process, desk)
    assert "the match policy is for face model" in caplog.text
    with pytest.raises(BadConfiguration, match="calibrate for this one"):
        running(desk, tmp_path, model_digest="ab" * 32)
    running(desk, tmp_path)


# One operator alone


def test_one_operator_alone_changes_nothing(desk: Desk) -> None:
    anna, ben = desk.operator(), desk.operator()
    order_id, order = desk.proposed(anna)
    with pytest.raises(Refused) as refused:
        desk.agree(order_id, desk.agreement(anna, order))
    assert "another operator must agree" in refused.value.detail
    with pytest.raises(Refused):  # the other one's name, and one's own key
        desk.agree(order_id, desk.agreement(SigningKey(ben.party, anna.private), order))
    assert desk.policies() == []
    desk.agree(order_id, desk.agreement(ben, order))
    assert len(desk.policies()) == 1


def test_of_two_proposals_for_one_place_the_second_is_void(desk: Desk) -> None:
    anna, ben = desk.operator(), desk.operator()
    first, second = desk.proposed(anna), desk.proposed(ben, proposal=STRICTER)
    desk.agree(first[0], desk.agreement(ben, first[1]))
    with pytest.raises(SessionConflict, match="meanwhile"):
        desk.agree(second[0], desk.agreement(anna, second[1]))
    assert desk.policies()[-1].policy == SIGNED_POLICY


def test_an_older_approval_does_not_come_into_force_again(desk: Desk) -> None:
    """Whoever has its bytes, from a backup or the table, places the same order once more."""
    anna, ben = desk.operator(), desk.operator()
    desk.adopted(anna, ben)
    with desk.database.transaction() as connection:
        row = policies.last_policy(connection)
        assert row is not None
        lax = AgreedOrder.decode(row.approval)
    desk.adopted(anna, ben, proposal=STRICTER)
    with pytest.raises(SessionConflict, match="meanwhile"):
        desk.placed(lax.order)
    ahead = desk.proposal(anna, number=9)
    with pytest.raises(SessionConflict):
        desk.placed(ahead)
    desk.adopted(anna, ben)  # the control: a new proposal of the same thresholds does


# Who writes the database, but cannot sign for the gateway


def _without_last(desk: Desk) -> None:
    newest = sa.select(sa.func.max(schema.match_policies.c.number)).scalar_subquery()
    desk.write(schema.match_policies.delete().where(schema.match_policies.c.number == newest))


def _older_in_its_place(desk: Desk) -> None:
    table = schema.match_policies
    first = sa.select(table.c.approval).where(table.c.number == 1).scalar_subquery()
    desk.write(table.update().where(table.c.number == 2).values(approval=first))


def _older_on_top(desk: Desk) -> None:
    with desk.database.transaction() as connection:
        first = policies.list_policies(connection)[0]
    values = {"number": 3, "approval": first.approval, "adopted_at": desk.now}
    desk.write(schema.match_policies.insert().values(values))


def _ones_own(desk: Desk) -> None:
    """Signed by two keys that nobody enrolled."""
    mallory, oscar = SigningKey.generate("mallory"), SigningKey.generate("oscar")
    order = desk.proposal(mallory)
    kept = AgreedOrder(order=order, agreement=desk.agreement(oscar, order))
    values = {"number": 3, "approval": kept.encode(), "adopted_at": desk.now}
    desk.write(schema.match_policies.insert().values(values))


@pytest.mark.parametrize("attack", [_without_last, _older_in_its_place, _older_on_top, _ones_own])
def test_a_row_that_was_not_adopted_in_its_place_stops_everything(
    desk: Desk, tmp_path: Path, attack: Any, caplog: pytest.LogCaptureFixture
) -> None:
    anna, ben = desk.operator(), desk.operator()
    desk.adopted(anna, ben)
    desk.adopted(anna, ben, proposal=STRICTER)
    process = running(desk, tmp_path)
    assert for_a_session(process, desk).policy == STRICTER.policy
    attack(desk)
    with pytest.raises(Unavailable):
        for_a_session(process, desk)
    assert "cannot be verified" in caplog.text
    with pytest.raises(BadConfiguration, match="cannot be verified"):
        running(desk, tmp_path)
    with pytest.raises(Refused):
        desk.policies()


def test_an_old_database_is_told_by_a_process_that_saw_more(desk: Desk, tmp_path: Path) -> None:
    """Row and action are gone, and the history ends as it once did: only memory, the log and the
    authority's pins tell."""
    anna, ben = desk.operator(), desk.operator()
    desk.adopted(anna, ben)
    before = desk.dump()
    desk.adopted(anna, ben, proposal=STRICTER)
    process = running(desk, tmp_path)
    _without_last(desk)
    last = max(row[0] for row in before["admin_actions"])
    desk.write(schema.admin_actions.delete().where(schema.admin_actions.c.number > last))
    with pytest.raises(Unavailable):
        for_a_session(process, desk)
    assert for_a_session(running(desk, tmp_path), desk).policy == SIGNED_POLICY  # a new one not


# Who has the gateway's key and one operator's


def test_gateway_and_one_operator_make_no_approval_that_a_verifier_accepts(desk: Desk) -> None:
    """The gateway enrols a second operator of its own; the verifier pins two others."""
    anna, ben = desk.operator("anna"), desk.operator("ben")
    pinned = {"anna": anna.public, "ben": ben.public}

    def known(name: PartyId) -> VerifyKey:
        if name not in pinned:
            raise Refused("not pinned")
        return pinned[name]

    puppet = desk.operator("puppet")
    order_id, order = desk.proposed(anna)
    desk.agree(order_id, desk.agreement(puppet, order))
    assert desk.policies()[-1].operators == ("anna", "puppet")  # the gateway's own word
    with desk.database.transaction() as connection:
        kept = policies.list_policies(connection)[0].approval
    with pytest.raises(Refused) as refused:
        verify_approval(kept, GATEWAY.party, known)
    assert refused.value.detail == "not pinned"
    desk.adopted(anna, ben)
    with desk.database.transaction() as connection:
        kept = policies.list_policies(connection)[1].approval
    assert verify_approval(kept, GATEWAY.party, known).operators == ("anna", "ben")
    with pytest.raises(Refused):
        verify_approval(kept, PartyId("another-gateway"), known)


def test_an_approval_of_another_order_is_none(desk: Desk) -> None:
    anna, ben = desk.operator(), desk.operator()
    keys = {anna.party: anna.public, ben.party: ben.public}
    order = desk.erasure(anna, desk.record())
    kept = AgreedOrder(order=order, agreement=desk.agreement(ben, order))
    with pytest.raises(Refused) as refused:
        verify_approval(kept.encode(), GATEWAY.party, keys.__getitem__)
    assert "not to a match policy" in refused.value.detail
    proposal = desk.proposal(anna, number=1, previous=NO_APPROVAL)
    swapped = AgreedOrder(order=proposal, agreement=desk.agreement(ben, order))
    with pytest.raises(Refused, match="refused"):
        verify_approval(swapped.encode(), GATEWAY.party, keys.__getitem__)


def test_a_filed_approval_is_found_in_the_history(desk: Desk) -> None:
    anna, ben = desk.operator(), desk.operator()
    desk.adopted(anna, ben)
    with desk.database.transaction() as connection:
        kept = AgreedOrder.decode(policies.list_policies(connection)[0].approval)
    assert orders.filed(desk.database, kept, KEYS)[2] == desk.now
    assert cose.peek(kept.agreement, Agreement).operator == ben.party
    assert Concerned.object("match-policy", "1", desk.policies()[0].digest).kind == "match-policy"
