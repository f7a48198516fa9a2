"""The counter in a browser, whole: the command, its page in Chromium, real servers, real models.

One browser does what a shop does: enrol, an attempt that is not completed, a genuine person, a
stranger's document. What is left in its profile is searched afterwards.
"""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from gateway.cli.pack import gateway_settings, model_of, open_pack
from gateway.he.frame import probe_signs, template_values
from gateway.kiosk.pending import FOLDER
from gateway.lab.deployment.local import LocalDeployment
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import verify_receipt
from gateway.vision.errors import PoorPicture
from gateway.vision.pipeline import FacePipeline
from gateway.wire.policy import LanePolicy
from gateway.wire.proof import ActivationOpening, Opening
from gateway.wire.subject import Subject
from tests.support.browser import Browser
from tests.support.commands import SEALMATCH, Photographs
from tests.support.kiosk_browser import KioskProcess, Page, enrol, film, kiosk
from tests.support.observation import record_count
from tests.support.processes import PATIENCE, until
from tests.support.splice import LP_D12, clip, pictures

pytestmark = [pytest.mark.processes, pytest.mark.pack, pytest.mark.faces, pytest.mark.slow]

NUMBER, STRANGERS, ORDER = "KI05KW0RD", "KI05KW1LD", "order 77-0042-kiosk"
PORTRAIT = 125
"""The clip's frame that is the document's portrait."""


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    return pictures(clip("lp_d12"))


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    pack = open_pack(None)
    kinds = "blink,open-mouth,turn-left,turn-right"
    settings = {
        **gateway_settings(pack),
        "liveness": "required",
        "liveness_kinds": kinds,
        "liveness_actions": "2",
    }
    with LocalDeployment(tmp_path_factory.mktemp("kiosk"), model_of(pack), **settings) as made:
        yield made


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reader")


@pytest.fixture(scope="module")
def running(deployment: LocalDeployment, reader: Path) -> Iterator[KioskProcess]:
    with kiosk(deployment.directories.trust, reader) as process:
        yield process


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("saved")


@pytest.fixture(scope="module")
def page(
    running: KioskProcess, deployment: LocalDeployment, frames: list[np.ndarray], saved: Path
) -> Iterator[Page]:
    with Browser() as browser:
        page = Page(browser)
        page.camera(film(frames, LP_D12))
        page.watch()
        page.downloads(saved)
        page.open(running.address)
        enrol(deployment, running.device, page.key())
        yield page


@contextmanager
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A server of somebody else's on this machine, and what reaches it."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hear() -> None:
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                heard.append(b"")  # a connection that says nothing counts as well
                with line:
                    line.settimeout(1)
                    with suppress(TimeoutError):
                        heard[-1] = line.recv(4096)
                    line.sendall(
                        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                    )

        thread = threading.Thread(target=hear, daemon=True)
        thread.start()
        yield server.getsockname()[1], heard
        server.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)


def expected(
    page: Page, vision: FacePipeline, portrait: np.ndarray, frames: list[np.ndarray]
) -> str:
    """What the protocol's integers decide of the vectors that the Python client makes of the same
    pictures, in both lanes: one at rest, and some of each movement that was asked for last."""
    chosen = gateway_settings(open_pack(None))
    lanes = [LanePolicy.for_cosine(chosen[name]) for name in ("threshold_cosine", "action_cosine")]
    asked = page.browser.run("return window.fakeCamera.asked.slice(-2)")
    shown = [n for kind in asked for n in LP_D12.actions[kind][::4]]
    moving = np.mean([one for n in shown for one in embedded(vision, frames[n])], axis=0)
    live = (vision.embed(frames[LP_D12.rest[0]]).vector, moving / np.linalg.norm(moving))
    template = template_values(vision.embed(portrait).vector)
    accepted = [
        lane.accepts(int(probe_signs(vector) @ template))
        for lane, vector in zip(lanes, live, strict=True)
    ]
    return "MATCH" if all(accepted) else "NO_MATCH"


def embedded(vision: FacePipeline, image: np.ndarray) -> list[np.ndarray]:
    """The picture's vector, unless the quality gate refuses it."""
    try:
        return [vision.embed(image).vector]
    except PoorPicture:
        return []


def test_the_address_works_once_and_the_counter_is_the_tab_that_was_opened_last(
    page: Page, running: KioskProcess
) -> None:
    browser = page.browser
    assert browser.run("return location.href") == running.base, "it is out of the address at once"
    browser.visit(running.base)
    page.until("#read")  # the control: a tab that is loaded again goes on
    browser.run("sessionStorage.clear()")
    browser.visit(running.base)
    page.until(".hindered")
    browser.visit("about:blank")
    browser.visit(running.address)
    page.until(".hindered")
    assert "opened before" in page.shown()
    browser.visit(running.new_address())
    page.until("#read")
    assert browser.run("return location.href") == running.base


