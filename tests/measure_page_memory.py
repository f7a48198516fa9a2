"""What of a customer lies in the memory of the browser: ``python -m tests.measure_page_memory``.

``sealmatch kiosk`` with its page in a headless Chromium at real servers. A customer stands before a
camera (Chromium's own stand-in, which plays a clip of ``SEALMATCH_FACES``), which stops while
movements are asked for; the agent goes on to the next. The process that runs the page and its
workers is searched for the last picture that was embedded, its aligned face, the vector in any
scale, and the document's number:

- while the customer is there: the control, for a search that finds nothing then shows nothing;
- once the agent has gone on, and the next worker is ready;
- the same, after the engine has collected what nobody refers to.

Counted are places where ``PIECE`` bytes, or eight values in the proportions of the vector, stand
together. Nothing is written but the clip's film in a temporary file, which is removed.
"""

import argparse
import base64
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.cli.pack import gateway_settings, model_of, open_pack
from gateway.inspection.leaks import canaries
from gateway.inspection.leaks.canaries import Canary, Form
from gateway.inspection.leaks.processes import read_memory, regions_of
from gateway.inspection.leaks.search import LeakSearch
from gateway.lab.deployment.local import LocalDeployment
from gateway.vision.alignment import align
from gateway.vision.pipeline import FacePipeline
from tests.measure_kiosk import Counter as Desk
from tests.measure_kiosk import Given, Table, counter_of, film_of, write_y4m
from tests.support.kiosk_browser import enrol
from tests.support.processes import descendants
from tests.support.splice import LP_D12, clip, pictures

MASK = 0x5A
"""As ``kiosk_watch.js`` has it."""
PIECE = 32
PORTRAIT = 125
"""The clip's frame that is the document's portrait."""
ANCHORS, TOGETHER, NEAR = 3, 8, 1e-3
"""Places of a vector that are looked for; values in a row; how far their proportions may differ."""
LEAST = 1e-4
"""Smaller values are no vector's largest: memory is full of them."""
BLOCK, OVERLAP = 2**18, 4096


@dataclass(frozen=True)
class Secrets:
    """What one customer left, if anything."""

    canaries: tuple[Canary, ...]
    vector: NDArray[np.float32]

    @classmethod
    def of(cls, taken: dict[str, Any], number: str, vision: FacePipeline) -> "Secrets":
        """``taken``: as the watch noted it, in base64."""
        shape = (taken["height"], taken["width"], 4)
        rgba = np.frombuffer(_unmasked(taken["picture"]), np.uint8).reshape(shape)
        image = cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGR)
        aligned = align(image, vision.faces(image)[0].five)
        planes = (aligned.astype(np.float64) - 127.5) / 127.5
        raw = {
            "picture": _middle(rgba).tobytes(),
            "aligned face": aligned[:, :, ::-1].tobytes(),
            "aligned face as the model takes it": planes.transpose(2, 0, 1)
            .astype(np.float32)
            .tobytes(),
            "unit vector": _unmasked(taken["vector"]),
        }
        found = [Canary(kind, (Form("raw", data, PIECE),)) for kind, data in raw.items()]
        number_itself = canaries.text("document's number", number)
        vector = np.frombuffer(raw["unit vector"], np.float32)
        return cls((*found, number_itself), vector)


