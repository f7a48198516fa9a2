"""``sealmatch log``: a regulator, or any enrolled reader, follows a transparency log.

``check`` reads the log's entries, grows the tree from them, and compares it with the signed
checkpoint, with what it saw the last time (``--state``), with receipts (``--receipt``), and with
what operators did (``--actions``: who was enrolled, and which consent text stood, at what time).
With both, agent and supervisor of a registration without a face are held against the enrolments.
What it remembers is small: the checkpoint and the tree's right edge. ``new-key`` makes the key
with which a reader signs its requests, and prints what the gateway's operator enrols (``enrol
auditor``).

Exit status: 0 the log agrees, 3 it does not (the failing step is named), 1 it does not answer, or
another failure, 2 usage, 5 the gateway refuses.
"""

import argparse
import datetime
import fcntl
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.log_http import HttpLog, reader_transport
from gateway.cli.outputs import PUBLIC, about, read_bounded, reason_of, reserve, to_a_reader
from gateway.host.clock import unix_time
from gateway.host.keyfile import create_signing_key, load_signing_key
from gateway.inspection.log_reader import (
    MAX_SEEN_BYTES,
    STEPS,
    LogDisagrees,
    LoggedReceipt,
    LogSource,
    Reading,
    Seen,
    read_log,
)
from gateway.inspection.people import require_enrolled
from gateway.proofs.fallback import VerifiedFallback, verify_any
from gateway.proofs.trust import TrustFile, UnusableTrustFile
from gateway.translog.policy import NO_QUORUM
from gateway.translog.proof import LogProof
from gateway.translog.verification import Window
from gateway.wire.admin import AdminAction, Chain, ChainKeys, from_lines, verify_chain
from gateway.wire.errors import CallerMisuse, Refused, Unavailable
from gateway.wire.fallback import FallbackStatement
from gateway.wire.ids import digest_of
from gateway.wire.proof import Receipt

