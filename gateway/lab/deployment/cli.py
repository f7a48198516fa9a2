"""``sealmatch up``: runs both servers on this machine until Ctrl-C, with an enrolled counter.

With ``--audit-one-in N`` an auditor runs as a third server.
"""

import argparse
import signal
import time
from pathlib import Path

from gateway.cli.pack import add_pack_argument, gateway_settings, model_of, open_pack
from gateway.lab.deployment.interrupts import Interrupts, orderly_end
from gateway.lab.deployment.local import LocalDeployment

_POLL_SECONDS = 0.5
_DEFAULT_PORT = 8470
_SIGNALLED = 128
"""Added to a signal's number, it is the exit status that shells have for it."""
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
    """Start the servers, print where they are, and wait for a signal or the end of one of them.

    Ctrl-C gives exit status 130, SIGTERM 143. A second signal stops the servers without patience.
    """
    with orderly_end() as interrupts:
        try:
            return _run(options, interrupts)
        except KeyboardInterrupt:
            print("stopped", flush=True)
            return _SIGNALLED + (interrupts.first or signal.SIGINT)


def _run(options: argparse.Namespace, interrupts: Interrupts) -> int:
    pack = open_pack(options.pack)
    deployment = LocalDeployment(
        options.state_dir,
        model_of(pack),
        options.port,
        tls=options.tls,
        audit_one_in=options.audit_one_in,
        **gateway_settings(pack),
    )
    with deployment:
        _tell(deployment, options.audit_one_in)
        while all(server.process.poll() is None for server in deployment.servers):
            interrupts.check()
            time.sleep(_POLL_SECONDS)
        print("a server ended by itself; see its server.log")
        return 1


def _tell(deployment: LocalDeployment, audit_one_in: int) -> None:
    trust = deployment.trust
    print(f"gateway        {trust.gateways[0].url}")
    print(f"key authority  {trust.authorities[0].url}")
    print(f"trust file     {deployment.directories.trust}")
    print(f"log reader     {deployment.directories.reader_key}")
    print(f"supervisor     {deployment.directories.supervisor_key}")
    if audit_one_in:
        print(f"auditor        of one evaluation in {audit_one_in}")
    print(f"Ctrl-C stops {'all three' if audit_one_in else 'both'}.", flush=True)
