"""The key authority runs without anything that reads an image or belongs to the gateway.

Each test runs the real command in an interpreter that refuses those imports, and the packages it
did import must be in its own lock file.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.processes import PATIENCE

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements-authority.lock"
FORBIDDEN = ("insightface", "onnxruntime", "cv2", "PIL", "sqlalchemy", "alembic", "httpx", "httpx2")
ALLOWED_OF_GATEWAY = ("gateway.wire", "gateway.host", "gateway.he")

BOOTSTRAP = f"""
import json, pathlib, sys, threading, time

FORBIDDEN, ALLOWED = {FORBIDDEN!r}, {ALLOWED_OF_GATEWAY!r}

class Wall:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        inside = any(name == a or name.startswith(a + ".") for a in ALLOWED)
        if top in FORBIDDEN or top == "tests" or (top == "gateway" and name != top and not inside):
            raise ImportError("not in the authority's environment: " + name)
        return None

sys.meta_path.insert(0, Wall())

def report():
    while not pathlib.Path(ask).exists():
        time.sleep(0.02)
    pathlib.Path(ask + ".part").write_text(json.dumps(sorted(sys.modules)))
    pathlib.Path(ask + ".part").rename(ask + ".modules")

ask = sys.argv.pop(1)
threading.Thread(target=report, daemon=True).start()
from keys.cli import main
sys.exit(main(sys.argv[1:]))
"""


def environment(tmp_path: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SEALMATCH_", "PYTHON"))}
    passphrase = tmp_path / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text("correct horse battery staple\n")
    named = {
        "SEALMATCH_AUTHORITY_PASSPHRASE_FILE": str(passphrase),
        "SEALMATCH_AUTHORITY_AUDIT_ONE_IN": "0",
    }
    return kept | named | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}


def command(tmp_path: Path, *arguments: str) -> list[str]:
    options = ["-W", "error", "-c", BOOTSTRAP, str(tmp_path / "ask")]
    return [sys.executable, *options, *arguments]


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(tmp_path, *arguments),
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def locked() -> set[str]:
    names = re.findall(r"^([A-Za-z0-9._-]+)==", LOCK.read_text(), re.MULTILINE)
    return {normalised(name) for name in names}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    made = run(tmp_path, "--data-dir", str(tmp_path / "data"), "init")
    assert made.returncode == 0, made.stderr
    assert len(json.loads(made.stdout)["publicKey"]) == 64
    return tmp_path / "data"


@pytest.fixture
def serving(tmp_path: Path, data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The served authority and its address; ended hard if a test leaves it running."""
    process = subprocess.Popen(
        command(tmp_path, "--data-dir", str(data_dir), "serve"),
        env=environment(tmp_path) | {"SEALMATCH_AUTHORITY_PORT": "0"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate(timeout=PATIENCE)[1]
        ready = json.loads(line)
        assert ready["ready"] == "authority"
        yield process, f"http://{ready['host']}:{ready['port']}"
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE)


def get(url: str, patience: float = PATIENCE) -> bytes:
    """Over the loopback, past any proxy of the environment; refused connections are tried again."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + patience
    while True:
        try:
            with opener.open(url, timeout=PATIENCE) as response:
                return bytes(response.read())
        except urllib.error.URLError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.02)


def test_the_wall_stands(tmp_path: Path) -> None:
    """Each forbidden import really fails in that interpreter."""
    names = [*FORBIDDEN, "gateway.server", "gateway.vision.detector", "gateway.proofs", "tests"]
    lines = BOOTSTRAP.partition("def report")[0]
    tried = "\n".join(
        f"try:\n    import {name}\nexcept ImportError as error:\n    print(error)" for name in names
    )
    done = subprocess.run(
        [sys.executable, "-c", lines + tried + "\nimport gateway.wire.cbor, gateway.he.engine"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("not in the authority's environment") == len(names)


def test_help(tmp_path: Path) -> None:
    done = run(tmp_path, "--help")
    assert done.returncode == 0, done.stderr
    assert "sealmatch-authority" in done.stdout


def test_enrol_and_list(tmp_path: Path, data_dir: Path) -> None:
    options = ("--data-dir", str(data_dir))
    assert run(tmp_path, *options, "enrol", "device", "d", "ab" * 32).returncode == 0
    assert run(tmp_path, *options, "list").stdout == f"device\td\t{'ab' * 32}\n"


def test_the_ready_line_means_that_connections_are_taken(
    serving: tuple[subprocess.Popen[str], str],
) -> None:
    """A program that reads the line may connect at once, without trying again."""
    _, address = serving
    assert json.loads(get(f"{address}/v1/health", patience=0)) == {"status": "ok", "audits": False}


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_serve_answers_and_ends(
    serving: tuple[subprocess.Popen[str], str], stop: signal.Signals
) -> None:
    process, address = serving
    assert json.loads(get(f"{address}/v1/health")) == {"status": "ok", "audits": False}
    process.send_signal(stop)
    _, log = process.communicate(timeout=PATIENCE)
    # Ctrl-C ends as in a shell. SIGTERM has its usual effect, once all is in order.
    assert process.returncode == (130 if stop == signal.SIGINT else -stop)
    assert "Traceback" not in log
    assert "Application shutdown complete" in log


def test_what_it_imports_is_in_its_lock_file(
    tmp_path: Path, serving: tuple[subprocess.Popen[str], str]
) -> None:
    process, address = serving
    get(f"{address}/v1/health")
    (tmp_path / "ask").touch()
    answer = tmp_path / "ask.modules"
    deadline = time.monotonic() + PATIENCE
    while not answer.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    modules = json.loads(answer.read_text())
    process.send_signal(signal.SIGTERM)

    assert {"keys.app", "seal", "fastapi", "uvicorn"} <= set(modules)
    assert "tenseal" not in modules  # one build of SEAL in a process: the one that settings name
    ours = {m for m in modules if m.startswith("gateway.")}
    assert all(m.startswith(ALLOWED_OF_GATEWAY) for m in ours), ours
    tops = {m.partition(".")[0] for m in modules}
    assert tops.isdisjoint(FORBIDDEN)
    providers = packages_distributions()
    used = {
        top: {normalised(name) for name in providers[top]}
        for top in tops & providers.keys() - {"gateway", "keys"}
    }
    assert "cryptography" in used
    missing = {top: names for top, names in used.items() if not names & (locked() | {"sealmatch"})}
    assert missing == {}


def test_lock_file_names_nothing_that_reads_an_image_or_keeps_records() -> None:
    names = locked()
    assert {"seal-python", "tenseal", "fastapi", "cryptography", "pydantic"} <= names
    unwanted = ("insightface", "onnx", "opencv", "pillow", "sqlalchemy", "alembic", "scikit",
                "pytest", "hypothesis")  # fmt: skip
    assert [name for name in names if name.startswith(unwanted)] == []


def test_lock_file_pins_by_hash() -> None:
    blocks = re.split(r"^(?=[A-Za-z0-9._-]+==)", LOCK.read_text(), flags=re.MULTILINE)[1:]
    assert len(blocks) == len(locked())
    assert all("--hash=sha256:" in block for block in blocks)


def test_lock_file_agrees_with_the_whole_product_s() -> None:
    """What the authority runs is what was tested."""

    def pins(path: Path) -> dict[str, str]:
        found = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", path.read_text(), re.MULTILINE)
        return {normalised(name): version for name, version in found}

    whole = pins(ROOT / "requirements.lock")
    for name, version in pins(LOCK).items():
        assert whole.get(name) == version, name
