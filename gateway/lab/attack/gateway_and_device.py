"""Gateway and device work together: one chooses the seed, the other the probe (protocol, 5 and 9).

The two want a match for a stranger that nobody can dispute: every step of the gateway is the honest
one, and an auditor who repeats it confirms it. Their only choice is the seed. If they know all
draws before the authority counts the attempt, they try seeds until one suits the probe:

- The probe has a stranger's honest signs, and noise that wraps coefficient 0 around a few times.
- Each lane's score is then off by 4096 k / omega, where k is the number of wraps.
- They look for a seed whose omega and k bring the score into the middle of the window.

About one seed in 300,000 does. The authority's nonce stops this: it enters all draws, it comes
after probe and seed are fixed, and every nonce costs a counted attempt.
"""

import hashlib
import secrets
from dataclasses import dataclass
from itertools import count
from typing import Final

import httpx
import numpy as np

from gateway.client.registration import CONSENT_TEXT_VERSION, SIM_ACTIVATION
from gateway.he import ring
from gateway.he.engine import Engine, default_engine
from gateway.he.evaluation import Evaluation, Inputs
from gateway.he.frame import probe_signs
from gateway.he.product import padded_score
from gateway.he.randomness import SeedStream, keystream
from gateway.he.session_key import SessionKey, UniformHalf
from gateway.host.clock import unix_time
from gateway.lab.attack import forging
from gateway.lab.attack.counter import TIMEOUT_SECONDS, Counter, Opened
from gateway.lab.attack.deployment import Ground, Site
from gateway.lab.attack.faces import Face, face
from gateway.lab.attack.forging import constant
from gateway.lab.attack.report import AttackBroken, AttackReport, Progress
from gateway.lab.attack.weakened import KNOWN_NONCE
from gateway.server.audit import Auditor
from gateway.server.authority_client import AuditorClient, AuthorityClient
from gateway.server.policy import PolicyInForce, default_policy
from gateway.server.sessions import OpenSession, Terms
from gateway.server.verification import Expected, ExpectedLiveness, check_submission, decide
from gateway.wire.errors import Refused, Unavailable
from gateway.wire.ids import new_nonce, new_session_id
from gateway.wire.policy import LanePolicy, MatchPolicy
from gateway.wire.polynomials import Ciphertext, SessionKeyHalf, Words
from gateway.wire.profile import (
    DATA_PRIMES,
    KEY_PRIMES,
    LANE,
    PROFILE,
    SEED_BYTES,
    SENT_MODULUS,
    SENT_PRIMES,
    T_BITS,
    N,
    T,
)
from gateway.wire.session import SessionKeyRequest, SessionOffer
from gateway.wire.subject import Subject, new_salt

NAME = "gateway-and-device"
HOLDS = "runs the gateway and an enrolled device, against the real key authority and auditor"
DEFENCES = ("nonce",)

TRIES = 3
_SPREAD: Final = 2.0
"""Of the noise, in units of Q. Coefficient 0 wraps around once or twice."""
_WRAPS: Final = (1, -1, 2, -2)
_MARGIN: Final = 600
"""How far inside the window a score of 0 must land: a stranger's score has an SD of 290."""
_DRAW: Final = hashlib.shake_256(f"sealmatch/{PROFILE}\0\5omega".encode())
"""How the key of omega's stream begins (``gateway.he.randomness``)."""


