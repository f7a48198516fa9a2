"""Where a passphrase or PIN comes from: a file, a systemd credential, or the operator's keyboard.

Never from an argument or an environment variable, which others on the machine can read.
"""

import getpass
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.host.keyfile import KeyFileError, read_private
from gateway.wire.secret import wipe

MIN_BYTES: Final = 12
"""Shortest passphrase for a new keystore. It is what stands between a stolen file and its keys."""

_MAX_BYTES: Final = 1024
_CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"


def obtain(
    file: Path | None,
    credential: str,
    what: str,
    *,
    new: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> bytearray:
    """Read a passphrase; the caller wipes it.

    Args:
        file: as the setting or the option names it; must be readable by its owner alone, or lie
            in the credentials' directory, which the service manager keeps.
        credential: name of the systemd credential that is used without a file.
        what: names it in a prompt, e.g. "passphrase of keystore.sealed".
        new: it protects something new: at least ``MIN_BYTES`` bytes, and typed twice.

    Raises:
        KeyFileError: there is none, it is empty or too short, its file is open to others, or
            what was typed differs.
    """
    directory = environment.get(_CREDENTIALS)
    if file is not None:
        managed = directory is not None and file.parent == Path(directory)
        secret = _without_newline(read_private(file, _MAX_BYTES, check_mode=not managed))
    elif directory is not None and (Path(directory) / credential).exists():
        # The service manager keeps its directory; access lists show there as group bits.
        secret = _without_newline(
            read_private(Path(directory) / credential, _MAX_BYTES, check_mode=False)
        )
    elif sys.stdin is not None and sys.stdin.isatty():
        secret = _typed(what, twice=new)
    else:
        raise KeyFileError(
            f"no {what}: name a file with it in the settings, or pass the credential {credential}"
        )
    if not secret or (new and len(secret) < MIN_BYTES):
        wipe(secret)
        raise KeyFileError(f"the {what} must have at least {MIN_BYTES if new else 1} bytes")
    return secret


def _typed(what: str, *, twice: bool) -> bytearray:
    first = bytearray(getpass.getpass(f"{what}: ").encode())
    if twice:
        second = bytearray(getpass.getpass(f"{what}, again: ").encode())
        same = first == second
        wipe(second)
        if not same:
            wipe(first)
            raise KeyFileError("the two are not the same; nothing was done")
    return first


def _without_newline(content: bytearray) -> bytearray:
    """Editors end a file with a newline; it is not part of the passphrase."""
    while content and content[-1] in b"\r\n":
        del content[-1]
    return content
