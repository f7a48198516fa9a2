"""Rules of the structure that no import checker sees."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("gateway/**/*.py"), *ROOT.glob("keys/**/*.py")])
LAB = ROOT / "gateway" / "lab"
ATTACKS = set(LAB.glob("attack/**/*.py"))

SECRET_KEY_NAMES = {"Decryptor", "SecretKey", "key_generator", "secret_key", "set_secret_key"}
SECRET_KEY_NAMES |= {"encrypt_symmetric", "encrypt_zero_symmetric"}
MAKERS = {"KeyGenerator"}
"""What draws a secret key in either build of SEAL; ``Engine.key_generator`` hands it out."""


def names_used(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return attributes | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def test_there_is_something_to_check() -> None:
    assert len(SOURCES) > 50


def test_only_the_authority_module_touches_a_secret_key() -> None:
    users = {path for path in SOURCES if names_used(path) & SECRET_KEY_NAMES}
    assert users == {ROOT / "keys" / "authority.py"}


def test_the_engine_hands_out_what_draws_a_secret_key_and_does_nothing_with_it() -> None:
    engine = ROOT / "gateway" / "he" / "engine.py"
    assert {path for path in SOURCES if names_used(path) & MAKERS} == {engine}
    (maker,) = (
        node
        for node in ast.walk(ast.parse(engine.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name == "key_generator"
    )
    made = "return self.library.KeyGenerator(self.context)"
    assert ast.unparse(maker.body[-1]) == made
    assert len(maker.body) == 2  # a docstring, and this
    assert engine.read_text().count("KeyGenerator") == 1


def test_session_secrets_are_held_by_the_authority_and_by_the_attack_on_it_alone() -> None:
    """They keep secrets to show what these do not tell, and what a lying authority can do."""
    users = {path for path in SOURCES if "SessionSecret" in path.read_text()}
    own = {ROOT / "keys" / name for name in ("authority.py", "workers.py")}
    attacks = {LAB / "attack" / f"{name}.py" for name in ("spying_authority", "workshops")}
    assert users == own | attacks


def test_servers_are_weakened_by_the_attacks_alone() -> None:
    """No server has a switch: a name of the attacks stands in no module that could read it."""
    pattern = re.compile(r"gateway\.lab\.attack|SEALMATCH_(DISABLE|WEAK)")
    users = {path for path in SOURCES if pattern.search(path.read_text())}
    commands = ROOT / "gateway" / "main.py"  # knows the command by name
    measuring = ("liveness", "quality", "quality_calibration", "tables")
    evaluation = {LAB / "evaluation" / f"{name}.py" for name in measuring}
    assert ATTACKS & users
    assert users <= {commands} | evaluation | ATTACKS, users - evaluation - ATTACKS


def test_no_relinearisation_or_galois_key_is_ever_made() -> None:
    makers = {"create_relin_keys", "create_galois_keys", "generate_galois_keys"}
    users = {path for path in SOURCES if names_used(path) & (makers | {"GaloisKeys"})}
    assert users == {LAB / "bench" / "he.py"}, (
        "only the CKKS reference of the benchmark makes Galois keys"
    )


def test_no_noise_budget_outside_tests() -> None:
    assert not [path for path in SOURCES if "invariant_noise_budget" in names_used(path)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_say_what_they_are_and_stay_small(path: Path) -> None:
    text = path.read_text()
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring is not None
    assert len(docstring) > 15
    assert len(text.splitlines()) <= 500


def test_random_values_never_come_from_numpy_or_random() -> None:
    measured = {*LAB.glob("bench/**/*.py"), *LAB.glob("evaluation/*.py")}
    allowed = {*measured, ROOT / "gateway" / "vision" / "demo_faces.py"}
    pattern = re.compile(r"np\.random|numpy\.random|^import random|^from random", re.MULTILINE)
    users = {p for p in SOURCES if p not in ATTACKS and pattern.search(p.read_text())}
    assert users <= allowed, users - allowed


def test_python_is_started_without_the_current_directory() -> None:
    """One module knows how; what a library starts is started within its ``safe_path``."""
    python = ROOT / "gateway" / "host" / "python.py"
    named = {path: names_used(path) for path in SOURCES}
    assert {path for path, names in named.items() if "executable" in names} == {python}
    starters = {path for path, names in named.items() if names & {"get_context", "Process", "Pool"}}
    assert ROOT / "gateway" / "host" / "isolation.py" in starters
    starters -= set(ROOT.glob("gateway/store/migrations/**/*.py"))  # another library's word
    assert {path for path in starters if "safe_path" not in named[path]} == set()
