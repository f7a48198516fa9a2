"""Operators' actions are signed and chained: nothing can be altered, dropped or slipped in."""

import itertools

import pytest

from gateway.wire.admin import NO_PREVIOUS, Chain, ChainKeys, Concerned, next_action, verify_chain
from gateway.wire.cose import SigningKey
from gateway.wire.errors import MalformedMessage, Refused

SERVER = SigningKey.generate("gateway")
NEXT, OLD = SigningKey.generate("gateway"), SigningKey.generate("gateway")
STRANGER = SigningKey.generate("gateway")
DEVICE = SigningKey.generate("shop-1").public
KEYS = ChainKeys((SERVER.public,))

OF_DEVICE, OF_AGENT = Concerned.with_key("device", DEVICE), Concerned("agent", "agent-7")
STEPS = (("enrol", OF_DEVICE), ("enrol", OF_AGENT), ("suspend", OF_DEVICE))


def chain(*signers: SigningKey) -> list[bytes]:
    actions: list[bytes] = []
    keys = itertools.chain(signers, itertools.repeat(signers[-1] if signers else SERVER))
    for (verb, about), key in zip(STEPS, keys, strict=False):
        before = actions[-1] if actions else None
        actions.append(next_action(before, verb, about, key, 1000 + len(actions)))
    return actions


def authority(key: SigningKey) -> Concerned:
    return Concerned.with_key("authority", key.public)


def handed_over(actions: list[bytes], old: SigningKey, new: SigningKey) -> list[bytes]:
    named = next_action(actions[-1], "enrol", authority(new), old, 2000)
    ended = next_action(named, "suspend", authority(old), new, 2000)
    return [*actions, named, ended]


def test_a_whole_chain_verifies_and_reads_back() -> None:
    checked = verify_chain(chain(), KEYS).actions
    assert [(a.verb, a.kind, a.party) for a in checked] == [
        ("enrol", "device", "shop-1"),
        ("enrol", "agent", "agent-7"),
        ("suspend", "device", "shop-1"),
    ]
    assert checked[0].key_id == DEVICE.key_id
    assert checked[1].key_id is None
    assert checked[1].line() == "1970-01-01 00:16:41\tenrol\tagent\tagent-7\t"


@pytest.mark.parametrize("dropped", [0, 1])
def test_a_dropped_action_is_noticed(dropped: int) -> None:
    actions = chain()
    del actions[dropped]
    with pytest.raises(Refused):
        verify_chain(actions, KEYS)


def test_reordered_altered_or_foreign_actions_are_noticed() -> None:
    a, b, c = chain()
    foreign = next_action(a, "enrol", Concerned("agent", "x"), STRANGER, 1)
    for actions in ([b, a, c], [a, c, b], [a, a], [a, foreign]):
        with pytest.raises(Refused):
            verify_chain(actions, KEYS)
    for place in range(len(b)):
        altered = b[:place] + bytes((b[place] ^ 1,)) + b[place + 1 :]
        with pytest.raises((Refused, MalformedMessage)):
            verify_chain([a, altered, c], KEYS)


def test_another_servers_history_is_not_ours() -> None:
    """Even one that the same key signed: a name that was changed in the settings."""
    renamed = SigningKey("other", SERVER.private)
    with pytest.raises(Refused, match="refused") as caught:
        verify_chain([next_action(None, "enrol", Concerned("agent", "x"), renamed, 1)], KEYS)
    assert caught.value.detail == "an action of other, not of gateway"


def test_a_cut_end_is_noticed_by_whoever_saw_more() -> None:
    """And by nobody else: that is why heads are noted (THREAT_MODEL)."""
    actions = chain()
    seen = verify_chain(actions, KEYS)
    assert len(verify_chain(actions[:2], KEYS).actions) == 2
    other = [*actions[:2], next_action(actions[1], "enrol", Concerned("agent", "x"), SERVER, 5)]
    for rewritten in (actions[:2], [], other):
        with pytest.raises(Refused) as caught:
            verify_chain(rewritten, KEYS, after=seen)
        assert "cut or rewritten" in caught.value.detail
    longer = [*actions, next_action(actions[-1], "enrol", Concerned("agent", "y"), SERVER, 5)]
    assert verify_chain(longer, KEYS, after=seen) == verify_chain(longer, KEYS)


def test_an_old_key_signed_in_its_time_and_signs_no_more() -> None:
    """A thief of last year's key can neither go on nor write another history."""
    keys = ChainKeys((SERVER.public,), (OLD.public,))
    genuine = handed_over(chain(OLD), OLD, SERVER)
    assert len(verify_chain(genuine, keys).actions) == 5
    more = next_action(genuine[-1], "enrol", Concerned("agent", "mine"), OLD, 3000)
    mine = handed_over(
        [next_action(None, "enrol", Concerned("agent", "mine"), OLD, 1)], OLD, SERVER
    )[:-1]
    for forged in ([*genuine, more], genuine[:3], mine):
        with pytest.raises(Refused) as caught:
            verify_chain(forged, keys)
        assert caught.value.detail == "the last action is not signed by a key in force"


def test_a_key_too_old_to_be_remembered_does_no_harm() -> None:
    genuine = handed_over(chain(OLD), OLD, SERVER)
    assert len(verify_chain(genuine, KEYS).actions) == 5
    altered = genuine[1][:-1] + bytes((genuine[1][-1] ^ 1,))
    with pytest.raises(Refused):
        verify_chain([genuine[0], altered, *genuine[2:]], KEYS)


def test_a_reader_who_knows_the_old_key_follows_to_the_new_one() -> None:
    """A server that runs while its key is changed on the disk."""
    actions = handed_over(chain(), SERVER, NEXT)
    seen = verify_chain(actions[:3], KEYS)
    followed = verify_chain(actions, KEYS, [NEXT.public], after=seen)
    assert followed.in_force == {NEXT.public.key_id}
    later = [*actions, next_action(actions[-1], "enrol", Concerned("agent", "z"), NEXT, 9)]
    assert verify_chain(later, KEYS, [NEXT.public], after=followed).actions[-1].party == "z"
    back = [*actions, next_action(actions[-1], "enrol", Concerned("agent", "z"), SERVER, 9)]
    with pytest.raises(Refused):
        verify_chain(back, KEYS, [NEXT.public], after=followed)


def test_a_successor_counts_by_its_signature_not_by_its_name() -> None:
    """Without the key itself, what is said to be signed with it is not believed."""
    actions = handed_over(chain(), SERVER, NEXT)
    forged = next_action(actions[-1], "enrol", Concerned("agent", "mine"), NEXT, 9)
    forged = forged[:-1] + bytes((forged[-1] ^ 1,))
    for successors in ([], [STRANGER.public], [NEXT.public]):
        with pytest.raises(Refused):
            verify_chain([*actions, forged], KEYS, successors)
    named = next_action(actions[2], "enrol", authority(STRANGER), STRANGER, 9)
    with pytest.raises(Refused):
        verify_chain([*actions[:3], named], KEYS, [STRANGER.public])


def test_an_empty_history_is_one() -> None:
    assert verify_chain([], KEYS) == Chain(in_force=frozenset({SERVER.public.key_id}))
    assert verify_chain([], KEYS).head == NO_PREVIOUS
