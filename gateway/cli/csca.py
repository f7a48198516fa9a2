"""``sealmatch csca``: the list of authorities (CSCA) whose documents' chips a counter verifies.

make puts a list together: certificates that came from a State (--certificate), and master lists
(--master-list), each signed by somebody whose certificate was issued under one that you have from
elsewhere (--signed-under). Who takes a certificate from anywhere takes anybody's documents: compare
the digests that are printed with those that the State publishes. Lists of signers' certificates
that a State took back (--crl) go into the same file; those that a file of certificates has stay
there. A list speaks for all keys of its authority, and for its other names where link certificates
tell them. show prints what a list holds, and whom no list of revoked certificates covers.
The counter's trust file names the list (cscaFile). A list of the authorities of mobile documents
(iacaFile) is another file of the same form.

Exit status: 0 done, 1 failure, 2 usage.
"""

import argparse
import datetime
from collections.abc import Iterator
from pathlib import Path

from gateway.cli.outputs import PUBLIC, reserve
from gateway.documents.chip.certificates import (
    MAX_LIST_BYTES,
    Certificate,
    CscaList,
    UnusableList,
    read_revocations,
)
from gateway.documents.chip.master_list import read_master_list
from gateway.documents.chip.signatures import NotSigned
from gateway.host.clock import unix_time
from gateway.wire.ids import digest_of


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    made = actions.add_parser("make", help="put a list together")
    made.add_argument("--out", type=Path, required=True, metavar="FILE", help="the list (PEM)")
    made.add_argument(
        "--certificate",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="certificates of authorities, PEM or DER; may be repeated",
    )
    made.add_argument(
        "--master-list",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a master list (ICAO 9303-12); may be repeated",
    )
    made.add_argument(
        "--signed-under",
        type=Path,
        metavar="FILE",
        help="certificates, from elsewhere, under which the signers of master lists are issued",
    )
    made.add_argument(
        "--crl",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="lists of revoked certificates, PEM or DER, signed by a listed authority; may be "
        "repeated",
    )
    made.set_defaults(run=run_make, parser=made)
    shown = actions.add_parser("show", help="print what a list holds")
    shown.add_argument("list", type=Path, metavar="FILE")
    shown.set_defaults(run=run_show)


def run_make(options: argparse.Namespace) -> int:
    """Write a list. Nothing is written if one of the files cannot be used."""
    if not options.certificate and not options.master_list:
        options.parser.error("one of --certificate or --master-list is needed")
    if bool(options.master_list) != (options.signed_under is not None):
        options.parser.error("--master-list and --signed-under go together")
    with reserve(options.out, PUBLIC) as out:
        given = [_list_in(path) for path in options.certificate]
        gathered = [one for each in given for one in each.certificates]
        gathered += _of_master_lists(options)
        revoked = [one for each in given for one in each.revocations]
        revoked += [one for path in options.crl for one in read_revocations(_content(path))]
        listed = CscaList.read(CscaList(gathered, revoked).encode())
        out.write(listed.encode())
    _print(listed)
    return 0


def run_show(options: argparse.Namespace) -> int:
    """Print a list."""
    _print(_list_in(options.list))
    return 0


def _of_master_lists(options: argparse.Namespace) -> Iterator[Certificate]:
    if not options.master_list:
        return
    under = _list_in(options.signed_under)
    now = datetime.datetime.fromtimestamp(unix_time(), datetime.UTC)
    for path in options.master_list:
        try:
            found = read_master_list(_content(path), under, now)
        except UnusableList as error:
            raise UnusableList(f"{path}: {error}") from None
        told = f"{len(found.certificates)} certificates, signed by {found.signed_by or 'a State'}"
        left = f"; {found.left_out} were left out: no authority's, or not readable"
        print(f"{path}: {told}{left if found.left_out else ''}")
        yield from found.certificates


def _list_in(path: Path) -> CscaList:
    try:
        return CscaList.read(_content(path))
    except UnusableList as error:
        raise UnusableList(f"{path}: {error}") from None


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_LIST_BYTES + 1)


def _print(listed: CscaList) -> None:
    """State, end of validity, SHA-256 of the certificate, and what is wrong with its key."""
    for one in sorted(listed.certificates, key=lambda one: (one.country, one.validity[1])):
        try:
            note = f" {one.key.key_size} bits"
        except NotSigned as error:
            note = f" NOT USABLE: {error}"
        until = f"{one.validity[1]:%Y-%m-%d}"
        print(f"{one.country or '--'}  until {until}  {digest_of(one.encoded).hex()} {note}")
    states = {one.country for one in listed.certificates}
    print(f"{len(listed.certificates)} certificates of {len(states)} States")
    if listed.revocations:
        count = sum(len(one.serials) for one in listed.revocations)
        print(f"{count} revoked, on {len(listed.revocations)} lists")
        bare = [one for one in listed.certificates if not listed.is_covered(one)]
        told = ", ".join(sorted({one.country or "--" for one in bare}))
        if bare:
            print(f"on no list can stand what {len(bare)} of the certificates issued: {told}")
