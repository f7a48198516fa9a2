"""What to do about a refused picture is said in the language of the counter."""

import ast
from pathlib import Path

import pytest

from gateway.client.advice import _OTHERWISE, advice_on
from gateway.client.liveness.prompts import LANGUAGES, Language
from gateway.vision import errors
from gateway.vision.errors import ModelPackError, UnreadableImage, VisionError

SOURCES = sorted(
    path
    for folder in ("vision", "client")
    for path in (Path(errors.__file__).parents[1] / folder).rglob("*.py")
    if path.name != "advice.py"
)


def kinds() -> list[type[VisionError]]:
    found, more = [], [VisionError]
    while more:
        found += more
        more = [sub for one in more for sub in one.__subclasses__()]
    return [one for one in found if not issubclass(one, ModelPackError)]


def test_there_are_kinds() -> None:
    assert len(kinds()) > 12


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_of_refused_picture_has_advice_in_every_language(
    kind: type[VisionError], language: Language
) -> None:
    error = VisionError("why", kind.advice)
    said = advice_on(error, language)
    assert (said == error.advice) == (language == "en")
    assert any(letter >= "\u4e00" for letter in said) == (language == "zh")


def test_advice_of_ones_own_is_translated_and_unknown_advice_is_given_as_it_is() -> None:
    assert advice_on(UnreadableImage("cut", "Save it smaller."), "es") != "Save it smaller."
    assert advice_on(UnreadableImage("cut", "Something new."), "es") == "Something new."


def test_no_sentence_is_translated_that_nothing_says() -> None:
    """A text that changed in the errors would silently fall back to English."""
    said = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.add(node.value)
    assert set(_OTHERWISE) <= said
