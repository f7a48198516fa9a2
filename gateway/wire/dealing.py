"""What the issuer deals to the two servers for one decision (protocol, section 6).

A dealing holds, per lane, a key of the distributed comparison function and a share of the random r.
Both servers' dealings have the same form and length, and exactly one encoding: a byte with the
format version, a byte with the party (0 the gateway, 1 the authority), then per lane the key and
four bytes with the share, little-endian, the probe's lane first. They travel sealed and bound to
session, key and role (``gateway.wire.sealing``). The template assertion names both by digest. Each
begins with a random seed of 32 bytes that nobody else has, so the digest tells nobody anything.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, Self

from gateway.wire.errors import MalformedMessage
from gateway.wire.ids import Digest, digest_of
from gateway.wire.profile import LANES, T_BITS, T

Party = Literal[0, 1]
GATEWAY: Final = 0
AUTHORITY: Final = 1

COMPARISON_SEED_BYTES: Final = 32
CORRECTION_BYTES: Final = COMPARISON_SEED_BYTES + 1
"""A seed, and a byte with three bits."""

COMPARISON_KEY_BYTES: Final = COMPARISON_SEED_BYTES + T_BITS * CORRECTION_BYTES + 1

_FORMAT: Final = 1
_SHARE_BYTES: Final = 4
_LANE_BYTES: Final = COMPARISON_KEY_BYTES + _SHARE_BYTES
_CORRECTION_BITS: Final = 0b111
DEALING_BYTES: Final = 2 + LANES * _LANE_BYTES


@dataclass(frozen=True)
class LaneDealing:
    """One server's part for one lane."""

    key: bytes | memoryview = field(repr=False)
    """Of the distributed comparison with r (``gateway.he.dcf``). A decoded key is a part of the
    dealing's one buffer, because freed copies of its size stay in allocators' caches."""
    share: int = field(repr=False)
    """Of r, modulo t."""


@dataclass(frozen=True)
class Dealing:
    """One server's parts, the probe's lane first. They never show in a ``repr``."""

    party: Party
    lanes: tuple[LaneDealing, LaneDealing] = field(repr=False)

    @classmethod
    def decode(cls, data: bytes, party: Party) -> Self:
        """Decode the canonical form of this party's dealing.

        Raises:
            MalformedMessage: anything but the one valid encoding.
        """
        if len(data) != DEALING_BYTES or (data[0], data[1]) != (_FORMAT, party):
            raise MalformedMessage("not this party's dealing")
        view = memoryview(data)
        first, second = (_lane(view[2 + i * _LANE_BYTES :][:_LANE_BYTES]) for i in range(LANES))
        result = cls(party, (first, second))
        result.__dict__["encoded"] = data
        return result

    @cached_property
    def encoded(self) -> bytes:
        """The canonical bytes."""
        parts: list[bytes | memoryview] = [bytes((_FORMAT, self.party))]
        for lane in self.lanes:
            parts += lane.key, lane.share.to_bytes(_SHARE_BYTES, "little")
        return b"".join(parts)

    @property
    def digest(self) -> Digest:
        """SHA-256 of the canonical bytes."""
        return digest_of(self.encoded)


def _lane(data: memoryview) -> LaneDealing:
    key, share = data[:COMPARISON_KEY_BYTES], int.from_bytes(data[COMPARISON_KEY_BYTES:], "little")
    flags = key[COMPARISON_SEED_BYTES + CORRECTION_BYTES - 1 : -1 : CORRECTION_BYTES]
    if share >= T or key[-1] > 1 or max(flags) > _CORRECTION_BITS:
        raise MalformedMessage("not this party's dealing")
    return LaneDealing(key, share)