def test_an_attempt_that_is_not_completed_leaves_nothing(
    page: Page, deployment: LocalDeployment, reader: Path, frames: list[np.ndarray]
) -> None:
    before = record_count(deployment)
    cv2.imwrite(str(reader / "scan.png"), frames[PORTRAIT])
    page.read("", order=ORDER)
    page.until("#document-number[aria-invalid]")
    assert "No chip lies at the reader" in page.shown(), "only a picture lies there"
    page.read(NUMBER)
    page.to_the_camera()
    page.answers(False)
    page.press("#start")
    page.comes_to(".retry")
    assert "That did not work yet" in page.shown()
    assert record_count(deployment) == before


def test_a_genuine_person_goes_from_the_camera_to_a_checked_receipt(
    page: Page,
    deployment: LocalDeployment,
    frames: list[np.ndarray],
    vision: FacePipeline,
    saved: Path,
) -> None:
    before = record_count(deployment)
    page.answers(True)
    page.press("#again")
    page.press("#start")
    page.comes_to(".result.match")
    assert record_count(deployment) == before + 1
    assert expected(page, vision, frames[PORTRAIT], frames) == "MATCH"
    page.press("#save")
    page.press("#save-opening")
    page.press("#to-agent")
    page.press("#save-activation")
    until(lambda: len([one for one in saved.iterdir() if one.suffix != ".crdownload"]) == 3)
    files = {one.suffix: one for one in saved.iterdir()}
    trust = TrustFile.read(deployment.directories.trust)
    opening = Opening.decode(files[".opening"].read_bytes())
    subject = Subject.of("passport", NUMBER)
    receipt = next(one for end, one in files.items() if end not in (".opening", ".activation"))
    verified = verify_receipt(receipt.read_bytes(), trust, opening, subject)
    statement = verified.statement.message
    assert verified.decision.message.outcome == "MATCH"
    assert statement.liveness.outcome == "passed"
    assert len(statement.liveness.asked) == 2
    assert statement.portrait_source == "photographed"
    assert opening.activation_reference == ORDER
    activation = ActivationOpening.decode(files[".activation"].read_bytes())
    assert activation.record_id == statement.record_id


def test_another_person_s_document_is_no_match(
    page: Page,
    reader: Path,
    photographs: Photographs,
    frames: list[np.ndarray],
    vision: FacePipeline,
    deployment: LocalDeployment,
) -> None:
    assert page.looking() == (1, 1), "one worker for all of a customer's attempts"
    until(lambda: not list((deployment.directories.trust.parent / FOLDER).iterdir()))
    page.press("#next")
    page.until("#read")
    until(lambda: page.looking() == (2, 1))  # the models' memory of the last customer is gone
    stranger = cv2.imread(str(photographs.stranger))
    cv2.imwrite(str(reader / "stranger.png"), stranger)
    before = record_count(deployment)
    page.read(STRANGERS)
    page.to_the_camera()
    page.press("#start")
    page.comes_to(".result.no-match")
    assert record_count(deployment) == before + 1
    assert expected(page, vision, stranger, frames) == "NO_MATCH"


def test_a_receipt_waits_where_tab_and_process_ended_before_the_customer_had_it(
    page: Page, running: KioskProcess, deployment: LocalDeployment, reader: Path
) -> None:
    trust = deployment.directories.trust
    kept = trust.parent / FOLDER
    before = record_count(deployment)
    assert len(list(kept.iterdir())) == 1
    told = running.killed_and_started(trust, reader)
    assert told.startswith("1 waited for")
    page.browser.visit(running.address)
    page.until(".waiting li")
    assert "1 receipt is waiting" in page.shown()
    page.press(".waiting li button")
    page.comes_to(".result.no-match")
    assert record_count(deployment) == before, "asked for, and not decided again"
    page.press("#to-agent")
    page.press("#next")
    page.until("#read")
    until(lambda: not list(kept.iterdir()))


REACH = """
const [other] = arguments;
const tried = {};
const one = async (name, work) => {
  try { await work(); tried[name] = "went"; } catch { tried[name] = "blocked"; }
};
const loads = (element, source) => new Promise((done, fail) => {
  element.onload = done; element.onerror = fail;
  element.src = source; document.body.append(element);
});
return (async () => {
  await one("fetch", () => fetch(other, { mode: "no-cors" }));
  await one("post", () => fetch(other, { mode: "no-cors", method: "POST", body: "x" }));
  await one("image", () => loads(new Image(), other));
  await one("script", () => loads(document.createElement("script"), other));
  await one("import", () => import(other));
  await one("socket", () => new Promise((done, fail) => {
    const line = new WebSocket(other.replace("http", "ws"));
    line.onopen = done; line.onerror = fail;
  }));
  await one("worker", () => new Promise((done, fail) => {
    const worker = new Worker(other); worker.onmessage = done; worker.onerror = fail;
  }));
  await one("eval", () => eval("1"));
  await one("inline", () => new Promise((done, fail) => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true"; document.body.append(script);
    setTimeout(() => (window.ran ? done() : fail()), 0);
  }));
  navigator.sendBeacon(other, "x");
  await new Promise((done) => setTimeout(done, 300));
  return tried;
})();
"""


