"""``sealmatch fallback new-key``, and how the other verbs come by a person's key."""

import argparse
import re
from functools import partial
from pathlib import Path
from typing import Final

from gateway.cli.outputs import to_a_reader
from gateway.client import person_keys
from gateway.client.person_keys import KINDS, PersonKind
from gateway.host.fingerprint import fingerprint
from gateway.host.keyfile import KeyFileError, require_absent
from gateway.host.passphrase import obtain
from gateway.wire.cose import SigningKey
from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import PARTY_PATTERN, PartyId

CREDENTIAL: Final = "sealmatch-person-passphrase"
"""Name of the systemd credential."""


def add_new_key(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "draw an agent's or a supervisor's key, and print what the gateway's operator enrols"
    new = verbs.add_parser("new-key", help=text, description=text)
    new.add_argument("kind", choices=KINDS)
    new.add_argument("name", metavar="NAME", help="pseudonym under which the person is enrolled")
    new.add_argument("--out", type=Path, required=True, metavar="FILE")
    _add_passphrase(new)
    new.add_argument(
        "--bare",
        action="store_true",
        help="without a passphrase: for a device that protects the file, and for development",
    )
    new.set_defaults(run=run_new_key)


def add_key_arguments(
    parser: argparse.ArgumentParser, kind: PersonKind, default: str | None
) -> None:
    """``--key`` and the passphrase; ``default`` says which key is used without it."""
    parser.add_argument(
        "--key",
        type=Path,
        required=default is None,
        metavar="FILE",
        help=f"the {kind}'s key" + ("" if default is None else f" (default: {default})"),
    )
    _add_passphrase(parser)


def _add_passphrase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="FILE",
        help="with the passphrase of the key; without it, it is asked for",
    )


def run_new_key(options: argparse.Namespace) -> int:
    """Draw a key; print the words that the operator's ``enrol`` takes."""
    if not re.fullmatch(PARTY_PATTERN, options.name):
        raise CallerMisuse("a name has 1 to 63 lower-case letters, digits, dots and hyphens")
    require_absent(options.out)
    what = f"passphrase of {options.out.name}"
    asked = partial(obtain, options.passphrase_file, CREDENTIAL, what, new=True)
    public = person_keys.create(
        options.out, options.kind, options.name, None if options.bare else asked
    )
    with to_a_reader():
        print(f"{options.kind} {options.name} {public.raw.hex()}")
        print(f"# compare by voice: {fingerprint(public.raw)}")
    return 0


def key_of(
    options: argparse.Namespace, kind: PersonKind, party: PartyId | None, default: Path | None
) -> SigningKey:
    """The key that is named, or the default one.

    Raises:
        KeyFileError: there is none, or it cannot be used.
        CallerMisuse: as ``person_keys.load``.
    """
    path: Path | None = options.key or default
    if path is None:
        raise KeyFileError(f"no {kind}'s key: name it with --key, or draw one (fallback new-key)")
    asked = partial(obtain, options.passphrase_file, CREDENTIAL, f"passphrase of {path.name}")
    return person_keys.load(path, kind, party, asked)
