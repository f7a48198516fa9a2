"""``sealmatch``: dispatch to one module per command.

Exit status: 0 done (or match), 1 failure, 2 usage; ``register`` adds 3 no match, 4 inconclusive,
5 refused.
"""

import argparse
import sys
from collections.abc import Sequence

from gateway.cli import (
    attack,
    attempts,
    auditor,
    bench,
    demo,
    devca,
    evaluate,
    log,
    models,
    probe_authority,
    receipt,
    reconcile,
    register,
    up,
    witness,
)
from gateway.vision.errors import VisionError
from gateway.wire.errors import Refused, SealmatchError

FAILURE = 1
REFUSED = 5
INTERRUPTED = 130

_COMMANDS = (
    demo,
    up,
    register,
    attempts,
    receipt,
    log,
    reconcile,
    models,
    bench,
    evaluate,
    attack,
    auditor,
    probe_authority,
    devca,
    witness,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="sealmatch", description="Face verification in which no server sees a face."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add_parser(commands)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        return INTERRUPTED
    except VisionError as error:
        return _fail(f"{error}. {error.advice}", FAILURE)
    except Refused as error:
        return _fail(error.detail, REFUSED)
    except SealmatchError as error:
        return _fail(str(error), FAILURE)
    except OSError as error:
        return _fail(f"{error.filename or 'system'}: {error.strerror}", FAILURE)


def _fail(text: str, status: int) -> int:
    print(f"sealmatch: {text}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
