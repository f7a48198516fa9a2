"""``sealmatch inspect canary``: the inspector's own face and number, to be looked for afterwards.

    sealmatch inspect canary make --out canary.json --id-type KIND --id-number-file - \\
                                  --portrait me.jpg [--portrait another.jpg ...]
    sealmatch register ... --canary canary.json
    sealmatch inspect ... --canary canary.json
    sealmatch inspect canary destroy canary.json

``register --canary`` adds what the registration itself used, and the id of its record. A canary
without a record here proves nothing, and the inspection says so. ``make --receipt`` adds the id of
a registration that was made without the option. The file holds biometric data (mode 0600).
"""

import argparse
import datetime
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.cli.outputs import about, read_bounded
from gateway.cli.subject import add_subject_arguments, document_of, names_document
from gateway.host.clock import unix_time
from gateway.host.keyfile import create_secret
from gateway.inspection import canary_file
from gateway.inspection.canary_file import WARNING, Planted
from gateway.wire.cose import peek
from gateway.wire.proof import Receipt, Statement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]

_MAX_RECEIPT: Final = 64 * 1024


def add(verbs: "Subcommands") -> None:
    """The verb ``canary``."""
    parser = verbs.add_parser(
        "canary",
        help="plant your own face and number, and look for them",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    steps = parser.add_subparsers(required=True, metavar="STEP")
    make = steps.add_parser("make", help="write a file of canaries, of pictures and a number")
    make.add_argument("--out", type=Path, required=True, metavar="FILE", help="new; mode 0600")
    make.add_argument(
        "--portrait",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a photograph with one face, the inspector's own; may be repeated",
    )
    make.add_argument(
        "--receipt",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="of a registration with this face and document",
    )
    add_subject_arguments(make, required=False)
    make.add_argument(
        "--pack", type=Path, metavar="DIR", help="face model pack (default: the fetched one)"
    )
    make.set_defaults(run=run_make, parser=make)
    destroy = steps.add_parser("destroy", help="overwrite a file of canaries, and remove it")
    destroy.add_argument("file", type=Path, metavar="FILE")
    destroy.set_defaults(run=run_destroy)


def run_make(options: argparse.Namespace) -> int:
    """Read pictures and number, and write the file."""
    if not options.portrait and not names_document(options):
        options.parser.error("nothing to look for: give --portrait, or a document, or both")
    now = unix_time()
    numbers = []
    if names_document(options):
        subject = document_of(options, datetime.date.fromtimestamp(now)).subject
        numbers.append((subject.document_type, subject.number))
    vectors = _vectors(options) if options.portrait else []
    planted = Planted(now).with_registration(vectors, numbers, (), b"")
    for path in options.receipt:
        planted = planted.with_registration((), (), (), _record_of(path))
    create_secret(options.out, planted.encode())
    print(f"{options.out}: {WARNING}", file=sys.stderr)
    if not planted.records:
        print(f"register with it: sealmatch register ... --canary {options.out}")
    return 0


def _vectors(options: argparse.Namespace) -> "list[tuple[str, NDArray[np.floating]]]":
    from gateway.cli.pack import open_pack  # noqa: PLC0415  needs the counter's packages
    from gateway.cli.register import embed  # noqa: PLC0415
    from gateway.client.pictures import naming, photograph_bytes  # noqa: PLC0415
    from gateway.client.registration import Measurements  # noqa: PLC0415
    from gateway.vision.pipeline import FacePipeline  # noqa: PLC0415

    vision, found = FacePipeline(open_pack(options.pack)), []
    for number, path in enumerate(options.portrait, 1):
        with naming(str(path)):
            vector = embed(vision, photograph_bytes(path), "portraitEmbedding", Measurements())
        found.append((f"portrait {number}", vector))
    return found


def _record_of(path: Path) -> bytes:
    """The id of a receipt's record. Whether the receipt verifies is for ``receipt verify``."""
    with about(path):
        receipt = Receipt.decode(read_bounded(path, _MAX_RECEIPT))
        return peek(receipt.statement, Statement).record_id


def run_destroy(options: argparse.Namespace) -> int:
    """Overwrite and remove."""
    canary_file.destroy(options.file)
    print(
        f"{options.file}: overwritten and removed. Copies, backups and what the file system keeps "
        "of it are not reached"
    )
    return 0
