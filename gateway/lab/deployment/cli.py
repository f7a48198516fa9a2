"""``sealmatch up``: runs both servers on this machine until Ctrl-C, with an enrolled counter.

With ``--audit-one-in N`` an auditor runs as a third server.
"""

import argparse
import time
from pathlib import Path

from gateway.cli.pack import add_pack_argument, gateway_settings, model_of, open_pack
from gateway.host.directories import existing_directory
from gateway.lab.deployment.local import LocalDeployment
from gateway.lab.deployment.servers import terminate_as_interrupt

_POLL_SECONDS = 0.5
_DEFAULT_PORT = 8470
MAX_ONE_IN = 1_000_000


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state-dir", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--port",
        type=int,
        default=_DEFAULT_PORT,
        metavar="N",
        help="gateway's port; the authority takes N + 1, an auditor N + 2; 0: the system chooses",
    )
    parser.add_argument(
        "--tls",
        action="store_true",
        help="serve over TLS with a development CA, mutual between gateway and authority",
    )
    add_audit_argument(parser, default=0)
    add_pack_argument(parser)
    parser.set_defaults(run=run)


def add_audit_argument(parser: argparse.ArgumentParser, default: int) -> None:
    parser.add_argument(
        "--audit-one-in",
        type=_count,
        default=default,
        metavar="N",
        help="run an auditor, which repeats one evaluation in N by the authority's coin; "
        f"0: none (default {default})",
    )


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > MAX_ONE_IN:
        raise argparse.ArgumentTypeError(f"a number from 0 to {MAX_ONE_IN}")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Start the servers, print where they are, and wait for Ctrl-C or the end of one of them."""
    pack = open_pack(options.pack)
    deployment = LocalDeployment(
        existing_directory(options.state_dir),
        model_of(pack),
        options.port,
        tls=options.tls,
        audit_one_in=options.audit_one_in,
        **gateway_settings(pack),
    )
    try:
        with terminate_as_interrupt(), deployment:
            trust = deployment.trust
            print(f"gateway        {trust.gateways[0].url}")
            print(f"key authority  {trust.authorities[0].url}")
            print(f"trust file     {deployment.directories.trust}")
            print(f"log reader     {deployment.directories.reader_key}")
            if options.audit_one_in:
                print(f"auditor        of one evaluation in {options.audit_one_in}")
            print(f"Ctrl-C stops {'all three' if options.audit_one_in else 'both'}.", flush=True)
            while all(server.process.poll() is None for server in deployment.servers):
                time.sleep(_POLL_SECONDS)
            print("a server ended by itself; see its server.log")
            return 1
    except KeyboardInterrupt:
        print("stopped")
        return 0
