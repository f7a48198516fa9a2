"""What operators sign, every field fixed: a part of ``golden``."""

from typing import Any, Final

from gateway.wire import cose
from gateway.wire.cose import Signed, SigningKey
from gateway.wire.message import Message
from gateway.wire.orders import (
    AgreedOrder,
    Agreement,
    ErasureOrder,
    Hold,
    PolicyOrder,
    ReleaseOrder,
)
from gateway.wire.policy import LanePolicy, LaneRates, MatchPolicy, PolicyProposal
from tests.support.parties import GATEWAY, NOW, fixed_bytes, fixed_key

FIRST, SECOND = fixed_key("operator-1"), fixed_key("operator-2")
DAY: Final = 86_400

HOLD = Hold(
    gateway=GATEWAY.party,
    hold_id=fixed_bytes("hold", 16),
    salt=fixed_bytes("hold-salt"),
    record_id=fixed_bytes("record", 16),
    reason="court-order",
    until=NOW + 90 * DAY,
    operator=FIRST.party,
    placed_at=NOW,
)
SIGNED_HOLD = cose.sign(HOLD, FIRST)

_ORDER: Final = {
    "gateway": GATEWAY.party,
    "order_id": fixed_bytes("order", 16),
    "salt": fixed_bytes("order-salt"),
    "operator": FIRST.party,
    "ordered_at": NOW,
}
ERASURE_ORDER = ErasureOrder(**_ORDER, record_id=HOLD.record_id, reason="subject-request")
RELEASE_ORDER = ReleaseOrder(**_ORDER, hold_id=HOLD.hold_id, reason="order-lifted")
SIGNED_ORDER = cose.sign(ERASURE_ORDER, FIRST)
SIGNED_RELEASE = cose.sign(RELEASE_ORDER, FIRST)
AGREEMENT = Agreement(
    gateway=GATEWAY.party,
    order=SIGNED_ORDER.digest,
    operator=SECOND.party,
    agreed_at=NOW + DAY,
)
SIGNED_AGREEMENT = cose.sign(AGREEMENT, SECOND)

SIGNED_POLICY = MatchPolicy(
    policy_id="calibrated-0.431-0.352",
    assurance="signed",
    model_id="buffalo/w600k",
    model_digest=fixed_bytes("model"),
    lanes=(LanePolicy.for_cosine("0.431"), LanePolicy.for_cosine("0.352")),
)
RATES = (
    LaneRates(strangers=91_000, probe=1_850_000, genuine_lost=31_000_000),
    LaneRates(strangers=930_000, probe=11_000_000, genuine_lost=15_500_000),
)
PROPOSAL = PolicyProposal(
    policy=SIGNED_POLICY,
    evidence=fixed_bytes("evaluation"),
    measured_on="LFW, folds 0 to 6",
    target_fmr=100_000,
    target_probe_fmr=2_000_000,
    rates=RATES,
    author="analyst-1",
    calibrated_at=NOW - DAY,
)
POLICY_ORDER = PolicyOrder(**_ORDER, number=1, previous=bytes(32), proposal=PROPOSAL)
SIGNED_POLICY_ORDER = cose.sign(POLICY_ORDER, FIRST)
POLICY_AGREEMENT = AGREEMENT.model_copy(update={"order": SIGNED_POLICY_ORDER.digest})
SIGNED_POLICY_AGREEMENT = cose.sign(POLICY_AGREEMENT, SECOND)
APPROVAL = AgreedOrder(order=SIGNED_POLICY_ORDER.encoded, agreement=SIGNED_POLICY_AGREEMENT.encoded)

MESSAGES: Final[dict[str, tuple[Message, ...]]] = {
    "erasure-order": (ERASURE_ORDER,),
    "release-order": (RELEASE_ORDER,),
    "policy-order": (
        POLICY_ORDER,
        POLICY_ORDER.model_copy(update={"number": 2, "previous": SIGNED_POLICY_AGREEMENT.digest}),
    ),
    "policy-proposal": (PROPOSAL,),
    "lane-rates": RATES,
    "agreement": (AGREEMENT,),
    "agreed-order": (
        AgreedOrder(order=SIGNED_ORDER.encoded, agreement=SIGNED_AGREEMENT.encoded),
        APPROVAL,
    ),
    "hold": (HOLD,),
}
SIGNED: Final[dict[str, tuple[SigningKey, Signed[Any]]]] = {
    "erasure-order": (FIRST, SIGNED_ORDER),
    "release-order": (FIRST, SIGNED_RELEASE),
    "policy-order": (FIRST, SIGNED_POLICY_ORDER),
    "agreement": (SECOND, SIGNED_AGREEMENT),
    "hold": (FIRST, SIGNED_HOLD),
}
