"""``sealmatch register``: one registration at the counter.

Exit status: 0 match, 3 no match, 4 inconclusive (with the reason), 5 refused, 1 failure, 2 usage.
The consent text that the receipt will name is shown first, and the person asked to agree; for a
minor a guardian, whose document is given as well, or no camera opens.
The portrait is a picture, or comes out of the document's chip (--chip) or of a mobile driving
licence (--mobile), whose number is taken then; one that is not authentic is refused with the step
that found it, and nothing of it is used.
With moving pictures, the person is asked for a few movements (liveness). Photographs, frames,
vectors and the document number stay in memory. Written are the receipt and, beside it with mode
0600, the subscriber's opening and the activation's (RECEIPT.activation), which is for the carrier's
order system and opens no document. RECEIPT.pending stays for ``sealmatch receipt fetch``
where the log's witnesses are away (RECORDED, status 1), or nobody says what became of the
submission (UNKNOWN, status 1). While it lies there, no other registration takes the same RECEIPT.
Every ending but a match names the way without a face (``sealmatch fallback``).
"""

import argparse
import datetime
import json
import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gateway.cli import FAILURE, INCONCLUSIVE, MATCH, NO_MATCH, REFUSED
from gateway.cli.canary import Keeping, add_canary_argument
from gateway.cli.consenting import Agreed, add_consent_argument, agreed
from gateway.cli.guardian import (
    add_guardian_arguments,
    guardianship,
    require_guardian_usage,
)
from gateway.cli.live import add_live_arguments, moving
from gateway.cli.outputs import (
    PRIVATE,
    PUBLIC,
    activation_path,
    cleared_when_ended,
    opening_path,
    pending_path,
    reserve,
)
from gateway.cli.pack import add_pack_argument, model_of, open_pack
from gateway.cli.pending import Keep, kept_while_unsettled, settle_earlier
from gateway.cli.portrait import portrait_given
from gateway.cli.subject import (
    add_subject_arguments,
    document_of,
    names_document,
    read_text,
    require_accepted,
    require_chip_or_number,
)
from gateway.client.advice import advice_on
from gateway.client.agreement import ChallengeDiffers, DecisionDiffers, StatementDiffers
from gateway.client.consent import NotAgreed, pinned_texts, text_in
from gateway.client.counter import counter_line, counter_session
from gateway.client.document_reader import chip_told
from gateway.client.gateway_client import NotTaken, OutcomeUnknown, ReceiptPending
from gateway.client.liveness.measured import Inconclusive
from gateway.client.liveness.prompts import Language, text
from gateway.client.liveness.sources import FrameSource, open_source
from gateway.client.mismatches import SubjectLocked
from gateway.client.mobile_reader import mobile_told
from gateway.client.pictures import PictureReader, naming
from gateway.client.registration import (
    Live,
    Measurements,
    Occasion,
    Registration,
    still,
)
from gateway.client.without_face import is_undecided, offer, reason_of
from gateway.documents.chip.errors import ChipRefused
from gateway.documents.mobile.errors import MobileRefused
from gateway.host.clock import unix_time
from gateway.proofs.trust import TrustFile
from gateway.vision.errors import ModelPackError, VisionError
from gateway.vision.pack import ModelPack
from gateway.vision.pipeline import FacePipeline, UnitVector
from gateway.wire.errors import LivenessNotPossible, Refused, SealmatchError
from gateway.wire.fallback import FallbackReason
from gateway.wire.liveness import LivenessTranscript


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--trust", type=Path, required=True, metavar="FILE")
    add_subject_arguments(parser, required=False)
    add_guardian_arguments(parser)
    portrait = parser.add_mutually_exclusive_group(required=True)
    portrait.add_argument("--id-portrait", type=Path, metavar="FILE")
    portrait.add_argument(
        "--chip",
        type=Path,
        metavar="DIR",
        help="directory with EF.SOD, EF.DG1 and EF.DG2 of the document's chip; a number or zone "
        "that is given besides must be the chip's",
    )
    portrait.add_argument(
        "--mobile",
        type=Path,
        metavar="DIR",
        help="directory with what a reader left of a session with a telephone: "
        "device-response.cbor and session-transcript.cbor of a mobile driving licence (ISO/IEC "
        "18013-5); a number that is given besides must be the licence's",
    )
    add_live_arguments(parser)
    add_consent_argument(parser)
    parser.add_argument("--receipt", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--opening",
        type=Path,
        metavar="FILE",
        help="where to write the subscriber's opening (default: RECEIPT.opening)",
    )
    parser.add_argument(
        "--activation-opening",
        type=Path,
        metavar="FILE",
        help="where to write the opening for the carrier's order system "
        "(default: RECEIPT.activation)",
    )
    parser.add_argument(
        "--activation-file",
        type=Path,
        metavar="FILE",
        help="file with the number or order to be activated, - for standard input "
        "(default: a random order)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_canary_argument(parser)
    add_pack_argument(parser)
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Register and report."""
    require_chip_or_number(options.parser, options)
    require_guardian_usage(options.parser, options)
    measured = Measurements()
    try:
        settle_earlier(
            options.receipt, lambda: counter_line(options.trust, TrustFile.read(options.trust))
        )
        with (
            cleared_when_ended(),
            reserve(opening_path(options), PRIVATE) as opening,
            reserve(activation_path(options), PRIVATE) as activation,
            reserve(options.receipt, PUBLIC) as receipt,
            kept_while_unsettled(options.receipt) as keep,
        ):
            result = _register(options, measured, keep)
            opening.write(result.opening.encode())
            activation.write(result.opening.of_activation(result.record_id).encode())
            receipt.write(result.receipt)
    except (SealmatchError, VisionError, OSError) as error:
        status, outcome, details = _ending(error, options.language)
        details |= _passed_over(measured) | _reference(measured)
        if pending_path(options.receipt).exists():
            details["pending"] = str(pending_path(options.receipt))
            details.setdefault("advice", "fetch the receipt later: sealmatch receipt fetch")
        details |= _without_face(options, reason_of(error), undecided=is_undecided(error))
        return _report(options, status, outcome, **details)
    except (KeyboardInterrupt, SystemExit):
        if pending_path(options.receipt).exists():
            told = "the outcome is not known; fetch it: sealmatch receipt fetch"
            print(f"{pending_path(options.receipt)}: {told}", file=sys.stderr)
        raise
    status = MATCH if result.outcome == "MATCH" else NO_MATCH
    other_way = {} if status == MATCH else _without_face(options, "no-match")
    return _report(
        options,
        status,
        result.outcome,
        **_mismatches(result),
        recordId=result.record_id.hex(),
        receipt=str(options.receipt),
        opening=str(opening_path(options)),
        activationOpening=str(activation_path(options)),
        portrait=result.verified.statement.message.portrait_source,
        liveness=_liveness(result),
        **_passed_over(measured),
        **_reference(measured),
        **other_way,
        timingsMs=measured.timings_ms,
        bytes=measured.bytes_sent,
    )


def _without_face(
    options: argparse.Namespace, reason: FallbackReason, *, undecided: bool = False
) -> dict[str, object]:
    """The other way, by name, with the words that the outlet's consent text has for it."""
    own = None
    with suppress(SealmatchError, OSError):
        texts = pinned_texts(options.trust, TrustFile.read(options.trust))
        own = text_in(texts, options.language).without_face
    return {"withoutFace": offer(reason, options.language, own, undecided=undecided)}


def _passed_over(measured: Measurements) -> dict[str, object]:
    """What was left out of the live pictures, for the operator."""
    return {"passedOver": measured.passed_over.counts} if measured.passed_over else {}


def _reference(measured: Measurements) -> dict[str, object]:
    """What to tell the operators, who find it in the logs of gateway and authority."""
    return {} if measured.reference is None else {"reference": measured.reference}


def _ending(error: Exception, language: Language) -> tuple[int, str, dict[str, object]]:
    """Exit status, outcome and details of a registration that led to no decision."""
    details: dict[str, object] = {"reason": str(error)}
    status, outcome = FAILURE, None
    match error:
        case ReceiptPending():
            outcome = "RECORDED"
        case NotTaken():
            details["advice"] = (
                "nothing was decided so far; in two minutes the same command can start again"
            )
        case OutcomeUnknown():
            outcome = "UNKNOWN"
        case ModelPackError():
            details["advice"] = error.advice
        case VisionError():
            status = INCONCLUSIVE
            details["advice"] = advice_on(error, language)
        case Inconclusive():
            status = INCONCLUSIVE
            details["advice"] = error.advice
            ended = {} if error.reason is None else {"reason": error.reason}
            details["liveness"] = {"outcome": "not-completed", **ended}
            if error.exclude is not None:
                details["mayExclude"] = f"{error.exclude.kind}={error.exclude.reason}"
        case NotAgreed():
            status = INCONCLUSIVE
            details["advice"] = error.advice
        case LivenessNotPossible():
            status = INCONCLUSIVE
            way = getattr(error, "__notes__", [])
            details["advice"] = " ".join((text("advice-not-possible", language), *way))
        case Refused():
            status = REFUSED
            details |= _refused(error, language)
        case OSError():
            details["reason"] = f"{error.filename or 'file'}: {error.strerror}"
    return status, outcome or _ENDINGS[status], details


def _refused(error: Refused, language: Language) -> dict[str, object]:
    match error:
        case ChipRefused():
            more: dict[str, object] = {
                "chipStep": error.step,
                "advice": chip_told(error, language),
            }
        case MobileRefused():
            more = {"mobileStep": error.step, "advice": mobile_told(error, language)}
        case SubjectLocked():
            more = {"advice": text("advice-locked", language)}
        case ChallengeDiffers():
            more = {"advice": text("advice-exclusions-ignored", language)}
        case StatementDiffers() | DecisionDiffers():
            more = {"advice": text("advice-not-as-sent", language)}
        case _:
            more = {}
    return {"reason": error.detail} | more


_ENDINGS = {FAILURE: "FAILED", INCONCLUSIVE: "INCONCLUSIVE", REFUSED: "REFUSED"}


def _register(options: argparse.Namespace, measured: Measurements, keep: Keep) -> Registration:
    today = datetime.date.fromtimestamp(unix_time())  # of the counter's own time zone
    named = document_of(options, today) if names_document(options) else None
    reference = (
        read_text(str(options.activation_file))
        if options.activation_file
        else f"order-{secrets.token_hex(8)}"
    )
    trust = TrustFile.read(options.trust)
    given = portrait_given(options, trust, named, measured, unix_time())
    document = given.document
    require_accepted(document, trust, today)
    who = guardianship(options, document, trust, today)
    consent = agreed(options, trust, who)
    with naming(given.name):
        decoded = given.fetch()
    keeping = None if options.canary is None else Keeping.at(options.canary)
    source = open_source(options.live, options.frame_rate)
    with measured.stage("loadModels"):
        pack = open_pack(options.pack)
        vision = FacePipeline(pack)
    with measured.stage("portraitEmbedding"), naming(given.name):
        template = vision.embed(decoded()).vector
    live, attempts = _live(options, source, pack, vision, measured, consent)
    if keeping is not None:
        keeping.portrait(template)
        live = keeping.watching(live)
    session = counter_session(options.trust, trust, model_of(pack))
    occasion = Occasion(
        document.subject,
        reference,
        consent_text_version=consent.version,
        language=options.language,
        exclusions=tuple(options.exclude),
        guardian=who.guardian,
        portrait=given.how,
    )
    with session.transport:
        try:
            result = tried(
                lambda: session.client.register(template, live, occasion, measured, keep), attempts
            )
        except LivenessNotPossible as error:
            error.add_note(consent.shown.without_face)
            raise
    if keeping is not None:
        keeping.registered(occasion, result)
    return result


def tried(register: Callable[[], Registration], attempts: int) -> Registration:
    """Register, again with advice where the person did not complete the liveness check.

    Raises:
        Inconclusive: of the last attempt, or of one that another would not change.
    """
    for _ in range(attempts - 1):
        try:
            return register()
        except Inconclusive as error:
            if error.reason is None:
                raise
            print(error.advice, file=sys.stderr, flush=True)
    return register()


def _live(
    options: argparse.Namespace,
    source: FrameSource | bytes,
    pack: ModelPack,
    vision: FacePipeline,
    measured: Measurements,
    consent: Agreed,
) -> tuple[Live, int]:
    """The capture, and how often it may be tried: every try opens a session of its own."""
    if isinstance(source, bytes):
        with naming(options.live):
            probe = embed(vision, source, "liveEmbedding", measured)
        return still(probe, options.language), 1
    attempts = options.attempts if source.live else 1
    live = moving(
        source,
        pack,
        vision,
        options.language,
        exclusions=options.exclude,
        mirrored=options.mirrored,
        without_face=consent.shown.without_face,
        tell=measured.keep_passed_over,
    )
    return live, attempts


def _mismatches(result: Registration) -> dict[str, object]:
    """What this counter remembers of the document, where mismatches may lock it."""
    standing = result.standing
    if standing is None or not standing.in_a_row or not standing.rule.mismatches:
        return {}
    return {"mismatches": str(standing)}


def _liveness(result: Registration) -> dict[str, object]:
    """What the statement says of the check, and this customer's attempts."""
    stated, evidence = result.liveness, result.submission.liveness_evidence
    told: dict[str, object] = {
        "outcome": stated.outcome,
        "asked": list(stated.asked),
        "excluded": {one.kind: one.reason for one in stated.excluded},
    }
    if evidence is not None:
        totals = LivenessTranscript.decode(evidence).totals
        told |= {"attempts": totals.attempts, "seconds": totals.seconds}
    return told


def embed(vision: FacePipeline, image: bytes, stage: str, measured: Measurements) -> UnitVector:
    """The unit embedding of the one face in an encoded image. Raises ``VisionError``."""
    with measured.stage(stage), PictureReader() as pictures:
        return vision.embed(pictures.read(image)).vector


def _report(options: argparse.Namespace, status: int, outcome: str, **details: object) -> int:
    if options.json:
        print(json.dumps({"outcome": outcome, **details}))
        return status
    print(outcome)
    for name, value in details.items():
        if isinstance(value, dict):
            print(f"{name}:")
            for key, number in value.items():
                shown = f"{number:>12,}" if isinstance(number, int | float) else number
                print(f"  {key:<20} {shown}")
        else:
            print(f"{name}: {value}")
    return status
