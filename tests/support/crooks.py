"""Gateways that evaluate honestly except in one thing, and what they tell an auditor.

Each is an ``Evaluation`` in the place of the honest one. What it sends, it also notes as its own
record of the session, so nothing but an audit can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_bytes
from typing import Any
from unittest import mock

from gateway.he import evaluation
from gateway.he.encryption import encrypt_probe, encrypt_template
from gateway.he.engine import default_engine
from gateway.he.evaluation import Evaluation, Inputs, Opened
from gateway.he.interval import deal, share
from gateway.he.product import padded_score
from gateway.he.randomness import SeedStream, new_seed
from gateway.lab.attack import workshops
from gateway.lab.attack.crooked_gateway import OpenStream
from gateway.wire import cose
from gateway.wire.audit import AuditRequest
from gateway.wire.dealing import GATEWAY, Dealing, LaneDealing
from gateway.wire.evaluation import AttemptNonce, LaneValues
from gateway.wire.ids import Commitment, Nonce
from gateway.wire.policy import MAX_WIDTH, LanePolicy, MatchPolicy
from gateway.wire.polynomials import Ciphertext, PaddedProduct
from gateway.wire.profile import SEED_BYTES, T
from tests.support.parties import stranger
from tests.support.samples import pair
from tests.support.world import World

GENUINE, IMPOSTOR = pair(0.7), pair(0.1)
"""The same portrait, before its holder and before a stranger."""

HOLDER = GENUINE[1]
"""A face that matches the portrait, and the stranger's face as well: all three lie in one plane."""

SHIFT = 4000
"""Takes the stranger's score of about 650 into the middle of both accepted intervals."""

FACTOR = 6
"""So does this."""


class Crook(Evaluation):
    """Honest; what derives from it changes one thing."""

    draws: type[SeedStream] = SeedStream

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(default_engine(), inputs, new_seed())
        self.handed = inputs
        """What an auditor gets."""
        self.secret_seed = bytes(self._seed)

    def padded_product(self, nonce: Nonce) -> tuple[PaddedProduct, int]:
        with mock.patch.object(evaluation, "SeedStream", self.draws):
            return super().padded_product(nonce)

    def sealed_for_audit(self, *given: Any) -> bytes:
        used, self._inputs = self._inputs, self.handed
        try:
            return super().sealed_for_audit(*given)
        finally:
            self._inputs = used


# What dictates the outcome


class FlippedShare(Crook):
    """Turns round its share of every lane."""

    def open(self, masked: LaneValues) -> Opened:
        honest = super().open(masked)
        first, second = honest.shares
        return replace(honest, shares=(1 - first, 1 - second))


class OtherValue(Crook):
    """Moves the score by moving m, and compares there."""

    def open(self, masked: LaneValues) -> Opened:
        assert self._score is not None
        first, second = self._score.offsets
        self._score = replace(self._score, offsets=(first - SHIFT, second - SHIFT))
        return super().open(masked)


class OtherMaskedValues(Crook):
    """Pretends that the authority answered something else."""

    def open(self, masked: LaneValues) -> Opened:
        return super().open(moved(masked))


class OtherOmega(Crook):
    """Has the score divided by less than it multiplied by: a multiple of the score."""

    def padded_product(self, nonce: Nonce) -> tuple[PaddedProduct, int]:
        product, omega = super().padded_product(nonce)
        assert self._score is not None
        first, second = (FACTOR * offset % T for offset in self._score.offsets)
        self._score = replace(self._score, offsets=(first, second))
        return product, omega * pow(FACTOR, -1, T) % T


class OwnProduct(Crook):
    """Multiplies from draws that hide and check nothing, and moves the score besides."""

    def padded_product(self, nonce: Nonce) -> tuple[PaddedProduct, int]:
        given = self._inputs
        draws = OpenStream(self.secret_seed, bytes(32))
        score = padded_score(self._engine, given.public_key, given.probe, given.template, draws)
        first, second = score.offsets
        self._score = replace(score, offsets=(first - SHIFT, second - SHIFT))
        return score.product, score.omega


class OtherDealing(Crook):
    """Compares with keys of another dealing, of those that give the share that it wants."""

    confess = True
    """Whether the auditor gets what was used, or what should have been."""

    def open(self, masked: LaneValues) -> Opened:
        honest = super().open(masked)
        own, rules = self._inputs.dealing.lanes, self._inputs.policy.lanes
        given = zip(own, rules, honest.values, honest.shares, strict=True)
        lanes = [self._lane(*lane) for lane in given]
        other = Dealing(GATEWAY, (lanes[0], lanes[1]))
        if self.confess:
            self.handed = replace(self.handed, dealing=other)
        first, second = (
            share(GATEWAY, lane, rule, m)
            for lane, rule, m in zip(lanes, rules, honest.values, strict=True)
        )
        return replace(honest, shares=(first, second))

    @staticmethod
    def _lane(own: LaneDealing, rule: LanePolicy, m: int, honest: int) -> LaneDealing:
        while True:
            lane = replace(own, key=deal(token_bytes)[0].lanes[0].key)
            if share(GATEWAY, lane, rule, m) != honest:
                return lane


