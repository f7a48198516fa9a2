"""Operators' actions are signed and chained: none can be altered or dropped from the middle."""

import pytest

from gateway.wire.admin import next_action, verify_chain
from gateway.wire.cose import SigningKey
from gateway.wire.errors import MalformedMessage, Refused

SERVER = SigningKey.generate("gateway")
DEVICE = SigningKey.generate("shop-1").public


def chain() -> list[bytes]:
    actions: list[bytes] = []
    for verb, kind, party in (
        ("enrol", "device", DEVICE),
        ("enrol", "agent", "agent-7"),
        ("suspend", "device", DEVICE),
    ):
        before = actions[-1] if actions else None
        actions.append(next_action(before, verb, kind, party, SERVER, 1000 + len(actions)))
    return actions


def test_a_whole_chain_verifies_and_reads_back() -> None:
    checked = verify_chain(chain(), SERVER.public)
    assert [(a.verb, a.kind, a.party) for a in checked] == [
        ("enrol", "device", "shop-1"),
        ("enrol", "agent", "agent-7"),
        ("suspend", "device", "shop-1"),
    ]
    assert checked[0].key_id == DEVICE.key_id
    assert checked[1].key_id is None


@pytest.mark.parametrize("dropped", [0, 1])
def test_a_dropped_action_is_noticed(dropped: int) -> None:
    actions = chain()
    del actions[dropped]
    with pytest.raises(Refused):
        verify_chain(actions, SERVER.public)


def test_reordered_altered_or_foreign_actions_are_noticed() -> None:
    a, b, c = chain()
    stranger = SigningKey.generate("gateway")
    for actions in ([b, a, c], [a, c, b], [a, next_action(a, "enrol", "agent", "x", stranger, 1)]):
        with pytest.raises(Refused):
            verify_chain(actions, SERVER.public)
    for place in range(len(b)):
        altered = b[:place] + bytes((b[place] ^ 1,)) + b[place + 1 :]
        with pytest.raises((Refused, MalformedMessage)):
            verify_chain([a, altered, c], SERVER.public)
