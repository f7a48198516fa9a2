"""The screens of the counter's page: everybody can use them, with the keyboard alone as well.

Every screen in every language and both sizes is ``python -m tests.screens``; here one of each kind
is seen once, in a language and a size that alternate.
"""

from collections.abc import Iterator

import pytest

from gateway.client.liveness.prompts import Language, text
from tests.support.browser import Browser
from tests.support.screens import COUNTER, LANGUAGES, TELEPHONE, Screens, built_screens

pytestmark = pytest.mark.slow

_ONE_OF_EACH_KIND = (
    "form-guardian", "form-counter", "read-minor", "consent-minor", "other-way", "camera-advice",
    "camera-spare", "capture-left", "sent", "retry", "no-match", "refused-clock", "read-chip",
    "form-no-chip", "camera-models", "waiting-unknown", "waiting-closed",
)  # fmt: skip
_FOCUSED = "return document.activeElement && document.activeElement.id"
_ANNOUNCED = """
return [...document.querySelectorAll("[role=status], [role=alert], [aria-live]")]
    .filter(one => one.getAttribute("aria-live") !== "off").map(one => one.textContent).join();
"""
"""What screen readers say by themselves."""
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
        assert screens.options() == [], (name, language)


def test_axe_would_find_a_button_without_a_name(screens: Screens) -> None:
    screens.visit("consent")
    screens.browser.run("document.querySelector('#agree').replaceChildren()")
    assert screens.findings() == ["button-name: #agree"]


def test_an_option_in_a_sentence_would_be_found(screens: Screens) -> None:
    screens.visit("refused-clock")
    assert "--reason" in screens.browser.text(".command"), "a whole command may be shown"
    screens.browser.run("document.querySelector('h2').append(' --mirrored')")
    assert screens.options() == [" --mirrored"]


def test_a_customer_is_served_with_the_keyboard_alone(screens: Screens) -> None:
    browser = screens.browser
    browser.screen(*COUNTER)
    screens.visit("form")
    browser.type("#order", "order-1")
    for pressed in ("read", "hand-over", "agree", "start"):
        _tab_to(browser, pressed)
        _press(browser, "Enter")
    browser.wait_for_element("#more-time")
    _tab_to(browser, "without-face")
    _press(browser, "Enter")
    _tab_to(browser, "choose-other-way")
    _press(browser, "Enter")
    _tab_to(browser, "next")
    _press(browser, "Enter")
    browser.wait_for_element("#document-kind")
    assert not browser.run("return document.querySelector('#document-number').value")


def test_the_chip_s_number_is_compared_by_the_agent_and_gone_with_the_turn(
    screens: Screens,
) -> None:
    """Covered but for its end; whole for who asks, with the keyboard; not for the customer."""
    browser = screens.browser
    browser.screen(*COUNTER)
    screens.visit("read-chip")
    browser.wait_for_element("#hand-over")
    assert browser.run("return window.named().document") == {"kind": "id-card", "chip": True}
    assert "ends with 5 6 7" in browser.text("#agent")
    assert "X1234567" not in browser.text("body")
    for shown in (True, False, True):
        _tab_to(browser, "show-number")
        _press(browser, "Enter")
        browser.wait_for(lambda shown=shown: ("X1234567" in browser.text("#agent")) is shown)
        assert "567" not in browser.text("#customer")
    browser.click("#hand-over")
    browser.wait_for_element("#agree")
    assert "567" not in browser.text("body")
    screens.visit("read")
    browser.wait_for_element("#hand-over")
    assert browser.run("return window.named().document.number"), "the control: it was typed"
    assert "567" not in browser.text("body")


def test_without_a_chip_the_agent_is_asked_for_the_number(screens: Screens) -> None:
    browser = screens.browser
    screens.visit("form-no-chip", "zh")
    browser.wait_for_element(".told")
    assert "没有芯片" in browser.text(".told")
    browser.wait_for(lambda: browser.run(_FOCUSED) == "document-number")
    field = "document.querySelector('#document-number')"
    assert browser.run(f"return {field}.getAttribute('aria-invalid')") == "true"
    described = browser.run(f"return {field}.getAttribute('aria-describedby')")
    assert browser.text(f"#{described}")
    browser.type("#document-number", "X")
    assert browser.run(f"return {field}.getAttribute('aria-invalid')") is None


