"""Reads the carrier's list of activations from a file, with the openings that it names."""

from pathlib import Path

from gateway.inspection.reconcile import Activation, NoOpening, OpenFile, read_activations
from gateway.proofs import openings
from gateway.wire.errors import MalformedMessage, Unavailable


def read_list(path: Path) -> list[Activation]:
    """The list.

    Raises:
        BadActivationList: it has another form.
        Unavailable: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return read_activations(file, opener(path.parent))
    except OSError as error:
        raise Unavailable(f"the list of activations: {error.strerror}") from None


def opener(directory: Path) -> OpenFile:
    """Reads openings that lie beside the list."""

    def open_file(name: str) -> openings.AnyActivationOpening:
        try:
            with (directory / name).open("rb") as file:
                content = file.read(openings.MAX_BYTES + 1)
            return openings.activation_opening(content)
        except OSError as error:
            raise NoOpening(f"{error.filename or name}: {error.strerror}") from None
        except (MalformedMessage, ValueError) as error:  # the latter: a name with a zero byte
            raise NoOpening(f"{directory / name}: {error}") from None

    return open_file
