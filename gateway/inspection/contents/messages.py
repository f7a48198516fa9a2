"""Messages of the protocol where none may be written: dumps of requests in logs, traces and files.

A log has neither. Another file may hold signed objects of operators (a trust list does), so there
only the members of messages count that no server keeps.
"""

import re
from collections.abc import Iterator
from typing import Final

from gateway.inspection.contents.blocks import Block, Found

MESSAGE: Final = "message of the protocol"
SCORE: Final = "score of a comparison"

_MEMBERS: Final = (
    rb"sealedTemplate|sealedProbe|sealedDealing|templateAssertion(?!Digest)"
    rb"|submissionAssertion(?!Digest)|paddedProduct|clientNonce|livenessEvidence(?!Digest)"
    rb"|subjectInner|subjectSalt|activationSalt|activationReference|erasureSecret"
)
_IN_FILES: Final = re.compile(_MEMBERS)
_IN_LOGS: Final = re.compile(
    _MEMBERS + rb"|application/vnd\.sealmatch\.[a-z-]{3,40}\+cbor"
    rb"|(?i:signature-input['\"]?\s?[:=]|content-digest['\"]?\s?[:=]"
    rb"|subject[_ ]?handle['\"]?\s?[:=])"
)
_SCORE: Final = re.compile(
    rb"(?i)(?<![a-z_-])(?:(?:score|cosine|similarity|distance|confidence)['\"]?\s?[:=]?\s?-?"
    rb"[0-9]{0,3}\.[0-9]{2}|(?:score|similarity|confidence)['\"]?\s?[:=]\s?-?[0-9]{2})"
)


def members(block: Block) -> Iterator[Found]:
    """Members of messages in a file."""
    for one in _IN_FILES.finditer(block.data):
        yield Found(MESSAGE, "", one.start(), len(one[0]))


def messages(block: Block) -> Iterator[Found]:
    """Members and types of messages in a log, headers of requests, and scores."""
    for kind, pattern in ((MESSAGE, _IN_LOGS), (SCORE, _SCORE)):
        for one in pattern.finditer(block.data):
            yield Found(kind, "", one.start(), len(one[0]))