DISAGREES = 3
_SHOWN_EVERY = 1 << 14
_MAX_ACTIONS_BYTES = 1 << 26
"""Room for a hundred thousand actions."""
_CLOCKS = 300
"""Seconds by which a witness's clock may be ahead of ours."""


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    check = verbs.add_parser(
        "check",
        help="read the log, and hold it against its checkpoint",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("--trust", type=Path, required=True, metavar="FILE")
    check.add_argument("--url", help="where the log is (default: /log at the trust file's gateway)")
    check.add_argument("--state", type=Path, metavar="FILE", help="what was seen; kept up to date")
    check.add_argument("--receipt", type=Path, action="append", default=[], metavar="FILE")
    check.add_argument(
        "--actions",
        type=Path,
        metavar="FILE",
        help="what operators did, as sealmatch-gateway history --signed prints it",
    )
    check.add_argument("--key", type=Path, metavar="FILE", help="the reader's key, of new-key")
    check.add_argument(
        "--max-age",
        type=_seconds,
        metavar="SECONDS",
        help="fail unless the quorum cosigned the checkpoint so recently: a log may stand still "
        "for one reader alone",
    )
    check.add_argument(
        "--successor",
        action="store_true",
        help="the log of --state was closed, and this one begun in its place: it must begin with "
        "the entries that were seen",
    )
    check.add_argument("--json", action="store_true", help="print one JSON object")
    check.set_defaults(run=run)
    new = verbs.add_parser("new-key", help="make a reader's key, and print its public half")
    new.add_argument("--out", type=Path, required=True, metavar="FILE")
    new.set_defaults(run=run_new_key)


def run_new_key(options: argparse.Namespace) -> int:
    """Make a reader's key."""
    key = create_signing_key(options.out, "reader").public.raw.hex()
    with to_a_reader():
        print(key)
    return 0


def run(options: argparse.Namespace) -> int:
    """Read and report; remember only what agreed. One reader of a state at a time."""
    trust = TrustFile.read(options.trust)
    if trust.log is None:
        raise UnusableTrustFile(f"{options.trust}: the trust file pins no log")
    if options.max_age is not None and trust.log.quorum == NO_QUORUM:
        raise CallerMisuse("--max-age needs witnesses: nobody vouches for the time of this log")
    fallbacks: list[FallbackStatement] = []
    receipts = [_logged(path, trust, fallbacks) for path in options.receipt]
    chain = None if options.actions is None else _chain(options.actions, trust)
    actions = () if chain is None else chain.digests
    key = None if options.key is None else load_signing_key(options.key, "reader")
    now = unix_time()
    window = None if options.max_age is None else Window(now - options.max_age, now + _CLOCKS)
    with _alone(options.state), reader_transport(options.trust, trust) as transport:
        seen = _seen(options.state)
        source = LogSource(HttpLog(transport, options.url or _log_of(trust), key).fetch)
        try:
            reading = read_log(
                source,
                trust.log,
                seen,
                receipts,
                _tell,
                window,
                actions,
                successor=options.successor,
            )
            if chain is not None:
                _require_enrolled(fallbacks, chain)
        except LogDisagrees as error:
            return _disagrees(options, error)
        if options.state is not None:
            with reserve(options.state, PUBLIC) as state:
                state.write(bytes(reading.seen))
    with to_a_reader():
        _report(options, reading, () if chain is None else chain.actions)
    return 0


def _seconds(text: str) -> int:
    seconds = int(text)
    if seconds <= 0:
        raise ValueError
    return seconds


def _log_of(trust: TrustFile) -> str:
    return f"{trust.gateways[0].url}/log"


@contextmanager
def _alone(state: Path | None) -> Iterator[None]:
    """Hold the state's lock: of two readings at once, the slower would write an older state back.

    Raises:
        Unavailable: another reading is going on.
    """
    if state is None:
        yield
        return
    with Path(f"{state}.lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(f"another reading goes on with {state}") from None
        yield


def _seen(path: Path | None) -> Seen | None:
    """What an earlier reading remembered. Raises ``UnusableFile``, ``OSError``."""
    if path is None or not path.exists():
        return None
    content = read_bounded(path, MAX_SEEN_BYTES)
    with about(path):
        return Seen.parse(content)


def _logged(path: Path, trust: TrustFile, fallbacks: list[FallbackStatement]) -> LoggedReceipt:
    """A receipt's place in the log; statements without a face are kept in ``fallbacks``. Raises
    ``UnusableFile``, ``OSError``."""
    encoded = read_bounded(path, Receipt.max_bytes)
    with about(path):
        verified = verify_any(encoded, trust)
        if isinstance(verified, VerifiedFallback):
            fallbacks.append(verified.statement.message)
        receipt = Receipt.decode(encoded)
        if receipt.log_proof is None:
            raise Refused("the receipt has no log proof")
    proof = LogProof.parse(receipt.log_proof)
    entry = digest_of(receipt.statement)
    return LoggedReceipt(path.name, entry, proof.index, proof.signed.checkpoint)


def _require_enrolled(fallbacks: list[FallbackStatement], chain: Chain) -> None:
    """Agent and supervisor of each are among those whom operators enrolled. Raises
    ``LogDisagrees``."""
    for stated in fallbacks:
        try:
            require_enrolled(stated, chain.actions)
        except Refused as error:
            raise LogDisagrees(6, error.detail) from None


def _chain(path: Path, trust: TrustFile) -> Chain:
    """Operators' actions, checked with the gateway's pinned keys. Raises as ``_logged``."""
    content = read_bounded(path, _MAX_ACTIONS_BYTES)
    party = trust.gateways[0].party
    keys = tuple(one.verify_key for one in trust.gateways if one.party == party)
    with about(path):
        return verify_chain(from_lines(content), ChainKeys(keys))


def _tell(done: int, size: int) -> None:
    if done % _SHOWN_EVERY == 0:
        print(f"  ... {done:,} of {size:,} entries", file=sys.stderr, flush=True)


def _disagrees(options: argparse.Namespace, error: LogDisagrees) -> int:
    """Say which step failed; then keep the signed checkpoint that was shown, as evidence."""
    if not options.json:
        with to_a_reader():
            for step in range(1, error.step):
                print(f"ok    {step}. {STEPS[step]}")
            print(f"FAIL  {error}")
        print("The log does NOT agree.", file=sys.stderr)
    evidence = None
    try:
        evidence = _keep_evidence(options.state, error.evidence)
    except OSError as fault:
        print(f"sealmatch: the evidence cannot be kept: {reason_of(fault)}", file=sys.stderr)
    if options.json:
        report = {"agrees": False, "step": error.step, "reason": error.reason, "evidence": evidence}
        with to_a_reader():
            print(json.dumps(report))
    elif evidence is not None:
        with to_a_reader():
            print(f"the signed checkpoint that was shown: {evidence}")
    return DISAGREES


def _keep_evidence(state: Path | None, note: bytes | None) -> str | None:
    """Each checkpoint in a file of its own: what is shown later never replaces it."""
    if state is None or note is None:
        return None
    path = Path(f"{state}.disagreeing-{digest_of(note).hex()[:16]}")
    if not path.exists():
        with reserve(path, PUBLIC) as file:
            file.write(note)
    return str(path)


def _report(options: argparse.Namespace, reading: Reading, actions: Sequence[AdminAction]) -> None:
    of, cosigned = reading.witnessed.checkpoint, reading.witnessed.cosigned
    if options.json:
        report = {
            "agrees": True,
            "origin": of.origin,
            "entries": of.size,
            "before": reading.before,
            "root": of.root.hex(),
            "cosigned": cosigned,
            "receipts": len(options.receipt),
            "actions": [one.line().split("\t") for one in actions],
        }
        print(json.dumps(report))
        return
    found = {
        1: ", ".join(f"{name} at {_shown(at)}" for name, at in cosigned.items())
        or "the policy asks for no witness, so nobody vouches for its time",
        2: "nothing was remembered: not checked"
        if reading.before is None
        else f"{of.size - reading.before:,} new",
        3: f"{of.size:,}",
        4: of.root.hex(),
        5: f"{len(options.receipt)}",
    }
    if options.actions is not None:
        found[6] = f"{len(actions)}"
    print(of.origin)
    for step, what in found.items():
        print(f"ok    {step}. {STEPS[step]}: {what}")
    for action in actions:
        print(f"      {action.line()}")


def _shown(at: int) -> str:
    return f"{datetime.datetime.fromtimestamp(at, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"