class Rehearsal:
    """Computes beforehand what a stream makes of a probe: the product's own code, with s = 1.

    Only the probe's phase decides what wraps, and its maker knows the phase. The key is irrelevant.
    """

    def __init__(self, engine: Engine, phase: Words) -> None:
        uniform = UniformHalf(bytes(SEED_BYTES))
        half = np.stack(
            [
                (np.uint64(p) - a) % np.uint64(p)
                for p, a in zip(KEY_PRIMES, uniform.words, strict=True)
            ]
        )
        self._engine = engine
        self._key = SessionKey(SessionKeyHalf(half[None]), uniform)
        self._probe = _with_phase(phase)
        self._template = _with_phase(constant(0))

    def deviations(self, stream: SeedStream) -> tuple[int, int]:
        """What the wraps add to each lane's score, modulo t."""
        made = padded_score(self._engine, self._key, self._probe, self._template, stream)
        words = made.product.tail.words
        phase = np.stack(
            [words[:, i].sum(axis=0) % np.uint64(p) for i, p in enumerate(SENT_PRIMES)]
        )
        numbers = [
            ring.centred((own + padded) % SENT_MODULUS)
            for own, padded in zip(ring.pair(phase), made.product.head, strict=True)
        ]
        inverse = pow(made.omega, -1, T)
        lanes = ring.lanes((numbers[0], numbers[1]))
        first, second = (
            (lane * inverse - offset) % T for lane, offset in zip(lanes, made.offsets, strict=True)
        )
        return first, second


def noisy_signs(engine: Engine, stranger: Face) -> Words:
    """The phase of the probe: a stranger's signs in both lanes, and noise that wraps."""
    return forging.inflated(engine, np.tile(probe_signs(stranger), 2), _SPREAD)


def fitted_seed(
    rehearsal: Rehearsal, rules: tuple[LanePolicy, ...], transcript: bytes
) -> tuple[bytes, int]:
    """A seed with which a stranger is accepted under this transcript, and the seeds tried.

    Args:
        transcript: with the nonce that the two expect.
    """
    low = max(rule.lo for rule in rules) + _MARGIN
    high = min(rule.hi for rule in rules) - _MARGIN
    # Every omega for which k wraps land on u. One seed in 17,000 draws one of them.
    wanted = {LANE * k * pow(u, -1, T) % T for u in range(low, high + 1) for k in _WRAPS}
    start = secrets.token_bytes(SEED_BYTES - 8)
    drawing = _DRAW.copy()
    drawing.update(transcript + start)
    for number in count(1):
        tail = number.to_bytes(8, "little")
        one = drawing.copy()  # SeedStream's own way to omega takes twice as long
        one.update(tail)
        first = int.from_bytes(keystream(one.digest(SEED_BYTES), 4), "little") & (2**T_BITS - 1)
        if first not in wanted:
            continue
        seed = start + tail
        if SeedStream(seed, transcript).unit("omega") != first:
            raise AttackBroken("omega is drawn in another way")
        deviations = rehearsal.deviations(SeedStream(seed, transcript))
        if all(low <= deviation <= high for deviation in deviations):
            return seed, number
    raise AssertionError("seeds do not end")


