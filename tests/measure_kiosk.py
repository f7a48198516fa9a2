"""The counter in a browser, whole: ``python -m tests.measure_kiosk [--runs N]``.

``sealmatch kiosk`` with its page in a headless Chromium, at real servers. Printed are medians of
the runs, with the lowest and highest:

1. The first load: bytes as the process sends them and as gzip would make them; seconds from the
   address to the first screen, and until the models are ready.
2. Chromium's own stand-in for a camera plays pictures of 640x480, 30 a second, through the
   browser's camera path: seconds from its first picture to the first advice on the screen, and the
   views a second while movements are asked for, with quality gate, tracking, embeddings, passive
   check, prompts and preview on. Nobody answers: each run is another customer, who leaves.
3. A camera that answers the prompts, and gives a picture as soon as one is asked for: views a
   second at most, and a whole check from the button to the verified receipt.

Processor time is that of all of the browser's processes for one view. Pictures are those of a clip
of ``SEALMATCH_FACES``; the stand-in reads them from a temporary file, which is removed.
"""

import argparse
import gzip
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gateway.cli.pack import gateway_settings, model_of, open_pack
from gateway.kiosk.release import read_page
from gateway.lab.deployment.local import LocalDeployment
from gateway.vision.geometry import BgrImage
from gateway.vision.pack import ModelPack
from tests.support.browser import Browser
from tests.support.kiosk_browser import KioskProcess, Page, enrol, film, kiosk
from tests.support.processes import processor_seconds
from tests.support.splice import LP_D12, clip, pictures

WIDE, TALL, RATE = 640, 480, 30
PORTRAIT = 125
"""The clip's frame that is the document's portrait."""
SETTLED = 10
"""Views after which a run's views are counted: the engine compiles at first."""

Watched = dict[str, Any]


@dataclass
class Measured:
    """One quantity, in several runs."""

    name: str
    unit: str
    digits: int = 1
    values: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        low, middle, high = min(self.values), statistics.median(self.values), max(self.values)
        figures = " ".join(f"{value:9.{self.digits}f}" for value in (middle, low, high))
        return f"{self.name:62} {figures}  {self.unit}"


class Table:
    """Quantities by name, in the order in which they were first measured."""

    def __init__(self) -> None:
        self._rows: dict[str, Measured] = {}

    def add(self, name: str, unit: str, value: float, digits: int = 1) -> None:
        self._rows.setdefault(name, Measured(name, unit, digits)).values.append(value)

    def lines(self) -> Iterator[str]:
        yield f"{'':62} {'median':>9} {'lowest':>9} {'highest':>9}"
        yield from map(str, self._rows.values())


@dataclass
class Given:
    """What all counters of a measurement share."""

    reader: Path
    portrait: BgrImage
    table: Table
    customers: Iterator[int] = field(default_factory=lambda: count(1))


@dataclass
class Counter:
    """One page in a browser."""

    page: Page
    given: Given
    number: str = ""
    """Of the last customer's document."""

    @property
    def table(self) -> Table:
        return self.given.table

    def hand_over(self) -> None:
        """The next customer, to the consent text."""
        customer = next(self.given.customers)
        self.number = f"KI{customer:07}"
        cv2.imwrite(str(self.given.reader / f"scan-{customer}.png"), self.given.portrait)
        self.page.read(self.number)
        self.page.press("#hand-over")

    def ready(self) -> None:
        """Wait until the models of the worker that lives are loaded."""
        self.page.browser.wait_for(lambda: vision_of(self.page.watched())["answered"] is not None)
        self.page.browser.wait_for(lambda: self.page.looking()[1] == 1)  # the last one has ended

    def leave(self) -> None:
        """The agent ends it."""
        self.page.press("#to-agent")
        self.page.press("#stop")
        self.page.until("#read")

    def cpu_ms(self) -> float:
        return 1000 * processor_seconds(self.page.browser.pid)


def vision_of(watched: Watched) -> dict[str, Any]:
    """The worker that looks at pictures, or will."""
    return dict([one for one in watched["workers"] if one["name"] == "vision"][-1])


def film_of(frames: Sequence[BgrImage]) -> list[BgrImage]:
    """The clip's frames as a camera's: beside the square picture it is grey."""
    shown = []
    for frame in frames:
        picture = np.full((TALL, WIDE, 3), 128, np.uint8)
        left = (WIDE - TALL) // 2
        picture[:, left : left + TALL] = cv2.resize(
            frame, (TALL, TALL), interpolation=cv2.INTER_AREA
        )
        shown.append(picture)
    return shown


