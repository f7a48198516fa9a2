"""The mark beside the counters of attempts: it tells lost and older counters from new ones.

Counters that are deleted, or put back as they were, would let everybody ask again. So a second file
says which file counts, and until when it may have counted. It is written when the counters are
made, and again before the first attempt of each minute is answered. Rules at a start:

1. Counters without their mark, a mark without its counters, and two that do not belong together
   are *lost* counters: the authority does not start on them. So is a file without any tables.
2. Counters that have counted for less long than their mark says are *older* ones. They are closed,
   as at a reached cap, for a day: then whatever they miss has ceased to count.

Whoever can write the disk can put both files back together. Nothing on the same disk can tell.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from gateway.host import crash
from gateway.host.newfile import replace_private
from gateway.wire.errors import SealmatchError, Unavailable

ID_BYTES: Final = 16
MINUTE: Final = 60
_FORM: Final = re.compile(rb"sealmatch-caps-mark/1\n([0-9a-f]{32})\n(0|[1-9][0-9]{0,15})\n")
_MAX_BYTES: Final = 128


class CapsLost(SealmatchError):
    """There are no counters of attempts here that go on from those there were."""


@dataclass(frozen=True)
class CapsMark:
    """What the mark says."""

    counters: bytes
    """Id of the file that counts: 16 random bytes."""
    until: int
    """No attempt was counted after this time, seconds since 1970."""

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The mark, or None if there is none.

        Raises:
            CapsLost: it is damaged.
            Unavailable: it cannot be read.
        """
        try:
            with path.open("rb") as file:
                content = file.read(_MAX_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"{path.name} cannot be read: {error.strerror}") from None
        found = _FORM.fullmatch(content)
        if found is None:
            raise CapsLost(f"{path.name} is damaged")
        return cls(bytes.fromhex(found[1].decode()), int(found[2]))

    def write(self, path: Path) -> None:
        """Replace the mark, durably. Raises ``Unavailable``."""
        content = f"sealmatch-caps-mark/1\n{self.counters.hex()}\n{self.until}\n".encode()
        try:
            replace_private(path, content)
        except OSError as error:
            raise Unavailable(f"{path.name} cannot be written: {error.strerror}") from None
        crash.reach("caps-mark-written")


def mark_of(counters: Path) -> Path:
    """Where the mark of counters lies: beside them."""
    return counters.with_name("caps.mark")
