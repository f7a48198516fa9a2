"""``sealmatch-gateway proxy processes``: the table from which the reference proxy routes."""

import re
from pathlib import Path

import pytest

from gateway.server.cli import main
from gateway.server.config import GatewaySettings
from gateway.server.proxy import GatewayProcess, processes_file
from gateway.wire.errors import CallerMisuse

SHIPPED = Path(__file__).parents[2] / "gateway" / "deploy" / "nginx" / "processes.conf"


def test_the_shipped_table_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """It needs no settings: the proxy may be another host."""
    assert main(["proxy", "processes", "0=127.0.0.1:8600", "1=127.0.0.1:8601"]) == 0
    assert capsys.readouterr().out == SHIPPED.read_text()


def test_tls_to_the_processes_verifies_them(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["proxy", "processes", "10=[fd00::1]:8470", "--ca", "ca.pem", "--name", "g.internal"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    verified = ("proxy_ssl_verify on;", "proxy_ssl_trusted_certificate ca.pem;")
    for line in (*verified, "    0a gateway-0a;"):
        assert f"{line}\n" in printed
    assert main(words[:-2]) == 1, "a CA without a name"


def test_an_idle_connection_is_closed_at_the_proxy_first() -> None:
    """A submission that meets one which the process closes must not be sent again."""
    kept = {int(found) for found in re.findall(r"keepalive_timeout (\d+)s;", SHIPPED.read_text())}
    assert len(kept) == 1
    assert max(kept) < GatewaySettings.model_fields["keep_alive_seconds"].default


def test_one_process_needs_no_shard() -> None:
    assert "backup" not in processes_file([GatewayProcess.parse("127.0.0.1:8470")])


@pytest.mark.parametrize(
    "wrong",
    [
        ["256=a:1"], ["-1=a:1"], ["x=a:1"], ["0=a"], ["0=a:0"], ["0=a:65536"], ["0=a;b:1"],
        ["0=a b:1"],
        ["0=a:1", "0=b:1"], ["0=a:1", "1=a:1"], ["0=a:1", "b:1"], ["a:1", "b:1"], [],
    ],
)  # fmt: skip
def test_a_table_that_would_lose_sessions_is_refused(wrong: list[str]) -> None:
    with pytest.raises(CallerMisuse):
        processes_file([GatewayProcess.parse(text) for text in wrong])
