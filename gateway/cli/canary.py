"""``--canary FILE`` of ``sealmatch register``: keep what an inspection is to look for.

Nothing of a registration is kept unless somebody asks for it by this option, and a warning says so.
It is for an inspector who registers herself: ``sealmatch inspect canary``.
"""

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.client.liveness.capture import Captured
from gateway.client.registration import Live, Occasion, Registration
from gateway.host.clock import unix_time
from gateway.inspection import canary_file
from gateway.inspection.canary_file import WARNING, Planted
from gateway.wire.liveness import Challenge


def add_canary_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--canary",
        type=Path,
        metavar="FILE",
        help="for an inspector who registers herself: write or extend this file (mode 0600) with "
        "her vectors and number, for `sealmatch inspect --canary`. It holds BIOMETRIC DATA; "
        "destroy it afterwards (default: nothing is kept)",
    )


@dataclass
class Keeping:
    """What a registration uses, as long as it runs; written where ``--canary`` says so."""

    path: Path
    planted: Planted
    _vectors: list[tuple[str, NDArray[np.floating]]] = field(default_factory=list, repr=False)

    @classmethod
    def at(cls, path: Path) -> "Keeping":
        """Read or begin the file, before anything is sent: a file that cannot be written is told in
        time.

        Raises:
            KeyFileError, NoCanary, OSError: it cannot be used.
        """
        planted = canary_file.begun(path) if path.exists() else Planted(unix_time())
        canary_file.write(path, planted)
        print(f"{path}: {WARNING}", file=sys.stderr)
        return cls(path, planted)

    def portrait(self, vector: NDArray[np.floating]) -> None:
        self._vectors.append(("portrait", vector))

    def watching(self, live: Live) -> Live:
        """The same capture; its vectors are kept."""

        def capture(challenge: Challenge | None) -> Captured:
            captured = live(challenge)
            self._vectors.append(("live", captured.probe))
            if captured.action is not None:
                self._vectors.append(("action", captured.action))
            return captured

        return capture

    def registered(self, occasion: Occasion, result: Registration) -> None:
        """Write what was used, and the id of the record."""
        subject = occasion.subject
        self.planted = self.planted.with_registration(
            self._vectors,
            [(subject.document_type, subject.number)],
            [occasion.activation_reference],
            result.record_id,
        )
        canary_file.write(self.path, self.planted)
