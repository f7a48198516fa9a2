"""What the servers' operator commands have in common: settings, key ceremonies, exit status.

Exit status: 0 done, 1 failure with a line on stderr, 2 usage, 130 Ctrl-C.
"""

import argparse
import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from pydantic import ValidationError

from gateway.host import memory
from gateway.host.directories import occupied, require_private
from gateway.host.ending import (
    INTERRUPTED,
    Terminated,
    ignore_interrupts,
    terminated_as_interrupted,
)
from gateway.host.installed import VersionAction, version
from gateway.host.operator_log import operator_log
from gateway.host.server_settings import HostSettings
from gateway.host.serving import bind, serve
from gateway.host.terminal import show_what_can_be_shown
from gateway.wire.errors import CallerMisuse, Refused, SealmatchError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from gateway.host.checking import Check

    Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]

_MAX_TABLE_BYTES = 16 * 2**20
_PRIVATE: Final = 0o077
"""Files that a library makes for a server are its owner's alone."""

S = TypeVar("S", bound=HostSettings)

Run = Callable[[argparse.Namespace, S], int]

FAILURES = (SealmatchError, OSError, ValueError)
"""What an operator is told in one line."""


def reason(error: Exception) -> str:
    """What an operator is told of a failure: also why something is refused, which no peer is."""
    match error:
        case Refused():
            return error.detail
        case OSError(strerror=str(said)):
            return said if error.filename is None else f"{error.filename}: {said}"
        case ValidationError():
            places = {".".join(map(str, one["loc"])) for one in error.errors()}
            return f"not of the form that is asked for: {', '.join(sorted(places))}"
    return str(error)


class CommandFailed(SealmatchError):
    """An operator command failed; the text is what it says about it."""


