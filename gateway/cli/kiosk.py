"""``sealmatch kiosk``: the counter in a browser. Serves the counter's page on this machine.

Open the address that is printed, on this machine. It works once; a tab that was opened with it can
be loaded again. Enter (or SIGUSR1) prints another one, which takes the counter to the tab where it
is opened. Camera, liveness check, encryption and receipt are the page's; the document is read
here, from the folder ``--document``, where a scanner or a reader's program puts the picture. No
picture leaves this machine, and the page never gets the portrait.

    kiosk --check                        is the installed page the one that was released?
    kiosk --check --release FILE         ... by the release.json that the publisher offers

Exit status: 0 done, 1 failure, 2 usage, 6 the page is not the one that was released, 130 Ctrl-C.
"""

import argparse
import sys
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.cli import NOT_VALID
from gateway.cli.outputs import about, read_bounded
from gateway.cli.pack import add_pack_argument, model_of, open_pack
from gateway.client.liveness.prompts import LANGUAGES
from gateway.host import memory
from gateway.host.asked import when_asked
from gateway.host.limits import Limits
from gateway.host.operator_log import operator_log
from gateway.host.serving import bind, serve
from gateway.kiosk import release
from gateway.proofs.trust import TrustFile

if TYPE_CHECKING:
    from gateway.kiosk.opening import Place

DEFAULT_PORT: Final = 8480
HOST: Final = "127.0.0.1"
_MOST_ATTEMPTS: Final = 10
_HIGHEST_PORT: Final = 65_535
_RELEASE_BYTES: Final = 64 * 1024


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--trust", type=Path, metavar="FILE", help="the counter's trust.json")
    parser.add_argument(
        "--document",
        type=Path,
        metavar="DIR",
        help="the reader's folder: the newest picture in it is the document's",
    )
    parser.add_argument(
        "--remove", action="store_true", help="delete a document's picture once it was read"
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=DEFAULT_PORT,
        metavar="N",
        help=f"on this machine (default: {DEFAULT_PORT}); 0: the system chooses",
    )
    parser.add_argument(
        "--language", choices=LANGUAGES, default="en", help="the page begins in it (default: en)"
    )
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="under which the page's key is enrolled (default: the counter's device, with -page)",
    )
    parser.add_argument(
        "--attempts",
        type=int,
        choices=range(1, _MOST_ATTEMPTS + 1),
        default=3,
        metavar="N",
        help=f"tries of a person, 1 to {_MOST_ATTEMPTS} (default: 3)",
    )
    parser.add_argument(
        "--no-preview", action="store_true", help="do not show the person the camera's picture"
    )
    parser.add_argument(
        "--check", action="store_true", help="compare the page with its release, and end"
    )
    parser.add_argument(
        "--release", type=Path, metavar="FILE", help="with --check: the publisher's release.json"
    )
    add_pack_argument(parser)
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Check the page, or serve it until Ctrl-C."""
    if options.release is not None and not options.check:
        options.parser.error("--release belongs to --check")
    if options.check:
        return check(options.release)
    if options.trust is None or options.document is None:
        options.parser.error("--trust and --document are needed, or --check")
    return _serve(options)


def check(published: Path | None, place: Traversable | None = None) -> int:
    """Compare every file of the page, and say what differs.

    Args:
        published: the publisher's ``release.json``; None: the one that is installed.
        place: as ``read_page``.

    Raises:
        PageNotBuilt: there is no page.
        UnusableFile: the publisher's list is none.
        OSError: it cannot be read.
    """
    place = place or resources.files("gateway.kiosk")
    faults, own = [], None
    found = release.found_files(place)
    try:
        own = release.read_release(place)
    except release.UnusableRelease as error:
        faults.append(str(error))
    pinned = own
    if published is not None:
        with about(published):
            pinned = release.Release.decode(read_bounded(published, _RELEASE_BYTES))
    if pinned is not None:
        faults += release.differences(pinned, found)
    if own is not None and pinned != own:
        faults.append(f"{release.RELEASE} is not the publisher's")
    for fault in faults:
        print(fault)
    if faults or pinned is None:
        print("the page is NOT the one that was released: do not use it")
        return NOT_VALID
    print(f"release  {pinned.digest.hex()}")
    print(f"the page is the one that was released: {len(pinned.files)} files")
    return 0


def _serve(options: argparse.Namespace) -> int:
    try:
        page = release.read_page()
    except release.PageAltered as error:
        print(f"sealmatch: {error}", file=sys.stderr)
        return NOT_VALID
    from gateway.kiosk.app import create_app  # noqa: PLC0415  --check starts without a server
    from gateway.kiosk.opening import Place, open_kiosk  # noqa: PLC0415  likewise
    from gateway.kiosk.public import Choices  # noqa: PLC0415  likewise

    operator_log("text")
    memory.protect("off")
    place = Place(
        options.trust,
        TrustFile.read(options.trust),
        _folder(options.document),
        remove=options.remove,
        device=options.device,
    )
    choices = Choices(options.language, not options.no_preview, options.attempts)
    with bind(HOST, options.port) as listener:
        pack = open_pack(options.pack)
        port = int(listener.getsockname()[1])
        kiosk = open_kiosk(place, page, pack, model_of(pack), port, choices)
        _tell(place, len(kiosk.pending))

        def announce() -> None:
            print(f"page  {kiosk.new_address()}", flush=True)

        app = create_app(kiosk, announce)
        when_asked(announce)
        serve(app, "kiosk", listener, None, Limits(grace_seconds=5))
    return 0


def _tell(place: "Place", waiting: int) -> None:
    print(f"device  {place.page_device}")
    if waiting:
        print(f"receipts  {waiting} waited for: ask for them on the page's first screen")


def _folder(path: Path) -> Path:
    """Raises ``OSError``: it is no directory, or cannot be listed."""
    next(path.iterdir(), None)
    return path


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"a number from 0 to {_HIGHEST_PORT}")
    return int(text)
