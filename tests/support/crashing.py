"""Starts a program that dies at a crash point: ``python -m tests.support.crashing MODULE ARGS``.

``SEALMATCH_CRASH_AT=point`` kills the process (SIGKILL) when it comes to the point; ``point#3``
when it comes there for the third time. Without the variable the program runs as always.
"""

import ast
import os
import runpy
import signal
import sys
from pathlib import Path

import gateway
import keys
from gateway.host import crash

VARIABLE = "SEALMATCH_CRASH_AT"


def points() -> dict[str, str]:
    """Every crash point in the source, and the module it stands in."""
    found: dict[str, str] = {}
    for package in (gateway, keys):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "crash.reach":
                    (point,) = node.args
                    name = point.value if isinstance(point, ast.Constant) else None
                    assert isinstance(name, str), f"{path}: a point is named by a literal"
                    assert name not in found, f"{name} stands twice"
                    found[name] = str(path.relative_to(root.parent))
    return found


def die_at(where: str) -> None:
    """Install a hook that kills this process at ``point`` or ``point#n``."""
    wanted, _, nth = where.partition("#")
    assert wanted in points(), f"no crash point {wanted}"
    left = [int(nth or 1)]

    def hook(point: str) -> None:
        if point == wanted:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    crash.install(hook)


def main() -> None:
    if where := os.environ.get(VARIABLE):
        die_at(where)
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
