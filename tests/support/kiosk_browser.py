"""``sealmatch kiosk`` as a process, and its page in a browser with a camera that shows clips."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from gateway.client.liveness.prompts import ASK, text
from gateway.lab.deployment.local import LocalDeployment
from gateway.vision.geometry import BgrImage
from tests.support.browser import Browser
from tests.support.commands import SEALMATCH
from tests.support.processes import PATIENCE, command_environment, free_ports
from tests.support.splice import Cuts

SCRIPT = Path(__file__).with_name("fake_camera.js")
WATCH = Path(__file__).with_name("kiosk_watch.js")
STEP_MS = 40
"""Between two frames that the page gets: as the clips were taken."""


@dataclass
class KioskProcess:
    """The running process."""

    process: subprocess.Popen[str]
    address: str
    """The newest, with its token."""
    device: str

    @property
    def base(self) -> str:
        return self.address.partition("#")[0]

    @property
    def port(self) -> str:
        return self.base.rstrip("/").rpartition(":")[2]

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def new_address(self) -> str:
        """The address that it prints when it is asked for another one."""
        self.process.send_signal(signal.SIGUSR1)
        assert self.process.stdout is not None
        name, _, address = self.process.stdout.readline().partition("  ")
        assert name == "page"
        return address.strip()

    def end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.terminate()
        self.process.communicate(timeout=PATIENCE)

    def killed_and_started(self, trust: Path, documents: Path) -> str:
        """Started again, at its port, after it was killed; what it says on its way."""
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)
        self.process = _started(trust, documents, self.port)
        told = _announced(self.process)
        self.address = told["page"]
        return told.get("receipts", "")


@contextmanager
def kiosk(trust: Path, documents: Path) -> Iterator[KioskProcess]:
    """Within the block the command runs."""
    process = _started(trust, documents, str(free_ports(1)))
    try:
        told = _announced(process)
    except BaseException:
        process.kill()
        raise
    made = KioskProcess(process, told["page"], told["device"])
    try:
        yield made
    finally:
        made.end()


def _started(trust: Path, documents: Path, port: str) -> subprocess.Popen[str]:
    command = [SEALMATCH, "kiosk", "--trust", trust, "--document", documents, "--port", port]
    return subprocess.Popen(
        [str(one) for one in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=command_environment(),
        start_new_session=True,
    )


def _announced(process: subprocess.Popen[str]) -> dict[str, str]:
    """What it says until it answers, its address among it."""
    told: dict[str, str] = {}
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            assert json.loads(line)["ready"] == "kiosk"
            return told
        name, _, value = line.partition("  ")
        told[name] = value.strip()
    assert process.stderr is not None
    raise AssertionError(process.stderr.read())


def enrol(deployment: LocalDeployment, device: str, key: str) -> None:
    """What the operators do with the lines that the page shows."""
    deployment.gateway.operate("enrol", "device", device, key)
    deployment.authority.operate("enrol", "device", device, key)


def film(frames: Sequence[BgrImage], cuts: Cuts) -> dict[str, list[str]]:
    """A clip's pieces by name."""
    chosen: dict[str, Sequence[int]] = {"rest": cuts.rest}
    chosen.update({str(kind): numbers for kind, numbers in cuts.actions.items()})
    return {name: [_jpeg(frames[n]) for n in numbers] for name, numbers in chosen.items()}


def _jpeg(image: BgrImage) -> str:
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    return base64.b64encode(encoded.tobytes()).decode()


class Page:
    """The counter's page, used as agent and customer do."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def camera(self, frames: Mapping[str, Sequence[str]]) -> None:
        """Have a camera from the next load on; it shows what is asked for."""
        prompts = {text(message, "en"): kind for kind, message in ASK.items()}
        given = {"stepMs": STEP_MS, "frames": frames, "prompts": prompts}
        script = SCRIPT.read_text().replace("/*CAMERA*/ null", json.dumps(given))
        self.browser.command("Page.addScriptToEvaluateOnNewDocument", source=script)

    def watch(self) -> None:
        """Note from the next load on when things happen; see ``watched``."""
        self.browser.command("Page.addScriptToEvaluateOnNewDocument", source=WATCH.read_text())

    def watched(self) -> dict[str, Any]:
        """What was noted (``kiosk_watch.js``)."""
        found: dict[str, Any] = self.browser.run("return window.kioskWatch")
        return found

    def looking(self) -> tuple[int, int]:
        """Workers that looked at pictures since the page was opened, and how many of them live."""
        found = [one for one in self.watched()["workers"] if one["name"] == "vision"]
        return len(found), sum(one["lives"] for one in found)

    def answers(self, whether: bool) -> None:
        """Whether the camera shows what is asked for, or other movements."""
        self.browser.run("window.fakeCamera.answers = arguments[0]", whether)

    def open(self, address: str) -> None:
        self.browser.visit(address)
        self.until("#read, .hindered")

    def downloads(self, directory: Path) -> None:
        """Where saved files go."""
        self.browser.command(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(directory)
        )

    def until(self, selector: str, seconds: float = PATIENCE) -> None:
        """Wait until the page shows it."""
        script = "return document.querySelector(arguments[0]) !== null"
        self.browser.wait_for(lambda: self.browser.run(script, selector), seconds)

    def press(self, selector: str) -> None:
        """Press what is shown under this name, also if the page draws it anew meanwhile."""
        script = """const found = document.querySelector(arguments[0] + ":not([disabled])");
        if (!found?.checkVisibility()) return false;
        found.click(); return true;"""
        self.browser.wait_for(lambda: self.browser.run(script, selector))

    def key(self) -> str:
        """The device's public key, as the agent sees it."""
        self.browser.run("document.querySelector('details.counter').open = true")
        self.until("#public-key")
        return self.browser.text("#public-key")

    def read(self, number: str, kind: str = "passport", order: str = "") -> None:
        """The agent names document and order, and has the document read."""
        self.browser.choose("#document-kind", kind)
        self.until("#document-number")
        self.browser.type("#document-number", number)
        if order:
            self.browser.type("#order", order)
        self.press("#read")

    def to_the_camera(self) -> None:
        """The screen is handed over, the customer agrees, and the camera opens."""
        self.press("#hand-over")
        self.press("#agree")
        self.until("#start")

    def comes_to(self, wanted: str) -> None:
        """Wait for the end of an attempt, which must be this one."""
        self.until(".result, .retry, .ended")
        assert self.browser.run("return document.querySelector(arguments[0]) !== null", wanted), (
            self.shown()
        )

    def shown(self) -> str:
        return self.browser.text("body")
