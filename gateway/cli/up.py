"""``sealmatch up``: both servers on this machine until Ctrl-C, with an enrolled counter."""

import argparse
import time
from pathlib import Path

from gateway.cli.local import LocalDeployment, terminate_as_interrupt
from gateway.cli.pack import add_pack_argument, gateway_settings, model_of, open_pack
from gateway.wire.host.serving import existing_directory

_POLL_SECONDS = 0.5
_DEFAULT_PORT = 8470


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("up", help="run both servers here until Ctrl-C")
    parser.add_argument("--state-dir", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--port",
        type=int,
        default=_DEFAULT_PORT,
        metavar="N",
        help="gateway's port; the authority takes N + 1; 0 lets the system choose",
    )
    parser.add_argument(
        "--tls",
        action="store_true",
        help="serve over TLS with a development CA, mutual between gateway and authority",
    )
    add_pack_argument(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Start both servers, say where they are, wait for Ctrl-C or the end of one of them."""
    pack = open_pack(options.pack)
    deployment = LocalDeployment(
        existing_directory(options.state_dir),
        model_of(pack),
        options.port,
        tls=options.tls,
        **gateway_settings(pack),
    )
    try:
        with terminate_as_interrupt(), deployment:
            trust = deployment.trust
            print(f"gateway        {trust.gateways[0].url}")
            print(f"key authority  {trust.authorities[0].url}")
            print(f"trust file     {deployment.directories.trust}")
            print("Ctrl-C stops both.", flush=True)
            while all(server.process.poll() is None for server in deployment.servers):
                time.sleep(_POLL_SECONDS)
            print("a server ended by itself; see its server.log")
            return 1
    except KeyboardInterrupt:
        print("stopped")
        return 0
