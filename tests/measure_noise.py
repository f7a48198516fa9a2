"""How often an honest session decrypts wrongly: ``python -m tests.measure_noise [KEYS]``.

Measured through the noise, with a fresh key for each session (default 1,000, about two minutes):
the probability itself is too small to count. Ends with an error if the mean is not below 2^-25, or
if a template's phase is too long for beta to cover. Nothing is written.
"""

import math
import sys

import numpy as np

from tests.support.noise import honest_sessions, measure

LIMIT = 2.0**-25
TEMPLATE_LIMIT = 2.0**51
"""Of the template's phase, sum of values: beta hides a shift by it but for 2^-26."""


def main(arguments: list[str]) -> int:
    keys = int(arguments[0]) if arguments else 1000
    inputs = honest_sessions(seed=1)
    found = [measure(next(inputs), f"measured {i}") for i in range(keys)]
    reached, expected = (
        np.array([getattr(one, name) for one in found]) for name in ("reached", "expected")
    )
    worst = max(one.template for one in found)
    print(f"{keys} keys, one honest session each; log2 of the probability of a wrong decryption")
    print(f"  mean, from |X| of each session            {math.log2(reached.mean()):7.2f}")
    print(f"  mean, from the length of each phase       {math.log2(expected.mean()):7.2f}")
    print(f"  by key, from the length                   {math.log2(expected.min()):7.2f} to"
          f" {math.log2(expected.max()):.2f}")  # fmt: skip
    print(f"  wrong scores                              {sum(any(one.shift) for one in found):4d}")
    print(f"log2 of the template's phase, sum of values {math.log2(worst):7.2f} at most")
    return int(max(reached.mean(), expected.mean()) >= LIMIT or worst >= TEMPLATE_LIMIT)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