class OperatorCommand(Generic[S]):
    """A server's own command with its subcommands, each of which gets the settings."""

    def __init__(
        self,
        prog: str,
        description: str,
        settings: type[S],
        overriding: Sequence[str],
        parser: argparse.ArgumentParser | None = None,
    ) -> None:
        """
        Args:
            overriding: settings that have an option of their own, which wins.
            parser: another command's, under which this one stands; otherwise its own.
        """
        self._prog = prog
        self._settings = settings
        self._overriding = overriding
        self._parser = parser or argparse.ArgumentParser(prog=prog)
        self._parser.description = description
        self._parser.epilog = "Settings (file, then environment):\n\n" + settings.describe()
        self._parser.formatter_class = argparse.RawDescriptionHelpFormatter
        self._parser.add_argument("--version", action=VersionAction)
        self._parser.add_argument(
            "--config", type=Path, metavar="FILE", help="TOML file of settings"
        )
        for name in overriding:
            self._parser.add_argument(
                _option(name), metavar=name.rsplit("_", 1)[-1].upper(), help=f"overrides {name}"
            )
        self._commands = self._parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        self, name: str, run: "Run[S]", text: str, among: "Subcommands | None" = None
    ) -> argparse.ArgumentParser:
        """A subcommand; its own arguments are added to what is returned."""
        sub = (among or self._commands).add_parser(name, help=text, description=text)
        # Also accepted after the command. If absent there, the value before the command stays.
        sub.add_argument("--config", type=Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        for option in map(_option, self._overriding):
            sub.add_argument(option, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        sub.set_defaults(run=partial(self._run, run), command=run)
        return sub

    def group(self, name: str, text: str) -> "Subcommands":
        """Subcommands below a word."""
        parser = self._commands.add_parser(name, help=text)
        return parser.add_subparsers(required=True, metavar="VERB")

    def add_check(self, checks: "Callable[[S], Iterable[Check]]") -> None:
        """``check-config``: try what the settings say, and change nothing."""
        from gateway.host.checking import report  # noqa: PLC0415  for this command alone

        text = "try what settings and files say, line by line; nothing is changed"
        self.add("check-config", lambda _, settings: report(checks(settings)), text)

    def add_settings(self) -> None:
        """``settings``: the settings in force, for others to read."""
        text = "print the settings in force as JSON, without secrets and paths"
        self.add("settings", self._print_settings, text)

    def _print_settings(self, _: argparse.Namespace, settings: S) -> int:
        from gateway.host.in_force import in_force  # noqa: PLC0415  for this command alone

        print(in_force(self._prog, version(), settings).encode().decode(), end="")
        return 0

    def add_keys(
        self, making: str, showing: str, init: "Run[S]", show: "Run[S]", rotate_signing: "Run[S]"
    ) -> "tuple[Subcommands, Subcommands]":
        """The key ceremonies. Returns the groups ``keys`` and ``keys rotate``."""
        self.add("init", init, f"the same as keys init: {making}")
        self.add("show", show, f"the same as keys show: {showing}")
        verbs = self.group("keys", "the server's own keys")
        self.add("init", init, making, verbs)
        self.add("show", show, showing, verbs)
        rotate = verbs.add_parser("rotate", help="replace a key, with an overlap")
        kinds = rotate.add_subparsers(required=True, metavar="KEY")
        staging = "stage the next signing key, for everyone to pin"
        signing = self.add("signing", rotate_signing, staging, kinds)
        activating = "sign with the staged key; the old one is dropped"
        signing.add_argument("--activate", action="store_true", help=activating)
        return verbs, kinds

    def main(self, arguments: Sequence[str] | None) -> int:
        """Run one command and return its exit status."""
        show_what_can_be_shown()
        options = self._parser.parse_args(arguments)
        try:
            with terminated_as_interrupted():
                return int(options.run(options))
        except FAILURES as error:
            print(self._failure(error), file=sys.stderr)
            return 1
        except Terminated:
            signal.raise_signal(signal.SIGTERM)
            raise
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            if arguments is None:
                ignore_interrupts()

    def output(self, arguments: Sequence[str], environment: Mapping[str, str]) -> str:
        """Run one command as a part of another program, and return what it prints.

        The keys that it opens are in that program's memory, which stays as inspectable as it is.

        Raises:
            CommandFailed: the exit status would not be 0; the text is the line on stderr.
        """
        options = self._parser.parse_args(arguments)
        try:
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                status = int(options.command(options, self._read(options, environment)))
        except FAILURES as error:
            raise CommandFailed(self._failure(error)) from None
        if status:
            raise CommandFailed(f"{self._prog}: {status}")
        return printed.getvalue()

    def _run(self, run: "Run[S]", options: argparse.Namespace) -> int:
        settings = self._read(options, os.environ)
        os.umask(_PRIVATE)
        memory.protect("off", inspectable=settings.inspectable)
        return run(options, settings)

    def _failure(self, error: Exception) -> str:
        return f"{self._prog}: {reason(error)}"

    def _read(self, options: argparse.Namespace, environment: Mapping[str, str]) -> S:
        given = {name: getattr(options, name) for name in self._overriding}
        prefix = self._settings.prefix
        own = {f"{prefix}_{n}".upper(): value for n, value in given.items() if value is not None}
        return self._settings.read(options.config, {**environment, **own})


def run_server(
    name: str,
    create_app: "Callable[[S], ASGIApp]",
    settings: S,
    directory: Path,
    *,
    shared: bool = False,
) -> int:
    """Serve until Ctrl-C, with the operator's log on stderr.

    Args:
        directory: the server's data directory.
        shared: whether several servers may work in it.

    Raises:
        TlsMisconfigured, UnusableDirectory, InUse, CannotListen: before any key is opened.
        SealmatchError: the application cannot be had.
    """
    operator_log(settings.log_format)
    memory.protect(settings.lock_memory, inspectable=settings.inspectable)
    tls, limits = settings.tls, settings.limits
    require_private(directory)
    alone = contextlib.nullcontext() if shared else occupied(directory, name)
    with alone, bind(settings.host, settings.port) as listener:
        serve(create_app(settings), name, listener, tls, limits)
    return 0


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def read_table(file: Path) -> list[tuple[int, list[str]]]:
    """Lines of a text file with their numbers, each as its words; empty ones are left out.

    Raises:
        CallerMisuse: too long, or not text.
        OSError: unreadable.
    """
    content = read_bytes(file, _MAX_TABLE_BYTES)
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise CallerMisuse(f"{file.name} is not a text") from None
    return [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]


def read_bytes(file: Path, limit: int) -> bytes:
    """A file's content.

    Raises:
        CallerMisuse: longer than ``limit`` bytes.
        OSError: unreadable.
    """
    with file.open("rb") as opened:
        content = opened.read(limit + 1)
    if len(content) > limit:
        raise CallerMisuse(f"{file.name} is too long")
    return content
