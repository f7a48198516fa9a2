"""The homomorphic evaluation of one session: pure, and deterministic given inputs and seed.

Somebody who is later given the same inputs and the seed computes the same bytes, word for word
(protocol, sections 7 and 10). The seed serves one evaluation and is dropped with it.
"""

from dataclasses import dataclass, field

from gateway.he import transcript
from gateway.he.engine import Engine
from gateway.he.interval import blinded_rows
from gateway.he.product import MaskedScore, masked_product
from gateway.he.randomness import SeedStream, seed_commitment
from gateway.wire.ids import Commitment, Digest, SessionId
from gateway.wire.policy import MatchPolicy
from gateway.wire.polynomials import Ciphertext, SessionPublicKey


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


class Evaluation:
    """The two evaluations of one session, from one seed."""

    def __init__(self, engine: Engine, inputs: Inputs, seed: bytes) -> None:
        self._engine = engine
        self._inputs = inputs
        self._seed = seed
        self._before_product = transcript.before_product(
            inputs.grant,
            inputs.policy.digest,
            inputs.template_assertion,
            inputs.submission_assertion,
        )

    @property
    def seed_commitment(self) -> Commitment:
        return seed_commitment(self._inputs.session, self._seed)

    def masked_product(self) -> MaskedScore:
        """The masked score for the authority, and the bounds that stay here."""
        given = self._inputs
        return masked_product(
            self._engine,
            given.public_key,
            given.probe,
            given.template,
            given.policy,
            SeedStream(self._seed, self._before_product),
        )

    def blinded_rows(self, score: MaskedScore, bits: Ciphertext) -> Ciphertext:
        """The comparison rows over the authority's encrypted bits."""
        before: Digest = transcript.before_rows(
            self._before_product, score.ciphertext.digest, bits.digest
        )
        return blinded_rows(
            self._engine,
            self._inputs.public_key,
            bits,
            score.bounds,
            SeedStream(self._seed, before),
        )
