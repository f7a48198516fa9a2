"""TLS on both servers, mutual between them: the whole registration, and who is turned away."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.client.counter import counter_session
from gateway.client.registration import Occasion
from gateway.host.tls import ClientTls, TlsMisconfigured, server_tls
from gateway.lab.deployment.local import LocalDeployment
from gateway.wire.subject import Subject
from tests.support.processes import PATIENCE
from tests.support.samples import MODEL, pair

pytestmark = [pytest.mark.processes, pytest.mark.slow]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    with LocalDeployment(tmp_path_factory.mktemp("tls"), MODEL, 0, tls=True) as running:
        yield running


def test_a_registration_over_tls(deployment: LocalDeployment) -> None:
    session = counter_session(deployment.directories.trust, deployment.trust, MODEL)
    with session.transport:
        occasion = Occasion(Subject.of("passport", "TLS12345"), "order-1")
        assert session.client.register(*pair(0.7), occasion).outcome == "MATCH"


def test_the_authority_answers_only_clients_with_a_certificate(
    deployment: LocalDeployment,
) -> None:
    url, directory = deployment.trust.authorities[0].url, deployment.directories.tls
    stranger = ClientTls(directory / "ca.pem").context()
    with httpx.Client(verify=stranger, trust_env=False) as client, pytest.raises(httpx.HTTPError):
        client.get(f"{url}/v1/health")
    own = ClientTls(
        directory / "ca.pem", directory / "gateway-client.pem", directory / "gateway-client.key"
    )
    with httpx.Client(verify=own.context(), trust_env=False, timeout=PATIENCE) as client:
        assert client.get(f"{url}/v1/health").status_code == 200


def test_an_unknown_ca_old_tls_and_plain_http_are_refused(deployment: LocalDeployment) -> None:
    url = deployment.trust.gateways[0].url
    with httpx.Client(trust_env=False) as client, pytest.raises(httpx.ConnectError):
        client.get(f"{url}/health")
    old = ClientTls(deployment.directories.tls / "ca.pem").context()
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with httpx.Client(verify=old, trust_env=False) as client, pytest.raises(httpx.ConnectError):
        client.get(f"{url}/health")
    with httpx.Client(trust_env=False) as client, pytest.raises(httpx.HTTPError):
        client.get(f"{url.replace('https', 'http')}/health")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "gateway.example"])
def test_no_plain_http_off_loopback(host: str) -> None:
    with pytest.raises(TlsMisconfigured):
        server_tls(host, None, None, None)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_plain_http_on_loopback(host: str) -> None:
    assert server_tls(host, None, None, None) is None


def test_half_a_pair_is_a_mistake() -> None:
    for certificate, key, ca in ((Path("c"), None, None), (None, Path("k"), None)):
        with pytest.raises(TlsMisconfigured):
            server_tls("127.0.0.1", certificate, key, ca)
    with pytest.raises(TlsMisconfigured):
        server_tls("127.0.0.1", None, None, Path("ca"))
