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
from gateway.vision.errors import VisionError
from gateway.wire.errors import Refused, SealmatchError

INTERRUPTED = 130
NOBODY_READS = 141
"""What a shell says of a program that wrote to a closed pipe."""
_LAB = "gateway.lab"


@dataclass(frozen=True)
class Command:
    """Where a command is, and what ``--help`` says of it."""

    module: str
    summary: str

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


class NoLaboratory(SealmatchError):
    """The laboratory's commands (attacks, measurements, demonstrations) are not installed here."""


COMMANDS: Final[dict[str, Command]] = {
    "demo": Command("gateway.lab.demo.cli", "watch a registration"),
    "up": Command("gateway.lab.deployment.cli", "run both servers here until Ctrl-C"),
    "register": Command("gateway.cli.register", "verify one person against one document"),
    "attempts": Command("gateway.cli.attempts", "attempts and time that liveness checks took"),
    "receipt": Command("gateway.cli.receipt", "check a receipt"),
    "log": Command("gateway.cli.log", "follow a transparency log"),
    "reconcile": Command("gateway.cli.reconcile", "compare activations with receipts"),
    "models": Command("gateway.cli.models", "fetch, check and list face model packs"),
    "bench": Command("gateway.lab.bench.cli", "measure"),
    "evaluate": Command("gateway.lab.evaluation.cli", "measure against labelled recordings"),
    "attack": Command(
        "gateway.lab.attack.cli", "play the attackers against a live local deployment"
    ),
    "auditor": Command("gateway.auditor.cli", "repeat evaluations"),
    "probe-authority": Command(
        "gateway.cli.probe_authority",
        "run registrations with known answers, to catch a lying key authority",
    ),
    "dev-ca": Command("gateway.cli.devca", "make a development CA and certificates"),
    "witness": Command("gateway.witness.cli", "run a witness of transparency logs"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return _run(_parser(given).parse_args(given))
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
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    chosen = next((word for word in given if not word.startswith("-")), None)
    for name, command in COMMANDS.items():
        own = commands.add_parser(name, help=command.summary)
        if name == chosen:
            command.configure(own)
    return parser


def _fail(text: str, status: int) -> int:
    print(f"sealmatch: {text}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