FRAME = """
const frame = document.createElement("iframe");
const loaded = new Promise((done) => { frame.onload = done; });
frame.src = arguments[0]; document.body.append(frame);
return loaded.then(() => frame.contentDocument === null);
"""


def test_no_other_address_is_reached_from_the_page(page: Page) -> None:
    """Not even a connection is opened. For a frame Chromium opens one before it asks the policy;
    nothing is sent in it."""
    with listener() as (port, heard):
        httpx.get(f"http://127.0.0.1:{port}/", trust_env=False, timeout=PATIENCE)
        assert len(heard) == 1, "the control: it hears"
        tried = page.browser.run(REACH, f"http://127.0.0.1:{port}/")
        assert set(tried.values()) == {"blocked"}, tried
        assert len(heard) == 1, heard[1:]
        assert page.browser.run(FRAME, f"http://127.0.0.1:{port}/"), "blocked"
        assert not any(heard[1:])


def test_the_browser_s_keys_cannot_be_taken_out(page: Page) -> None:
    script = """
    return (async () => {
      const database = await new Promise((done) => {
        const request = indexedDB.open("sealmatch-kiosk");
        request.onsuccess = () => done(request.result);
      });
      const only = (name) => new Promise((done) => {
        const request = database.transaction(name).objectStore(name).getAll();
        request.onsuccess = () => done(request.result[0]);
      });
      const [pair, secret] = [await only("device-keys"), await only("pending-keys")];
      const tried = {};
      for (const [name, key] of [["device", pair.privateKey], ["pending", secret]]) {
        for (const form of ["pkcs8", "jwk", "raw"]) {
          try { await crypto.subtle.exportKey(form, key); tried[name + form] = "taken"; }
          catch { tried[name + form] = "refused"; }
        }
      }
      const open = await crypto.subtle.exportKey("raw", pair.publicKey);
      return { tried, open: open.byteLength, names: database.objectStoreNames.length };
    })();
    """
    found = page.browser.run(script)
    assert list(found["tried"].values()) == ["refused"] * 6
    assert (found["open"], found["names"]) == (32, 2)


def test_a_second_process_at_the_same_port_says_whose_it_is(
    running: KioskProcess, deployment: LocalDeployment, reader: Path
) -> None:
    port = running.port
    command = [SEALMATCH, "kiosk", "--trust", deployment.directories.trust, "--document", reader]
    done = subprocess.run(
        [*map(str, command), "--port", port],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_of_a_face_or_a_document_stays_in_the_browser(
    page: Page, running: KioskProcess, frames: list[np.ndarray]
) -> None:
    """Neither in what scripts can reach nor anywhere in the profile, once the browser has ended."""
    kept = page.browser.run(
        """return (async () => [
          Object.keys(localStorage), Object.keys(sessionStorage), document.cookie,
          await caches.keys(), (await indexedDB.databases()).map((one) => one.name),
        ])();"""
    )
    assert kept == [[], ["sealmatch-kiosk-tab"], "", [], ["sealmatch-kiosk"]]
    page.browser.close()
    rgba = cv2.cvtColor(frames[LP_D12.rest[0]], cv2.COLOR_BGR2RGBA)
    sought = [form for word in (NUMBER, STRANGERS, ORDER) for form in forms(word)]
    sought += [rgba[200, 300:316].tobytes(), frames[PORTRAIT][200, 300:316].tobytes()]
    own = 0
    for file in (one for one in page.browser.profile.rglob("*") if one.is_file()):
        content = file.read_bytes()
        own += any(form in content for form in forms("device-keys"))
        assert not [one for one in sought if one in content], file.name
        assert not content.startswith((b"\xff\xd8\xff", b"RIFF")), file.name
    assert own, "the control: what the page does store is found"


def forms(word: str) -> list[bytes]:
    """How a browser writes a text: Chromium's databases have UTF-16 in either order."""
    return [word.encode(form) for form in ("utf-8", "utf-16-le", "utf-16-be")]


def test_ctrl_c_twice_ends_it_in_order(running: KioskProcess) -> None:
    token = running.address.partition("#")[2]
    running.interrupt()
    running.interrupt()
    out, err = running.process.communicate(timeout=PATIENCE)
    assert running.process.returncode == 130
    for text in (out, err):
        assert "Traceback" not in text
        assert NUMBER not in text
        assert token not in text, "printed once, when it was ready"
