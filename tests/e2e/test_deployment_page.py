"""DEPLOYMENT.md is run: its commands in their order, as they stand, in an empty directory.

A block marked ``# not here`` needs another machine, a person or hardware. Everything else is run by
one shell; ``sh serve`` blocks are servers, which run until the end. Only ports and the cost of a
passphrase's guess differ from the page.
"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.host.settings import Settings
from gateway.proofs.trust import TrustFile
from gateway.server.config import GatewaySettings
from keys.config import AuthoritySettings
from tests.support.processes import PATIENCE, free_ports

PAGE = Path(__file__).parents[2] / "gateway" / "docs" / "DEPLOYMENT.md"
COMMANDS = Path(sys.executable).parent
NOT_HERE = "# not here: "
PORTS = (8470, 8471, 8472, 8473)
CHEAP = {
    f"SEALMATCH_{server}_KEYSTORE_MIB": "8"
    for server in ("GATEWAY", "AUTHORITY", "AUDITOR", "WITNESS")
}
SERVER = """
{command} > serving.{number} 2> log.{number} < /dev/null &
servers+=($!)
until grep -q port serving.{number}; do
  kill -0 $! || {{ cat log.{number} >&2; exit 1; }}
  sleep 0.1
done
"""


class Block(NamedTuple):
    language: str
    mark: str
    content: str


def blocks() -> list[Block]:
    found = re.findall(
        r"^```(\w+) ?([\w.]*)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    return [Block(*one) for one in found]


def script() -> str:
    lines = ["set -euo pipefail", "servers=()", "trap 'kill \"${servers[@]}\"; wait' EXIT"]
    shell = [one for one in blocks() if one.language == "sh"]
    for number, block in enumerate(shell):
        if block.mark == "serve":
            lines.append(SERVER.format(command=block.content.strip(), number=number))
        elif not block.content.startswith(NOT_HERE):
            lines.append(block.content)
    lines.append("sealmatch-gateway --config gateway.toml list")
    lines.append("sealmatch-authority --config authority.toml list")
    return "\n".join(lines)


def test_all_commands_of_the_page_stand_in_blocks_that_are_run_or_say_why_not() -> None:
    found = blocks()
    outside = re.sub(r"^```.*?^```$", "", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"^ {4,}(sealmatch|pip|venv|python)", outside, re.MULTILINE)
    assert PAGE.read_text().count("\n```") == 2 * len(found)
    shell = [one for one in found if one.language == "sh"]
    assert sum(one.mark == "serve" for one in shell) == len(PORTS)
    assert {one.mark for one in shell} == {"", "serve"}
    run = "\n".join(one.content for one in shell if not one.content.startswith(NOT_HERE))
    for server in ("sealmatch-gateway", "sealmatch-authority", "sealmatch-auditor",
                   "sealmatch-witness", "sealmatch counter"):  # fmt: skip
        assert server in run


def test_settings_on_the_page_are_settings() -> None:
    kinds: dict[str, type[Settings]] = {"gateway": GatewaySettings, "authority": AuthoritySettings}
    shown = [one for one in blocks() if one.language == "toml"]
    assert len(shown) >= 4
    for block in shown:
        assert tomllib.loads(block.content).keys() <= kinds[block.mark].model_fields.keys()


@pytest.mark.processes
def test_the_page_s_commands_set_up_a_deployment_from_nothing(tmp_path: Path) -> None:
    first, text = free_ports(len(PORTS)), script()
    for number, port in enumerate(PORTS):
        assert str(port) in text
        text = text.replace(str(port), str(first + number))
    done = subprocess.run(
        ["/bin/bash", "-c", text],
        cwd=tmp_path,
        env={**os.environ, **CHEAP, "PATH": f"{COMMANDS}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "WRONG" not in done.stdout
    assert "right   authority knows this gateway" in done.stdout
    assert "right   audits: none are demanded" in done.stdout
    parties = [line.split("\t")[:2] for line in done.stdout.splitlines() if "\t" in line]
    for named in (["device", "device-17"], ["issuer", "reader-17"]):
        assert parties.count(named) == 2, "enrolled at both"
    assert ["outlet", "outlet-2"] in parties
    assert ["auditor", "auditor.example"] in parties

    trust = TrustFile.read(tmp_path / "counter" / "trust.json")
    assert trust.gateways[0].party == "gateway.example"
    assert trust.log is not None
    fingerprints = set(re.findall(r"(?:[0-9a-f]{4} ){7}[0-9a-f]{4}", done.stderr))
    shown = set(re.findall(r"device +device-17 +((?:[0-9a-f]{4} ){7}[0-9a-f]{4})", done.stdout))
    assert shown
    assert shown <= fingerprints, "enrol prints what the counter shows"
    for private in (tmp_path / "counter").glob("*.key"):
        assert private.stat().st_mode & 0o077 == 0
