"""The shipped units, as systemd itself reads them: no mistake in them, and little that they may.

Under most of their limits the real servers run in ``test_reference_deployment``.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.host.server_settings import HostSettings
from tests.support.confined import directives

UNITS = Path(__file__).parents[2] / "gateway" / "deploy" / "systemd"
SERVERS = ["gateway@00", "authority@00", "auditor", "witness", "console"]
PROXY = "nginx-sealmatch"
EXPOSURE = {**{f"sealmatch-{name}": 15 for name in SERVERS}, PROXY: 20}
"""Tenths of systemd's overall level; 100 is a service without any protection."""
SYSTEM = Path("/lib/systemd/system")


def analyze(root: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    if shutil.which("systemd-analyze") is None:
        reason = "systemd-analyze is not installed (apt-get install systemd)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    command = ["systemd-analyze", f"--root={root}", "--no-pager", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host's files, as DEPLOYMENT says that they are laid."""
    root = tmp_path_factory.mktemp("host")
    units = root / "etc" / "systemd" / "system"
    (units / "sealmatch-.service.d").mkdir(parents=True)
    for unit in UNITS.glob("*/*.service"):
        shutil.copy(unit, units)
        for line in directives(unit)["ExecStart"]:
            program = root / line.split()[0].lstrip("/")
            program.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy("/bin/true", program)
    (root / "bin").mkdir()
    shutil.copy("/bin/true", root / "bin" / "kill")
    shutil.copy(UNITS / "sandbox.conf", units / "sealmatch-.service.d" / "10-sandbox.conf")
    installed = root / "usr" / "lib" / "systemd" / "system"
    installed.mkdir(parents=True)
    for target in SYSTEM.glob("*.target"):
        shutil.copy(target, installed)
    return root


def test_every_unit_is_tested() -> None:
    names = {path.name for path in UNITS.glob("*/*.service")}
    assert names == {f"{name.replace('@00', '@')}.service" for name in EXPOSURE}


@pytest.mark.parametrize("unit", EXPOSURE)
def test_a_unit_has_no_mistake_and_few_rights(unit: str, host: Path) -> None:
    verified = analyze(host, "verify", "--man=no", f"{unit}.service")
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    exposed = security(host, unit)
    assert exposed.returncode == 0, exposed.stdout[-1500:]


def security(root: Path, unit: str) -> "subprocess.CompletedProcess[str]":
    threshold = f"--threshold={EXPOSURE[unit]}"
    return analyze(root, "security", "--offline=true", threshold, f"{unit}.service")


def test_without_the_sandbox_it_would_be_seen(host: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(host, bare)
    shutil.rmtree(bare / "etc" / "systemd" / "system" / "sealmatch-.service.d")
    assert security(bare, "sealmatch-auditor").returncode != 0
    unit = bare / "etc" / "systemd" / "system" / "sealmatch-auditor.service"
    unit.write_text(unit.read_text().replace("StateDirectoryMode", "StateDirectoryMod"))
    assert "StateDirectoryMod" in analyze(bare, "verify", "--man=no", unit.name).stderr


def test_a_server_is_given_the_time_that_its_requests_get() -> None:
    stop = int(directives(UNITS / "sandbox.conf")["TimeoutStopSec"][-1])
    assert stop >= HostSettings.model_fields["grace_seconds"].default + 15


@pytest.mark.parametrize("role", ["gateway", "authority", "auditor", "witness"])
def test_a_passphrase_comes_sealed_and_the_keys_lie_apart(role: str) -> None:
    (unit,) = (UNITS / role).glob("sealmatch-*.service")
    said = directives(unit)
    (credential,) = said["LoadCredentialEncrypted"]
    assert credential.startswith("sealmatch-passphrase:/etc/credstore.encrypted/")
    assert said["StateDirectoryMode"] == ["0700"]
    accounts = (UNITS / role / "sysusers.conf").read_text()
    assert f"u {said['User'][0]} " in accounts
