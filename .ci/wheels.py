"""Build what a release publishes: two wheels, each with its bill of materials. ``make wheels``.

``sealmatch`` is everything. ``sealmatch-authority`` is what the key authority's operator installs:
its code contains nothing that can read an image, no gateway and no laboratory. Both carry a bill of
materials in CycloneDX 1.6 (PEP 770: ``.dist-info/sboms``), which also lies beside the wheel. The
bill lists what the lock file pins, with its hashes: no network is needed.
"""

import argparse
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]

PAGE = "gateway/kiosk/assets"
"""The counter's page, built by ``make page``: not under version control, but in the wheel."""

AUTHORITY = "sealmatch-authority"
AUTHORITY_PACKAGES = ("keys", "gateway/host", "gateway/he", "gateway/wire")
AUTHORITY_FILES = ("gateway/__init__.py", "gateway/py.typed", "LICENSE", "README.md")

SHIPPED_EXTRAS = ("gateway", "client", "reader", "pkcs11", "postgresql")
"""Of ``pyproject.toml``; the others are for building and testing."""

BIN = Path(sys.executable).parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="make wheels", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="default: dist")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    with tempfile.TemporaryDirectory() as scratch:
        full, authority = Path(scratch, "full"), Path(scratch, "authority")
        _copy(full, ("keys", "gateway"), (*AUTHORITY_FILES, "pyproject.toml"))
        _copy(authority, AUTHORITY_PACKAGES, AUTHORITY_FILES)
        _copy_page(full)
        (authority / "pyproject.toml").write_text(_authority_project(project["project"]))
        for source, extras in ((full, SHIPPED_EXTRAS), (authority, ())):
            wheel = _wheel(source, Path(scratch, f"{source.name}-wheel"))
            bill = _bill(_closure(project["project"], extras), source / "pyproject.toml")
            print(_with_bill(wheel, bill, Path(scratch, f"{source.name}-open"), options.out))
    return 0


def _copy(to: Path, packages: tuple[str, ...], files: tuple[str, ...]) -> None:
    """A clean tree: what is not under version control stays out."""
    listed = _run("git", "-C", str(ROOT), "ls-files", "--", *packages, *files).splitlines()
    for name in listed:
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)


def _copy_page(to: Path) -> None:
    """The built page, if it is the one that ``release.json`` pins."""
    _run(sys.executable, str(ROOT / ".ci" / "page.py"))
    shutil.copytree(ROOT / PAGE, to / PAGE)


def _authority_project(project: dict[str, Any]) -> str:
    wanted = json.dumps(project["dependencies"], indent=4)
    token = json.dumps(project["optional-dependencies"]["pkcs11"])
    return f"""[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{AUTHORITY}"
version = "{project["version"]}"
description = "The key authority of Sealmatch: one bit of each verification, and nothing else"
readme = "README.md"
requires-python = "{project["requires-python"]}"
license = "{project["license"]}"
license-files = ["LICENSE"]
dependencies = {wanted}

[project.optional-dependencies]
pkcs11 = {token}

[project.scripts]
{AUTHORITY} = "{project["scripts"][AUTHORITY]}"

[tool.setuptools.packages.find]
include = ["gateway*", "keys*"]

[tool.setuptools.package-data]
gateway = ["py.typed"]
keys = ["py.typed"]
"""


def _wheel(source: Path, to: Path) -> Path:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    _run(*build, "--no-index", "--wheel-dir", str(to), str(source))
    (wheel,) = to.glob("*.whl")
    return wheel


def _closure(project: dict[str, Any], extras: tuple[str, ...]) -> set[str]:
    """Names of all that an installation pulls in, as installed from the lock file."""
    wanted = [Requirement(text) for text in project["dependencies"]]
    for extra in extras:
        wanted += [Requirement(text) for text in project["optional-dependencies"][extra]]
    found: set[tuple[str, frozenset[str]]] = set()
    while wanted:
        one = wanted.pop()
        name = canonicalize_name(one.name)
        if (name, frozenset(one.extras)) in found:
            continue
        found.add((name, frozenset(one.extras)))
        for text in importlib.metadata.requires(name) or ():
            further = Requirement(text)
            environments = [{"extra": extra} for extra in ("", *one.extras)]
            if further.marker is None or any(map(further.marker.evaluate, environments)):
                wanted.append(further)
    return {name for name, _ in found}


def _bill(names: set[str], project: Path) -> str:
    """CycloneDX JSON of these packages, as the lock file pins them."""
    locked = {
        canonicalize_name(block.split("==")[0]): block
        for block in re.findall(r"^[^\s#].*?(?=^[^\s#]|\Z)", _lock(), re.MULTILINE | re.DOTALL)
    }
    missing = sorted(names - locked.keys())
    if missing:
        sys.exit(f"not in requirements.lock: {', '.join(missing)}; run `make lock`")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as chosen:
        chosen.write("".join(locked[name] for name in sorted(names)))
        chosen.flush()
        tool = [str(BIN / "cyclonedx-py"), "requirements", chosen.name, "--output-reproducible"]
        return _run(*tool, "--pyproject", str(project), "--spec-version", "1.6")


def _lock() -> str:
    return (ROOT / "requirements.lock").read_text()


def _with_bill(wheel: Path, bill: str, scratch: Path, out: Path) -> Path:
    """Put the bill into the wheel and beside it; return the wheel."""
    _run(sys.executable, "-m", "wheel", "unpack", "--dest", str(scratch), str(wheel))
    (opened,) = scratch.iterdir()
    (info,) = opened.glob("*.dist-info")
    name = info.name.removesuffix(".dist-info") + ".cdx.json"
    (info / "sboms").mkdir()
    (info / "sboms" / name).write_text(bill)
    _run(sys.executable, "-m", "wheel", "pack", "--dest-dir", str(out), str(opened))
    (out / name).write_text(bill)
    return out / wheel.name


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
