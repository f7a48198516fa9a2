"""``sealmatch fallback``: a registration without a face, which two people sign.

    new-key   draw an agent's or a supervisor's key; prints what the gateway's operator enrols
    request   the agent: assert by which means the person was identified; writes REQUEST, and
              beside it REQUEST.opening, which stays at the counter
    approve   the supervisor, here or elsewhere: review REQUEST and sign it; writes
              REQUEST.approved. Only REQUEST travels. It names no document and no number
    record    the counter: have the gateway record both; writes receipt and openings as
              ``register`` does. A late receipt comes with ``receipt fetch``

Nobody says here why a face is not checked beyond a code of a closed list, which names no state of
health, no belief and no part of a body.

Exit status: 0 done, 1 failure, 2 usage, 4 not approved, 5 refused. The receipt is never that of a
match: ``receipt verify`` accepts it only with --require fallback.
"""

import argparse
import datetime
import json
import secrets
import sys
from pathlib import Path
from typing import Any, Final

from gateway.cli import INCONCLUSIVE
from gateway.cli.consenting import YES
from gateway.cli.fallback_keys import add_key_arguments, add_new_key, key_of
from gateway.cli.outputs import (
    PRIVATE,
    PUBLIC,
    about,
    activation_path,
    cleared_when_ended,
    opening_path,
    read_bounded,
    reserve,
)
from gateway.cli.subject import (
    add_subject_arguments,
    document_of,
    names_document,
    read_text,
    require_accepted,
    require_kind,
    subject_of,
)
from gateway.client.consent import pinned_texts, text_in
from gateway.client.fallback import (
    Asserted,
    Case,
    Counter,
    PendingFallback,
    approve,
    make_assertion,
    record,
    require_own,
)
from gateway.client.liveness.prompts import LANGUAGES
from gateway.host.clock import unix_time
from gateway.proofs import openings
from gateway.proofs.trust import CounterFiles, TrustFile, UnusableTrustFile
from gateway.wire import cose
from gateway.wire.erasure import erasure_commitment
from gateway.wire.errors import Refused
from gateway.wire.fallback import (
    MEANS,
    MOST_MEANS,
    REASONS,
    FallbackAssertion,
    FallbackMeans,
    FallbackRequest,
)
from gateway.wire.message import SMALL
from gateway.wire.proof import Opening

NOT_APPROVED: Final = INCONCLUSIVE
_LONGEST_ANSWER: Final = 64


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    add_new_key(verbs)
    _add_request(verbs)
    _add_approve(verbs)
    _add_record(verbs)


