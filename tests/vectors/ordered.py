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
    ReleaseOrder,
)
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

MESSAGES: Final[dict[str, tuple[Message, ...]]] = {
    "erasure-order": (ERASURE_ORDER,),
    "release-order": (RELEASE_ORDER,),
    "agreement": (AGREEMENT,),
    "agreed-order": (AgreedOrder(order=SIGNED_ORDER.encoded, agreement=SIGNED_AGREEMENT.encoded),),
    "hold": (HOLD,),
}
SIGNED: Final[dict[str, tuple[SigningKey, Signed[Any]]]] = {
    "erasure-order": (FIRST, SIGNED_ORDER),
    "release-order": (FIRST, SIGNED_RELEASE),
    "agreement": (SECOND, SIGNED_AGREEMENT),
    "hold": (FIRST, SIGNED_HOLD),
}
