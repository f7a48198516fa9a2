"""Documents name what exists: their links, and the tests that hold the README's promises."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "gateway" / "docs").rglob("*.md")],
    key=str,
)


def anchor_of(heading: str) -> str:
    """As forges make them: lower case, punctuation gone, spaces to hyphens."""
    plain = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return plain.replace(" ", "-")


def anchors_in(document: Path) -> set[str]:
    found = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {anchor_of(heading) for heading in found}


def links_in(document: Path) -> list[str]:
    text = re.sub(r"`[^`\n]*`", "", document.read_text())
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for link in links_in(document):
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), link
        if anchor:
            assert anchor in anchors_in(target), link


def test_each_promise_names_a_test_that_exists() -> None:
    section = (ROOT / "README.md").read_text().partition("## What it promises")[2]
    promises = [line for line in section.partition("\n## ")[0].splitlines() if line[:2] == "| "]
    assert len(promises) > 20
    for promise in promises[1:]:
        named = re.findall(r"`(tests/[\w/.]+)`", promise)
        assert named, promise
        for path in named:
            assert (ROOT / path).exists(), path


def test_the_tour_names_what_the_code_has() -> None:
    """Nine steps, each with a link into the code; each function stands in a module it names."""
    text = (ROOT / "gateway" / "docs" / "TOUR.md").read_text()
    steps = re.findall(r"^\*\*\d\..*?(?=^\*\*\d\.|^## )", text, re.MULTILINE | re.DOTALL)
    assert len(steps) == 9
    assert all(re.search(r"\]\(\S+\.py\)", step) for step in steps)
    modules = set(re.findall(r"`((?:gateway|keys)/[\w/]+\.py)`", text))
    code = "\n".join((ROOT / module).read_text() for module in modules)
    functions = re.findall(r"`((?:[A-Z]\w+\.)?_?[a-z][a-z_]*)`", text)
    assert len(functions) > 20
    for function in set(functions) - {"gateway", "keys"}:
        name = function.rpartition(".")[2]
        assert re.search(rf"^\s*(def {name}\b|{name}: )", code, re.MULTILINE), function
