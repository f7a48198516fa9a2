"""The counter page's meter in a headless Chromium: measurements, and the processor time of a view.

Views and models are served from memory on loopback to the browser that this starts.
"""

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gateway.vision.geometry import BgrImage
from gateway.vision.pack import ModelPack
from tests.support.browser import Browser
from tests.support.page_vision import PAGE, rgba

_BUILT = PAGE / "node_modules" / ".vision-bench"
_KINDS = {"html": "text/html", "js": "text/javascript", "wasm": "application/wasm"}
_HTML = b'<!doctype html><title>bench</title><script type="module" src="bench.js"></script>'


class PageInBrowser:
    """The page's meter; views are handed over before they are measured."""

    def __init__(self, browser: Browser, served: dict[str, bytes]) -> None:
        self._browser, self._served = browser, served

    def measure(
        self, views: Sequence[tuple[BgrImage, int]]
    ) -> tuple[list[dict[str, Any]], float, float]:
        """What the meter says of each view, and the processor time of all of the browser's
        processes for one view, in ms: with everything, and for faces, landmarks and eyes alone. The
        first run of some views is not counted."""
        for n, (image, at_ms) in enumerate(views):
            picture = rgba(image)
            self._served[f"/view/{n}"] = picture.pop("rgba")
            self._served[f"/view/{n}.json"] = json.dumps({**picture, "atMs": at_ms}).encode()
        self._browser.run("return bench.prepare(arguments[0])", min(8, len(views)))
        self._browser.run("return bench.measure()")
        self._browser.run("return bench.prepare(arguments[0])", len(views))
        before = _cpu_ms()
        found: list[dict[str, Any]] = self._browser.run("return bench.measure()")
        between = _cpu_ms()
        self._browser.run("return bench.look()")
        count = len(views)
        return found, (between - before) / count, (_cpu_ms() - between) / count


@contextmanager
def page_in_browser(pack: ModelPack) -> Iterator[PageInBrowser]:
    """Build the page's meter, serve it with this pack, and open it."""
    subprocess.run(["node", "test/vision/build.mjs", "browser"], cwd=PAGE, check=True)
    served = {f"/pack/{name}": pack.content(name) for name in pack.manifest.files}
    served["/"] = _HTML
    manifest = json.loads(pack.manifest.canonical)
    quality = json.loads(pack.quality.model_dump_json())
    served["/pack.json"] = json.dumps({"manifest": manifest, "quality": quality}).encode()
    served |= {f"/{path.name}": path.read_bytes() for path in _BUILT.iterdir()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = served.get(self.path)
            self.send_response(404 if content is None else 200)
            kind = "html" if self.path == "/" else self.path.rpartition(".")[2]
            self.send_header("content-type", _KINDS.get(kind, "application/octet-stream"))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with Browser() as browser:
            browser.visit(f"http://127.0.0.1:{server.server_port}/")
            browser.wait_for(lambda: browser.run("return typeof bench === 'object'"))
            yield PageInBrowser(browser, served)
    finally:
        server.shutdown()


def _cpu_ms() -> float:
    """Processor time of everything that this process started and that still runs."""
    parents: dict[int, tuple[int, int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            parents[int(entry.name)] = (int(fields[1]), int(fields[11]) + int(fields[12]))
    ours, grown = {os.getpid()}, True
    while grown:
        more = {pid for pid, (parent, _) in parents.items() if parent in ours} - ours
        ours, grown = ours | more, bool(more)
    ticks = sum(parents[pid][1] for pid in ours - {os.getpid()} if pid in parents)
    return 1000 * ticks / os.sysconf("SC_CLK_TCK")
