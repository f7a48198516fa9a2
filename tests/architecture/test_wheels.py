"""``make wheels``: what an operator installs, and the bill of materials that comes with it."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gateway.kiosk.release import read_page, read_release

ROOT = Path(__file__).resolve().parents[2]
AUTHORITY = ("keys/", "gateway/he/", "gateway/host/", "gateway/wire/")
AUTHORITY_FILES = {"gateway/__init__.py", "gateway/py.typed"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, str(ROOT / ".ci" / "wheels.py"), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {wheel.name.split("-")[0]: wheel for wheel in out.glob("*.whl")}


def names_in(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def bill_of(wheel: Path) -> dict[str, object]:
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if "/sboms/" in name]
    inside = archive.read(name)
    assert (wheel.parent / Path(name).name).read_bytes() == inside
    return json.loads(inside)


def test_the_authority_s_wheel_has_its_code_and_no_other(wheels: dict[str, Path]) -> None:
    names = names_in(wheels["sealmatch_authority"])
    others = {name for name in names if not name.startswith(AUTHORITY)}
    assert others == AUTHORITY_FILES
    assert "keys/authority.py" in names
    assert not [name for name in names if "/lab/" in name or "vision" in name]


def test_the_whole_wheel_has_what_is_under_version_control(wheels: dict[str, Path]) -> None:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "gateway", "keys"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    names = names_in(wheels["sealmatch"])
    assert not {name for name in listed if name.endswith(".py")} - names
    deployed = {name for name in listed if name.startswith("gateway/deploy/")}
    assert deployed
    assert not deployed & names, "the reference deployment is copied from a checkout, and adapted"
    assert "gateway/lab/bench/capacity/load.json" in names


def test_the_whole_wheel_carries_the_counter_s_page_as_it_is_pinned(
    wheels: dict[str, Path], tmp_path: Path
) -> None:
    """Built, without its sources and what builds it."""
    zipfile.ZipFile(wheels["sealmatch"]).extractall(tmp_path)
    kiosk = tmp_path / "gateway" / "kiosk"
    assert read_page(kiosk).release == read_release(ROOT / "gateway" / "kiosk")
    assert not (kiosk / "page").exists()


def test_every_module_of_the_authority_s_wheel_loads_from_it(
    wheels: dict[str, Path], tmp_path: Path
) -> None:
    """In an interpreter that sees this wheel instead of the repository."""
    zipfile.ZipFile(wheels["sealmatch_authority"]).extractall(tmp_path)
    program = f"""
import importlib, pkgutil, sys
sys.path.insert(0, {str(tmp_path)!r})
import gateway, keys
modules = [
    module.name
    for package in (gateway, keys)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
]
for name in modules:
    if name != "keys.token_vault":  # with the extra pkcs11 alone
        importlib.import_module(name)
wrong = [m.__name__ for m in sys.modules.values() if m.__name__.split(".")[0] in ("gateway", "keys")
         and not (m.__file__ or "").startswith({str(tmp_path)!r})]
assert not wrong, wrong
images = {{"cv2", "onnxruntime", "insightface", "PIL"}}
seen = images & {{name.split(".")[0] for name in sys.modules}}
assert not seen, seen
print(len(modules))
"""
    command = [sys.executable, "-I", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50


@pytest.mark.parametrize(
    ("wheel", "has", "lacks"),
    [
        ("sealmatch", "onnxruntime", "pytest"),
        ("sealmatch_authority", "seal-python", "onnxruntime"),
    ],
)
def test_the_bill_of_materials_lists_what_is_installed_with_it(
    wheels: dict[str, Path], wheel: str, has: str, lacks: str
) -> None:
    bill = bill_of(wheels[wheel])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    components = {one["name"]: one for one in bill["components"]}  # type: ignore[attr-defined]
    assert has in components
    assert lacks not in components
    lock = (ROOT / "requirements.lock").read_text()
    for name, one in components.items():
        assert f"{name}=={one['version']}" in lock
        references = one["externalReferences"]
        hashes = {h["content"] for r in references for h in r.get("hashes", ())}
        assert hashes, name
        assert all(f"sha256:{value}" in lock for value in hashes)
