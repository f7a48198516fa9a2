"""``sealmatch demo``: watch a registration, and see what each party saw.

Gateway, key authority and auditor run as processes on loopback. Without photographs of your own, a
genuine and an impostor registration run on pictures made from one photograph of insightface's.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.cli.pack import add_pack_argument, gateway_settings, model_of, open_pack
from gateway.cli.receipt_report import step_line
from gateway.cli.register import embed
from gateway.client.counter import counter_session
from gateway.client.registration import Measurements, Occasion, Registration
from gateway.host.directories import existing_directory
from gateway.lab.demo import tables
from gateway.lab.demo.tables import Stored
from gateway.lab.deployment.cli import add_audit_argument
from gateway.lab.deployment.interrupts import orderly_end
from gateway.lab.deployment.local import LocalDeployment
from gateway.lab.deployment.wiretap import Wiretap
from gateway.proofs.verify import STEPS, verify_receipt
from gateway.translog.proof import LogProof
from gateway.vision.demo_faces import genuine_pair, impostor_pair
from gateway.vision.pack import ModelPack
from gateway.vision.pipeline import FacePipeline
from gateway.wire.errors import CallerMisuse
from gateway.wire.proof import Receipt
from gateway.wire.subject import Subject

DOCUMENT = Subject.of("passport", "X1234567")
ORDER = "order-2026-000001"

SAMPLE_NOTICE = """\
Photographs: insightface's sample picture t1.jpg. The "chip portrait" (small, faded, compressed)
and the "live capture" (other light, size, tilt, noise) of one person both come from that ONE
photograph, so this shows the protocol at work and says nothing about accuracy.
Use your own: sealmatch demo --id-portrait FILE --live FILE
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--id-portrait", type=Path, metavar="FILE")
    parser.add_argument("--live", type=Path, metavar="FILE")
    parser.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="keep the servers' state there"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_audit_argument(parser, default=1)
    add_pack_argument(parser)
    parser.set_defaults(run=run, parser=parser)


@dataclass(frozen=True)
class Pair:
    """Two photographs, and the expected outcome (None: it cannot be known)."""

    name: str
    portrait: bytes = field(repr=False)
    live: bytes = field(repr=False)
    expected: str | None


@dataclass
class Screen:
    """Prints text at once, or keeps quiet; collects what goes into one JSON object."""

    quiet: bool
    result: dict[str, object] = field(default_factory=dict)

    def say(self, text: str = "") -> None:
        if not self.quiet:
            print(text, flush=True)


class ObservedDeployment(LocalDeployment):
    """A local deployment whose gateway reaches the authority through an observer."""

    tap: Wiretap | None = None

    def prepare(self) -> None:
        """Put the observer in between, like a proxy: the gateway signs requests for its address."""
        self.tap = Wiretap()
        self.tap.__enter__()
        self.authority.settings["public_urls"] = self.tap.url
        super().prepare()

    def authority_url(self, port: int) -> str:
        self.observer.target = super().authority_url(port)
        return self.observer.url

    @property
    def observer(self) -> Wiretap:
        """The observer that runs between gateway and authority. Raises ``CallerMisuse``."""
        if self.tap is None:
            raise CallerMisuse("nobody observes a deployment that does not run")
        return self.tap

    def stop(self) -> None:
        super().stop()
        if self.tap is not None:
            self.tap.__exit__(None, None, None)
            self.tap = None


def run(options: argparse.Namespace) -> int:
    """Run the demonstration; 0 when every outcome is the expected one."""
    if bool(options.id_portrait) != bool(options.live):
        options.parser.error("--id-portrait and --live go together")
    screen = Screen(options.json)
    pack = open_pack(options.pack)
    vision = FacePipeline(pack)
    pairs = _pairs(options, vision, screen)
    with orderly_end(), _state(options.state_dir) as directory:
        done = _demonstrate(directory, pack, vision, pairs, screen, options.audit_one_in)
    screen.say("All servers stopped.")
    if options.json:
        print(json.dumps(screen.result, indent=2))
    return 0 if done else 1


