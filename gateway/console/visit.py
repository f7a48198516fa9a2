"""The last inspection, from its bundle: date, verdicts and open lines.

A line is shown by its rule and verdict alone: what was found may tell of small numbers. The file is
read again only when it has changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from gateway.host.watched import WatchedFile
from gateway.inspection.bundle import INSPECTOR, Bundle, read_bundle
from gateway.inspection.inspection import tally
from gateway.inspection.lines import Line, Verdict
from gateway.wire.cose import VerifyKey
from gateway.wire.errors import MalformedMessage, Refused, SealmatchError

MOST_BYTES: Final = 256 * 2**20
"""Of a bundle: a log of seven million entries."""
_SHOWN: Final = 200
_KEYS: Final = "keys."

Signature = Literal["verified", "wrong", "unchecked", "unsigned"]


@dataclass(frozen=True)
class Visit:
    """One inspection."""

    made_at: int
    tool: str
    signature: Signature
    counts: Mapping[Verdict, int]
    open_lines: tuple[Line, ...]
    """Violated, or not looked at."""
    keys: tuple[Line, ...]
    """Lines about keys."""


@dataclass(frozen=True)
class Unreadable:
    """There is a file, or there should be, and it is no bundle."""

    reason: str


class LastVisit:
    """The bundle that the settings name."""

    def __init__(self, file: Path | None, inspector_key: str | None) -> None:
        self._key = None
        if inspector_key is not None:
            self._key = VerifyKey(INSPECTOR, bytes.fromhex(inspector_key))
        self._file = None if file is None else WatchedFile(file, self._read, None)

    def read(self) -> Visit | Unreadable | None:
        """None: the settings name no bundle."""
        if self._file is None:
            return None
        try:
            return self._file.value()
        except OSError as error:
            return Unreadable(error.strerror or type(error).__name__)
        except SealmatchError as error:
            return Unreadable(str(error))

    def _read(self, path: Path, _: Visit | None) -> Visit:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise MalformedMessage("the bundle is too long for this page; use inspect verify")
        bundle = read_bundle(content)
        lines = bundle.lines
        return Visit(
            bundle.made_at,
            bundle.tool,
            self._signature(bundle),
            tally(lines),
            tuple(one for one in lines if one.verdict is not Verdict.PASSED)[:_SHOWN],
            tuple(one for one in lines if one.check.startswith(_KEYS)),
        )

    def _signature(self, bundle: Bundle) -> Signature:
        if not bundle.signed:
            return "unsigned"
        if self._key is None:
            return "unchecked"
        try:
            bundle.require_signed_by(self._key)
        except (Refused, MalformedMessage):
            return "wrong"
        return "verified"
