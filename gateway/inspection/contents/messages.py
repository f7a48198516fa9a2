"""Messages of the protocol where none may be written: dumps of requests in logs and traces."""

import re
from collections.abc import Iterator
from typing import Final

from gateway.inspection.contents.blocks import Block, Found

MESSAGE: Final = "message of the protocol"

_MESSAGE: Final = re.compile(
    rb"(?:application/vnd\.sealmatch\.[a-z-]{3,40}\+cbor|sealedTemplate|sealedProbe|sealedDealing"
    rb"|templateAssertion(?!Digest)|submissionAssertion(?!Digest)|paddedProduct|clientNonce"
    rb"|livenessEvidence(?!Digest)|subjectInner|subjectSalt|activationSalt|activationReference"
    rb"|erasureSecret|(?i:signature-input['\"]?\s?[:=]|content-digest['\"]?\s?[:=]))"
)
"""Members and types that a message has and a line of a log does not."""


def messages(block: Block) -> Iterator[Found]:
    """Members of messages, in the clear or in an encoding."""
    for one in _MESSAGE.finditer(block.data):
        yield Found(MESSAGE, "", one.start(), len(one[0]))