@dataclass(frozen=True)
class Pair:
    """The gateway's keys and connections, and the device at its counter."""

    ground: Ground
    counter: Counter
    transport: httpx.Client
    policy: MatchPolicy

    def match(self, victim: Face, subject: Subject, stranger: Face) -> tuple[str, int]:
        """One session: its outcome, and the number of seeds tried.

        Raises:
            Refused, Unavailable: as the gateway's own steps.
        """
        engine = default_engine()
        opened = self._open()
        issued = self.counter.issue(opened, victim, subject)
        phase = noisy_signs(engine, stranger)
        probe = forging.probe_with(engine, opened.key.public_key, phase, "full")
        submission = self.counter.submission(opened, issued, probe.encoded, new_salt())
        expected = self._expected(opened)
        _, sealing = self.ground.gateway_keys()
        checked = check_submission(submission, expected, sealing, unix_time())
        rehearsal, tried = Rehearsal(engine, phase), 0

        def begin(inputs: Inputs) -> Evaluation:
            nonlocal tried
            transcript = inputs.transcript(KNOWN_NONCE)
            seed, tried = fitted_seed(rehearsal, self.policy.lanes, transcript)
            return Evaluation(engine, inputs, bytearray(seed))

        verdict = decide(begin, checked, expected, self._authority(), self._auditor())
        return verdict.decision.message.outcome, tried

    def _open(self) -> Opened:
        device, nonce = self.counter.device.party, new_nonce()
        granted = self._authority().session_key(
            SessionKeyRequest(
                profile=PROFILE,
                session=new_session_id(),
                gateway=self.counter.pins.gateway,
                device=device,
                issuer=self.counter.issuer_key.party,
                client_nonce=nonce,
                gateway_nonce=new_nonce(),
            )
        )
        offer = SessionOffer(
            grant=granted.grant,
            public_key=granted.public_key,
            policy=self.policy.encode(),
            challenge=None,
        )
        return Opened(nonce, offer, self.counter.verify(granted.grant, granted.public_key, nonce))

    def _expected(self, opened: Opened) -> Expected:
        return Expected(
            session=OpenSession(
                opened.key.grant,
                opened.key.public_key,
                PolicyInForce(self.policy),
                Terms(
                    self.counter.issuer_key.public,
                    SIM_ACTIVATION,
                    CONSENT_TEXT_VERSION,
                    None,
                    unix_time(),
                ),
            ),
            authority_key=self.counter.pins.authority,
            device_key=self.counter.device.public,
            issuer_key=self.counter.issuer_key.public,
            purpose=SIM_ACTIVATION,
            consent_text_version=CONSENT_TEXT_VERSION,
            policy=self.policy,
            quality="required",
            liveness=ExpectedLiveness(None, unix_time()),
            check_limit=lambda _: None,
        )

    def _authority(self) -> AuthorityClient:
        signing, _ = self.ground.gateway_keys()
        url = self.counter.trust.authorities[0].url
        return AuthorityClient(self.transport, url, signing, unix_time)

    def _auditor(self) -> Auditor | None:
        pinned = self.ground.gateway_settings().auditor
        if pinned is None:
            return None
        url, key, sealing = pinned
        signing, _ = self.ground.gateway_keys()
        return Auditor(AuditorClient(self.transport, url, signing, unix_time), key, sealing)


def run(site: Site, disabled: str | None, tell: Progress) -> AttackReport:
    """Choose seeds to get matches for strangers; an auditor repeats every evaluation."""
    report = AttackReport(NAME, HOLDS, disabled)
    ground = site.ground(disabled, audit_one_in=1)
    outcomes: list[str] = []
    seeds = 0
    with (
        Counter(ground) as counter,
        httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as transport,
    ):
        pair = Pair(ground, counter, transport, default_policy(ground.gateway_settings()))
        for number in range(TRIES):
            tell(f"a stranger, with a seed that suits the probe, {number + 1} of {TRIES}")
            victim, stranger = face(f"victim of a pair {number}"), face(f"friend {number}")
            subject = Subject.of("passport", f"GD{secrets.randbelow(10**8):08}")
            try:
                outcome, tried = pair.match(victim, subject, stranger)
            except (Refused, Unavailable):  # the latter: seeds were tried until the key expired
                outcome, tried = "no answer", 0
            outcomes.append(outcome)
            seeds += tried
    matched = outcomes.count("MATCH")
    found = f"{matched} of {TRIES} signed matches for strangers, each found right by the auditor"
    report.add("choose the seed after the probe", TRIES, matched, found, "no match")
    report.remark(f"{seeds / TRIES:,.0f} seeds tried on average, against a nonce that was guessed")
    return report


def _with_phase(phase: Words) -> Ciphertext:
    """P_0 + P_1 = phase, with P_1 = t."""
    first = np.stack(
        [(phase[i] + np.uint64(p) - np.uint64(T)) % np.uint64(p) for i, p in enumerate(DATA_PRIMES)]
    )
    return Ciphertext(np.stack([first, np.full((len(DATA_PRIMES), N), T, dtype=np.uint64)]))
