"""Sealed keystores for tests: cheap to open, with a passphrase file beside the data directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from gateway.host import keystore
from gateway.host.keyfile import create_secret
from gateway.host.keystore import MIN_MEMORY_KIB, Cost
from gateway.server import custody as gateway_keys
from gateway.server.config import GatewaySettings
from keys import ceremony
from keys.config import AuthoritySettings

CHEAP = Cost(memory_kib=MIN_MEMORY_KIB, iterations=1, lanes=1)
"""About 10 ms. What a file costs to open is what it was sealed with."""

PASSPHRASE = "correct horse battery staple"


def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the surroundings, and keystores that are cheap to make."""
    monkeypatch.setattr(keystore, "DEFAULT_COST", CHEAP)
    for name in [n for n in os.environ if n.startswith("SEALMATCH_")]:
        monkeypatch.delenv(name)


def passphrase_file(directory: Path, text: str = PASSPHRASE, name: str = "passphrase") -> Path:
    """A new file with a passphrase, as an editor leaves it."""
    path = directory / name
    create_secret(path, text.encode() + b"\n")
    return path


def sealed_authority(directory: Path, party: str, **settings: Any) -> AuthoritySettings:
    """An authority's keys in a keystore that is cheap to open, and the settings that open it.

    It demands no audits unless told to: no test shall depend on a coin.
    """
    settings = {"audit_one_in": 0, **settings}
    found = AuthoritySettings(
        data_dir=directory,
        party=party,
        passphrase_file=passphrase_file(directory),
        **{"refusal_ms": 0, **settings},
    )
    with mock.patch.object(keystore, "DEFAULT_COST", CHEAP):
        ceremony.initialise(found, 0)
    return found


def sealed_gateway(directory: Path, **settings: Any) -> GatewaySettings:
    """The same for a gateway."""
    file = passphrase_file(directory)
    found = GatewaySettings(
        data_dir=directory, passphrase_file=file, **{"refusal_ms": 0, **settings}
    )
    with mock.patch.object(keystore, "DEFAULT_COST", CHEAP):
        gateway_keys.initialise(found, 0)
    return found
