"""A headless Chromium, driven over W3C WebDriver: as much of it as the tests need.

Driver and browser keep their files in the run's directory and end with the run (``guardian``).
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import httpx

from tests.support.guardian import temporary_directory
from tests.support.processes import PATIENCE
from tests.support.tools import required

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=900,1100",
]
_LISTENING = re.compile(r"started successfully on port (\d+)")
_REPLACED = ("stale element reference", "no such execution context", "aborted by navigation",
             "navigated or closed", "Cannot find context", "context was destroyed")  # fmt: skip
"""How the driver says that what was looked at has gone: the page drew itself anew, or went on to
another address."""
_TEXT = """const found = document.querySelector(arguments[0]);
if (!found) return null;
return found.checkVisibility() ? found.innerText.trim() : "";"""


class Replaced(AssertionError):
    """What was asked for was replaced in the page while it was asked for."""


class Browser:
    """One browser with a profile of its own."""

    def __init__(self, language: str = "en-GB", *, camera: Path | None = None) -> None:
        """``camera``: a film in Y4M or MJPEG that the browser plays in the place of a camera."""
        self._profile = tempfile.TemporaryDirectory(
            dir=temporary_directory(), ignore_cleanup_errors=True
        )
        self._arguments = [
            *_ARGUMENTS,
            f"--lang={language}",
            f"--accept-lang={language}",
            f"--user-data-dir={self._profile.name}",
        ]
        if camera is not None:
            self._arguments += [
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={camera}",
            ]

    def __enter__(self) -> Self:
        self._said = tempfile.TemporaryFile(dir=temporary_directory())
        self._driver = subprocess.Popen(
            [required("chromedriver"), "--port=0"],
            stdout=self._said,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": self._profile.name},
            start_new_session=True,  # Ctrl-C is for the tests, which end it
        )
        try:
            self._http = httpx.Client(
                base_url=f"http://127.0.0.1:{self._port()}", timeout=PATIENCE, trust_env=False
            )
            options = {"args": self._arguments, "binary": required("chromium")}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options}
            made = self._http.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
            self._session = f"/session/{made.raise_for_status().json()['value']['sessionId']}"
        except BaseException:
            self._driver.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.close()
        finally:
            self._profile.cleanup()

    @property
    def profile(self) -> Path:
        """Where it keeps its files."""
        return Path(self._profile.name)

    @property
    def pid(self) -> int:
        """Of the driver; the browser's processes descend from it."""
        return self._driver.pid

    def close(self) -> None:
        """End it as a person does; its profile stays until the block ends."""
        if self._http.is_closed:
            return
        try:
            self._http.delete(self._session)
        finally:
            self._http.close()
            self._driver.terminate()
            self._driver.wait(PATIENCE)
            self._said.close()

    def open(self, page: Path) -> None:
        self._post("/url", {"url": page.as_uri()})

    def visit(self, url: str) -> None:
        self._post("/url", {"url": url})

    def type(self, selector: str, text: str) -> None:
        """As a person does at the keyboard."""
        self._post(f"/element/{self._find(selector)}/value", {"text": text})

    def command(self, name: str, **given: Any) -> Any:
        """A command of the DevTools protocol."""
        return self._post("/goog/cdp/execute", {"cmd": name, "params": given})

    def upload(self, selector: str, *files: Path) -> None:
        """Choose files, as a person does in the dialogue."""
        chosen = "\n".join(map(str, files))
        self._post(f"/element/{self._find(selector)}/value", {"text": chosen})

    def text(self, selector: str) -> str:
        """The text that is visible, as it is in one moment."""
        found = self.run(_TEXT, selector)
        assert found is not None, f"there is no {selector}"
        return str(found)

    def wait_for_text(self, selector: str, wanted: str = "", seconds: float = PATIENCE) -> str:
        """Wait for this text, or for any; returns it."""
        seen = [""]

        def there() -> bool:
            seen[0] = self.run(_TEXT, selector) or ""
            return seen[0] == wanted if wanted else bool(seen[0])

        try:
            self.wait_for(there, seconds)
        except AssertionError as error:
            raise AssertionError(f"{selector} says {seen[0]!r}") from error
        return seen[0]

    def wait_for_element(self, selector: str, seconds: float = PATIENCE) -> None:
        """Wait until the page shows it."""
        script = "return document.querySelector(arguments[0])?.checkVisibility() ?? false"
        self.wait_for(lambda: bool(self.run(script, selector)), seconds)

    def choose(self, selector: str, value: str) -> None:
        """Choose in a list, as a person does."""
        self.run(
            "const list = document.querySelector(arguments[0]); list.value = arguments[1];"
            "list.dispatchEvent(new Event('change'));",
            selector,
            value,
        )

    def click(self, selector: str) -> None:
        """Click on it. What follows may take a while: wait for it."""

        def clicked() -> bool:
            self._post(f"/element/{self._find(selector)}/click", {})
            return True

        self.wait_for(clicked)

    def screen(self, width: int, height: int) -> None:
        """Have a screen of this size, in CSS pixels; no window is as narrow as a telephone's."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        command = {"cmd": "Emulation.setDeviceMetricsOverride", "params": size}
        self._post("/goog/cdp/execute", command)

    def picture(self) -> bytes:
        """The whole page as PNG."""
        command = {"cmd": "Page.captureScreenshot", "params": {"captureBeyondViewport": True}}
        return base64.b64decode(self._post("/goog/cdp/execute", command)["data"])

    def wait_for(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait until it is so, also while the page replaces what is looked at."""
        end = time.monotonic() + seconds
        while True:
            with suppress(Replaced):
                if condition():
                    return
            assert time.monotonic() < end, "the page does not come to it"
            time.sleep(0.02)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page; a promise is waited for."""
        return self._post("/execute/sync", {"script": script, "args": list(arguments)})

    def _find(self, selector: str) -> str:
        found = self._post("/element", {"using": "css selector", "value": selector})
        return str(found[_ELEMENT])

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._http.post(self._session + path, json=body)
        if answer.status_code != httpx.codes.OK:
            replaced = any(one in answer.text for one in _REPLACED)
            raise (Replaced if replaced else AssertionError)(answer.text)
        return answer.json()["value"]

    def _port(self) -> int:
        """Where the driver listens: it takes a free port, and says which."""
        end = time.monotonic() + PATIENCE
        while True:
            said = os.pread(self._said.fileno(), 10_000, 0).decode(errors="replace")
            if found := _LISTENING.search(said):
                return int(found[1])
            assert self._driver.poll() is None, f"chromedriver ended: {said}"
            assert time.monotonic() < end, f"chromedriver does not start: {said}"
            time.sleep(0.05)
