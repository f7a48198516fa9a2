"""Servers that die, or hold their breath, at a crash point that a test names. Never shipped.

Unlike ``crashing``, which sets a program's end before its start, this one drives running servers:
under ``environment()`` a process reads at each point what ``Steps.arm`` wrote: nothing, a point at
which to end as by ``kill -9``, or one at which to wait until the test lets it go.
"""

import contextlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = "SEALMATCH_TEST_STEPS"
KILL, HOLD = "kill", "hold"
HOLD_SECONDS = 600
"""Longer than any test waits for anything: a step that lets go by itself is an error."""


class Steps:
    """The test's side."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def environment(self) -> dict[str, str]:
        """Settings for the servers' processes: they import ``sitecustomize``."""
        self._folder.mkdir(exist_ok=True)
        load = f"import runpy; runpy.run_path({__file__!r}, run_name='steps')\n"
        (self._folder / "sitecustomize.py").write_text(load)
        path = os.pathsep.join(filter(None, (str(self._folder), os.environ.get("PYTHONPATH"))))
        return {"PYTHONPATH": path, FOLDER: str(self._folder)}

    def arm(self, step: str, action: str = KILL, nth: int = 1) -> None:
        """The process that next comes to this step (for the nth time) does so; once."""
        part = self._folder / "armed.part"
        part.write_text(f"{step}\n{action}\n{nth}")
        part.replace(self._folder / "armed")

    @property
    def reached(self) -> bool:
        """Whether a process came to the armed step."""
        return (self._folder / "reached").exists()

    def disarm(self) -> None:
        """Forget what was armed; let go who waits."""
        for name in ("armed", "reached"):
            (self._folder / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def held_at(self, step: str) -> Iterator["Steps"]:
        """Whoever comes to this step waits there until the end of the block."""
        self.arm(step, HOLD)
        try:
            yield self
        finally:
            self.disarm()

    def wait(self, seconds: float = 300) -> None:
        """Wait until a process came to the armed step."""
        deadline = time.monotonic() + seconds
        while not self.reached:
            assert time.monotonic() < deadline, "nobody came to the step"
            time.sleep(0.005)


_visits: Counter[str] = Counter()


def _at(step: str) -> None:
    """In a server, at every point."""
    folder = Path(os.environ[FOLDER])
    _visits[step] += 1
    try:
        wanted, action, nth = (folder / "armed").read_text().split("\n")
    except FileNotFoundError:
        return
    if wanted != step or (int(nth) > 1 and _visits[step] != int(nth)):
        return
    with contextlib.suppress(FileNotFoundError):  # another thread was faster
        (folder / "armed").rename(folder / "reached")
        if action == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        deadline = time.monotonic() + HOLD_SECONDS
        while (folder / "reached").exists() and time.monotonic() < deadline:
            time.sleep(0.005)


def follow_steps() -> None:
    """For a process in which the crash points' module is loaded already."""
    from gateway.host import crash

    crash.install(_at)


class _Finder:
    """Installs ``_at`` when the crash points' module is loaded."""

    NAME = "gateway.host.crash"

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != self.NAME:
            return None
        import importlib.util

        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def and_install(module: Any) -> None:
            execute(module)
            module.install(_at)

        spec.loader.exec_module = and_install  # type: ignore[method-assign]
        return spec


if __name__ == "steps":
    sys.meta_path.insert(0, _Finder())
