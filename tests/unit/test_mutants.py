"""Mutants of the private decision: each step left out or changed, and the check that sees it.

A mutant is the module's own source with one place replaced; the replaced text must occur exactly
once, so these tests fail when the source changes. The unmutated copies survive all checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import gateway.he.dcf
import gateway.he.frame
import gateway.he.interval
import gateway.he.product
import gateway.he.randomness
import gateway.he.ring
import gateway.he.session_key
import gateway.he.transcript
import gateway.wire.evaluation
import keys.authority
from gateway.he.engine import default_engine
from gateway.he.session_key import SessionKey, UniformHalf
from gateway.wire.dealing import AUTHORITY, GATEWAY
from gateway.wire.errors import CallerMisuse, SealmatchError
from gateway.wire.polynomials import Ciphertext, PaddedProduct
from gateway.wire.profile import DATA_PRIMES, LANE, SENT_MODULUS, SENT_PRIMES, N, T
from tests.support import dcf_peer, slow, slow_product
from tests.support.decisions import (
    NARROW,
    USUAL,
    WrongDecision,
    check_edges,
    dealings_with,
    decided,
    edge_values,
    mutated,
)
from tests.support.he import (
    ScriptedStream,
    TestKey,
    from_residues,
    inputs_with_values,
    policy_of,
    run_session,
    unit,
)
from tests.support.parties import fixed_bytes, session_key_request

DCF = gateway.he.dcf
EVALUATION = gateway.wire.evaluation
FRAME = gateway.he.frame
INTERVAL = gateway.he.interval
KEYS = keys.authority
PRODUCT = gateway.he.product
RANDOMNESS = gateway.he.randomness
RING = gateway.he.ring
SESSION_KEY = gateway.he.session_key
TRANSCRIPT = gateway.he.transcript

POLICY = policy_of(USUAL, NARROW)
HIGH_PADS = SENT_MODULUS - 2**90, 2**90
"""One above half of Q', which centres below zero, and one below."""


@dataclass
class Parts:
    """The modules under test; a mutant takes the place of one."""

    dcf: Any = DCF
    evaluation: Any = EVALUATION
    frame: Any = FRAME
    interval: Any = INTERVAL
    keys: Any = KEYS
    product: Any = PRODUCT
    randomness: Any = RANDOMNESS
    session_key: Any = SESSION_KEY
    transcript: Any = TRANSCRIPT


@contextmanager
def parts_with(module: ModuleType, *replacements: tuple[str, str]) -> Iterator[Parts]:
    """All modules, with a mutant of this one; what imports the ring gets the mutant of it."""
    with mutated(module, *replacements) as mutant:
        if module is RING:
            with mutated(PRODUCT) as product, mutated(KEYS) as authority:
                product.ring = authority.ring = mutant  # type: ignore[attr-defined]
                yield Parts(product=product, keys=authority)
            return
        (name,) = (name for name, value in vars(Parts()).items() if value is module)
        yield Parts(**{name: mutant})


def expect(holds: bool, what: str) -> None:
    if not holds:
        raise WrongDecision(what)


# --- checks of comparison and interval -----------------------------------------------------------


def comparison(parts: Parts) -> None:
    """On a small domain [x < alpha], and the peer's keys byte for byte."""
    bits, dcf = 4, parts.dcf
    for alpha in range(1 << bits):
        roots = fixed_bytes(f"mutant/{alpha}/0"), fixed_bytes(f"mutant/{alpha}/1")
        keys = dcf.generate(alpha, roots, bits)
        for x in range(1 << bits):
            shares = [dcf.evaluate(party, keys[party], x, bits) for party in (0, 1)]
            expect(shares[0] ^ shares[1] == (x < alpha), f"[{x} < {alpha}]")
    expect(dcf.generate(77, roots) == dcf_peer.generate(77, 27, roots), "the peer's keys")


def edges(parts: Parts) -> None:
    """Decision equivalence at every edge, on plaintext values through the module's own code."""
    check_edges(parts.interval, rules=(USUAL, NARROW))


def dealing(parts: Parts) -> None:
    """What is dealt decides rightly, and r is drawn by rejection."""
    drawn = iter(range(1000))
    source = np.random.default_rng(1)
    for _ in range(10):
        dealings = parts.interval.deal(source.bytes)
        expect((dealings[0].party, dealings[1].party) == (GATEWAY, AUTHORITY), "parties")
        for v in edge_values(USUAL):
            accepted = USUAL.lo <= v <= USUAL.hi
            expect(decided(policy_of(USUAL), dealings, (v, v)) == (accepted,) * 2, f"v = {v}")
    words = iter([T, 2**27 - 1, 5, 9, 6, 8])

    def scripted(count: int) -> bytes:
        return next(words).to_bytes(4, "little") if count == 4 else fixed_bytes(f"{next(drawn)}")

    ours, theirs = parts.interval.deal(scripted)
    halves = [(a.share, b.share) for a, b in zip(ours.lanes, theirs.lanes, strict=True)]
    expect(halves == [(9, T - 4), (8, T - 2)], f"r = 5 and 6 as {halves}")
    roots = {lane.key[:32] for made in (ours, theirs) for lane in made.lanes}
    expect(len(roots) == 4, "each party and lane has a root seed of its own")


