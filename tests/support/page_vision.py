"""The counter page's vision, in a node process that answers on a pipe.

Pictures go in and numbers come back in memory: none is ever in a file. ``gateway/kiosk/page`` is
built for node from its own sources, as vite builds them for the browser.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cbor2
import cv2
import numpy as np

from gateway.vision.geometry import BgrImage
from gateway.vision.pack import ModelPack

PAGE = Path(__file__).resolve().parents[2] / "gateway" / "kiosk" / "page"
_BUILT = "node_modules/.vision-peer"
_BUILD = ["node", "test/vision/build.mjs", "node"]


class PageVision:
    """Asks the page's code. Raises EOFError when the process has ended."""

    def __init__(self, process: "subprocess.Popen[bytes]", pack: ModelPack) -> None:
        self._process = process
        files = {name: pack.content(name) for name in pack.manifest.files}
        self._ask(
            {
                "manifest": json.loads(pack.manifest.canonical),
                "quality": json.loads(pack.quality.model_dump_json()),
                "files": files,
            }
        )

    def __call__(self, what: str, image: BgrImage | None = None, **more: Any) -> Any:
        """The answer to one question, about a picture or none."""
        return self._ask({"what": what, **({} if image is None else rgba(image)), **more})

    def _ask(self, question: object) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        body = cbor2.dumps(question)
        stdin.write(len(body).to_bytes(4, "big") + body)
        stdin.flush()
        length = stdout.read(4)
        if len(length) < 4:
            raise EOFError("the page's process has ended")
        return cbor2.loads(stdout.read(int.from_bytes(length, "big")))


def rgba(image: BgrImage) -> dict[str, Any]:
    """A picture as the canvas of a browser gives it."""
    height, width = image.shape[:2]
    pixels = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2RGBA)
    return {"width": width, "height": height, "rgba": pixels.tobytes()}


@contextmanager
def page_vision(pack: ModelPack) -> Iterator[PageVision]:
    """Build the page's vision for node and start it with this pack."""
    subprocess.run(_BUILD, cwd=PAGE, check=True, capture_output=True)
    command = ["node", f"{_BUILT}/peer.js"]
    with subprocess.Popen(
        command, cwd=PAGE, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield PageVision(process, pack)
        finally:
            process.kill()