class OtherDealingDenied(OtherDealing):
    confess = False


class OtherPolicy(Crook):
    """Compares with another interval, of those that give the share that it wants."""

    def open(self, masked: LaneValues) -> Opened:
        honest = super().open(masked)
        lanes, agreed = self._inputs.dealing.lanes, self._inputs.policy.lanes
        given = zip(lanes, agreed, honest.values, honest.shares, strict=True)
        first, second = (self._other(*lane) for lane in given)
        return replace(honest, shares=(first, second))

    def _other(self, lane: LaneDealing, agreed: LanePolicy, m: int, honest: int) -> int:
        bits = (share(GATEWAY, lane, rule, m) for rule in self.intervals(agreed))
        return next(bit for bit in bits if bit != honest)

    def intervals(self, agreed: LanePolicy) -> Iterable[LanePolicy]:
        raise NotImplementedError


class WiderPolicy(OtherPolicy):
    def intervals(self, agreed: LanePolicy) -> Iterable[LanePolicy]:
        lowest = agreed.hi - MAX_WIDTH + 1
        return (LanePolicy(lo=lo, hi=agreed.hi) for lo in range(lowest, agreed.lo))


class NarrowerPolicy(OtherPolicy):
    def intervals(self, agreed: LanePolicy) -> Iterable[LanePolicy]:
        return (LanePolicy(lo=lo, hi=agreed.hi) for lo in range(agreed.lo + 1, agreed.hi))


class SwappedTemplate(Crook):
    """Takes a template of its own making, in the place of the document's."""

    confess = True

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self._inputs = self.swapped(inputs)
        if self.confess:
            self.handed = self._inputs

    def swapped(self, inputs: Inputs) -> Inputs:
        return replace(inputs, template=self._encrypted(encrypt_template, inputs))

    @staticmethod
    def _encrypted(encrypt: Callable[..., Ciphertext], inputs: Inputs) -> Ciphertext:
        return encrypt(default_engine(), _Key(inputs.public_key), HOLDER)


class SwappedTemplateDenied(SwappedTemplate):
    confess = False


class SwappedProbe(SwappedTemplate):
    """Takes a probe of its own making: a picture of the holder from elsewhere."""

    def swapped(self, inputs: Inputs) -> Inputs:
        return replace(inputs, probe=self._encrypted(encrypt_probe, inputs))


class SwappedProbeDenied(SwappedProbe):
    confess = False


@dataclass(frozen=True)
class _Key:
    public_key: Any


# What spoils the outcome


class OneLaneFlipped(Crook):
    """Turns round its share of the probe's lane alone."""

    def open(self, masked: LaneValues) -> Opened:
        honest = super().open(masked)
        first, second = honest.shares
        return replace(honest, shares=(1 - first, second))


class SwappedLanes(Crook):
    """m of each lane in the other's place, and honest shares of it."""

    def open(self, masked: LaneValues) -> Opened:
        first, second = super().open(masked).values
        lanes, rules = self._inputs.dealing.lanes, self._inputs.policy.lanes
        shares = (
            share(GATEWAY, lane, rule, m)
            for lane, rule, m in zip(lanes, rules, (second, first), strict=True)
        )
        return Opened((second, first), (next(shares), next(shares)))


# What takes away a defence, for a partner or for somebody who listens


class WithoutRho(Crook):
    draws = workshops.UnmixedStream


class WithoutBeta(Crook):
    draws = workshops.UnfloodedStream


class WithoutOmega(Crook):
    draws = workshops.UndividedStream


class WithoutPad(Crook):
    draws = workshops.UnpaddedStream


class WithoutRerandomisation(Crook):
    draws = workshops.UnmaskedStream


class KnownSeed(Crook):
    """Commits to one seed and draws from another, which its partner knows."""

    confess = True

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self._commitment = super().seed_commitment

    @property
    def seed_commitment(self) -> Commitment:
        return self._commitment

    def padded_product(self, nonce: Nonce) -> tuple[PaddedProduct, int]:
        self._seed[:] = bytes(SEED_BYTES)
        made = super().padded_product(nonce)
        if not self.confess:
            self._seed[:] = self.secret_seed
        return made


class KnownSeedDenied(KnownSeed):
    confess = False


class OtherSeedShown(Crook):
    """Draws as it should, and shows the auditor another seed."""

    def sealed_for_audit(self, *given: Any) -> bytes:
        self._seed[:] = bytes(SEED_BYTES)
        return super().sealed_for_audit(*given)


class KnownNonce(Crook):
    """Draws as if the authority had answered a nonce that was foreseen."""

    def padded_product(self, nonce: Nonce) -> tuple[PaddedProduct, int]:
        return super().padded_product(KNOWN_NONCE)


