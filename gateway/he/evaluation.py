"""The homomorphic evaluation of one session: deterministic given inputs and seed.

Somebody who is later given the same inputs and the seed computes the same bytes, word for word
(protocol, sections 7 and 10). The seed serves one evaluation; ``close`` overwrites it.
"""

from dataclasses import dataclass, field

from gateway.he import transcript
from gateway.he.engine import Engine, default_engine, overwrite_pool
from gateway.he.interval import blinded_rows
from gateway.he.product import MaskedScore, masked_product
from gateway.he.randomness import SeedStream, new_seed, seed_commitment
from gateway.wire.errors import CallerMisuse
from gateway.wire.host.memory import wipe
from gateway.wire.ids import Commitment, Digest, SessionId
from gateway.wire.policy import MatchPolicy
from gateway.wire.polynomials import Ciphertext, SessionPublicKey
from gateway.wire.sealing import SealingPublicKey


@dataclass(frozen=True)
class Inputs:
    """Everything that enters an evaluation besides the seed."""

    session: SessionId
    public_key: SessionPublicKey
    policy: MatchPolicy
    grant: bytes = field(repr=False)
    template_assertion: bytes = field(repr=False)
    submission_assertion: bytes = field(repr=False)
    template: Ciphertext
    probe: Ciphertext

    def encoded(self) -> list[bytes]:
        """As bytes, for a worker."""
        return [
            self.session,
            self.public_key.encoded,
            self.policy.encode(),
            self.grant,
            self.template_assertion,
            self.submission_assertion,
            self.template.encoded,
            self.probe.encoded,
        ]

    @classmethod
    def decode(cls, encoded: list[bytes]) -> "Inputs":
        """The reverse of ``encoded``."""
        session, key, policy, grant, issued, submitted, template, probe = encoded
        return cls(
            SessionId(session),
            SessionPublicKey.decode(key),
            MatchPolicy.decode(policy),
            grant,
            issued,
            submitted,
            Ciphertext.decode(template, polynomials=2),
            Ciphertext.decode(probe, polynomials=2),
        )


class Evaluation:
    """An evaluation in this process."""

    def __init__(self, engine: Engine, inputs: Inputs, seed: bytearray) -> None:
        """Take over a seed of 32 bytes."""
        self._engine = engine
        self._inputs = inputs
        self._seed = seed
        self._score: MaskedScore | None = None
        self._before_product = transcript.before_product(
            inputs.grant,
            inputs.policy.digest,
            inputs.template_assertion,
            inputs.submission_assertion,
        )

    @classmethod
    def fresh(cls, inputs: Inputs) -> "Evaluation":
        """With a seed of the operating system's randomness."""
        return cls(default_engine(), inputs, new_seed())

    @property
    def seed_commitment(self) -> Commitment:
        return seed_commitment(self._inputs.session, self._seed)

    def masked_product(self) -> Ciphertext:
        """The masked score for the authority; the bounds stay here.

        Raises:
            Refused: the inputs cancel each other.
        """
        given = self._inputs
        self._score = masked_product(
            self._engine,
            given.public_key,
            given.probe,
            given.template,
            given.policy,
            SeedStream(self._seed, self._before_product),
        )
        return self._score.ciphertext

    def blinded_rows(self, bits: Ciphertext) -> Ciphertext:
        """The comparison rows over the authority's encrypted bits, after ``masked_product``."""
        if self._score is None:
            raise CallerMisuse("the rows come after the product")
        before: Digest = transcript.before_rows(
            self._before_product, self._score.ciphertext.digest, bits.digest
        )
        return blinded_rows(
            self._engine,
            self._inputs.public_key,
            bits,
            self._score.bounds,
            SeedStream(self._seed, before),
        )

    def sealed_for_audit(self, auditor: SealingPublicKey, demand: Digest) -> bytes:
        """Template ciphertext and seed, sealed to an auditor for one demand.

        The seed goes to nobody else: with the authority's key it opens the score.
        """
        secret = bytearray(self._inputs.template.encoded)
        secret += self._seed
        try:
            return auditor.seal_for_audit(secret, demand)
        finally:
            wipe(secret)

    def close(self) -> None:
        """Overwrite the seed and what SEAL's pool keeps, forget the bounds."""
        wipe(self._seed)
        self._score = None
        overwrite_pool()
