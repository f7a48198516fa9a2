"""The homomorphic evaluation of one session: deterministic given inputs, nonce and seed.

Whoever is later given the same three computes the same bytes, word for word (protocol, sections 7
and 10). The seed serves one evaluation; ``close`` overwrites it. This is the order: the gateway
commits to the seed, the authority answers with a nonce, the gateway makes the product, the
authority answers with masked values, both parties' shares decide.
"""

from dataclasses import dataclass, field

from gateway.he.engine import EVALUATION_BLOCKS, Engine, default_engine
from gateway.he.interval import share
from gateway.he.product import PaddedScore, padded_score
from gateway.he.randomness import SeedStream, new_seed, seed_commitment
from gateway.he.session_key import SessionKey
from gateway.he.transcript import transcript_digest
from gateway.wire.audit import AuditSecret
from gateway.wire.cose import Signed, peek
from gateway.wire.dealing import GATEWAY, Dealing
from gateway.wire.errors import CallerMisuse
from gateway.wire.evaluation import LaneBits, LaneValues
from gateway.wire.ids import Commitment, Digest, Nonce, SessionId
from gateway.wire.policy import MatchPolicy
from gateway.wire.polynomials import Ciphertext, PaddedProduct, SessionKeyHalf
from gateway.wire.profile import T
from gateway.wire.sealing import SealingPublicKey
from gateway.wire.secret import wipe
from gateway.wire.session import SessionGrant


@dataclass(frozen=True)
class Inputs:
    """Everything that enters an evaluation besides nonce and seed."""

    grant: Signed[SessionGrant] = field(repr=False)
    public_key: SessionKey
    policy: MatchPolicy
    template_assertion: bytes = field(repr=False)
    submission_assertion: bytes = field(repr=False)
    template: Ciphertext
    probe: Ciphertext
    dealing: Dealing
    """The gateway's."""

    @property
    def session(self) -> SessionId:
        return self.grant.message.session

    def encoded(self) -> list[bytes]:
        """As bytes, for a worker."""
        return [
            self.grant.encoded,
            self.public_key.half.encoded,
            self.policy.encode(),
            self.template_assertion,
            self.submission_assertion,
            self.template.encoded,
            self.probe.encoded,
            self.dealing.encoded,
        ]

    @classmethod
    def decode(cls, encoded: list[bytes]) -> "Inputs":
        """The reverse of ``encoded``; the grant's signature was verified before."""
        grant, half, policy, issued, submitted, template, probe, dealing = encoded
        stated = peek(grant, SessionGrant)
        return cls(
            Signed(stated, grant),
            SessionKey.of(stated, SessionKeyHalf.decode(half)),
            MatchPolicy.decode(policy),
            issued,
            submitted,
            Ciphertext.decode(template),
            Ciphertext.decode(probe),
            Dealing.decode(dealing, GATEWAY),
        )

    def transcript(self, nonce: Nonce) -> Digest:
        """What the randomness depends on, beside the seed."""
        return transcript_digest(
            self.grant.encoded,
            self.policy.digest,
            self.template_assertion,
            self.submission_assertion,
            self.template.digest,
            self.probe.digest,
            nonce,
        )


@dataclass(frozen=True)
class Opened:
    """What the gateway answers to the authority's masked values."""

    values: LaneValues = field(repr=False)
    """m of each lane: the score plus r."""
    shares: LaneBits = field(repr=False)


class Evaluation:
    """An evaluation in this process."""

    def __init__(self, engine: Engine, inputs: Inputs, seed: bytearray) -> None:
        """Take over a seed of 32 bytes."""
        self._engine = engine
        self._inputs = inputs
        self._seed = seed
        self._score: PaddedScore | None = None
        self._answered = False

    @classmethod
    def fresh(cls, inputs: Inputs) -> "Evaluation":
        """With a seed of the operating system's randomness."""
        return cls(default_engine(), inputs, new_seed())

    @property
    def seed_commitment(self) -> Commitment:
        return seed_commitment(self._inputs.session, self._seed)

    def padded_product(self, nonce: Nonce) -> tuple[PaddedProduct, int]:
        """The padded product for the authority, and omega; the pads stay here.

        Raises:
            Refused: the inputs cancel each other.
            CallerMisuse: a second nonce. Two products under one dealing would tell the difference
                of two scores.
        """
        if self._score is not None:
            raise CallerMisuse("an evaluation makes one product")
        given = self._inputs
        stream = SeedStream(self._seed, given.transcript(nonce))
        self._score = padded_score(
            self._engine, given.public_key, given.probe, given.template, stream
        )
        return self._score.product, self._score.omega

    def open(self, masked: LaneValues) -> Opened:
        """Take pads off the authority's values, add this side's half of r, compare in shares.

        Raises:
            CallerMisuse: before the product, or a second time. Each further answer to the authority
                would tell it one more bit of the score.
        """
        if self._score is None or self._answered:
            raise CallerMisuse("the shares come after the product, and once")
        self._answered = True
        lanes = self._inputs.dealing.lanes
        first, second = (
            (value - offset + lane.share) % T
            for value, offset, lane in zip(masked, self._score.offsets, lanes, strict=True)
        )
        bits = (
            share(GATEWAY, lane, rule, m)
            for lane, rule, m in zip(lanes, self._inputs.policy.lanes, (first, second), strict=True)
        )
        return Opened((first, second), (next(bits), next(bits)))

    def sealed_for_audit(self, auditor: SealingPublicKey, demand: Digest) -> bytes:
        """Both ciphertexts, the gateway's dealing and the seed, sealed to an auditor for a demand.

        The seed goes to nobody else: with the authority's answer it opens the score.
        """
        given = self._inputs
        parts = given.template.encoded, given.probe.encoded, given.dealing.encoded
        secret = AuditSecret(*parts, self._seed).joined()
        try:
            return auditor.seal_for_audit(secret, demand)
        finally:
            wipe(secret)

    def close(self) -> None:
        """Overwrite the seed and what SEAL's pool keeps, forget the pads."""
        wipe(self._seed)
        self._score = None
        self._engine.overwrite_pool(EVALUATION_BLOCKS)
