"""What a test run starts ends with it: PostgreSQL, browser, servers and commands, and their files.

A run of its own starts one of each and is ended as a person, or the system, ends it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.lab.deployment.postgres import installed_programs
from tests.support.processes import PATIENCE, alive, children_of, gone

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.cold]

ROOT = Path(__file__).parents[2]

RUN_THAT_STARTS_EVERYTHING = """
import contextlib, json, os, signal, subprocess, sys
from pathlib import Path

from gateway.lab.deployment.local import LocalDeployment
from gateway.lab.deployment.postgres import installed_programs
from tests.support.browser import Browser
from tests.support.guardian import RUN
from tests.support.postgres import PostgresServer
from tests.support.processes import descendants
from tests.support.samples import MODEL

TOLD, BROWSER = Path(os.environ["TOLD"]), json.loads(os.environ["BROWSER"])


def test_everything(tmp_path):
    with contextlib.ExitStack() as stack:
        if (programs := installed_programs()) is not None:
            stack.enter_context(PostgresServer(programs))
        if BROWSER:
            stack.enter_context(Browser())
        deployment = LocalDeployment(tmp_path, MODEL)
        deployment.prepare()
        stack.callback(deployment.stop)
        deployment.authority.launch()
        deployment.authority.ready()
        command = [sys.executable, "-c", "import signal; signal.pause()"]
        stack.enter_context(subprocess.Popen(command))
        tell("started", {"run": os.environ[RUN], "pids": descendants(os.getpid())})
        try:
            signal.pause()
        finally:
            tell("ending", {})
            signal.pause()  # a server that does not end


def tell(name, what):
    part = TOLD / f"{name}.part"
    part.write_text(json.dumps(what))
    part.rename(TOLD / name)
"""


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """Where the run says how far it is."""
    (tmp_path / "told").mkdir()
    return tmp_path / "told"


@pytest.fixture
def run(tmp_path: Path, told: Path) -> Iterator[subprocess.Popen[bytes]]:
    (tmp_path / "test_everything.py").write_text(RUN_THAT_STARTS_EVERYTHING)
    browser = bool(shutil.which("chromium") and shutil.which("chromedriver"))
    environment = os.environ | {
        "TOLD": str(told),
        "BROWSER": json.dumps(browser),
        "SEALMATCH_AUTHORITY_KEYSTORE_MIB": "8",
        "SEALMATCH_GATEWAY_KEYSTORE_MIB": "8",
    }
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml")]
    command += ["-p", "tests.conftest", "-p", "no:cacheprovider", "--basetemp"]
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            [*command, str(tmp_path / "base"), str(tmp_path / "test_everything.py")],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    yield process
    process.kill()
    process.wait(PATIENCE)


def wait_for(told: Path, name: str, process: subprocess.Popen[bytes]) -> dict[str, object]:
    deadline = time.monotonic() + PATIENCE
    while not (told / name).exists():
        assert process.poll() is None, (told.parent / "output").read_text()
        assert time.monotonic() < deadline, f"it never said {name}"
        time.sleep(0.02)
    return dict(json.loads((told / name).read_text()))


@pytest.mark.parametrize("end", ["SIGKILL", "Ctrl-C twice"])
def test_nothing_outlives_a_run(run: subprocess.Popen[bytes], told: Path, end: str) -> None:
    started = wait_for(told, "started", run)
    assert isinstance(started["pids"], list)
    pids = [pid for pid in started["pids"] if alive(pid)]  # a browser's helpers come and go
    assert len(pids) >= 5, "the guardian, a command, a server and its worker, and their helpers"
    databases = list(Path(str(started["run"])).glob("postgresql-*"))
    assert (installed_programs() is None) == (not databases)
    if end == "SIGKILL":
        run.kill()
    else:
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does
        wait_for(told, "ending", run)
        os.killpg(run.pid, signal.SIGINT)
    run.wait(PATIENCE)
    assert gone(pids), [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids if alive(pid)]
    assert not Path(str(started["run"])).exists()


def test_a_process_that_nobody_ends_is_found(tmp_path: Path) -> None:
    """The control: it takes the end of the pipe, not luck, to end them."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        assert not gone([process.pid], seconds=0.5)
        assert process.pid in children_of(os.getpid())
        process.kill()
