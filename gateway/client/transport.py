"""Connections to the pinned gateway. Apart from ``counter``, which loads the HE engine."""

from pathlib import Path

import httpx

from gateway.host.tls import ClientTls
from gateway.proofs.trust import TrustFile


def gateway_transport(trust_path: Path, trust: TrustFile, seconds: float) -> httpx.Client:
    """An HTTP client for the pinned gateway. If the trust file names a CA, only that CA is trusted.

    Args:
        seconds: timeout.

    Raises:
        TlsMisconfigured: the CA's file cannot be used.
    """
    ca_file = trust.gateways[0].ca_file
    tls = None if ca_file is None else ClientTls(trust_path.parent / ca_file)
    return httpx.Client(
        timeout=seconds, trust_env=False, verify=True if tls is None else tls.context()
    )
