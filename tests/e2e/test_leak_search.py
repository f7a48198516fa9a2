"""Nothing of a counter is left behind: planted secrets, real servers, every place they can write.

The product as it is: honest and hostile sessions, then a search of files, descriptors and memory.
"""

import contextlib
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from gateway.client.registration import Occasion
from gateway.he.frame import probe_signs, template_values
from gateway.host.clock import unix_time
from gateway.host.log_fields import FIELDS
from gateway.inspection.leaks import canaries
from gateway.inspection.leaks.canaries import Canary
from gateway.inspection.leaks.search import LeakSearch
from gateway.lab.deployment.local import LocalDeployment
from gateway.vision.errors import VisionError
from gateway.vision.images import decode_image
from gateway.wire.polynomials import Ciphertext
from gateway.wire.subject import Subject
from tests.faces_data import lfw_pairs, pipeline
from tests.support.counter import Counter
from tests.support.drafts import ciphertexts, draft
from tests.support.leaks import new_number, search_files, search_servers
from tests.support.samples import MODEL, SESSIONS, Vector, pair
from tests.support.scraped import labels_not_listed, scrape

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.cold]


@dataclass
class Planted:
    """A deployment with what was put into its sessions."""

    deployment: LocalDeployment
    counter: Counter
    started: float
    canaries: list[Canary] = field(default_factory=list)
    sent: list[Canary] = field(default_factory=list)
    """What was sent to the gateway by clients that do wrong; its memory may keep it a while."""

    def register(self, kind: str, template: Vector, probe: Vector) -> str:
        number, reference = new_number(), f"order {secrets.token_hex(8)}"
        self.canaries += [
            *canaries.document_number(f"{kind} number", "passport", number),
            canaries.text(f"{kind} activation reference", reference),
        ]
        for name, vector in (("template", template), ("probe", probe)):
            self.canaries += [
                canaries.embedding(f"{kind} {name}", vector),
                canaries.integers(f"{kind} {name}, signs", probe_signs(vector)),
                canaries.integers(f"{kind} {name}, integers", template_values(vector)),
            ]
        occasion = Occasion(Subject.of("passport", number), reference)
        return self.counter.client.register(template, probe, occasion).outcome

    def refused(self) -> None:
        """A template assertion by somebody who is not the issuer; then a replayed submission."""
        opened = self.counter.open()
        bodies = ciphertexts(opened, *pair(0.7, seed=31))
        for name, body in zip(("template", "probe"), bodies, strict=True):
            encoded = Ciphertext.decode(body)
            self.sent += canaries.polynomials(f"refused {name}", encoded)
        device = self.counter.keys.device
        submission = draft(self.counter.keys, opened, *bodies, unix_time(), issuer_key=device)
        assert self.counter.submit(opened, submission).status_code == 403
        other = self.counter.open()
        assert self.counter.submit(other, submission).status_code in (403, 409)

    def malformed(self) -> None:
        """What clients of another make might send: numbers, vectors and images in the clear."""
        number, vector, photograph = new_number(), pair(0.1, seed=32)[0], secrets.token_bytes(9999)
        self.sent += [
            *canaries.document_number("malformed number", "passport", number),
            canaries.embedding("malformed embedding", vector),
            canaries.body("malformed photograph", photograph, 24),
        ]
        opened = self.counter.open()
        clear = json.dumps({"idNumber": number, "embedding": vector.tolist()}).encode()
        path = f"{opened.path}/submission"
        for body in (clear, photograph, vector.tobytes(), b"\xa1" + number.encode()):
            assert self.counter.send("POST", path, body).status_code == 400
            assert self.counter.send("POST", SESSIONS, body).status_code == 400
        for name in (number.replace(" ", ""), photograph[:40].hex()):
            assert self.counter.send("GET", f"{SESSIONS}/{name}").status_code == 404
        query = {"idNumber": number}
        assert self.counter.http.get(f"{self.counter.url}/health", params=query).is_success


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    started = time.time() - 1
    made = LocalDeployment(
        tmp_path_factory.mktemp("plain") / "d", MODEL, metrics_port="0", log_format="json"
    )
    made.authority.settings["metrics_port"] = "0"
    with made as deployment:
        counter = Counter(deployment)
        world = Planted(deployment, counter, started)
        directory = deployment.directories.counter
        world.canaries += [
            canaries.secret("device key", (directory / "device.key").read_bytes()),
            canaries.secret("issuer key", (directory / "issuer.key").read_bytes()),
            canaries.secret("site salt", (directory / "site-salt.key").read_bytes()),
        ]
        assert world.register("genuine", *pair(0.7, seed=21)) == "MATCH"
        assert world.register("impostor", *pair(0.1, seed=22)) == "NO_MATCH"
        world.refused()
        world.malformed()
        yield world
        counter.close()