# --- checks of the frame -------------------------------------------------------------------------


def frame(parts: Parts) -> None:
    """Signs and integers are those of the slow implementation, zeros and ties among them."""
    axis = np.zeros(512)
    axis[0] = -1.0
    halves = np.array([2**25 - 1, 3, 5, -3, -5, 1, -1, 7]) / 2**25
    rng = np.random.default_rng(2)
    for vector in (axis, halves, unit(rng), unit(rng, 128)):
        outputs = slow.frame(vector)
        expect(parts.frame.probe_signs(vector).tolist() == slow.signs(outputs), "signs")
        expect(parts.frame.template_values(vector).tolist() == slow.template(outputs), "integers")
    for bad in (np.full(4, np.nan), np.array([1.0011]), np.array([0.9989]), np.ones((1, 1))):
        try:
            parts.frame.probe_signs(bad)
        except CallerMisuse:
            continue
        raise WrongDecision("a vector that is none was taken")


def slots(parts: Parts) -> None:
    first, second = np.arange(LANE) - 5, np.arange(LANE) + 9
    made = parts.frame.lane_slots(first, second)
    expect(made.tolist() == [int(v) % T for v in (*first, *second)], "slots")


# --- checks of the product, on ciphertexts -------------------------------------------------------


class Encrypted:
    """One key, and pairs of ciphertexts that all checks share."""

    def __init__(self) -> None:
        self.key, self.rng = TestKey(), np.random.default_rng(3)
        self.values = USUAL.lo + 3, T - 5
        self.slots = inputs_with_values(self.values, self.rng)
        self.probe, self.template = (self.key.encrypt_signed(s) for s in self.slots)

    def shifts(self, parts: Parts, probe: Ciphertext, name: str, **chosen: Any) -> tuple[int, int]:
        """How far each lane's score is from the honest one's."""
        session = run_session(
            self.key,
            POLICY,
            probe,
            self.template,
            ScriptedStream(name, **chosen),
            product=parts.product,
        )
        first, second = (
            (score - v) % T for score, v in zip(session.scores, self.values, strict=True)
        )
        return first, second


@pytest.fixture(scope="module")
def given() -> Encrypted:
    return Encrypted()


def scores(parts: Parts, given: Encrypted) -> None:
    """Exact scores of both lanes for an honest probe, whatever the pads."""
    for pads in ((0, 0), HIGH_PADS, HIGH_PADS[::-1]):
        shifts = given.shifts(parts, given.probe, "scores", pads=pads)
        expect(shifts == (0, 0), f"shifted by {shifts}")


def malformed(parts: Parts, given: Encrypted) -> None:
    """Slots that are no sign shift their lane by what nobody knows, and no two cancel.

    The second probe has p_i^2 - 1 = 3 and p_j^2 - 1 = -3 in lane 0: one rho for all would hide it.
    """
    for name, values in (("one", (2,)), ("cancel", (2, SQRT_MINUS_2))):
        bad = given.slots[0].copy()
        bad[: len(values)] = values
        probe = given.key.encrypt_signed(bad)
        score = int((bad[:LANE].astype(object) * given.slots[1][:LANE]).sum()) - given.values[0]
        seen = [given.shifts(parts, probe, f"{name} {i}") for i in range(3)]
        expect({shift[1] for shift in seen} == {0}, "the other lane")
        beyond = {(shift[0] - score) % T for shift in seen}
        expect(0 not in beyond, f"{name}: nothing is left of p^2 - 1")
        expect(len(beyond) == 3, f"{name}: always the same is left")


