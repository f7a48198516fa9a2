"""The way without a face, named wherever a face check ends without success.

Nobody must be turned away because a camera, a measurement or a server failed, or because they do
not want their face checked (protocol, section 10). So every such ending says that there is another
way, in the words of the outlet's own consent text, and by which command.
"""

from typing import Final

from gateway.client.consent import NotAgreed
from gateway.client.gateway_client import OutcomeUnknown, ReceiptPending
from gateway.client.liveness.measured import Inconclusive
from gateway.client.liveness.prompts import Language
from gateway.client.mismatches import SubjectLocked
from gateway.vision.errors import ModelPackError, UnreadableImage, VisionError
from gateway.wire.errors import LivenessNotPossible
from gateway.wire.fallback import FallbackReason

OFFER: Final[dict[Language, str]] = {
    "en": "The person can be registered without a face: an employee checks who they are by other "
    "means, and a supervisor approves it.",
    "zh": "也可以不使用人脸登记：由经办人以其他方式核实身份，再由主管批准。",
    "es": "También es posible el registro sin rostro: quien atiende comprueba la identidad por "
    "otros medios y otra persona, que supervisa, lo aprueba.",
}
FIRST: Final[dict[Language, str]] = {
    "en": "There may be an outcome already: fetch the receipt first.",
    "zh": "可能已有结果：请先取回凭证。",
    "es": "Puede que ya haya un resultado: obtenga antes el recibo.",
}


def reason_of(error: Exception) -> FallbackReason:
    """The code with which a registration without a face can follow this ending.

    It says no more of the person than that the check was not possible.
    """
    match error:
        case NotAgreed():
            return "declined"
        case ModelPackError() | UnreadableImage() | OSError():
            return "equipment"
        case VisionError() | Inconclusive() | LivenessNotPossible():
            return "not-possible"
        case SubjectLocked():
            return "locked"
    return "unavailable"


def offer(
    reason: FallbackReason, language: Language, own: str | None, *, undecided: bool = False
) -> dict[str, object]:
    """What an ending says of this way.

    Args:
        own: the outlet's words for it, from its consent text.
        undecided: an outcome may exist that nobody has seen.
    """
    command = f"sealmatch fallback request REQUEST --reason {reason} --means CODES"
    told = " ".join(filter(None, (FIRST[language] if undecided else None, OFFER[language], own)))
    return {"advice": told, "reason": reason, "command": command}


def is_undecided(error: Exception) -> bool:
    """Whether the gateway may have recorded an outcome all the same."""
    return isinstance(error, ReceiptPending | OutcomeUnknown)
