"""The screens of the counter's page: everybody can use them, with the keyboard alone as well.

Every screen in every language and both sizes is ``python -m tests.screens``; here one of each kind
is seen once, in a language and a size that alternate.
"""

from collections.abc import Iterator

import pytest

from tests.support.browser import Browser
from tests.support.screens import COUNTER, LANGUAGES, TELEPHONE, Screens, built_screens

pytestmark = pytest.mark.slow

_ONE_OF_EACH_KIND = (
    "form-guardian", "form-counter", "read-minor", "consent-minor", "other-way", "camera-advice",
    "camera-spare", "capture-left", "sent", "retry", "no-match", "refused",
)  # fmt: skip
_FOCUSED = "return document.activeElement && document.activeElement.id"
_MOST_TABS = 40


@pytest.fixture(scope="module")
def screens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screens]:
    with built_screens(tmp_path_factory.mktemp("screens")) as shown:
        yield shown


def test_axe_finds_nothing(screens: Screens) -> None:
    for number, name in enumerate(_ONE_OF_EACH_KIND):
        screens.browser.screen(*(COUNTER, TELEPHONE)[number % 2])
        language = LANGUAGES[number % len(LANGUAGES)]
        screens.visit(name, language, language)
        assert (name, language, screens.findings()) == (name, language, [])
        assert screens.overflow() <= 0, (name, language)


def test_axe_would_find_a_button_without_a_name(screens: Screens) -> None:
    screens.visit("consent")
    screens.browser.run("document.querySelector('#agree').replaceChildren()")
    assert screens.findings() == ["button-name: #agree"]


def test_a_customer_is_served_with_the_keyboard_alone(screens: Screens) -> None:
    browser = screens.browser
    browser.screen(*COUNTER)
    screens.visit("form")
    browser.type("#order", "order-1")
    for pressed in ("read", "hand-over", "agree", "start"):
        _tab_to(browser, pressed)
        _press(browser, "Enter")
    browser.wait_for(lambda: bool(browser.run("return !!document.querySelector('#more-time')")))
    _tab_to(browser, "without-face")
    _press(browser, "Enter")
    _tab_to(browser, "choose-other-way")
    _press(browser, "Enter")
    _tab_to(browser, "next")
    _press(browser, "Enter")
    browser.wait_for(lambda: bool(browser.run("return !!document.querySelector('#document-kind')")))
    assert not browser.run("return document.querySelector('#document-number').value")


def test_the_camera_is_open_only_while_somebody_looks_into_it(screens: Screens) -> None:
    """Not before the customer agreed, nor when the pictures are taken, nor without a face."""
    browser = screens.browser
    opened = {}
    for name in ("consent", "camera", "capture-blink", "working", "match"):
        screens.visit(name)
        opened[name] = browser.run("return window.openCameras()")
    assert opened == {"consent": 0, "camera": 1, "capture-blink": 1, "working": 0, "match": 0}
    for name in ("camera", "capture-blink"):
        screens.visit(name)
        browser.click("#without-face")
        browser.wait_for(lambda: bool(browser.run("return !!document.querySelector('#back')")))
        assert browser.run("return window.openCameras()") == 0, name


def test_every_ending_names_a_way_on(screens: Screens) -> None:
    """Whoever comes to no match can try again, or go on without a face; so can all others."""
    for name in ("retry", "locked"):
        screens.visit(name)
        screens.browser.click("#without-face")
        assert screens.browser.text("#choose-other-way") == "Register without a face", name


def _press(browser: Browser, key: str) -> None:
    codes = {"Tab": 9, "Enter": 13}
    given = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
    text = {"text": "\r"} if key == "Enter" else {}
    browser.command("Input.dispatchKeyEvent", type="keyDown", **given, **text)
    browser.command("Input.dispatchKeyEvent", type="keyUp", **given)


def _tab_to(browser: Browser, wanted: str) -> None:
    """Move the focus with Tab until it is there."""
    browser.wait_for(lambda: bool(browser.run(f"return !!document.querySelector('#{wanted}')")))
    for _ in range(_MOST_TABS):
        if browser.run(_FOCUSED) == wanted:
            return
        _press(browser, "Tab")
    pytest.fail(f"Tab does not come to {wanted}")
