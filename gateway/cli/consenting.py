"""Consent at the counter: the text is shown before the camera opens, and somebody confirms.

At a terminal the text is printed, and the agent types ``yes`` when the person agrees. A program
that has shown it itself (``sealmatch counter consent`` prints it) says ``--consent-shown``. For a
minor the text addresses a guardian, who agrees; without one no camera opens.
"""

import argparse
import sys
from typing import Final, NamedTuple

from gateway.cli.guardian import OF_AGE, Guardianship
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


def agreed(options: argparse.Namespace, trust: TrustFile, who: Guardianship = OF_AGE) -> Agreed:
    """Have the person, or a minor's guardian, agree, and return what was agreed to.

    Raises:
        UnusableTrustFile: there is no text that could be shown in this language.
        NotAgreed: they do not agree, nobody can be asked, or a minor has no guardian here.
    """
    texts = pinned_texts(options.trust, trust)
    shown = text_in(texts, options.language)
    told = Agreed(texts.version, shown)
    asked = "person" if who.guardian is None else "guardian"
    if who.minor and who.guardian is None:
        raise NotAgreed(
            "the person is a minor, and no guardian's document was given; no camera was opened",
            shown.without_face,
        )
    if options.consent_shown:
        return told
    if not sys.stdin.isatty():
        raise NotAgreed(
            f"nobody can be asked here whether the {asked} agrees to the consent text",
            "show it (sealmatch counter consent) and say --consent-shown, or use a terminal",
        )
    text = to_be_read(texts, options.language, guardian=who.guardian is not None)
    print(f"{text}\n", file=sys.stderr)
    print(f"Does the {asked} agree? Type {YES}: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline(_LONGEST).strip().casefold() != YES:
        raise NotAgreed(f"the {asked} did not agree; no camera was opened", shown.without_face)
    return told