def write_y4m(path: Path, frames: Sequence[BgrImage]) -> None:
    """A film without compression, as many cameras give it."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDE} H{TALL} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for frame in frames:
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420).tobytes())


def first_load(counter: Counter, pack: ModelPack) -> None:
    """Sizes of everything that the page asks for, and how long it takes."""
    counter.ready()
    watched = counter.page.watched()
    page = read_page().contents
    models = {name: pack.content(name) for name in pack.manifest.files}
    for name, contents in (("page", page), ("models", models)):
        sizes = [len(content) for content in contents.values()]
        packed = [len(gzip.compress(content, 6)) for content in contents.values()]
        counter.table.add(f"first load: {name}", "MB", sum(sizes) / 1e6, 2)
        counter.table.add(
            f"first load: {name}, were it compressed (gzip)", "MB", sum(packed) / 1e6, 2
        )
    shown = watched["appeared"]["#read"] / 1000
    counter.table.add("from the address to the first screen", "s", shown, 2)
    loaded = vision_of(watched)["answered"] / 1000
    counter.table.add("from the address until the models are ready", "s", loaded, 2)


def advised(counter: Counter, name: str) -> None:
    """The camera opens, and the first advice is shown."""
    before = len(counter.page.watched()["cameras"])
    counter.page.press("#agree")
    found = lambda: counter.page.watched()["cameras"][before:]  # noqa: E731
    counter.page.browser.wait_for(lambda: any(one["advice"] for one in found()))
    (camera,) = found()
    took = (camera["advice"] - camera["picture"]) / 1000
    counter.table.add(f"{name}: first picture to first advice", "s", took, 2)


def rate(counter: Counter, name: str, begun: int, cpu_ms: float) -> None:
    """Views since one, and the processor time since then."""
    views = counter.page.watched()["views"][begun:]
    spent = counter.cpu_ms() - cpu_ms
    counted = views[SETTLED:]
    seconds = (counted[-1] - counted[0]) / 1000
    counter.table.add(f"{name}: views a second", "1/s", (len(counted) - 1) / seconds)
    slowest = max(later - earlier for earlier, later in pairwise(counted))
    counter.table.add(f"{name}: longest time between two views", "ms", slowest, 0)
    counter.table.add(f"{name}: processor time of a view", "ms", spent / len(views), 0)


def unanswered(counter: Counter, seconds: float) -> None:
    """A customer before a camera of 30 pictures a second, who does not do what is asked."""
    name = "camera of 30 pictures a second"
    counter.hand_over()
    advised(counter, name)
    begun = len(counter.page.watched()["views"])
    before = counter.cpu_ms()
    counter.page.press("#start")
    counter.page.until(".screen.capture")
    time.sleep(seconds)
    rate(counter, name, begun, before)
    counter.leave()
    counter.ready()


def answered(counter: Counter) -> None:
    """A whole check, as fast as the page takes pictures."""
    name = "camera that waits for nothing"
    counter.hand_over()
    advised(counter, name)
    begun = len(counter.page.watched()["views"])
    before = counter.cpu_ms()
    started = time.monotonic()
    counter.page.press("#start")
    counter.page.until(".screen.working, .retry, .ended")
    rate(counter, name, begun, before)
    counter.page.comes_to(".result.match")
    counter.table.add(f"{name}: from the button to the receipt", "s", time.monotonic() - started)
    counter.page.press("#to-agent")
    counter.page.press("#next")
    counter.ready()


@contextmanager
def counter_of(
    deployment: LocalDeployment, given: Given, film: Path | None = None
) -> Iterator[tuple[Counter, KioskProcess]]:
    """A process with its page in a fresh browser. ``film``: what its camera shows."""
    with (
        kiosk(deployment.directories.trust, given.reader) as process,
        Browser(camera=film) as browser,
    ):
        page = Page(browser)
        page.watch()
        page.open(process.address)
        yield Counter(page, given), process


def measure(runs: int, seconds: float) -> Table:
    """Everything, and what was found."""
    pack, frames = open_pack(None), pictures(clip("lp_d12"))
    shown = film_of(frames)
    settings = {**gateway_settings(pack), "liveness": "required", "liveness_passive": "warn"}
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        given = Given(place / "reader", frames[PORTRAIT], Table())
        given.reader.mkdir()
        played = place / "camera.y4m"
        write_y4m(played, [shown[n] for n in LP_D12.rest])
        with LocalDeployment(place / "servers", model_of(pack), **settings) as deployment:
            for _ in range(runs):
                with counter_of(deployment, given) as (counter, _):
                    first_load(counter, pack)
            with counter_of(deployment, given, played) as (counter, process):
                enrol(deployment, process.device, counter.page.key())
                for _ in range(runs):
                    unanswered(counter, seconds)
                counter.page.camera(film(shown, LP_D12))
                counter.page.browser.visit("about:blank")  # else the page stays as it is
                counter.page.open(process.base)
                for _ in range(runs):
                    answered(counter)
    return given.table


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--seconds", type=float, default=8, help="of each unanswered challenge")
    chosen = options.parse_args()
    print("\n".join(measure(chosen.runs, chosen.seconds).lines()))


if __name__ == "__main__":
    main()
