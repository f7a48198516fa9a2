"""``sealmatch console``: pages on which operator and regulator see what the gateway keeps.

    add NAME --role regulator        a credential for one person, under a passphrase of the person's
    remove NAME                      it counts no more, and open sessions end
    list                             who may look
    serve                            serve until Ctrl-C

Exit status: 0 done, 1 failure, 2 usage.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.console.config import ConsoleSettings
from gateway.console.people import COST, ROLES, People
from gateway.host.cli import OperatorCommand, run_server
from gateway.host.clock import unix_time

if TYPE_CHECKING:
    from gateway.host.checking import Check


def configure(parser: argparse.ArgumentParser) -> None:
    """For ``sealmatch console``."""
    own = OperatorCommand(
        "sealmatch console",
        "A read-only web page of what a gateway keeps, for operator and regulator.",
        ConsoleSettings,
        ("data_dir", "database_url", "port"),
        parser,
    )
    add = own.add("add", _add, "let a person look; the person types the passphrase")
    add.add_argument("name", help="lower-case letters, digits, dots and hyphens")
    add.add_argument("--role", choices=ROLES, required=True)
    add.add_argument(
        "--person-passphrase-file",
        type=Path,
        metavar="FILE",
        help="file with the passphrase, mode 0600; otherwise it is asked for",
    )
    own.add("remove", _remove, "let a person look no more").add_argument("name")
    own.add("list", _list, "who may look, and in which role")
    own.add("serve", _serve, "serve until Ctrl-C")
    own.add_check(_checks)


def _people(settings: ConsoleSettings) -> People:
    return People(settings.people_dir, settings.keystore_cost or COST)


def _add(options: argparse.Namespace, settings: ConsoleSettings) -> int:
    file = options.person_passphrase_file
    made = _people(settings).add(options.name, options.role, file, unix_time())
    print(f"{made.name}\t{made.role}")
    return 0


def _remove(options: argparse.Namespace, settings: ConsoleSettings) -> int:
    _people(settings).remove(options.name)
    return 0


def _list(_: argparse.Namespace, settings: ConsoleSettings) -> int:
    for person in _people(settings).all():
        print(f"{person.name}\t{person.role}")
    return 0


def _serve(_: argparse.Namespace, settings: ConsoleSettings) -> int:
    from gateway.console.app import create_app  # noqa: PLC0415  the others start without FastAPI

    return run_server("console", create_app, settings, settings.data_dir)


def _checks(settings: ConsoleSettings) -> "Iterable[Check]":
    from gateway.console.checking import checks  # noqa: PLC0415  reads the database

    return checks(settings)