def _middle(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The part that shows the face; beside it, pictures are alike."""
    height, width = rgba.shape[:2]
    return rgba[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]


def _unmasked(masked: str) -> bytes:
    return (np.frombuffer(base64.b64decode(masked), np.uint8) ^ MASK).tobytes()


def search(desk: Desk, secrets: Secrets) -> Counter[str]:
    """How many places of each kind, in the process that runs the page and its workers."""
    found: Counter[str] = Counter()
    searching = LeakSearch(secrets.canaries)
    for pid in renderers(desk.page.browser.pid):
        for block in _written(pid):
            report = searching.data(block, "memory")
            found.update(finding.kind for finding in report.findings)
            found["vector in any scale"] += directions(block, secrets.vector)
            found["kB searched"] += len(block) // 1000
    return found


def renderers(pid: int) -> Iterator[int]:
    """The browser's processes that run pages, as their command lines say."""
    for one in descendants(pid):
        with suppress(OSError):  # it has ended
            if b"--type=renderer" in Path(f"/proc/{one}/cmdline").read_bytes():
                yield one


def directions(block: bytes, vector: NDArray[np.float32]) -> int:
    """Places of some memory where values stand as those of the vector, in any scale."""
    places = np.argsort(-np.abs(vector[: -TOGETHER - 1]))[:ANCHORS]
    values = np.frombuffer(block[: len(block) // 4 * 4], np.float32)
    with np.errstate(all="ignore"):
        return sum(_in_block(values, vector, int(at)) for at in places)


def _in_block(block: NDArray[np.float32], vector: NDArray[np.float32], at: int) -> int:
    first, second = vector[at], vector[at + 1]
    ratio = second / first
    near = np.abs(block[1:] - ratio * block[:-1]) <= NEAR * np.abs(block[:-1])
    near &= np.abs(block[:-1]) > LEAST
    return sum(_follows(block, int(one), vector, at) for one in np.flatnonzero(near))


def _follows(block: NDArray[np.float32], one: int, vector: NDArray[np.float32], at: int) -> bool:
    seen = block[one : one + TOGETHER].astype(np.float64)
    if len(seen) < TOGETHER or not np.isfinite(seen).all():
        return False
    wanted = vector[at : at + TOGETHER].astype(np.float64)
    cosine = seen @ wanted / max(float(np.linalg.norm(seen) * np.linalg.norm(wanted)), 1e-12)
    return bool(cosine > 1 - NEAR**2)


def _written(pid: int) -> Iterator[bytes]:
    """The memory of a process, without stretches of zeros. Blocks overlap a little."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for region in regions_of(pid):
            for at in range(region.start, region.stop, BLOCK):
                size = min(BLOCK + OVERLAP, region.stop - at)
                data = read_memory(memory.fileno(), at, size)
                if data.count(0) < len(data):
                    yield data


TAKEN = """const { taken } = window.kioskWatch;
window.kioskWatch.taken = {}; // it holds the camera
const text = (bytes) => {
  let out = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    out += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(out);
};
return { ...taken, picture: text(taken.picture), vector: text(taken.vector) };"""


def stages(desk: Desk) -> Iterator[tuple[str, Counter[str]]]:
    """One customer, and what is found of them."""
    vision = FacePipeline(open_pack(None))
    browser = desk.page.browser
    desk.ready()
    desk.hand_over()
    desk.page.press("#agree")
    desk.page.until("#start")
    desk.page.press("#start")
    desk.page.until(".screen.capture")
    browser.run("window.kioskWatch.tap = true")
    browser.wait_for(lambda: browser.run("return window.kioskWatch.taken !== null"))
    secrets = Secrets.of(browser.run(TAKEN), desk.number, vision)
    yield "while the customer is there", search(desk, secrets)
    desk.page.until(".ended")  # the camera gives no more pictures
    desk.page.press("#to-agent")
    desk.page.press("#next")
    desk.page.until("#read")
    desk.ready()
    yield "after the customer has left", search(desk, secrets)
    for _ in range(3):
        browser.command("HeapProfiler.collectGarbage")
    yield "after the engine has collected", search(desk, secrets)


def main() -> None:
    """Search and print."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    pack, frames = open_pack(None), pictures(clip("lp_d12"))
    settings = {**gateway_settings(pack), "liveness": "required"}
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        given = Given(place / "reader", frames[PORTRAIT], Table())
        given.reader.mkdir()
        write_y4m(place / "camera.y4m", film_of([frames[n] for n in LP_D12.rest]))
        with (
            LocalDeployment(place / "servers", model_of(pack), **settings) as deployment,
            counter_of(deployment, given, place / "camera.y4m") as (desk, process),
        ):
            enrol(deployment, process.device, desk.page.key())
            for stage, found in stages(desk):
                print(stage, dict(sorted(found.items())), flush=True)


if __name__ == "__main__":
    main()
