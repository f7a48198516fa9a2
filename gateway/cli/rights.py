"""``sealmatch subject``: what a subscriber may have of what the gateway keeps, asked at a counter.

    copy      everything that is kept: JSON, and a text with a label for each value
    lines     how many live lines the document has
    erase     have the record erased; a proof is written
    withdraw  withdraw consent, which erases as well

The subscriber shows receipt and opening. The opening stays at this counter: what is sent is a
secret that follows from it and says nothing else. Copies and lines of the whole document need the
receipt of a match that is still kept. An erasure is final, so it asks first (--yes: the subscriber
said so). Files are for their owner alone (mode 0600). Receipts of erased records verify as before.

Exit status: 0 done; 3 not done: the law keeps the record for now, or lines are not told on this
receipt; 5 refused: there is no such record any more, its receipt is not there yet, this counter has
asked too often, or the answer cannot be true; 6 the receipt is NOT valid; 1 not known, or another
failure; 2 usage.
"""

import argparse
import datetime
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from gateway.cli import NOT_VALID, REFUSED
from gateway.cli.outputs import (
    PRIVATE,
    ReservedFile,
    UnusableFile,
    about,
    cleared_when_ended,
    opening_path,
    read_bounded,
    reserve,
)
from gateway.cli.rights_report import as_json, as_text
from gateway.client import rights
from gateway.client.exchange import SignedLine
from gateway.client.liveness.prompts import Language
from gateway.host.clock import unix_time
from gateway.proofs import openings
from gateway.proofs.fallback import Verified, verify_any
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import ReceiptInvalid
from gateway.wire.cose import SigningKey
from gateway.wire.erasure import ErasureProof, erasure_commitment
from gateway.wire.errors import CallerMisuse, Refused, SealmatchError, Unavailable
from gateway.wire.proof import Opening, Receipt
from gateway.wire.rights import SubjectAnswer, Wish

NOT_DONE: Final = 3
YES: Final = "erase"
_LONGEST = 64
_SUMMARIES: Final = {
    "copy": "everything that the gateway keeps of a subscriber",
    "lines": "how many live lines the document has",
    "erase": "have the record erased before its time",
    "withdraw": "withdraw consent; the record is erased",
}
_NO_SUCH: Final = (
    "the gateway refuses: it keeps no such record any more, the receipt is not published yet, or "
    "this counter has asked too often within an hour"
)


