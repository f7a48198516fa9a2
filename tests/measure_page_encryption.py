"""The counter page's encryption beside SEAL's: ``python -m tests.measure_page_encryption [KEYS]``.

CPU of both in turns, in one run, and how often an honest session of the page decrypts wrongly,
measured through the noise with a fresh key for each (default 1,000, some minutes). Ends with an
error if the page takes more than 1.5 times SEAL's CPU, or if a wrong decryption is not rarer than
one in 2^25. Nothing is written.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np

from gateway.he.encryption import encrypt_probe
from gateway.he.session_key import VerifiedSessionKey
from gateway.wire.polynomials import Ciphertext
from tests.measure_noise import LIMIT
from tests.support.he import TestKey
from tests.support.noise import HonestSession, honest_sessions, measure
from tests.support.page_encryption import PageEncryption, page_encryption

TURNS = 200
MOST = 1.5


def times(page: PageEncryption) -> tuple[float, float, float, float]:
    """Milliseconds: SEAL alone, all of Python's encryption, the page's, the page's first."""
    key, session = TestKey(), next(honest_sessions(seed=2))
    granted = VerifiedSessionKey(None, key.public)  # type: ignore[arg-type]
    slots, _ = session.slots
    seal, ours = [], []
    for _ in range(TURNS):
        page.encrypt(key.public, session.probe, session.action)
        seal.append(_cpu(lambda: key.engine.encrypt(key.public.words, slots)))
        ours.append(
            _cpu(lambda: encrypt_probe(key.engine, granted, session.probe, session.action).encoded)
        )
    warm = page.milliseconds[TURNS // 4 :]
    return median(seal), median(ours), median(warm), page.milliseconds[0]


def _cpu(run: Callable[[], object]) -> float:
    before = time.process_time()
    run()
    return 1000 * (time.process_time() - before)


def main(arguments: list[str]) -> int:
    keys = int(arguments[0]) if arguments else 1000
    with page_encryption() as page:

        def encrypt(key: TestKey, session: HonestSession) -> Ciphertext:
            return page.encrypt(key.public, session.probe, session.action)

        seal, ours, theirs, first = times(page)
        print(f"CPU of one encryption, medians of {TURNS} in turns; ms")
        print(f"  SEAL, slots to ciphertext, key given      {seal:7.2f}")
        print(f"  Python client: signs, SEAL, encoding      {ours:7.2f}")
        print(f"  page, with a expanded and b decoded       {theirs:7.2f}"
              f"   ratio to SEAL {theirs / seal:.2f}, its first {first:.1f} ms")  # fmt: skip
        inputs = honest_sessions(seed=3)
        found = [measure(next(inputs), f"page {i}", encrypt=encrypt) for i in range(keys)]
    reached, expected = (
        np.array([getattr(one, name) for one in found]) for name in ("reached", "expected")
    )
    print(f"{keys} keys, one session of the page each; log2 of a wrong decryption's probability")
    print(f"  mean, from |X| of each session            {math.log2(reached.mean()):7.2f}")
    print(f"  mean, from the length of each phase       {math.log2(expected.mean()):7.2f}")
    print(f"  by key, from the length                   {math.log2(expected.min()):7.2f} to"
          f" {math.log2(expected.max()):.2f}")  # fmt: skip
    wrong = sum(any(one.shift) for one in found)
    print(f"  wrong scores                              {wrong:4d}")
    rarely = max(reached.mean(), expected.mean()) < LIMIT and not wrong
    return int(theirs > MOST * seal or not rarely)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
