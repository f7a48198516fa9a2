"""The console in a real browser: on a telephone and on a wall, by keyboard, in every language."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from gateway.console.language import LANGUAGES
from gateway.console.pages.layout import PAGES
from tests.support.browser import Browser
from tests.support.console import INSPECTOR, Console, Shown
from tests.support.sealed import PASSPHRASE

TELEPHONE, WALL = (390, 844), (1920, 1080)
TAB, ENTER = "\ue004", "\ue007"

STATE = """
const seen = new Set([location.origin]);
for (const { name } of performance.getEntries()) {
  if (/^[a-z]+:/.test(name) && !name.startsWith("data:")) seen.add(new URL(name).origin);
}
const wide = [...document.querySelectorAll("body *")].filter((one) =>
  !one.closest(".scroll, .hidden, .skip, svg")
  && one.getBoundingClientRect().right > innerWidth + 1);
return {
  wide: wide.map((one) => one.outerHTML.slice(0, 100)),
  scrolls: document.documentElement.scrollWidth - innerWidth,
  height: document.documentElement.scrollHeight,
  origins: [...seen],
  headings: [...document.querySelectorAll("h1, h2, h3")].map((one) => one.tagName),
  language: document.documentElement.lang,
  names: [...document.querySelectorAll("main section")].map(
    (one) => document.getElementById(one.getAttribute("aria-labelledby")).textContent.length),
};
"""
CONTRAST = """
const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => [r, g, b].map((n) => n / 255)
  .map((n) => (n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4))
  .reduce((sum, n, place) => sum + n * [0.2126, 0.7152, 0.0722][place], 0);
const ground = (one) => {
  for (let at = one; at; at = at.parentElement) {
    const found = parse(getComputedStyle(at).backgroundColor);
    if (found.length === 3 || found[3] > 0) return found;
  }
  return [255, 255, 255];
};
const poor = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let count = 0;
while (walk.nextNode()) {
  const one = walk.currentNode.parentElement;
  if (!walk.currentNode.textContent.trim() || one.closest("title, style, .skip")) continue;
  const style = getComputedStyle(one);
  const colour = one.closest("svg") ? style.fill : style.color;
  const [a, b] = [light(parse(colour)), light(ground(one))].sort((x, y) => y - x);
  count += 1;
  if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(`${one.outerHTML.slice(0, 80)} ${colour}`);
}
return [count, poor];
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    shown = Shown(tmp_path_factory.mktemp("deployment")).fill()
    shown.hold(6, "court-order")
    console = Console(
        shown.directory,
        shown.url,
        trust_file=shown.write_trust(),
        inspection_bundle=shown.bundle(),
        inspector_key=INSPECTOR.public.raw.hex(),
    ).add("ana")
    server = uvicorn.Server(uvicorn.Config(console.app, log_config=None, lifespan="on"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
            assert thread.is_alive()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Browser]:
    """A browser whose person has signed in, with the keyboard alone."""
    with Browser() as opened:
        opened.visit(f"{address}/register")
        assert opened.run("return location.pathname") == "/login"
        opened.type("body", TAB)
        assert opened.run("return document.activeElement.className") == "skip"
        opened.type("#name", f"ana{TAB}{PASSPHRASE}{ENTER}")
        opened.wait_for(lambda: opened.run("return location.pathname") == "/")
        yield opened


@pytest.mark.parametrize("screen", [TELEPHONE, WALL], ids=["telephone", "wall"])
def test_every_page_fits_and_asks_nobody_else(
    browser: Browser, address: str, screen: tuple[int, int]
) -> None:
    browser.screen(*screen)
    for place, path in enumerate(PAGES):
        for language in LANGUAGES if path == "/" else LANGUAGES[place % 3 :][:1]:
            browser.visit(f"{address}{path}?lang={language}")
            found = browser.run(STATE)
            assert found["wide"] == [], (path, language)
            assert found["scrolls"] <= 0
            assert found["origins"] == [address]
            assert found["language"].startswith(language)
            assert found["headings"][0] == "H1"
            assert found["headings"].count("H1") == 1
            assert found["headings"][1] == "H2"
            assert all(found["names"])
            if screen == WALL and path == "/":
                assert found["height"] <= WALL[1], "a wall does not scroll"
    assert browser.picture().startswith(b"\x89PNG")


def test_the_keyboard_goes_through_everything_in_order(browser: Browser, address: str) -> None:
    browser.screen(*WALL)
    browser.visit(f"{address}/retention?lang=en")
    order = []
    for _ in range(40):
        browser.command("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab",
                        windowsVirtualKeyCode=9)  # fmt: skip
        found = browser.run(
            "const one = document.activeElement; const style = getComputedStyle(one);"
            "return [one.textContent.trim().slice(0, 30), one.tagName, style.outlineStyle]"
        )
        if found[1] == "BODY":
            break
        order.append(found)
    words = [one[0] for one in order]
    assert words[:8] == ["Skip to the content", "SealmatchConsole", "Overview", "Retention",
                         "Outcomes", "Log", "Register", "Inspection"]  # fmt: skip
    assert words[8:12] == ["English", "中文", "Español", "Sign out"]
    assert words[-1] == "For a wall: renew this page ev"
    assert all(one[2] == "solid" for one in order), "who uses a keyboard sees where it is"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read(browser: Browser, address: str, scheme: str) -> None:
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    browser.command("Emulation.setEmulatedMedia", media="screen", features=features)
    for path in ("/", "/retention", "/inspection"):
        browser.visit(f"{address}{path}?lang=en")
        count, poor = browser.run(CONTRAST)
        assert count > 20
        assert poor == [], path
    moving = "return getComputedStyle(document.querySelector('button')).transitionDuration"
    assert browser.run(moving) == "0s"
    browser.command("Emulation.setEmulatedMedia", media="", features=[])


def test_it_prints_on_a4(browser: Browser, address: str) -> None:
    browser.visit(f"{address}/?lang=es")
    printed = browser.command("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
    content = base64.b64decode(printed["data"])
    pages = content.count(b"/Type /Page\n")
    assert 1 <= pages <= 2
    assert content.count(b"/MediaBox [0 0 594.95996 841.91998]") == pages


def test_whoever_signs_out_sees_nothing_more(browser: Browser, address: str) -> None:
    browser.visit(f"{address}/")
    browser.click(".who button")
    browser.wait_for(lambda: browser.run("return location.pathname") == "/login")
    browser.visit(f"{address}/outcomes")
    assert browser.run("return location.pathname") == "/login"