def _add_request(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    request = _verb(
        verbs, "request", run_request, "the agent asserts how the person was identified"
    )
    request.add_argument("--trust", type=Path, required=True, metavar="FILE")
    add_subject_arguments(request, required=True)
    request.add_argument("--reason", choices=REASONS, required=True, help="why no face is checked")
    request.add_argument(
        "--means",
        type=_means,
        required=True,
        metavar="CODES",
        help=f"by what the person was identified: one to {MOST_MEANS} of {', '.join(MEANS)}",
    )
    request.add_argument(
        "--activation-file",
        type=Path,
        metavar="FILE",
        help="file with the number or order to be activated, - for standard input "
        "(default: a random order)",
    )
    request.add_argument(
        "--supervisor", metavar="NAME", help="who is asked (default: the trust file's)"
    )
    request.add_argument(
        "--language", choices=LANGUAGES, default="en", help="of the text that the person is shown"
    )
    add_key_arguments(request, "agent", "the trust file's agentKeyFile")


def _add_approve(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    approving = _verb(verbs, "approve", run_approve, "the supervisor reviews and signs")
    add_key_arguments(approving, "supervisor", None)
    approving.add_argument(
        "--supervisor", metavar="NAME", help="whose key it is (default: who was asked)"
    )
    approving.add_argument(
        "--opening", type=Path, metavar="FILE", help="check that REQUEST is about a document"
    )
    add_subject_arguments(approving, required=False)
    approving.add_argument(
        "--reviewed",
        action="store_true",
        help="the supervisor has reviewed it; without this, the question is asked here",
    )


def _add_record(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    recording = _verb(verbs, "record", run_record, "the counter has the gateway record it")
    recording.add_argument("--trust", type=Path, required=True, metavar="FILE")
    recording.add_argument("--receipt", type=Path, required=True, metavar="FILE")
    recording.add_argument("--opening", type=Path, metavar="FILE", help="default: RECEIPT.opening")
    recording.add_argument(
        "--activation-opening", type=Path, metavar="FILE", help="default: RECEIPT.activation"
    )
    recording.add_argument("--json", action="store_true", help="print one JSON object")


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: Any, text: str
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(
        name, help=text, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verb.add_argument("request", type=Path, metavar="REQUEST")
    verb.set_defaults(run=run, parser=verb)
    return verb


def _means(text: str) -> tuple[FallbackMeans, ...]:
    named = {name.strip() for name in text.split(",")}
    known = tuple(one for one in MEANS if one in named)
    if len(known) != len(named) or len(known) > MOST_MEANS:
        raise argparse.ArgumentTypeError(
            f"one to {MOST_MEANS} of {', '.join(MEANS)}, separated by commas"
        )
    return known


def run_request(options: argparse.Namespace) -> int:
    """Sign in the agent's name. The document's number goes into a salted hash, and nowhere else."""
    require_kind(options.parser, options)
    trust = TrustFile.read(options.trust)
    counter = trust.counter
    if counter is None:
        raise UnusableTrustFile("the trust file names no enrolled counter to register with")
    asserted = _asserted(options, trust, counter)
    with (
        reserve(_opening_of(options.request), PRIVATE) as opening,
        reserve(options.request, PRIVATE) as request,
    ):
        opening.write_new(asserted.opening.encode())
        request.write_new(asserted.assertion.encoded)
    stated = asserted.assertion.message
    print(f"asked: {stated.supervisor}; next: sealmatch fallback approve {options.request}")
    return 0


def _asserted(options: argparse.Namespace, trust: TrustFile, counter: CounterFiles) -> Asserted:
    # A supervisor's machine needs no engine.
    from gateway.client.registration import SIM_ACTIVATION  # noqa: PLC0415

    today = datetime.date.fromtimestamp(unix_time())  # of the counter's own time zone
    document = document_of(options, today)
    require_accepted(document, trust, today)
    texts = pinned_texts(options.trust, trust)
    supervisor: str | None = options.supervisor or counter.supervisor
    if supervisor is None:
        raise UnusableTrustFile("the trust file names no supervisor: name one with --supervisor")
    print(f"{text_in(texts, options.language).without_face}\n", file=sys.stderr)
    reference = (
        read_text(str(options.activation_file))
        if options.activation_file
        else f"order-{secrets.token_hex(8)}"
    )
    case = Case(
        document.subject,
        reference,
        options.reason,
        options.means,
        SIM_ACTIVATION,
        texts.version,
    )
    between = Counter(trust.gateways[0].party, counter.device, counter.outlet, supervisor)
    file = counter.agent_key_file
    default = None if file is None else options.trust.parent / file
    agent = key_of(options, "agent", counter.agent, default)
    return make_assertion(case, between, agent, unix_time())


def run_approve(options: argparse.Namespace) -> int:
    """Show what is asked, and sign in the supervisor's name if it is agreed to."""
    if bool(options.opening) != names_document(options):
        options.parser.error("--opening goes with --id-type and --id-number-file, or with --mrz")
    encoded = read_bounded(options.request, SMALL)
    with about(options.request):
        asserted = cose.peek(encoded, FallbackAssertion)
    if options.opening:
        _require_about(options, asserted)
    for line in _reviewed(asserted, options):
        print(line)
    if not options.reviewed and not _agrees():
        print("not approved; nothing was signed", file=sys.stderr)
        return NOT_APPROVED
    named = options.supervisor or asserted.supervisor
    supervisor = key_of(options, "supervisor", named, None)
    request = approve(encoded, supervisor, unix_time())
    with reserve(_approved_of(options.request), PRIVATE) as approved:
        approved.write(request.encode())
    print(
        f"approved: {_approved_of(options.request)}; next: sealmatch fallback record "
        f"{options.request}"
    )
    return 0


def _require_about(options: argparse.Namespace, asserted: FallbackAssertion) -> None:
    """Raise ``Refused`` unless the assertion is about the document in the supervisor's hand."""
    with about(options.opening):
        opening = openings.subscribers_opening(read_bounded(options.opening, openings.MAX_BYTES))
    if subject_of(options).commitment(opening.subject_salt) != asserted.subject_commitment:
        raise Refused("the request is not about this document, or the opening is another")


def _reviewed(asserted: FallbackAssertion, options: argparse.Namespace) -> list[str]:
    at = datetime.datetime.fromtimestamp(asserted.asserted_at_minute, datetime.UTC)
    shown = {
        "agent": asserted.agent,
        "outlet": f"{asserted.outlet} (device {asserted.device})",
        "asserted": f"{at:%Y-%m-%d %H:%M} UTC",
        "purpose": asserted.purpose,
        "no face because": asserted.reason,
        "identified by": ", ".join(asserted.means),
        "document": "the one given" if options.opening else "not checked, none was given",
        "gateway": asserted.gateway,
    }
    return [f"{name:<16} {value}" for name, value in shown.items()]


def _agrees() -> bool:
    if not sys.stdin.isatty():
        return False
    print(f"Do you approve this registration? Type {YES}: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline(_LONGEST_ANSWER).strip().casefold() == YES


def run_record(options: argparse.Namespace) -> int:
    """Send, verify, write; what the request left at the counter goes."""
    from gateway.cli.pending import keep_fallback, kept_while_unsettled  # noqa: PLC0415
    from gateway.client.counter import counter_line  # noqa: PLC0415

    trust = TrustFile.read(options.trust)
    request, opening = _handed_over(options.request)
    pending = PendingFallback(request=request.encode(), opening=opening.encode())
    line = counter_line(options.trust, trust)
    with (
        line.transport,
        cleared_when_ended(),
        reserve(opening_path(options), PRIVATE) as opening_file,
        reserve(activation_path(options), PRIVATE) as activation_file,
        reserve(options.receipt, PUBLIC) as receipt_file,
        kept_while_unsettled(options.receipt) as keep,
    ):
        keep_fallback(options.receipt, pending, keep)
        receipt = record(line.gateway, request)
        stated = require_own(receipt, request, trust, unix_time()).statement.message
        opening_file.write(opening.encode())
        activation_file.write(opening.of_activation(stated.record_id).encode())
        receipt_file.write(receipt)
    for path in (_opening_of(options.request), _approved_of(options.request), options.request):
        path.unlink(missing_ok=True)
    written = {
        "outcome": "FALLBACK",
        "recordId": stated.record_id.hex(),
        "receipt": str(options.receipt),
        "opening": str(opening_path(options)),
        "activationOpening": str(activation_path(options)),
    }
    if options.json:
        print(json.dumps(written))
    else:
        print("FALLBACK\n" + "\n".join(f"{name}: {one}" for name, one in list(written.items())[1:]))
    return 0


def _handed_over(path: Path) -> tuple[FallbackRequest, Opening]:
    """The approved request, and the opening that belongs to it.

    Raises:
        UnusableFile, OSError: one of them is missing, damaged, or of another request.
    """
    approved = _approved_of(path)
    with about(approved):
        request = FallbackRequest.decode(read_bounded(approved, FallbackRequest.max_bytes))
        asserted = cose.peek(request.assertion, FallbackAssertion)
    with about(_opening_of(path)):
        opening = openings.subscribers_opening(read_bounded(_opening_of(path), openings.MAX_BYTES))
        if erasure_commitment(opening.erasure_secret) != asserted.erasure_commitment:
            raise Refused("it is the opening of another request")
    return request, opening


def _opening_of(request: Path) -> Path:
    return Path(f"{request}.opening")


def _approved_of(request: Path) -> Path:
    return Path(f"{request}.approved")