SQRT_MINUS_2 = next(
    root
    for base in range(2, 100)
    for root in [(pow(base, (T - 1) // 8, T) + pow(base, 3 * (T - 1) // 8, T)) % T]
    if root * root % T == T - 2
)


def long_phase(parts: Parts, given: Encrypted) -> None:
    """Honest signs with noise of 2^34 t: beta makes the phase wrap, omega scatters what wrapped.

    Without beta the scores come out as if nothing were; without omega they are off by one of a few
    thousand multiples of the lane's constants.
    """
    noise = given.rng.integers(-(2**34), 2**34, N).astype(object) * T
    words = given.probe.words.copy()
    for i, prime in enumerate(DATA_PRIMES):
        added = slow_product.transform(noise % prime, prime)
        words[0, i] = ((words[0, i].astype(object) + added) % prime).astype(np.uint64)
    probe = Ciphertext(words)
    seen = [given.shifts(parts, probe, f"long {i}", pads=(0, 0)) for i in range(12)]
    expect(any(shift != (0, 0) for shift in seen), "a phase that is not short makes no difference")
    few = {(LANE * k + gateway.he.ring.LANE_FACTOR * n) % T for k in FEW for n in FEW}
    expect(any(shift[0] not in few for shift in seen), "wraps shift by multiples of a constant")


FEW = range(-100, 101)


def parts_of_the_product(parts: Parts, given: Encrypted) -> None:
    """Pads, mask and flood are in the product exactly as they were drawn."""

    def made(**chosen: Any) -> PaddedProduct:
        stream = ScriptedStream("parts", **chosen)
        return parts.product.padded_score(
            given.key.engine, given.key.public, given.probe, given.template, stream
        ).product

    plain, masked = made(rerandomise=False, pads=(0, 0)), made(pads=(0, 0))
    heads = [made(pads=pads).head for pads in ((1, 2), HIGH_PADS)]
    for head, pads in zip(heads, ((1, 2), HIGH_PADS), strict=True):
        off = [(a - b) % SENT_MODULUS for a, b in zip(head, masked.head, strict=True)]
        expect(off == list(pads), "the head carries the pads")
    u = ScriptedStream("parts").ternary("u", N).astype(object)
    e1 = ScriptedStream("parts").centred_binomial("e1", N).astype(object) * T
    for i, prime in enumerate(SENT_PRIMES):
        small = slow_product.transform(u % prime, prime)
        added = small * given.key.uniform.words[i].astype(object)
        added = added + slow_product.transform(e1 % prime, prime)
        difference = masked.tail.words[0, i].astype(object) - plain.tail.words[0, i]
        expect(((difference - added) % prime == 0).all(), "c1 carries u a + t e1")
    low, high = ScriptedStream("flood").flood("beta", N)
    beta = low.astype(object) + high.astype(object) * 2**36 - 2**76
    found = from_residues(parts.product._flood(ScriptedStream("flood")))
    expect(bool((found == T * beta).all()), "t beta")


# --- checks of keys and streams ------------------------------------------------------------------


def authority(parts: Parts, given: Encrypted) -> None:
    """A whole session with the authority's own code: keys, answer, decision, the key's end."""
    uniform = UniformHalf.of(session_key_request())
    for values, accepted in (
        ((USUAL.lo, NARROW.lo), True),
        ((USUAL.lo - 1, NARROW.lo), False),
        ((USUAL.hi, NARROW.lo + 1), False),
    ):
        secret, half = parts.keys.SessionSecret.make(default_engine(), uniform)
        key = SessionKey(half, uniform)
        slots = inputs_with_values(values, given.rng)
        probe, template = (
            Ciphertext(default_engine().encrypt(key.words, np.mod(s, T).astype(np.uint64)))
            for s in slots
        )
        stream = ScriptedStream(f"authority {values}", pads=HIGH_PADS)
        score = parts.product.padded_score(default_engine(), key, probe, template, stream)
        ours, theirs = dealings_with((12345, T - 3))
        held = secret._secret
        masked = secret.answer(score.product, score.omega, theirs)
        expect(not held.any(), "the key is overwritten")
        m = [
            (value - offset + lane.share) % T
            for value, offset, lane in zip(masked, score.offsets, ours.lanes, strict=True)
        ]
        r = [(a.share + b.share) % T for a, b in zip(ours.lanes, theirs.lanes, strict=True)]
        expect([(a - b) % T for a, b in zip(m, r, strict=True)] == list(values), "scores")
        shares = [
            gateway.he.interval.share(GATEWAY, lane, rule, value)
            for lane, rule, value in zip(ours.lanes, POLICY.lanes, m, strict=True)
        ]
        decision = parts.keys.decide(POLICY, theirs, (m[0], m[1]), (shares[0], shares[1]))
        expect(decision is accepted, f"{values}")
        try:
            secret.answer(score.product, score.omega, theirs)
        except CallerMisuse:
            continue
        raise WrongDecision("a key answers twice")


def streams(parts: Parts) -> None:
    """Streams and commitment are those of the slow implementation."""
    seed, transcript = bytes(range(32)), bytes(range(32, 64))
    stream, slowly = (
        parts.randomness.SeedStream(seed, transcript),
        slow.SlowStream(seed, transcript),
    )
    for label in ("rho", "another"):
        expect(stream.residues(label, 50).tolist() == slowly.residues(label, 50), label)
    try:
        stream.residues("rho", 50)
    except CallerMisuse:
        return
    raise WrongDecision("a label serves twice")


def transcript(parts: Parts) -> None:
    """Every part of the transcript changes it, the authority's nonce above all."""
    fields = [fixed_bytes(f"part {i}") for i in range(7)]
    seen = {parts.transcript.transcript_digest(*fields)}
    for i in range(7):
        other = [*fields[:i], bytes(32), *fields[i + 1 :]]
        seen.add(parts.transcript.transcript_digest(*other))
    expect(len(seen) == 8, "a part does not count")


def exchanged(parts: Parts) -> None:
    """The decision's digest covers nonce, product, omega, m', m and shares of both lanes."""
    fields: list[Any] = [fixed_bytes("nonce"), fixed_bytes("product"), 5, (6, 7), (8, 9), (0, 1)]
    others: list[Any] = [bytes(32), bytes(32), 6, (6, 8), (8, 8), (1, 1)]
    seen = {parts.evaluation.evaluation_digest(*fields)}
    for i, other in enumerate(others):
        changed = [*fields[:i], other, *fields[i + 1 :]]
        seen.add(parts.evaluation.evaluation_digest(*changed))
    expect(len(seen) == 7, "a part does not count")


def uniform_half(parts: Parts) -> None:
    """a follows from session and both nonces, with another stream for each prime."""
    request = session_key_request()
    half = parts.session_key.UniformHalf.of(request)
    seed = slow.uniform_seed(request.session, request.client_nonce, request.gateway_nonce)
    expect(half.seed == seed, "the seed of a")
    for i in range(4):
        expect(half.words[i, :50].tolist() == slow.uniform_words(seed, i, 50), "words of a")


Check = Callable[..., None]
PLAIN: tuple[Check, ...] = (
    comparison, edges, dealing, frame, slots, streams, transcript, exchanged, uniform_half,
)  # fmt: skip
ENCRYPTED: tuple[Check, ...] = (scores, malformed, long_phase, parts_of_the_product, authority)


# --- the mutants ---------------------------------------------------------------------------------

U_B = "switched[0, i] += ring.multiply_modulo(u[i], key.half.words[0, i], prime)"
U_A = "switched[1, i] += ring.multiply_modulo(u[i], key.uniform.sent_words[i], prime)"
E1 = "switched[1, i] += error[i]"
PADS = 'first, second = stream.numbers("pad", 2)'
OFFSET = "(pad + mask) * inverse % T"
DRAWN = 'rho, omega = stream.residues("rho", N), stream.unit("omega")'
SCALED = "ring.multiply_modulo(template.words[:, i], omega, prime)"
FLOODED = "addend[0, i] + flood[i]"
SUM = "low * np.uint64(T) + upper + shift"
HEAD = "(numbers[0] + first) % SENT_MODULUS, (numbers[1] + second) % SENT_MODULUS"
PAIR = "(plus + minus) * _INVERSE_N[i] % prime * lift"
SIDE = "(minus - plus) * _INVERSE_N[i]"
X = "x = (m - rule.lo) % T"
SHIFTED = "shifted = (x - rule.width) % T"
BOTH = "dcf.evaluate(party, lane.key, x) ^ dcf.evaluate(party, lane.key, shifted)"
ACCEPTS = "bool(below ^ shares[0] ^ shares[1])"
BELOW = "below = (m - rule.lo) % T < rule.width"
HALVES = "return LaneDealing(keys[0], first), LaneDealing(keys[1], (r - first) % T)"
V_CW = "v_cw = v_alpha ^ (lost_v > 0) ^ right"
V_ALPHA = "v_alpha ^= (kept_v > 0) ^ v_cw"
LAST = "words.append((s0 ^ s1 ^ v_alpha) & 1)"
OUTPUT = "return v ^ (s & 1) ^ (t & key[-1])"
T_LEFT = "t_l = (both & _T_L > 0) ^ right ^ 1"
T_RIGHT = "t_r = (both & _T_R > 0) ^ right"
CONTROL = "(b0 & t_bit > 0) ^ (t0 & t_cw), (b1 & t_bit > 0) ^ (t1 & t_cw)"
ANSWER = "(lane * inverse + dealt.share) % T"
NUMBERS = "numbers = [omega, list(masked), list(values), list(shares)]"

Mutant = tuple[ModuleType, tuple[tuple[str, str], ...], Check]
MUTANTS: dict[str, Mutant] = {
    # The product: what makes it say nothing for any but a well-formed probe
    "rho is known": (PRODUCT, ((DRAWN, DRAWN.replace(
        'stream.residues("rho", N)', "np.full(N, 7, np.uint64)")),), malformed),
    "one rho for all slots": (PRODUCT, ((DRAWN, DRAWN.replace(
        'stream.residues("rho", N)', 'stream.residues("rho", 1).repeat(N)')),), malformed),
    "rho in one lane only": (PRODUCT, ((DRAWN, DRAWN.replace(
        'stream.residues("rho", N)', 'stream.residues("rho", N) % (np.arange(N) // 4096 * T + 1)'
        ".astype(np.uint64)")),), malformed),
    "rho not taken off": (PRODUCT, ((OFFSET, "pad * inverse % T"),), scores),
    "rho taken off the wrong way": (PRODUCT, ((OFFSET, "(pad - mask) * inverse % T"),), scores),
    "omega left out of the template": (PRODUCT, ((SCALED, "template.words[:, i]"),), scores),
    "omega is one": (PRODUCT, ((DRAWN, DRAWN.replace('stream.unit("omega")', "1")),), long_phase),
    "offsets not divided by omega": (PRODUCT, ((OFFSET, "(pad + mask) % T"),), scores),
    "offsets multiplied by omega": (PRODUCT, ((OFFSET, "(pad + mask) * omega % T"),), scores),
    "beta left out": (PRODUCT, ((FLOODED, "addend[0, i]"),), long_phase),
    "beta not times t": (PRODUCT, ((SUM, "low + upper + shift"),), scores),
    "beta not negative": (PRODUCT, ((SUM, "low * np.uint64(T) + upper"),), parts_of_the_product),
    "beta's low part left out": (PRODUCT, ((SUM, "upper + shift"),), parts_of_the_product),
    "beta's high part left out": (
        PRODUCT, ((SUM, "low * np.uint64(T) + shift"),), parts_of_the_product),
    # The product: what makes it say nothing to the authority
    "u b left out": (PRODUCT, ((U_B, "pass"),), scores),
    "u a left out": (PRODUCT, ((U_A, "pass"),), scores),
    "no mask at all": (
        PRODUCT, ((U_B, "pass"), (U_A, "pass"), (E1, "pass")), parts_of_the_product),
    "e1 left out": (PRODUCT, ((E1, "pass"),), parts_of_the_product),
    "e1 not times t": (
        PRODUCT, (('stream.centred_binomial("e1", N) * np.int64(T)',
                   'stream.centred_binomial("e1", N)'),), scores),
    "u and e1 change roles": (PRODUCT, (("u, error = _small", "error, u = _small"),), scores),
    "b for a": (
        PRODUCT, ((U_A, U_A.replace("uniform.sent_words[i]", "half.words[0, i]")),), scores),
    "no pads": (PRODUCT, ((PADS, PADS + "; first = second = 0"),), parts_of_the_product),
    "one pad for both": (PRODUCT, ((PADS, PADS + "; second = first"),), parts_of_the_product),
    "no second pad": (PRODUCT, ((PADS, PADS + "; second = 0"),), parts_of_the_product),
    "first pad not added": (PRODUCT, ((HEAD, HEAD.replace("+ first", "")),), scores),
    "second pad not added": (PRODUCT, ((HEAD, HEAD.replace("+ second", "")),), scores),
    "pads taken off the head": (PRODUCT, ((HEAD, HEAD.replace("+", "-")),), scores),
    "pads change places": (
        PRODUCT, ((HEAD, HEAD.replace("first", "x").replace("second", "first").replace(
            "x", "second")),), scores),
    "pads put on the wrong way": (PRODUCT, ((OFFSET, "(mask - pad) * inverse % T"),), scores),
    "pads not centred": (
        PRODUCT, (("ring.lanes((ring.centred(first), ring.centred(second)))",
                   "ring.lanes((first, second))"),), scores),
    "offsets of the other lane": (
        PRODUCT, (("(offsets[0], offsets[1])", "(offsets[1], offsets[0])"),), scores),
    # The ring
    "f_0 from half of the words": (RING, ((PAIR, PAIR.replace("+ minus", "- minus")),), scores),
    "theta's sign": (RING, ((SIDE, "(plus - minus) * _INVERSE_N[i]"),), scores),
    "theta": (RING, (("28838005296477108", "28838005296477109"),), scores),
    "g": (RING, (("LANE_FACTOR: Final = 38468360", "LANE_FACTOR: Final = 38468361"),), scores),
    "lanes change places": (
        RING, (("(middle + side) % T, (middle - side) % T",
                "(middle - side) % T, (middle + side) % T"),), scores),
    "one side for both lanes": (
        RING, (("(middle + side) % T, (middle - side) % T",
                "(middle + side) % T, (middle + side) % T"),), scores),
    "nothing is centred": (
        RING, (("number - modulus if number > modulus // 2 else number", "number"),), scores),
    "residues of negative numbers": (
        RING, (("values + np.int64(prime), values)", "-values, values)"),),
        parts_of_the_product),
    # The interval
    "lo off by one": (INTERVAL, ((X, "x = (m - rule.lo + 1) % T"),), edges),
    "lo for hi": (INTERVAL, ((X, "x = (m - rule.hi) % T"),), edges),
    "x not reduced": (INTERVAL, ((X, "x = m - rule.lo"),), edges),
    "W one too large": (INTERVAL, ((SHIFTED, "shifted = (x - rule.width - 1) % T"),), edges),
    "W one too small": (INTERVAL, ((SHIFTED, "shifted = (x - rule.width + 1) % T"),), edges),
    "W added": (INTERVAL, ((SHIFTED, "shifted = (x + rule.width) % T"),), edges),
    "x' not reduced": (INTERVAL, ((SHIFTED, "shifted = x - rule.width"),), edges),
    "f(x') left out": (INTERVAL, ((BOTH, "dcf.evaluate(party, lane.key, x)"),), edges),
    "f(x) left out": (INTERVAL, ((BOTH, "dcf.evaluate(party, lane.key, shifted)"),), edges),
    "f of m": (INTERVAL, ((BOTH, BOTH.replace("key, x)", "key, m)")),), edges),
    "always the gateway's party": (INTERVAL, ((BOTH, BOTH.replace("party,", "0,")),), edges),
    "[x < W] left out": (INTERVAL, ((ACCEPTS, "bool(shares[0] ^ shares[1])"),), edges),
    "[x < W] with equality": (INTERVAL, ((BELOW, BELOW.replace("< rule", "<= rule")),), edges),
    "[x < W] of hi": (INTERVAL, ((BELOW, BELOW.replace("rule.width", "rule.hi")),), edges),
    "[x < W] of m": (INTERVAL, ((BELOW, "below = m < rule.width"),), edges),
    "gateway's share left out": (INTERVAL, ((ACCEPTS, "bool(below ^ shares[1])"),), edges),
    "authority's share left out": (INTERVAL, ((ACCEPTS, "bool(below ^ shares[0])"),), edges),
    "or for exclusive or": (INTERVAL, ((ACCEPTS, "bool(below | shares[0] ^ shares[1])"),), edges),
    # Dealing
    "the authority's lanes change places": (
        INTERVAL, (("Dealing(AUTHORITY, (a0, a1))", "Dealing(AUTHORITY, (a1, a0))"),), dealing),
    "parties change places": (
        INTERVAL, (("Dealing(GATEWAY, (g0, g1)), Dealing(AUTHORITY, (a0, a1))",
                    "Dealing(GATEWAY, (a0, a1)), Dealing(AUTHORITY, (g0, g1))"),), dealing),
    "one lane for both": (
        INTERVAL, (("(g0, a0), (g1, a1) = lanes", "(g0, a0), _ = lanes; g1, a1 = g0, a0"),),
        dealing),
    "r is not what the halves sum to": (
        INTERVAL, ((HALVES, HALVES.replace("(r - first)", "(r + first)")),), dealing),
    "the authority has all of r": (
        INTERVAL, ((HALVES, HALVES.replace("(r - first)", "r").replace("first)", "0)", 1)),),
        dealing),
    "keys compare with another number": (
        INTERVAL, (("dcf.generate(r, ", "dcf.generate(first, "),), dealing),
    "keys change places": (
        INTERVAL, ((HALVES, HALVES.replace("keys[0]", "keys[2]").replace(
            "keys[1]", "keys[0]").replace("keys[2]", "keys[1]")),), dealing),
    "one root for both": (
        INTERVAL, (("(random(COMPARISON_SEED_BYTES), random(COMPARISON_SEED_BYTES))",
                    "(random(COMPARISON_SEED_BYTES),) * 2"),), dealing),
    "reduction for rejection": (
        INTERVAL, (("        if value < T:\n            return value",
                    "        return value % T"),), dealing),
    "rejection above t": (INTERVAL, (("if value < T:", "if value <= T:"),), dealing),
    # The comparison: each part of a correction word, then what evaluates it
    "bits from the lowest up": (
        DCF, (("right = alpha >> level & 1", "right = alpha >> (bits - 1 - level) & 1"),),
        comparison),
    "s_CW of the kept side": (
        DCF, (("s_cw = l0 ^ l1 if right else r0 ^ r1", "s_cw = r0 ^ r1 if right else l0 ^ l1"),),
        comparison),
    "s_CW of one party": (
        DCF, (("s_cw = l0 ^ l1 if right else r0 ^ r1", "s_cw = l0 if right else r0"),),
        comparison),
    "V_CW without V_alpha": (DCF, ((V_CW, "v_cw = (lost_v > 0) ^ right"),), comparison),
    "V_CW without the lost side": (DCF, ((V_CW, "v_cw = v_alpha ^ right"),), comparison),
    "V_CW without beta": (DCF, ((V_CW, "v_cw = v_alpha ^ (lost_v > 0)"),), comparison),
    "V_CW with beta on the right": (
        DCF, ((V_CW, "v_cw = v_alpha ^ (lost_v > 0) ^ right ^ 1"),), comparison),
    "V_alpha without the kept side": (DCF, ((V_ALPHA, "v_alpha ^= v_cw"),), comparison),
    "V_alpha without V_CW": (DCF, ((V_ALPHA, "v_alpha ^= kept_v > 0"),), comparison),
    "V_alpha always zero": (DCF, ((V_ALPHA, "pass"),), comparison),
    "t_CW left without 1": (DCF, ((T_LEFT, "t_l = (both & _T_L > 0) ^ right"),), comparison),
    "t_CW left without alpha": (DCF, ((T_LEFT, "t_l = (both & _T_L > 0) ^ 1"),), comparison),
    "t_CW left without t": (DCF, ((T_LEFT, "t_l = right ^ 1"),), comparison),
    "t_CW right without alpha": (DCF, ((T_RIGHT, "t_r = both & _T_R > 0"),), comparison),
    "t_CW right without t": (DCF, ((T_RIGHT, "t_r = right"),), comparison),
    "last correction without V_alpha": (
        DCF, ((LAST, "words.append((s0 ^ s1) & 1)"),), comparison),
    "last correction without s_0": (
        DCF, ((LAST, "words.append((s1 ^ v_alpha) & 1)"),), comparison),
    "last correction zero": (DCF, ((LAST, "words.append(0)"),), comparison),
    "seed of party 0 not corrected": (
        DCF, (("        if t0:\n            s0 ^= s_cw\n", ""),), comparison),
    "seed of party 1 not corrected": (
        DCF, (("        if t1:\n            s1 ^= s_cw\n", ""),), comparison),
    "control bits not corrected": (
        DCF, ((CONTROL, "(b0 & t_bit > 0), (b1 & t_bit > 0)"),), comparison),
    "control bits of the lost side": (
        DCF, (("(t_r, _T_R) if right else (t_l, _T_L)",
               "(t_l, _T_L) if right else (t_r, _T_R)"),), comparison),
    "both parties begin with t = 0": (DCF, (("t0, t1, v_alpha = 0, 1, 0",
                                             "t0, t1, v_alpha = 0, 0, 0"),), comparison),
    "evaluation without V_CW": (DCF, (("        v ^= cw & _V > 0\n", ""),), comparison),
    "output without V": (DCF, ((OUTPUT, "return (s & 1) ^ (t & key[-1])"),), comparison),
    "output without the seed": (DCF, ((OUTPUT, "return v ^ (t & key[-1])"),), comparison),
    "output without the last correction": (DCF, ((OUTPUT, "return v ^ (s & 1)"),), comparison),
    "both parties evaluate as party 0": (
        DCF, (('"little"), party, 0', '"little"), 0, 0'),), comparison),
    "another label": (DCF, (('b"sealmatch/dcf/1"', 'b"sealmatch/dcf/2"'),), comparison),
    # The frame
    "zero is negative": (FRAME, ((">= 0, np.int64(1)", "> 0, np.int64(1)"),), frame),
    "signs turned": (
        FRAME, (("np.int64(1), np.int64(-1)", "np.int64(-1), np.int64(1)"),), frame),
    "template cut, not rounded": (FRAME, (("np.rint(_rotated(vector)",
                                           "np.trunc(_rotated(vector)"),), frame),
    "ties away from zero": (
        FRAME, (("np.rint(_rotated(vector) / _TEMPLATE_UNIT)",
                 "np.floor(_rotated(vector) / _TEMPLATE_UNIT + 0.5)"),), frame),
    "template of factor 1": (FRAME, (("_TEMPLATE_UNIT: Final = 2.0**32",
                                      "_TEMPLATE_UNIT: Final = 2.0**33"),), frame),
    "embedding not rounded first": (FRAME, (("np.rint(x * _UNIT)", "x * _UNIT"),), frame),
    "embedding cut": (FRAME, (("np.rint(x * _UNIT)", "np.trunc(x * _UNIT)"),), frame),
    "two rounds": (FRAME, (("for signs in patterns():", "for signs in patterns()[1:]:"),), frame),
    "no signs flipped": (FRAME, (("_hadamard(values * signs)", "_hadamard(values)"),), frame),
    "signs flipped afterwards": (
        FRAME, (("_hadamard(values * signs)", "_hadamard(values) * signs"),), frame),
    "one pattern for all rotations": (
        FRAME, (("_hadamard(values * signs)", "_hadamard(values * signs[0])"),), frame),
    "patterns of the wrong rounds": (
        FRAME, ((".reshape(ROTATIONS, ROUNDS, DIMENSION)",
                 ".reshape(ROUNDS, ROTATIONS, DIMENSION)"),
                ("signs.transpose(1, 0, 2)", "signs")), frame),
    "bits from the highest down": (
        FRAME, (('bitorder="little"', 'bitorder="big"'),), frame),
    "another transform": (
        FRAME, (("values = np.matmul(values, _EIGHT)", "values = np.matmul(values, -_EIGHT)"),),
        frame),
    "padded in front": (FRAME, (("values[:, : x.size]", "values[:, -x.size :]"),), frame),
    "any length taken": (FRAME, (("_UNIT_TOLERANCE: Final = 1e-3",
                                  "_UNIT_TOLERANCE: Final = 1e-2"),), frame),
    "lanes of slots change places": (
        FRAME, (("np.concatenate((first, second))", "np.concatenate((second, first))"),), slots),
    # The authority
    "the authority does not divide": (
        KEYS, ((ANSWER, "(lane + dealt.share) % T"),), authority),
    "the authority leaves out its half": (KEYS, ((ANSWER, "lane * inverse % T"),), authority),
    "the authority divides its half as well": (
        KEYS, ((ANSWER, "(lane + dealt.share) * inverse % T"),), authority),
    "the authority does not centre": (
        KEYS, (("ring.centred((rest + padded) % SENT_MODULUS)",
                "((rest + padded) % SENT_MODULUS)"),), authority),
    "c2 left out": (
        KEYS, (("ring.multiply_modulo(c2, self._secret[i], prime) + c1", "c1"),), authority),
    "c1 left out": (
        KEYS, (("ring.multiply_modulo(c2, self._secret[i], prime) + c1",
                "ring.multiply_modulo(c2, self._secret[i], prime)"),), authority),
    "the key is kept": (KEYS, (("            self.destroy()\n", "            pass\n"),), authority),
    "one lane suffices": (KEYS, (("return all(bits)", "return any(bits)"),), authority),
    "the probe's lane alone": (KEYS, (("return all(bits)", "return bits[0]"),), authority),
    "the gateway's shares alone": (
        KEYS, (("(theirs, share(AUTHORITY, lane, rule, m))", "(theirs, 0)"),), authority),
    "b' is sent as b": (
        KEYS, (("drawn[0, i] + ring.multiply_modulo(shift, s[i], prime)", "drawn[0, i]"),),
        authority),
    "b' - (a' - a) s": (
        KEYS, (("drawn[1, i] + np.uint64(prime) - uniform.words[i]",
                "uniform.words[i] + np.uint64(prime) - drawn[1, i]"),), authority),
    # Streams, transcript, digest and the half that nobody makes
    "the seed is not hashed": (RANDOMNESS, (("        key.update(self._seed)\n", ""),), streams),
    "the transcript is not hashed": (
        RANDOMNESS, (("        key.update(self._transcript)\n", ""),), streams),
    "the label is not hashed": (
        RANDOMNESS, (("bytes((len(name),)) + name)", "bytes((0,)))"),), streams),
    "a label serves twice": (
        RANDOMNESS, (("        self._used.add(label)\n", ""),), streams),
    "the stream begins at counter 1": (
        RANDOMNESS, (("_COUNTER = bytes(16)", '_COUNTER = bytes(15) + b"\\1"'),), streams),
    "the grant is not in the transcript": (
        TRANSCRIPT, (("[grant, policy", "[policy"),), transcript),
    "the policy is not in the transcript": (
        TRANSCRIPT, (("[grant, policy, ", "[grant, "),), transcript),
    "the template is not in the transcript": (
        TRANSCRIPT, (("submission_assertion, template, probe", "submission_assertion, probe"),),
        transcript),
    "the probe is not in the transcript": (
        TRANSCRIPT, (("template, probe, nonce]", "template, nonce]"),), transcript),
    "the nonce is not in the transcript": (
        TRANSCRIPT, (("probe, nonce]", "probe]"),), transcript),
    "the nonce is not in the digest": (
        EVALUATION, (("[_LABEL, nonce, product, *numbers]", "[_LABEL, product, *numbers]"),),
        exchanged),
    "the product is not in the digest": (
        EVALUATION, (("[_LABEL, nonce, product, *numbers]", "[_LABEL, nonce, *numbers]"),),
        exchanged),
    "m' is not in the digest": (
        EVALUATION, ((NUMBERS, NUMBERS.replace("list(masked), ", "")),), exchanged),
    "m is not in the digest": (
        EVALUATION, ((NUMBERS, NUMBERS.replace("list(values), ", "")),), exchanged),
    "shares are not in the digest": (
        EVALUATION, ((NUMBERS, NUMBERS.replace(", list(shares)", "")),), exchanged),
    "omega is not in the digest": (
        EVALUATION, ((NUMBERS, NUMBERS.replace("omega, ", "")),), exchanged),
    "the client's nonce is not in a": (
        SESSION_KEY, (("named.session + named.client_nonce + named.gateway_nonce",
                       "named.session + named.gateway_nonce"),), uniform_half),
    "the gateway's nonce is not in a": (
        SESSION_KEY, (("named.session + named.client_nonce + named.gateway_nonce",
                       "named.session + named.client_nonce"),), uniform_half),
    "one stream for all primes": (
        SESSION_KEY, (('b"\\1" + self.seed + bytes((index,))', 'b"\\1" + self.seed + bytes(1)'),),
        uniform_half),
}  # fmt: skip


def run(check: Check, parts: Parts, given: Encrypted) -> None:
    if check in ENCRYPTED:
        check(parts, given)
    else:
        check(parts)


def test_unmutated_copies_survive_every_check(given: Encrypted) -> None:
    modules = {module for module, _, _ in MUTANTS.values()}
    assert modules == {*vars(Parts()).values(), RING}
    for module in modules:
        with parts_with(module) as parts:
            for check in {check for of, _, check in MUTANTS.values() if of is module}:
                run(check, parts, given)


def test_every_check_has_a_mutant() -> None:
    assert {check for _, _, check in MUTANTS.values()} == {*PLAIN, *ENCRYPTED}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_killed(name: str, given: Encrypted) -> None:
    module, replacements, check = MUTANTS[name]
    with (
        parts_with(module, *replacements) as parts,
        pytest.raises((WrongDecision, SealmatchError)),
    ):
        run(check, parts, given)


SILENT = {
    "rho is known": malformed,
    "one rho for all slots": malformed,
    "rho in one lane only": malformed,
    "omega is one": long_phase,
    "beta left out": long_phase,
    "beta not negative": parts_of_the_product,
    "no mask at all": parts_of_the_product,
    "e1 left out": parts_of_the_product,
    "no pads": parts_of_the_product,
    "one pad for both": parts_of_the_product,
    "no second pad": parts_of_the_product,
    "residues of negative numbers": parts_of_the_product,
}
"""What an honest session does not notice: each needs a check of its own."""


@pytest.mark.parametrize("name", SILENT)
def test_mutants_that_decide_correctly_need_their_own_check(name: str, given: Encrypted) -> None:
    module, replacements, check = MUTANTS[name]
    assert check is SILENT[name]
    with parts_with(module, *replacements) as parts:
        scores(parts, given)