def _pairs(options: argparse.Namespace, vision: FacePipeline, screen: Screen) -> list[Pair]:
    if options.live:
        own = Pair("yours", options.id_portrait.read_bytes(), options.live.read_bytes(), None)
        return [own]
    screen.say(SAMPLE_NOTICE)
    return [
        Pair("genuine", *genuine_pair(vision), "MATCH"),
        Pair("impostor", *impostor_pair(vision), "NO_MATCH"),
    ]


def _demonstrate(
    directory: Path,
    pack: ModelPack,
    vision: FacePipeline,
    pairs: list[Pair],
    screen: Screen,
    audit_one_in: int,
) -> bool:
    model = model_of(pack)
    screen.say("Starting gateway, key authority and auditor as separate processes ...")
    with ObservedDeployment(
        directory, model, 0, tls=False, audit_one_in=audit_one_in, **gateway_settings(pack)
    ) as deployment:
        trust_path = deployment.directories.trust
        session = counter_session(trust_path, deployment.trust, model)
        as_expected = True
        with session.transport:
            for pair in pairs:
                measured = Measurements()
                deployment.observer.passages.clear()
                template = embed(vision, pair.portrait, "portraitEmbedding", measured)
                probe = embed(vision, pair.live, "liveEmbedding", measured)
                occasion = Occasion(DOCUMENT, ORDER)
                result = session.client.register(template, probe, occasion, measured)
                as_expected &= pair.expected in (None, result.outcome)
                _report(pair, result, deployment, screen)
        verified = verify_receipt(result.receipt, deployment.trust, result.opening, DOCUMENT)
    screen.say("\nThe last receipt, verified offline as a stranger would:")
    for step, found in verified.notes.items():
        screen.say(f"  {step_line(step, STEPS[step], found)}")
    screen.result["receipt"] = {"valid": True, "record": result.record_id.hex()}
    _show_checkpoint(result.receipt, screen)
    _show_stored(tables.stored(deployment.directories), screen)
    return as_expected


def _report(
    pair: Pair, result: Registration, deployment: ObservedDeployment, screen: Screen
) -> None:
    total = sum(result.measured.timings_ms.values())
    screen.say(f"\n{pair.name}: {result.outcome}   ({total:.0f} ms in all)")
    seen = tables.seen(pair.portrait, pair.live, result, deployment.observer.passages)
    if pair.expected in (None, "MATCH"):
        screen.say("\nWhat each party saw (real bytes of this registration):\n")
        screen.say(tables.sight_table(seen))
    screen.result[pair.name] = {
        "outcome": result.outcome,
        "recordId": result.record_id.hex(),
        "timingsMs": result.measured.timings_ms,
        "bytes": result.measured.bytes_sent,
        "seen": [sight.as_json() for sight in seen],
    }


def _show_checkpoint(receipt: bytes, screen: Screen) -> None:
    """Show the receipt's checkpoint, which is what witnesses see of this decision."""
    proof = LogProof.parse(Receipt.decode(receipt).log_proof or b"")
    checkpoint = bytes(proof.signed).decode()
    screen.say("\nIts log proof stands under this checkpoint (C2SP tlog-checkpoint):\n")
    for line in checkpoint.splitlines():
        screen.say(f"  {line}")
    screen.result["checkpoint"] = checkpoint


def _show_stored(stored: list[Stored], screen: Screen) -> None:
    screen.say("\nWhat is stored now, all of it:\n")
    screen.say(tables.stored_table(stored))
    screen.result["stored"] = [item.as_json() for item in stored]


@contextmanager
def _state(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield existing_directory(given)
        return
    with tempfile.TemporaryDirectory(prefix="sealmatch-demo-") as directory:
        yield Path(directory)