@dataclass(frozen=True)
class Asker:
    """A subscriber with receipt and opening, at a counter."""

    trust: TrustFile
    receipt: bytes
    verified: Verified
    opening: Opening
    line: SignedLine
    device: SigningKey

    def ask(self, wish: Wish) -> rights.Checked:
        """Raises as ``rights.ask`` and ``rights.check``."""
        stated = self.verified.statement.message
        secret = self.opening.erasure_secret
        answer = rights.ask(
            self.line, self.device, stated.gateway, stated.record_id, wish, secret, unix_time
        )
        return rights.check(answer, self.receipt, self.trust, unix_time())

    def erased(self) -> rights.Checked | None:
        """What the gateway says of an erasure, for a request whose answer was none."""
        proof = rights.find_erasure(self.line, self.receipt)
        if proof is None:
            return None
        found = SubjectAnswer(wish="erase", kept=None, withdrawal=None, erasure=proof, held=None)
        return rights.check(found, self.receipt, self.trust, unix_time())


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name, summary in _SUMMARIES.items():
        verb = verbs.add_parser(
            name,
            help=summary,
            description=__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.add_argument("receipt", type=Path, metavar="RECEIPT")
        verb.add_argument("--trust", type=Path, required=True, metavar="FILE")
        verb.add_argument(
            "--opening",
            type=Path,
            metavar="FILE",
            help="the subscriber's; default: RECEIPT.opening",
        )
        verb.add_argument("--json", action="store_true", help="print one JSON object")
        _add_more(verb, name)
        verb.set_defaults(run=run, verb=name)


def _add_more(verb: argparse.ArgumentParser, name: str) -> None:
    if name == "copy":
        verb.add_argument("--out", type=Path, metavar="FILE", help="default: RECEIPT.copy.json")
        verb.add_argument(
            "--language", choices=get_args(Language), default="en", help="of the labels"
        )
    elif name != "lines":
        verb.add_argument(
            "--out", type=Path, metavar="FILE", help="proof of erasure; default: RECEIPT.erasure"
        )
        verb.add_argument(
            "--yes", action="store_true", help="the subscriber said so; nobody is asked"
        )


def run(options: argparse.Namespace) -> int:
    """Ask, check, write, tell. Other errors are reported by the command line's own handler."""
    try:
        with _asker(options) as asker, cleared_when_ended():
            match options.verb:
                case "copy":
                    return _copy(options, asker)
                case "lines":
                    return _lines(options, asker)
            return _erase(options, asker)
    except ReceiptInvalid as error:
        print(f"{options.receipt}: the receipt is NOT valid: {error}", file=sys.stderr)
        return NOT_VALID
    except rights.AnswerDiffers as error:
        print(f"sealmatch: {error.detail}", file=sys.stderr)
        return REFUSED
    except Refused as error:
        clock = f" ({error.detail})" if "clock" in error.detail else ""
        print(f"sealmatch: {_NO_SUCH}{clock}", file=sys.stderr)
        return REFUSED


@contextmanager
def _asker(options: argparse.Namespace) -> Iterator[Asker]:
    """Read and check what the subscriber shows; nothing is sent yet.

    Raises:
        ReceiptInvalid: the receipt does not verify.
        UnusableFile: the opening is another one.
    """
    trust = TrustFile.read(options.trust)
    receipt = read_bounded(options.receipt, Receipt.max_bytes)
    with about(options.receipt):
        Receipt.decode(receipt)
    verified = verify_any(receipt, trust)
    path = opening_path(options)
    with about(path):
        opening = openings.subscribers_opening(read_bounded(path, openings.MAX_BYTES))
    stated = verified.statement.message
    if erasure_commitment(opening.erasure_secret) != stated.erasure_commitment:
        raise UnusableFile(f"{path}: it is the opening of another receipt; nothing was sent")
    with rights.line_under(options.trust, trust) as (line, device):
        yield Asker(trust, receipt, verified, opening, line, device)


def _copy(options: argparse.Namespace, asker: Asker) -> int:
    path = options.out or Path(f"{options.receipt}.copy.json")
    text = _beside(path, ".txt")
    with reserve(path, PRIVATE) as file, reserve(text, PRIVATE) as readable:
        kept = asker.ask("copy").answer.kept
        if kept is None:
            raise CallerMisuse("an answer without a copy was let through")
        file.write(json.dumps(as_json(kept, options.language), ensure_ascii=False).encode())
        readable.write("".join(f"{line}\n" for line in as_text(kept, options.language)).encode())
    told = {"copy": str(path), "text": str(text), "rows": len(kept.rows), "scope": kept.scope}
    return _tell(options, 0, told | {"liveLines": kept.live_lines, "leftOut": kept.left_out})


def _lines(options: argparse.Namespace, asker: Asker) -> int:
    kept = asker.ask("copy").answer.kept
    if kept is None or kept.live_lines is None:
        why = "lines are told on the receipt of a match that is still kept, and on no other"
        return _tell(options, NOT_DONE, {"liveLines": None, "reason": why})
    return _tell(options, 0, {"liveLines": kept.live_lines})


def _erase(options: argparse.Namespace, asker: Asker) -> int:
    """Erase or withdraw. If no answer says what became of it, the gateway is asked for proof."""
    _confirm(options)
    wish: Wish = "withdraw" if options.verb == "withdraw" else "erase"
    path = options.out or Path(f"{options.receipt}.erasure")
    other = _beside(path, ".withdrawal")
    with reserve(path, PRIVATE) as file, reserve(other, PRIVATE) as withdrawal:
        try:
            done = asker.ask(wish)
        except (Refused, Unavailable) as error:
            before = _asked_for(asker)
            if before is None:
                raise error from None
            done = before
        told = _written(done, file, path)
        if done.answer.withdrawal is not None:
            withdrawal.write(done.answer.withdrawal.encode())
            told |= {"withdrawn": True, "withdrawal": str(other)}
    return _tell(options, 0 if done.answer.held is None else NOT_DONE, told)


def _beside(path: Path, suffix: str) -> Path:
    """A second file, never the first one."""
    other = path.with_suffix(suffix)
    return other if other != path else Path(f"{path}{suffix}")


def _asked_for(asker: Asker) -> rights.Checked | None:
    try:
        return asker.erased()
    except SealmatchError:
        return None


def _written(done: rights.Checked, file: ReservedFile, path: Path) -> dict[str, object]:
    """Write the proof of erasure, if there is one; say what was done."""
    held, proof = done.answer.held, done.answer.erasure
    if held is not None:
        until = datetime.datetime.fromtimestamp(held.until, datetime.UTC)
        return {"erased": False, "heldFor": held.reason, "heldUntil": f"{until:%Y-%m-%dT%H:%MZ}"}
    if not isinstance(proof, ErasureProof):
        raise CallerMisuse("an answer without an erasure was let through")
    file.write(proof.encode())
    told: dict[str, object] = {"erased": True, "erasure": str(path)}
    if done.erased is None:
        return told | {"advice": "the log has not published it yet: sealmatch receipt erased"}
    return told | {"erasedOn": str(done.erased.day)}


def _confirm(options: argparse.Namespace) -> None:
    """Have the subscriber confirm. Raises ``CallerMisuse`` if nobody does."""
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise CallerMisuse("nobody can be asked here: say --yes if the subscriber wants it")
    print(
        "The record is erased for good. The receipt goes on to verify; the gateway forgets what it "
        f"was about.\nType {YES} to go on: ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    if sys.stdin.readline(_LONGEST).strip().casefold() != YES:
        raise CallerMisuse("not confirmed; nothing was sent")


def _tell(options: argparse.Namespace, status: int, told: dict[str, object]) -> int:
    if options.json:
        print(json.dumps({"wish": options.verb, "done": status == 0, **told}))
        return status
    for name, value in told.items():
        print(f"{name}: {value}")
    return status
