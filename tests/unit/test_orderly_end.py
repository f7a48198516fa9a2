"""Ctrl-C at any moment, and again: an orderly end, which every further signal hastens."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.host.directories import InUse, occupied
from gateway.host.ending import INTERRUPTED
from gateway.host.python import python, safe_path
from gateway.host.serving import CannotListen, bind
from gateway.lab.deployment import local, servers
from gateway.lab.deployment.interrupts import orderly_end, undisturbed
from gateway.lab.deployment.local import LocalDeployment
from gateway.lab.deployment.servers import DeploymentFailed, Server, run_command
from tests.support.processes import alive, gone, until
from tests.support.samples import MODEL

STUBBORN = """
import json, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, lambda *_: sys.exit("cleared away"))
print(json.dumps({"port": 1}), flush=True)
while True:
    signal.pause()
"""


def send(number: signal.Signals = signal.SIGINT) -> None:
    signal.raise_signal(number)


@pytest.fixture
def hangup_is_heard() -> Iterator[None]:
    """Whoever started this run may have told it to ignore SIGHUP (``nohup``)."""
    given = signal.getsignal(signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, given)


@pytest.mark.usefixtures("hangup_is_heard")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_ends_the_work_and_the_next_ones_hasten(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with orderly_end() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            send(number)
        assert interrupts.first == number
        assert not interrupts.hasty
        send()
        send(number)
        assert interrupts.hasty
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
    assert signal.getsignal(number) is before


def test_a_signal_waits_for_the_end_of_what_must_not_be_disturbed() -> None:
    done = []
    with orderly_end():
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012
            with undisturbed(), undisturbed():
                send()
                done.append("the process is known")
            pytest.fail("it is raised here")
        with undisturbed() as interrupts:  # the orderly end itself
            send()
            assert interrupts.hasty
    assert done
    with pytest.raises(KeyboardInterrupt):  # noqa: SIM117, PT012
        with undisturbed():  # without an orderly end around it
            send()
            done.append("and here")
    assert len(done) == 2


def test_what_is_ignored_stays_so() -> None:
    """A shell starts background jobs so."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with orderly_end() as interrupts:
            send()
            assert interrupts.first is None
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.fixture
def stubborn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that takes no notice of SIGTERM, and nobody has to wait for it but in vain."""
    monkeypatch.setattr(servers, "_STOP_SECONDS", 10**9)
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    server = Server(python("-m", "stubborn"), tmp_path, PYTHONPATH=str(tmp_path))
    yield server
    server.process.kill()
    server.process.wait()


def test_a_second_signal_ends_a_server_that_does_not_end(stubborn: Server) -> None:
    stubborn.wait_ready()
    assert (Path(f"/proc/{stubborn.process.pid}/stat").read_text().split()[5]) == str(
        stubborn.process.pid
    ), "in a session of its own, which Ctrl-C of a terminal does not reach"
    with orderly_end() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            send()
        again = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
        again.start()
        stubborn.stop()
        again.join()
        assert interrupts.hasty
    assert stubborn.process.returncode == -signal.SIGKILL


def test_an_interrupted_operator_command_clears_away_and_ends(tmp_path: Path) -> None:
    """Nobody waits for it to finish, and it is not killed in the middle of something."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, signal, sys\nfrom pathlib import Path\nhere = Path(sys.argv[1])\n"
        "try:\n    (here / 'half').touch()\n"
        "    (here / 'pid').write_text(str(os.getpid()))\n    signal.pause()\n"
        "finally:\n    (here / 'half').unlink()\n"
    )

    def interrupt() -> None:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with orderly_end(), pytest.raises(KeyboardInterrupt):
        run_command([sys.executable, str(program), str(tmp_path)], {})
    thread.join()
    assert gone([int((tmp_path / "pid").read_text())])
    assert not (tmp_path / "half").exists()


def test_ctrl_c_while_modules_load_is_quiet(tmp_path: Path) -> None:
    """Also where an exception would be reported and forgotten; the control forgets it so."""
    program = (
        "import signal, sys\nfrom gateway.host.ending import interrupted_at_once\n"
        "class Loading:\n    def __del__(self):\n        signal.raise_signal(signal.SIGINT)\n"
        "{block}    Loading()\nprint('goes on')\n"
    )
    said = {}
    for name, block in (("guarded", "with interrupted_at_once():\n"), ("control", "if True:\n")):
        path = tmp_path / f"{name}.py"
        path.write_text(program.format(block=block))
        code = (
            "import subprocess, sys\n"
            "done = subprocess.run([sys.executable, sys.argv[1]], capture_output=True, text=True)\n"
            "print(done.returncode, 'Traceback' in done.stderr, 'goes on' in done.stdout)"
        )
        said[name] = run_command([sys.executable, "-c", code, str(path)], {}).split()
    assert said["guarded"] == [str(INTERRUPTED), "False", "False"]
    assert said["control"] == ["0", "True", "True"]


