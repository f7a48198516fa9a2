"""What the decoder's process asks of the kernel, and what it is refused."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from gateway.client import pictures
from gateway.vision import guarded

_ATTEMPTS: Final = """
import mmap, os, resource, socket, sys
from gateway.vision.confinement import confine
folder, confined = sys.argv[1], sys.argv[2] == "confined"
assert not confined or confine()

def attempt(name, do):
    try:
        do()
    except PermissionError:
        return
    os.write(1, name.encode() + b" ")

def fork():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)

attempt("memory", lambda: mmap.mmap(-1, 4096))
attempt("limits", lambda: resource.setrlimit(resource.RLIMIT_CPU, (60, 60)))
attempt("socket", socket.socket)
attempt("write-file", lambda: os.open(folder + "/made", os.O_WRONLY | os.O_CREAT))
attempt("read-file", lambda: os.open("/etc/hostname", os.O_RDONLY))
attempt("remove-file", lambda: os.unlink(folder + "/there"))
attempt("fork", fork)
attempt("kill", lambda: os.kill(os.getpid(), 0))
attempt("trace", lambda: os.pidfd_open(os.getpid()))
attempt("run-memory", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC))
attempt("others-limits", lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CPU))
attempt("run", lambda: os.execv("/bin/echo", ["echo", "run"]))
"""
_OWN: Final = {"memory", "limits"}
_ALL: Final = _OWN | {
    "socket", "write-file", "read-file", "remove-file", "fork", "kill", "trace", "run-memory",
    "others-limits", "run",
}  # fmt: skip


def attempted(folder: Path, how: str) -> set[str]:
    """What a process could do."""
    (folder / "there").write_bytes(b"")
    command = [sys.executable, "-c", _ATTEMPTS, str(folder), how]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return set(done.stdout.split())


@pytest.mark.skipif(
    not Path("/proc/sys/kernel/seccomp").exists(), reason="this kernel takes no filter"
)
def test_a_confined_process_reaches_nothing_but_its_own_memory(tmp_path: Path) -> None:
    assert attempted(tmp_path, "free") == _ALL
    (tmp_path / "made").unlink()
    assert attempted(tmp_path, "confined") == _OWN
    assert [one.name for one in tmp_path.iterdir()] == ["there"]


def test_without_a_filter_decoding_goes_on_and_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "vax")
    shop = guarded.PictureWorkshop()
    shop.confine()
    assert shop.confined() == 0
    monkeypatch.setattr(pictures, "Worker", _Here)
    pictures._tell_unconfined.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert pictures._started(pictures.LIMITS)
    assert [one.getMessage().partition(":")[0] for one in caplog.records] == [
        "the decoder's process is not confined"
    ]
    pictures._tell_unconfined.cache_clear()


class _Here:
    """A worker without a process, of a system without filters."""

    def __init__(self, *_: object) -> None:
        pass

    def call(self, method: str, read: Callable[[int], int]) -> int:
        return read(getattr(guarded.PictureWorkshop(), method)())


@pytest.mark.parametrize("answer", [None, 2, -1, True, "1", 1.0])
def test_what_no_decoder_says_of_itself_is_refused(answer: object) -> None:
    assert (pictures._flag(0), pictures._flag(1)) == (0, 1)
    with pytest.raises(ValueError, match="neither"):
        pictures._flag(answer)
