"""Dealings: one encoding for each party, everything else refused."""

from dataclasses import replace

import pytest

from gateway.he.interval import deal
from gateway.wire.dealing import (
    AUTHORITY,
    COMPARISON_KEY_BYTES,
    DEALING_BYTES,
    GATEWAY,
    Dealing,
    Party,
)
from gateway.wire.errors import MalformedMessage
from gateway.wire.profile import T_BITS, T
from tests.support.parties import fixed_dealings

PARTIES: tuple[Party, Party] = (GATEWAY, AUTHORITY)
LANE = COMPARISON_KEY_BYTES + 4
each_party = pytest.mark.parametrize("party", PARTIES, ids=["gateway", "authority"])


def honest(party: Party) -> bytes:
    return fixed_dealings("wire")[party].encoded


def altered(data: bytes, place: int, byte: int) -> bytes:
    return data[:place] + bytes((byte,)) + data[place + 1 :]


def test_sizes() -> None:
    assert COMPARISON_KEY_BYTES == 32 + T_BITS * 33 + 1 == 924
    assert DEALING_BYTES == 2 + 2 * 928


@each_party
def test_a_dealing_comes_back(party: Party) -> None:
    data = honest(party)
    assert len(data) == DEALING_BYTES
    assert data[:2] == bytes((1, party))
    read = Dealing.decode(data, party)
    assert read == fixed_dealings("wire")[party]
    assert replace(read).encoded == data  # made anew, not the bytes that were read
    for i, lane in enumerate(read.lanes):
        place = 2 + i * LANE
        assert data[place : place + COMPARISON_KEY_BYTES] == lane.key
        assert int.from_bytes(data[place + LANE - 4 : place + LANE], "little") == lane.share


@each_party
def test_a_dealing_is_one_party_s(party: Party) -> None:
    other = PARTIES[1 - party]
    with pytest.raises(MalformedMessage):
        Dealing.decode(honest(other), party)
    for version, named in ((0, party), (2, party), (1, 2), (1, 255)):
        with pytest.raises(MalformedMessage):
            Dealing.decode(bytes((version, named)) + honest(party)[2:], party)


@each_party
def test_every_other_length_is_refused(party: Party) -> None:
    data = honest(party)
    for wrong in (b"", data[:2], data[:-1], data[:-LANE], data + b"\0", data + data[2:]):
        with pytest.raises(MalformedMessage):
            Dealing.decode(wrong, party)


@each_party
@pytest.mark.parametrize("lane", [0, 1])
def test_bits_and_shares_have_one_form(party: Party, lane: int) -> None:
    """A byte of bits above 7, a last correction above 1, a share of t or more: second encodings."""
    data, start = honest(party), 2 + lane * LANE
    for level in range(T_BITS):
        place = start + 32 + 33 * level + 32
        assert Dealing.decode(altered(data, place, 7), party)
        for byte in (8, 128, 255):
            with pytest.raises(MalformedMessage):
                Dealing.decode(altered(data, place, byte), party)
    last = start + COMPARISON_KEY_BYTES - 1
    for byte in (0, 1):
        assert Dealing.decode(altered(data, last, byte), party)
    for byte in (2, 255):
        with pytest.raises(MalformedMessage):
            Dealing.decode(altered(data, last, byte), party)
    place = start + COMPARISON_KEY_BYTES

    def with_share(share: int) -> bytes:
        return data[:place] + share.to_bytes(4, "little") + data[place + 4 :]

    for share in (0, T - 1):
        assert Dealing.decode(with_share(share), party).lanes[lane].share == share
    for share in (T, 2**T_BITS - 1, 2**32 - 1):
        with pytest.raises(MalformedMessage):
            Dealing.decode(with_share(share), party)


def test_nothing_dealt_ever_shows() -> None:
    for dealing in fixed_dealings("wire"):
        assert repr(dealing) == f"Dealing(party={dealing.party})"
        assert repr(dealing.lanes[0]) == "LaneDealing()"


def test_every_dealing_is_drawn_anew() -> None:
    import os

    first, second = deal(os.urandom), deal(os.urandom)
    for party in PARTIES:
        lanes = [lane for made in (first, second) for lane in made[party].lanes]
        assert len({lane.key[:32] for lane in lanes}) == 4
        assert len({lane.share for lane in lanes}) > 2
    assert first[0].digest != second[0].digest
