"""The only code in the product that touches a homomorphic secret key.

What it does with one, completely:

1. ``SessionSecret.make``    draws a key pair and returns b, the public half that nobody else makes.
   The other half, a, is given: it follows from both parties' nonces.
2. ``SessionSecret.answer``  computes c1 s + c2 s^2 of a padded product, once. It takes the two
   numbers on which the lanes depend, adds the two padded ones, divides by omega and adds its half
   of r. The gateway padded the two numbers uniformly, so the result says nothing.
3. ``SessionSecret.destroy`` overwrites the key. ``answer`` does so itself: no key answers twice.

``decide`` needs no key any more: it compares the gateway's shares with the authority's own. Only
the decision leaves it.

No noise budget is ever computed or told, because it would be an oracle. Nothing here is logged.
Protocol, sections 3.3, 6 and 7.
"""

import numpy as np

from gateway.he import ring
from gateway.he.engine import KEY_BLOCKS, Engine
from gateway.he.interval import accepts, share
from gateway.he.layout import read_coefficients, read_words
from gateway.he.session_key import UniformHalf
from gateway.wire.dealing import AUTHORITY, Dealing
from gateway.wire.errors import CallerMisuse
from gateway.wire.evaluation import PerLane
from gateway.wire.policy import MatchPolicy
from gateway.wire.polynomials import PaddedProduct, SessionKeyHalf, Words
from gateway.wire.profile import KEY_PRIMES, SENT_MODULUS, SENT_PRIMES, N, T
from gateway.wire.secret import wipe


class SessionSecret:
    """The secret key of one session. Not thread-safe; ``keys.sessions`` gives it to one thread."""

    __slots__ = ("_secret",)

    def __init__(self, secret: Words) -> None:
        """Take over s in NTT form modulo the primes of Q', shape (2, 8192)."""
        self._secret: Words | None = secret

    @classmethod
    def make(cls, engine: Engine, uniform: UniformHalf) -> tuple["SessionSecret", SessionKeyHalf]:
        """Draw a key pair from the operating system's randomness.

        SEAL draws (b', a') with an a' of its own; b = b' + (a' - a) s has the same error under the
        given a. Neither b' nor a' leaves this function: both of them with b give s.
        """
        generator = engine.key_generator()
        public = engine.library.PublicKey()
        generator.create_public_key(public)
        secret = generator.secret_key()
        exported = engine.exported(secret), engine.exported(public)
        try:
            s = read_coefficients(exported[0], len(KEY_PRIMES) * N).reshape(-1, N)
            drawn = read_words(exported[1], len(KEY_PRIMES))
            b = np.empty((1, len(KEY_PRIMES), N), dtype=np.uint64)
            for i, prime in enumerate(KEY_PRIMES):
                shift = ring.reduced(drawn[1, i] + np.uint64(prime) - uniform.words[i], prime)
                b[0, i] = ring.reduced(
                    drawn[0, i] + ring.multiply_modulo(shift, s[i], prime), prime
                )
            kept = s[: len(SENT_PRIMES)].copy()
        finally:
            # SEAL overwrites its secret key, not the public one.
            del generator, public, secret
            engine.overwrite_pool(KEY_BLOCKS)
            for buffer in exported:
                wipe(buffer)
        return cls(kept), SessionKeyHalf(b)

    def answer(self, product: PaddedProduct, omega: int, dealing: Dealing) -> PerLane:
        """The masked value of each lane, m'. The key is gone afterwards, even if this fails.

        Raises:
            CallerMisuse: the key was used before.
        """
        if self._secret is None:
            raise CallerMisuse("this session's key is destroyed")
        try:
            phase = np.empty((len(SENT_PRIMES), N), dtype=np.uint64)
            for i, prime in enumerate(SENT_PRIMES):
                c1, c2 = product.tail.words[:, i]
                inner = ring.reduced(ring.multiply_modulo(c2, self._secret[i], prime) + c1, prime)
                phase[i] = ring.multiply_modulo(inner, self._secret[i], prime)
        finally:
            self.destroy()
        numbers = (
            ring.centred((rest + padded) % SENT_MODULUS)
            for rest, padded in zip(ring.pair(phase), product.head, strict=True)
        )
        inverse = pow(omega, -1, T)
        first, second = (
            (lane * inverse + dealt.share) % T
            for lane, dealt in zip(
                ring.lanes((next(numbers), next(numbers))), dealing.lanes, strict=True
            )
        )
        return first, second

    def destroy(self) -> None:
        """Overwrite the key. ``answer`` raises ``CallerMisuse`` from then on."""
        if self._secret is not None:
            self._secret.fill(0)
        self._secret = None

    def __repr__(self) -> str:
        return f"SessionSecret({'destroyed' if self._secret is None else 'held'})"


def decide(policy: MatchPolicy, dealing: Dealing, values: PerLane, shares: PerLane) -> bool:
    """Whether every lane accepts. Lane bits do not leave this function."""
    bits = [
        accepts(rule, m, (theirs, share(AUTHORITY, lane, rule, m)))
        for rule, lane, m, theirs in zip(policy.lanes, dealing.lanes, values, shares, strict=True)
    ]
    return all(bits)
