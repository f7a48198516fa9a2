"""What is installed runs; what is not says what to install. One process for each installation."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gateway.main import COMMANDS
from gateway.wire.profile import PROFILE
from tests.support.processes import PATIENCE

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

IMAGES = ("insightface", "onnxruntime", "cv2", "PIL", "scipy")
STORE = ("sqlalchemy", "alembic")
EXTRAS = {
    "": (*IMAGES, *STORE, "httpx", "segno", "pg8000", "pkcs11", "asn1crypto"),
    "reader": (*IMAGES, *STORE, "pg8000", "pkcs11", "asn1crypto"),
    "gateway": (*IMAGES, "segno", "pg8000", "pkcs11", "asn1crypto"),
}
"""Extra -> what is not there with the base and this extra."""

PROGRAM = """
import contextlib, io, json, sys
from importlib import import_module

missing, calls = json.loads(sys.argv[1])

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Wall())
told = []
for module, *words in calls:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        with contextlib.redirect_stderr(io.StringIO()) as err:
            try:
                status = import_module(module).main(words)
            except SystemExit as ended:
                status = ended.code
    told.append([status, out.getvalue(), err.getvalue()])
print(json.dumps(told))
"""

SEALMATCH, GATEWAY = "gateway.main", "gateway.server.command"


def run(extra: str, *calls: tuple[str, ...]) -> list[tuple[int, str, str]]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, json.dumps([EXTRAS[extra], calls])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def what_is_said(missing: str, command: str, extra: str) -> str:
    return (
        f"{command} needs {missing}, which is not installed here; install the extra: "
        f"pip install '.[{extra}]' in a checkout, or "
        f"pip install './sealmatch-{PROJECT['version']}-py3-none-any.whl[{extra}]' from the wheel\n"
    )


def test_the_base_installation_runs_what_it_has_and_names_the_extra_of_the_rest() -> None:
    named = sorted(COMMANDS)
    calls = [(SEALMATCH, name, "--help") for name in named]
    *told, gateway = run("", *calls, (GATEWAY, "--help"))
    ran = {name for name, (status, _, _) in zip(named, told, strict=True) if status == 0}
    assert {"receipt", "witness", "auditor", "attempts", "dev-ca"} <= ran
    assert not {"register", "log", "up", "demo", "reconcile"} & ran
    for name, (status, out, err) in zip(named, told, strict=True):
        if name not in ran:
            assert (status, out) == (1, "")
            missing = err.partition(" needs ")[2].partition(",")[0]
            assert missing in EXTRAS[""]
            expected = what_is_said(missing, f"sealmatch {name}", COMMANDS[name].extras)
            assert err == f"sealmatch: {expected}"
    assert gateway[0] == 1
    expected = what_is_said("sqlalchemy", "sealmatch-gateway", "gateway")
    assert gateway[2] == f"sealmatch-gateway: {expected}"


def test_a_reader_of_logs_and_receipts_needs_nothing_that_reads_images(tmp_path: Path) -> None:
    verbs = ("verify", "export", "page", "fetch")
    told = run(
        "reader",
        (SEALMATCH, "log", "--help"),
        *((SEALMATCH, "receipt", verb, "--help") for verb in verbs),
        ("gateway.witness.cli", "--help"),
        (SEALMATCH, "receipt", "verify", str(tmp_path / "none"), "--trust", str(tmp_path / "no")),
    )
    *helped, verified = told
    assert [status for status, _, _ in helped] == [0] * len(helped)
    assert verified[0] == 1
    assert f"{tmp_path / 'no'}: No such file or directory" in verified[2]


def test_the_gateway_s_extra_brings_its_command() -> None:
    helped, reconcile, counter = run(
        "gateway",
        (GATEWAY, "--help"),
        (SEALMATCH, "reconcile", "--help"),
        (SEALMATCH, "register", "--help"),
    )
    assert (helped[0], reconcile[0], counter[0]) == (0, 0, 1)
    assert "[client]" in counter[2]


def test_every_command_says_its_version_and_the_protocol_s_profile() -> None:
    scripts = PROJECT["scripts"]
    calls = [(target.partition(":")[0], "--version") for target in scripts.values()]
    told = run("gateway", *calls, (SEALMATCH, "register", "--version"))
    said = [
        f"{name} {PROJECT['version']} (protocol {PROFILE})\n" for name in (*scripts, "sealmatch")
    ]
    assert told == [[0, line, ""] for line in said]


@pytest.mark.parametrize("extras", sorted({one.extras for one in COMMANDS.values()} - {""}))
def test_the_extras_that_are_named_exist(extras: str) -> None:
    assert set(extras.split(",")) <= PROJECT["optional-dependencies"].keys()