def test_what_the_passive_check_doubts_is_told_to_the_agent_alone(screens: Screens) -> None:
    """While machines work and with the outcome; the customer neither reads nor hears it."""
    browser = screens.browser
    browser.screen(*COUNTER)
    shown: tuple[tuple[str, Language, Language], ...] = (
        ("doubted", "en", "es"), ("match-doubted", "zh", "en"), ("match-doubted", "es", "zh"),
    )  # fmt: skip
    for name, language, other in shown:
        screens.visit(name, language, other, voice=other)
        warned = text("passive-warning", language)
        browser.wait_for(lambda warned=warned: warned in browser.text("#agent"))
        for words in (warned, text("passive-warning", other)):
            assert words not in browser.text("#customer")
            assert words not in browser.run("return window.heard.join()")
            assert words not in browser.run(_ANNOUNCED)
    screens.visit("match", "es", "zh")
    browser.wait_for_element(".result.match")
    assert warned not in browser.text("body"), "the control"


def test_one_voice_speaks_at_a_time(screens: Screens) -> None:
    """The page's own, where it has one and sound is on; otherwise a screen reader's."""
    browser = screens.browser
    asked = text("ask-blink", "es")
    for voice in ("es", "zh"):
        screens.visit("capture-blink", "en", "es", voice=voice)
        browser.wait_for(lambda: asked in browser.text("#customer"))
        said = "return window.heard" if voice == "es" else _ANNOUNCED
        browser.wait_for(lambda said=said: asked in browser.run(said))
        assert (asked in browser.run("return window.heard")) is (voice == "es")
        assert (asked in browser.run(_ANNOUNCED)) is (voice != "es")
    screens.visit("camera-advice", "en", "es", voice="es")
    browser.wait_for(lambda: text("come-closer", "es") in browser.run("return window.heard"))
    assert text("come-closer", "es") not in browser.run(_ANNOUNCED)
    for pressed in ("#sound", "#without-face", "#back"):
        browser.wait_for_element(pressed)
        browser.click(pressed)
    browser.wait_for(lambda: text("come-closer", "es") in browser.run(_ANNOUNCED))


def test_what_a_customer_sets_goes_with_them_and_what_the_shop_set_stays(
    screens: Screens,
) -> None:
    browser = screens.browser
    screens.visit("form")
    browser.click("#larger")
    for pressed in ("read", "hand-over", "sound", "without-face", "choose-other-way"):
        browser.wait_for_element(f"#{pressed}:enabled")
        browser.click(f"#{pressed}")
    browser.wait_for_element("#next:enabled")
    state = "return ['sound', 'larger'].map(one => document.getElementById(one).ariaPressed)"
    assert browser.run(state) == ["false", "true"], "the control: the customer wants no sound"
    browser.click("#next")
    browser.wait_for_element("#document-kind")
    assert browser.run(state) == ["true", "true"]


def test_the_camera_is_open_only_while_somebody_looks_into_it(screens: Screens) -> None:
    """Not before the customer agreed, nor when the pictures are taken, nor without a face."""
    browser = screens.browser
    for name, there, cameras in (
        *(("consent", "#agree", 0), ("camera", "#start", 1), ("capture-blink", ".prompt", 1)),
        *(("working", ".stages", 0), ("match", ".result.match", 0)),
    ):
        screens.visit(name)
        browser.wait_for_element(there)  # the harness presses, and does not wait for what follows
        assert browser.run("return window.openCameras()") == cameras, name
    for name in ("camera", "capture-blink"):
        screens.visit(name)
        browser.click("#without-face")
        browser.wait_for_element("#back")
        assert browser.run("return window.openCameras()") == 0, name


def test_every_ending_names_a_way_on(screens: Screens) -> None:
    """Whoever comes to no match can try again, or go on without a face; so can all others."""
    for name in ("retry", "locked"):
        screens.visit(name)
        screens.browser.click("#without-face")
        screens.browser.wait_for_text("#choose-other-way", "Register without a face")


def _press(browser: Browser, key: str) -> None:
    codes = {"Tab": 9, "Enter": 13}
    given = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
    text = {"text": "\r"} if key == "Enter" else {}
    browser.command("Input.dispatchKeyEvent", type="keyDown", **given, **text)
    browser.command("Input.dispatchKeyEvent", type="keyUp", **given)


def _tab_to(browser: Browser, wanted: str) -> None:
    """Move the focus with Tab until it is there."""
    browser.wait_for_element(f"#{wanted}:enabled")
    for _ in range(_MOST_TABS):
        if browser.run(_FOCUSED) == wanted:
            return
        _press(browser, "Tab")
    pytest.fail(f"Tab does not come to {wanted}")
