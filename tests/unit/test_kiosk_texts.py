"""No sentence that the counter's page may show names an option of a command: a page has none.

The screens' own words are looked through by vitest (test/screens/texts.test.ts), the screens as
they are drawn by ``python -m tests.screens``. Here is what the process may answer.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import gateway
from gateway.client.liveness.limits import TEXTS
from gateway.client.liveness.options import option_after, to_exclude
from gateway.client.liveness.prompts import LANGUAGES, MESSAGE_IDS
from gateway.wire.liveness import Exclusion

_ROOT = Path(gateway.__file__).parent
_ANSWERS = (
    *("documents", "issuer", "kiosk", "vision"),
    *("client/document_reader.py", "client/mobile_reader.py"),
    *("client/mismatches.py", "client/pictures.py"),
)
_AT_A_TERMINAL = {"documents/chip/master_list.py", "vision/fetch.py"}
"""``csca make`` and ``models fetch`` alone."""
_OPTION = re.compile(r"(?<![\w`-])--[a-z]")
_WHOLE_COMMAND = re.compile(r"`sealmatch [^`]+`")


def sentences(path: Path) -> Iterator[str]:
    """Every string of a module but its docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    told = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
    for one in ast.walk(tree):
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in told:
            yield one.value


def modules() -> Iterator[Path]:
    for name in _ANSWERS:
        place = _ROOT / name
        yield from [place] if place.suffix else sorted(place.rglob("*.py"))


def options(path: Path) -> list[str]:
    told = (_WHOLE_COMMAND.sub("", words) for words in sentences(path))
    return [words for words in told if _OPTION.search(words)]


def test_nothing_that_the_process_may_answer_names_an_option() -> None:
    found = {str(path.relative_to(_ROOT)): options(path) for path in modules()}
    assert {name for name, words in found.items() if words} == _AT_A_TERMINAL
    assert options(_ROOT / "client/liveness/options.py"), "the control"


def test_the_shared_messages_name_none_and_the_command_adds_its_own() -> None:
    assert "--" not in str(TEXTS)
    excluded = Exclusion(kind="blink", reason="cannot-perform")
    for language in LANGUAGES:
        mirrored = [one for one in MESSAGE_IDS if option_after(one, language)]
        assert mirrored == ["why-other-side", "why-mirrored"]
        assert "--mirrored" in str(option_after("why-mirrored", language))
        assert "--exclude blink=cannot-perform" in to_exclude(excluded, language)
