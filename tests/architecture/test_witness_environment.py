"""A witness runs in the base installation, without anything of gateway, authority or client."""

import subprocess
import sys
from pathlib import Path

from tests.support.processes import PATIENCE

ROOT = Path(__file__).parents[2]

PROGRAM = """
import sys

FORBIDDEN = ("insightface", "onnxruntime", "cv2", "PIL", "numpy", "tenseal", "seal", "sqlalchemy",
             "alembic", "httpx", "keys", "tests")
OWN = ("gateway.wire", "gateway.host", "gateway.translog", "gateway.witness")

class Wall:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        inside = any(name == own or name.startswith(own + ".") for own in OWN)
        if top in FORBIDDEN or (top == "gateway" and name != top and not inside):
            raise ImportError("not in a witness's environment: " + name)
        return None

sys.meta_path.insert(0, Wall())
import gateway.witness.app
import gateway.witness.cli
"""


def test_a_witness_imports_the_base_installation_only() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