LOADING = """
import importlib, importlib.abc, signal, sys

class CtrlC(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == sys.argv[2]:
            print("loading", flush=True)
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, CtrlC())
sys.exit(importlib.import_module(sys.argv[1]).main())
"""


@pytest.mark.parametrize(
    ("command", "loaded"),
    [
        ("keys.__main__", "keys.cli"),
        ("gateway.server.command", "gateway.server.cli"),
        ("gateway.auditor.__main__", "gateway.auditor.cli"),
        ("gateway.witness.__main__", "gateway.witness.cli"),
    ],
)
def test_ctrl_c_while_a_server_loads_is_quiet(command: str, loaded: str) -> None:
    called = [sys.executable, "-c", LOADING, command, loaded]
    done = subprocess.run(called, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, "loading\n", "")


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalDeployment:
    """It would make keys and start servers, if it came so far."""
    monkeypatch.setattr(LocalDeployment, "prepare", lambda _: (tmp_path / "keys").touch())
    monkeypatch.setattr(LocalDeployment, "_start", lambda _: None)
    monkeypatch.setattr(local, "_ORPHAN_SECONDS", 0)
    return LocalDeployment(tmp_path, MODEL)


def test_a_deployment_names_who_is_in_its_way_before_it_makes_keys(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    """Another one in the directory, a server that outlived one, a port in use; and the control."""
    (tmp_path / "authority").mkdir(mode=0o700)
    for held in (tmp_path, tmp_path / "authority"):
        told = f"{held} is in use by process {os.getpid()} \\(somebody\\).* kill {os.getpid()}$"
        with occupied(held, "somebody"), pytest.raises(InUse, match=told), deployment:
            pytest.fail("it runs")
    with bind("127.0.0.1", 0) as busy:
        deployment.gateway.settings["port"] = str(busy.getsockname()[1])
        with pytest.raises(CannotListen, match=f"process {os.getpid()} "), deployment:
            pytest.fail("it runs")
    assert not (tmp_path / "keys").exists()
    for _ in range(2):
        with deployment:
            assert (tmp_path / "keys").exists()
            with pytest.raises(InUse), occupied(tmp_path, "another"):
                pytest.fail("two at once")


def test_a_server_that_is_about_to_end_is_waited_for(
    deployment: LocalDeployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when ``up`` was killed a moment ago."""
    monkeypatch.setattr(local, "_ORPHAN_SECONDS", 10**9)
    (tmp_path / "gateway").mkdir(mode=0o700)
    waiting, ended = threading.Event(), threading.Event()

    def end() -> None:
        with occupied(tmp_path / "gateway", "gateway"):
            waiting.set()
            ended.wait(0.3)

    thread = threading.Thread(target=end)
    thread.start()
    waiting.wait()
    with deployment:
        assert (tmp_path / "keys").exists()
    thread.join()


def test_a_start_that_was_cut_short_is_taken_up_again(tmp_path: Path) -> None:
    """A counter with some of its keys gets the others, and keeps those that it had."""
    counter = LocalDeployment(tmp_path, MODEL).counter
    drawn = counter.parties
    (tmp_path / "counter" / "site-salt.key").unlink()
    assert LocalDeployment(tmp_path, MODEL).counter.parties == drawn
    assert (tmp_path / "counter" / "site-salt.key").stat().st_size == 32


POISON = "from pathlib import Path; Path({!r}).touch()\n"


@pytest.fixture
def poisoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory has modules by the names of the standard library's. Returns what
    appears when one of them runs."""
    for name in ("http", "json", "runpy", "multiprocessing", "signal", "argparse", "socket"):
        (tmp_path / f"{name}.py").write_text(POISON.format(str(tmp_path / "ran")))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "ran"


def test_what_a_deployment_starts_runs_nothing_from_the_current_directory(
    poisoned: Path, tmp_path: Path
) -> None:
    deployment = LocalDeployment(tmp_path / "state", MODEL)
    for party in deployment.parties:
        assert run_command([*party.program, "--help"], {}).startswith("usage:")
        (tmp_path / "data").mkdir(mode=0o700, exist_ok=True)
        server = Server([*party.program, "--help"], tmp_path / "data")
        assert server.process.stdout is not None
        assert server.process.stdout.read().startswith(b"usage:")
        server.stop()
    assert not poisoned.exists()
    without = [word for word in deployment.authority.program if word != "-P"]
    with pytest.raises(DeploymentFailed):
        run_command([*without, "--help"], {})
    assert poisoned.exists(), "the control"


def test_what_a_library_starts_does_not_either(
    poisoned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    command = [sys.executable, "-c", "import json"]  # as multiprocessing does
    with safe_path():
        run_command(command, {})
    assert not poisoned.exists()
    assert "PYTHONSAFEPATH" not in os.environ
    run_command(command, {})
    assert poisoned.exists(), "the control"


def test_a_process_that_ends_by_itself_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "short.py").write_text("")
    server = Server(python("-m", "short"), tmp_path, PYTHONPATH=str(tmp_path))
    server.process.wait()
    assert not alive(server.process.pid)
    server.stop()
