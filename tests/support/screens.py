"""The screens of the counter's page, with ports that invent everything, in a browser.

They are built from ``gateway/kiosk/page/src/dev`` and served from this process. No counter, no
camera and no gateway takes part; those are in the tests of the kiosk.
"""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.support.browser import Browser
from tests.support.tools import missing, required

PAGE = Path(__file__).resolve().parents[2] / "gateway" / "kiosk" / "page"
LANGUAGES = ("en", "zh", "es")
TELEPHONE, COUNTER = (390, 844), (1920, 1080)
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")

_FINDINGS = """
return axe.run(document, {runOnly: arguments[0]}).then(found => found.violations.flatMap(
    rule => rule.nodes.map(node => `${rule.id}: ${node.target.join(" ")}`)));
"""

_OPTIONS = """
const all = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const found = [];
while (all.nextNode()) {
    const { data, parentElement } = all.currentNode;
    if (data.includes("--") && !parentElement.closest("code, pre, script")) found.push(data);
}
return found;
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


class Screens:
    """One browser that shows any screen by its name."""

    def __init__(self, browser: Browser, base: str) -> None:
        self.browser = browser
        self._base = base
        self._axe = (PAGE / "node_modules" / "axe-core" / "axe.min.js").read_text()
        self.visit("form")
        self.names: list[str] = browser.run("return window.screens")

    def visit(
        self, name: str, agent: str = "en", customer: str = "en", voice: str | None = None
    ) -> None:
        """Show a screen, when it is there. ``voice``: a language that this machine speaks."""
        asked = {"at": name, "agent": agent, "customer": customer}
        query = urlencode(asked if voice is None else {**asked, "voice": voice})
        self.browser.visit(f"{self._base}/?{query}")
        self.browser.wait_for(lambda: self._shown() == name)

    def findings(self) -> list[str]:
        """What axe-core finds on the screen that is shown."""
        self.browser.run(self._axe)
        return list(self.browser.run(_FINDINGS, RULES))

    def options(self) -> list[str]:
        """Sentences that name an option of a command; a whole command may stand there."""
        return list(self.browser.run(_OPTIONS))

    def overflow(self) -> int:
        """By how many pixels the page is wider than the screen."""
        return int(self.browser.run("return document.documentElement.scrollWidth - innerWidth"))

    def _shown(self) -> object:
        return self.browser.run("return document.body.dataset.shown")


@contextmanager
def built_screens(directory: Path) -> Iterator[Screens]:
    """Build the screens into a directory, serve them, and open a browser."""
    if not (PAGE / "node_modules").is_dir():
        missing(f"run npm ci --ignore-scripts in {PAGE.name}")
    command = [required("npx", "nodejs"), "vite", "build", "--config", "src/dev/vite.config.ts"]
    built = subprocess.run(
        [*command, "--logLevel", "error", "--outDir", str(directory), "--emptyOutDir"],
        cwd=PAGE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(directory)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with Browser() as browser:
            browser.screen(*COUNTER)
            yield Screens(browser, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
