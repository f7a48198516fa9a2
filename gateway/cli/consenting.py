"""Consent at the counter: the text is shown before the camera opens, and somebody confirms.

At a terminal the text is printed, and the agent types ``yes`` when the person agrees. A program
that has shown it itself (``sealmatch counter consent`` prints it) says ``--consent-shown``.
"""

import argparse
import sys
from typing import Final, NamedTuple

from gateway.client.consent import NotAgreed, pinned_texts, text_in, to_be_read
from gateway.proofs.consent import ConsentText
from gateway.proofs.trust import TrustFile

YES: Final = "yes"
_LONGEST = 64


def add_consent_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--consent-shown",
        action="store_true",
        help="the person has read the consent text in this language and agrees; without it, the "
        "text is shown here and the question asked",
    )


class Agreed(NamedTuple):
    """The text that was shown, and its version."""

    version: int
    shown: ConsentText


def agreed(options: argparse.Namespace, trust: TrustFile) -> Agreed:
    """Have the person agree, and return what was agreed to.

    Raises:
        UnusableTrustFile: there is no text that could be shown in this language.
        NotAgreed: the person does not agree, or nobody can be asked.
    """
    texts = pinned_texts(options.trust, trust)
    shown = text_in(texts, options.language)
    told = Agreed(texts.version, shown)
    if options.consent_shown:
        return told
    if not sys.stdin.isatty():
        raise NotAgreed(
            "nobody can be asked here whether the person agrees to the consent text",
            "show it (sealmatch counter consent) and say --consent-shown, or use a terminal",
        )
    print(f"{to_be_read(texts, options.language)}\n", file=sys.stderr)
    print(f"Does the person agree? Type {YES}: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline(_LONGEST).strip().casefold() != YES:
        raise NotAgreed("the person did not agree; no camera was opened", shown.without_face)
    return told
