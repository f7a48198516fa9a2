"""``sealmatch``: one module per command, loaded when the command is chosen.

``--help`` lists the commands from the table below and loads none of them. A command loads what it
needs, and nothing of another command.

Exit status: 0 done (or match), 1 failure, 2 usage, 5 refused, 130 interrupted. Some commands add
their own: ``register`` 3 no match and 4 inconclusive, ``receipt verify`` 3 valid and not what is
required, and 6 not valid. 141: nobody reads what is printed.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from gateway.cli import FAILURE, REFUSED
from gateway.host.ending import INTERRUPTED, ignore_interrupts, interrupted_at_once
from gateway.host.terminal import show_what_can_be_shown
from gateway.vision.errors import VisionError
from gateway.wire.errors import Refused, SealmatchError

NOBODY_READS = 141
"""What a shell says of a program that wrote to a closed pipe."""
_LAB = "gateway.lab"


@dataclass(frozen=True)
class Command:
    """Where a command is, what ``--help`` says of it, and which extras bring what it imports."""

    module: str
    summary: str
    extras: str = ""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Load the command's module and let it add the command's arguments.

        Raises:
            NoLaboratory: the command belongs to the laboratory, which is not installed here.
        """
        try:
            module = import_module(self.module)
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith(_LAB):
                raise
            raise NoLaboratory(
                f"this command belongs to the laboratory ({_LAB}), which is not installed here"
            ) from None
        module.configure(parser)

    def lacks(self, name: str, error: ModuleNotFoundError) -> SealmatchError:
        """What to install for a command of this name. Raises the error if no extra brings it."""
        from gateway.host.installed import NotInstalled  # noqa: PLC0415  --help loads nothing

        return NotInstalled.of(error, f"sealmatch {name}", self.extras)


class NoLaboratory(SealmatchError):
    """The laboratory's commands (attacks, measurements, demonstrations) are not installed here."""


_COUNTER, _READER, _EVERYTHING = "client", "reader", "client,gateway"
"""Extras of ``pyproject.toml``."""

COMMANDS: Final[dict[str, Command]] = {
    "demo": Command("gateway.lab.demo.cli", "watch a registration", _EVERYTHING),
    "up": Command("gateway.lab.deployment.cli", "run both servers here until Ctrl-C", _EVERYTHING),
    "register": Command("gateway.cli.register", "verify one person against one document", _COUNTER),
    "fallback": Command(
        "gateway.cli.fallback", "register a person without a face: two people sign", _COUNTER
    ),
    "kiosk": Command(
        "gateway.cli.kiosk", "the counter in a browser: serve its page on this machine", _COUNTER
    ),
    "csca": Command(
        "gateway.cli.csca", "list the authorities whose documents' chips are verified", _COUNTER
    ),
    "counter": Command("gateway.cli.counter", "set a counter up: keys, enrolment, trust file"),
    "attempts": Command("gateway.cli.attempts", "attempts and time that liveness checks took"),
    "receipt": Command("gateway.cli.receipt", "check a receipt", _READER),
    "subject": Command(
        "gateway.cli.rights", "a subscriber's copy, lines, erasure, withdrawal of consent", _READER
    ),
    "log": Command("gateway.cli.log", "follow a transparency log", _READER),
    "inspect": Command(
        "gateway.cli.inspect", "show line by line what a deployment keeps", "gateway"
    ),
    "console": Command("gateway.console.cli", "a read-only web page of what is kept", "gateway"),
    "reconcile": Command("gateway.cli.reconcile", "compare activations with receipts", "gateway"),
    "models": Command("gateway.cli.models", "fetch, check and list face model packs", _COUNTER),
    "bench": Command("gateway.lab.bench.cli", "measure", _EVERYTHING),
    "evaluate": Command(
        "gateway.lab.evaluation.cli",
        "measure against pictures and recordings that a person labelled",
        f"{_EVERYTHING},lab",
    ),
    "calibrate": Command("gateway.cli.calibrate", "make a match policy of an evaluation"),
    "attack": Command(
        "gateway.lab.attack.cli",
        "play the attackers against a live local deployment",
        _EVERYTHING,
    ),
    "auditor": Command("gateway.auditor.cli", "repeat evaluations"),
    "probe-authority": Command(
        "gateway.cli.probe_authority",
        "run registrations with known answers, to catch a lying key authority",
        _COUNTER,
    ),
    "dev-ca": Command("gateway.cli.devca", "make a development CA and certificates"),
    "witness": Command("gateway.witness.cli", "run a witness of transparency logs"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    show_what_can_be_shown()
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return _with_what_is_installed(given)
    except KeyboardInterrupt:
        return INTERRUPTED
    except VisionError as error:
        return _fail(f"{error}. {error.advice}", FAILURE)
    except Refused as error:
        return _fail(error.detail, REFUSED)
    except SealmatchError as error:
        return _fail(str(error), FAILURE)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return _fail(f"{error.filename or 'system'}: {reason}", FAILURE)
    finally:
        if arguments is None:
            ignore_interrupts()  # what is left to do is the interpreter's own


def _with_what_is_installed(given: Sequence[str]) -> int:
    """Run a command; where a package is missing, say what to install."""
    if "--version" in given:
        from gateway.host.installed import version_line  # noqa: PLC0415  --help loads nothing

        print(version_line("sealmatch"))
        return 0
    try:
        with interrupted_at_once():
            options = _parser(given).parse_args(given)
        return _run(options)
    except ModuleNotFoundError as error:
        name = _chosen(given) or ""
        if name not in COMMANDS:
            raise
        raise COMMANDS[name].lacks(name, error) from None


def _run(options: argparse.Namespace) -> int:
    """Run a command, and see that somebody reads what it prints."""
    try:
        status = int(options.run(options))
        sys.stdout.flush()
    except BrokenPipeError:  # ``| head`` has seen enough: no error, and no success either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    return status


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """A parser that knows all commands by name, and the arguments of the chosen one only."""
    parser = argparse.ArgumentParser(
        prog="sealmatch", description="Face verification in which no server sees a face."
    )
    parser.add_argument("--version", action="store_true", help="print it, and end")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    chosen = _chosen(given)
    for name, command in COMMANDS.items():
        own = commands.add_parser(name, help=command.summary)
        if name == chosen:
            command.configure(own)
    return parser


def _chosen(given: Sequence[str]) -> str | None:
    return next((word for word in given if not word.startswith("-")), None)


def _fail(text: str, status: int) -> int:
    print(f"sealmatch: {text}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
