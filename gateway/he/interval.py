"""The private decision: lo <= v <= hi, and nobody sees v (protocol, section 6). No I/O.

The issuer deals r = r_0 + r_1 modulo t and the keys of f(x) = [x < r]. Both servers know m = v + r,
which is uniform to each of them, because each lacks one half of r. With W = hi - lo + 1,
x = m - lo and x' = x - W (all modulo t),

    [lo <= v <= hi]  =  [x < W]  xor  f(x)  xor  f(x').

Proof. Let z = v - lo modulo t, so x = z + r modulo t, and write w(y) = [y < r] for y = u + r modulo
t: it is the carry, 1 iff u + r >= t over the integers. Then z = x - r + t w(x). The same with u = z
- W modulo t gives x' and w(x'). z < W iff subtracting W from z borrows, iff z - W = u - t over the
integers; and x - W borrows iff [x < W]. Collecting multiples of t in x - W = (z + r) - W in both
ways gives [z < W] - w(x') = [x < W] - w(x), which is the identity, since each term is 0 or 1.

f(x) and f(x') are evaluated in shares: the gateway sends f_0(x) xor f_0(x'), the authority adds its
own. A lane's dealing serves one m; two of them would tell the difference of two scores.
"""

from collections.abc import Callable

from gateway.he import dcf
from gateway.wire.dealing import (
    AUTHORITY,
    COMPARISON_SEED_BYTES,
    GATEWAY,
    Dealing,
    LaneDealing,
    Party,
)
from gateway.wire.policy import LanePolicy
from gateway.wire.profile import LANES, T_BITS, T


def deal(random: Callable[[int], bytes]) -> tuple[Dealing, Dealing]:
    """Draw r of each lane and deal it.

    Args:
        random: gives as many uniform bytes of the operating system as it is asked for.

    Returns:
        The gateway's dealing, and the authority's.
    """
    lanes = [_deal_lane(random) for _ in range(LANES)]
    (g0, a0), (g1, a1) = lanes
    return Dealing(GATEWAY, (g0, g1)), Dealing(AUTHORITY, (a0, a1))


def share(party: Party, lane: LaneDealing, rule: LanePolicy, m: int) -> int:
    """This party's share of f(x) xor f(x')."""
    x = (m - rule.lo) % T
    shifted = (x - rule.width) % T
    return dcf.evaluate(party, lane.key, x) ^ dcf.evaluate(party, lane.key, shifted)


def accepts(rule: LanePolicy, m: int, shares: tuple[int, int]) -> bool:
    """Whether a lane accepts, from the public m and both parties' shares."""
    below = (m - rule.lo) % T < rule.width
    return bool(below ^ shares[0] ^ shares[1])


def _deal_lane(random: Callable[[int], bytes]) -> tuple[LaneDealing, LaneDealing]:
    r, first = _uniform(random), _uniform(random)
    keys = dcf.generate(r, (random(COMPARISON_SEED_BYTES), random(COMPARISON_SEED_BYTES)))
    return LaneDealing(keys[0], first), LaneDealing(keys[1], (r - first) % T)


def _uniform(random: Callable[[int], bytes]) -> int:
    """Uniform modulo t, by rejection."""
    while True:
        value = int.from_bytes(random(4), "little") & ((1 << T_BITS) - 1)
        if value < T:
            return value