def test_nothing_of_a_counter_reaches_a_server(planted: Planted) -> None:
    """Numbers, vectors, references and the counter's keys: in no file and in no memory."""
    search = LeakSearch(planted.canaries)
    report = search_files(search, planted.deployment, planted.started)
    report += search_servers(search, planted.deployment)
    report.require_nothing()


def test_nothing_that_was_sent_in_error_reaches_a_disk(planted: Planted) -> None:
    """Requests that no client of ours makes: no log line and no row repeats them."""
    search = LeakSearch(planted.sent)
    search_files(search, planted.deployment, planted.started).require_nothing()
    for name, server in zip(("authority", "gateway"), planted.deployment.servers, strict=True):
        search.descriptors(server.process.pid, name).require_nothing()
        search.arguments(server.process.pid, name).require_nothing()


def test_neither_metrics_nor_logs_tell_of_anybody(planted: Planted) -> None:
    """Every label's value and every field is a listed one; and the search would find a number."""
    search = LeakSearch([*planted.canaries, *planted.sent])
    kept = planted.deployment.directories
    for server, directory in (("authority", kept.authority), ("gateway", kept.gateway)):
        log = (directory / "server.log").read_text()
        scraped = scrape(log)
        search.data(scraped.encode(), "metrics").require_nothing()
        assert labels_not_listed(scraped) == []
        assert "sealmatch_ready 1.0" in scraped
        assert "sealmatch_undeclared_total 0.0" in scraped
        assert "sealmatch_log_values_left_out_total 0.0" in scraped
        for known in ("connections_open", "connections_limit", "queue_limit", "sessions_limit"):
            assert f"sealmatch_{known} NaN" not in scraped
        for stage in ("signature", "body"):
            assert f'sealmatch_stage_seconds_count{{stage="{stage}"}}' in scraped
        route = "submission" if server == "gateway" else "attempts"
        assert f'sealmatch_request_seconds_count{{route="{route}"}} 2.0' in scraped
    told = [json.loads(one) for one in log.splitlines()]
    assert all(one.keys() <= {"time", "level", "logger", "event", *FIELDS} for one in told)
    assert {"request-refused", "metrics-listening"} <= {one["event"] for one in told}
    planted_one = f'{scraped}sealmatch_x{{device="{planted.canaries[0].kind}"}} 1\n'
    assert labels_not_listed(planted_one) == [("device", planted.canaries[0].kind)]


@pytest.mark.pack
@pytest.mark.faces
def test_nothing_of_a_photograph_reaches_a_server(planted: Planted) -> None:
    vision = pipeline()
    for portrait, live, same in lfw_pairs(16, seed=5):
        with contextlib.suppress(VisionError):  # several faces, or none
            paths = (portrait, live)
            vectors = [vision.embed(decode_image(path.read_bytes())).vector for path in paths]
            if same:
                break
    planted.register("photographed", *vectors)
    images = [canaries.image(f"photograph {i}", p.read_bytes()) for i, p in enumerate(paths)]
    names = [canaries.text(f"file name {i}", p.name) for i, p in enumerate(paths)]
    search = LeakSearch([*images, *names, *planted.canaries])
    report = search_files(search, planted.deployment, planted.started)
    report += search_servers(search, planted.deployment)
    report.require_nothing()