KNOWN_NONCE = Nonce(bytes(32))


# What is told to the auditor

Tell = Callable[[AuditRequest], AuditRequest]


def the_truth(request: AuditRequest) -> AuditRequest:
    """All that surrounds the sealed secret, as the authority and the counter sent it."""
    return request


def the_interval_used(request: AuditRequest) -> AuditRequest:
    """The policy that it compared with."""
    agreed = MatchPolicy.decode(request.policy)
    lanes = tuple(LanePolicy(lo=lane.hi - MAX_WIDTH + 1, hi=lane.hi) for lane in agreed.lanes)
    return request.model_copy(
        update={"policy": agreed.model_copy(update={"lanes": lanes}).encode()}
    )


def the_values_used(request: AuditRequest) -> AuditRequest:
    """The masked values that it pretends to have received."""
    return request.model_copy(update={"masked": moved(request.masked)})


def the_nonce_used(request: AuditRequest) -> AuditRequest:
    """The nonce that it drew from, signed by itself in the authority's name."""
    stated = cose.peek(request.nonce, AttemptNonce).model_copy(update={"nonce": KNOWN_NONCE})
    return request.model_copy(update={"nonce": cose.sign(stated, stranger("authority")).encoded})


def moved(masked: LaneValues) -> LaneValues:
    first, second = masked
    return (first + SHIFT) % T, (second + SHIFT) % T


@dataclass(frozen=True)
class Cheat:
    """A crook, and what it tells the auditor."""

    crook: Callable[[Inputs], Evaluation]
    fault: str
    """What the auditor finds."""
    tell: Tell = the_truth


_EVALUATION = "evaluation is not the demanded one"

DICTATING = {
    "flipped share": Cheat(FlippedShare, _EVALUATION),
    "another m": Cheat(OtherValue, _EVALUATION),
    "other masked values": Cheat(OtherMaskedValues, _EVALUATION),
    "other masked values, shown": Cheat(OtherMaskedValues, _EVALUATION, the_values_used),
    "another omega": Cheat(OtherOmega, _EVALUATION),
    "product of its own": Cheat(OwnProduct, _EVALUATION),
    "another dealing": Cheat(OtherDealing, "dealing is not the demanded one"),
    "another dealing, denied": Cheat(OtherDealingDenied, _EVALUATION),
    "wider interval": Cheat(WiderPolicy, _EVALUATION),
    "wider interval, shown": Cheat(WiderPolicy, "policy is not the demanded", the_interval_used),
    "narrower interval": Cheat(NarrowerPolicy, _EVALUATION),
    "swapped template": Cheat(SwappedTemplate, "template is not the demanded one"),
    "swapped template, denied": Cheat(SwappedTemplateDenied, _EVALUATION),
    "swapped probe": Cheat(SwappedProbe, "probe is not the demanded one"),
    "swapped probe, denied": Cheat(SwappedProbeDenied, _EVALUATION),
}
"""A stranger gets a match where nobody audits."""

SPOILING = {
    "one lane's share flipped": Cheat(OneLaneFlipped, _EVALUATION),
    "swapped lanes": Cheat(SwappedLanes, _EVALUATION),
}
"""Outcomes are others than they should be."""

WEAKENING = {
    "no rho": Cheat(WithoutRho, _EVALUATION),
    "no beta": Cheat(WithoutBeta, _EVALUATION),
    "no omega": Cheat(WithoutOmega, _EVALUATION),
    "no pad": Cheat(WithoutPad, _EVALUATION),
    "no encryption of zero": Cheat(WithoutRerandomisation, _EVALUATION),
    "known seed": Cheat(KnownSeed, "seed is not the demanded one"),
    "known seed, denied": Cheat(KnownSeedDenied, _EVALUATION),
    "another seed shown": Cheat(OtherSeedShown, "seed is not the demanded one"),
    "known nonce": Cheat(KnownNonce, _EVALUATION),
    "known nonce, shown": Cheat(KnownNonce, "not signed by authority", the_nonce_used),
}
"""Outcomes stay as they were, and nobody notices where nobody audits."""


class _Telling:
    """The way to the auditor, for a gateway that does not tell it the truth."""

    def __init__(self, client: Any, tell: Tell) -> None:
        self._client = client
        self._tell = tell

    def audit(self, request: AuditRequest) -> Any:
        return self._client.audit(self._tell(request))


def crooked(
    directory: Path, crook: Callable[[Inputs], Evaluation], tell: Tell = the_truth, **given: Any
) -> World:
    """A world whose gateway evaluates in its own way; ``given``: as for ``World``."""
    world = World(directory, **given)
    service = world.service
    service._begin_evaluation = crook
    if service._auditor is not None:
        client: Any = _Telling(service._auditor.client, tell)
        service._auditor = replace(service._auditor, client=client)
    return world
