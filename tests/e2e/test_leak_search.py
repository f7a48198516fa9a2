"""Nothing is left behind: planted secrets, real servers, every place that they can write.

Three deployments. The first is the product as it is: honest and hostile sessions, then a search of
files, descriptors and memory. The second reports its session secrets to the test
(``tests/support/leaky.py``), so that the test can show them in memory while they are in use, and
not after. The third leaks, and every leak is found.
"""

import contextlib
import json
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from gateway.audit import canaries
from gateway.audit.canaries import Canary
from gateway.audit.leaksearch import Allowed, LeakFound, LeakSearch, Report, swap_devices
from gateway.cli.local import LocalDeployment
from gateway.client.registration import Occasion
from gateway.he import transcript
from gateway.he.engine import default_engine
from gateway.he.interval import make_rows
from gateway.he.product import LaneBounds
from gateway.he.quantise import quantise
from gateway.he.randomness import SeedStream
from gateway.vision.errors import VisionError
from gateway.vision.images import decode_image
from gateway.wire.evaluation import BlindedRows, EncryptedBits, MaskedProduct
from gateway.wire.host.clock import unix_time
from gateway.wire.policy import MatchPolicy
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import DATA_PRIMES, LANE, N, T
from gateway.wire.subject import Subject
from gateway.wire.submission import Submission
from tests.faces_data import lfw_pairs, pipeline
from tests.support import leaky
from tests.support.counter import Counter
from tests.support.drafts import Opened, ciphertexts, draft
from tests.support.he import coefficients_of, multiply_arrays
from tests.support.leaky import Leak, Reports
from tests.support.observed import Observed
from tests.support.samples import MASKED, MODEL, ROWS, SESSIONS, Vector, pair

pytestmark = [pytest.mark.processes, pytest.mark.slow]

SEARCHED_AT_LEAST = 50_000_000
"""Bytes of a server's memory: a search that saw less saw nothing."""

LONG_LIVED = [
    Allowed("authority signing key", "authority memory*", "section 2: it signs with it all day"),
    Allowed("pepper", "authority memory*", "section 2: it makes handles with it all day"),
    Allowed("gateway signing key", "gateway memory*", "section 2: it signs with it all day"),
    Allowed("gateway sealing key", "gateway memory*", "section 2: it opens templates all day"),
]
"""What servers may hold after a session. Files hold only sealed keys, which no canary is."""


def new_number() -> str:
    return f"QZ-{secrets.randbelow(10**6):06d} {secrets.randbelow(10**6):06d}"


def search_servers(search: LeakSearch, deployment: LocalDeployment) -> Report:
    """Both processes, whole."""
    authority, gateway = (server.process.pid for server in deployment.servers)
    report = search.process(gateway, "gateway") + search.process(authority, "authority")
    for name in ("gateway memory", "authority memory"):
        seen = sum(size for place, size in report.searched if place.startswith(name))
        assert seen > SEARCHED_AT_LEAST
    return report


def search_files(search: LeakSearch, deployment: LocalDeployment, start: float) -> Report:
    """What both servers keep, and what anybody wrote to temporary places since the start.

    The counter's own keys and the operators' passphrases belong to others and stay out.
    """
    kept = deployment.directories
    others = [kept.counter, kept.root / "operator", kept.root / "tls"]
    report = search.directories([kept.gateway, kept.authority])
    names = " ".join(place for place, _ in report.searched)
    for expected in ("gateway.sqlite3", "gateway.sqlite3-wal", "records.", "server.log"):
        assert expected in names
    return report + search.temporary_files(newer_than=start, without=others)


# The product as it is


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
                canaries.quantised(f"{kind} {name}, quantised", quantise(vector)),
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
    with LocalDeployment(tmp_path_factory.mktemp("plain") / "d", MODEL) as deployment:
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


def test_swap_is_reported_with_the_result() -> None:
    """Nothing can be claimed of pages on a swap device; a run on a machine with one says so."""
    if swap_devices():
        pytest.skip(f"swap is on ({', '.join(swap_devices())}): only memory was searched")


# Secrets of a session, before and after


@dataclass
class Watched:
    """One session of servers that report their secrets, searched in its middle and at its end."""

    before: Report
    after: Report
    later: Report
    """After other sessions."""
    files: Report


class Watch:
    """Searches both servers when the blinded rows are on their way, from the proxy's place."""

    def __init__(self, deployment: Observed, counter: Counter, reports: Reports) -> None:
        self._deployment, self._reports = deployment, reports
        self._counter = counter
        self._product = self._bits = b""
        self.before: Report | None = None
        self.canaries: list[Canary] = []

    def run(self) -> None:
        self._opened = self._counter.open()
        self._bodies = ciphertexts(self._opened, *pair(0.7, seed=41))
        self._submission = draft(self._counter.keys, self._opened, *self._bodies, unix_time())
        self._deployment.proxy.behaviour = self._between
        response = self._counter.submit(self._opened, self._submission)
        assert response.json().get("outcome") == "MATCH", response.text

    def _between(self, path: str, body: bytes, ask: object) -> tuple[int, bytes]:
        assert callable(ask)
        if path == MASKED:
            self._product = MaskedProduct.decode(body).masked_product
        if path == ROWS and self.before is None:
            self.canaries = self._plant(BlindedRows.decode(body).blinded_rows)
            self.before = search_servers(LeakSearch(self.canaries), self._deployment)
        status, answer = ask()
        if path == MASKED:
            self._bits = EncryptedBits.decode(answer).encrypted_bits
        return int(status), bytes(answer)

    def _plant(self, blinded: bytes) -> list[Canary]:
        reported = self._reports
        seed = reported.wait_for("seed")[0]
        key = np.frombuffer(reported.wait_for("secret key")[0], dtype="<u8").reshape(4, N)
        sent = {
            "template": Ciphertext.decode(self._bodies[0]),
            "probe": Ciphertext.decode(self._bodies[1]),
            "masked product": Ciphertext.decode(self._product),
            "encrypted bits": Ciphertext.decode(self._bits),
            "blinded rows": Ciphertext.decode(blinded),
        }
        found = [c for name, value in sent.items() for c in canaries.polynomials(name, value)]
        return [
            *found,
            *key_canaries(key, sent["blinded rows"]),
            canaries.secret("seed", seed),
            *randomness_canaries(seed, self._opened, self._submission, sent),
            canaries.body("sealed template", self._submission.sealed_template),
            *(
                canaries.secret(name, reported.wait_for(name)[0])
                for name in (*(rule.kind for rule in LONG_LIVED),)
            ),
        ]


def key_canaries(key: np.ndarray, rows: Ciphertext) -> list[Canary]:
    """The HE secret key in every form in which SEAL, or a copy, could hold it."""
    squared = [multiply_arrays(key[i], key[i], p) for i, p in enumerate(DATA_PRIMES)]
    times = [multiply_arrays(key[i], rows.words[1, i], p) for i, p in enumerate(DATA_PRIMES)]
    residues = coefficients_of(default_engine(), key[None, :3])[0]
    ternary = np.where(residues[0] > 1, -1, residues[0].astype(np.int64))
    assert set(np.unique(ternary)) == {-1, 0, 1}
    return [
        canaries.words("HE secret key", key),
        canaries.words("HE secret key, squared", np.stack(squared)),
        canaries.words("HE secret key, times c1", np.stack(times)),
        canaries.body("HE secret key, residues", residues.tobytes(), 64 * 8),
        canaries.body("HE secret key, int32", ternary.astype("<i4").tobytes(), 64 * 4),
        canaries.body("HE secret key, int8", ternary.astype("i1").tobytes(), 64),
    ]


def randomness_canaries(
    seed: bytes, opened: Opened, submission: Submission, sent: dict[str, Ciphertext]
) -> list[Canary]:
    """What the gateway drew from the seed: the mask, and the rows' filling."""
    policy = MatchPolicy.decode(opened.offer.policy)
    before = transcript.before_product(
        opened.key.grant.encoded,
        policy.digest,
        submission.template_assertion,
        submission.submission_assertion,
    )
    mask = SeedStream(seed, before).residues("product/mask", N)
    bounds = tuple(
        LaneBounds.of(lane, int(mask[i * LANE : (i + 1) * LANE].sum()) % T)
        for i, lane in enumerate(policy.lanes)
    )
    then = transcript.before_rows(
        before, sent["masked product"].digest, sent["encrypted bits"].digest
    )
    rows = make_rows(bounds, SeedStream(seed, then))
    # Where both vectors are zero the authority decrypts the mask itself, by design; a run of eight
    # such slots within a lane does not occur.
    used = mask[: len(policy.lanes) * LANE].astype("<u8").tobytes()
    return [canaries.body("mask", used, 64), canaries.words("row shares", rows.addends)]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    started = time.time() - 1
    reports = Reports(folder / "reports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(leaky.REPORT, str(reports.path))
        for name, value in leaky.environment(folder / "site").items():
            patch.setenv(name, value)
        with (
            contextlib.closing(reports),
            Observed(folder / "d", authority_seconds="60") as deployment,
            contextlib.closing(Counter(deployment)) as counter,
        ):
            watch = Watch(deployment, counter, reports)
            watch.run()
            slots = [np.frombuffer(s, dtype="<u8") for s in reports.wait_for("slots", 2)]
            search = LeakSearch(
                [
                    *watch.canaries,
                    canaries.words("decrypted product", slots[0]),
                    canaries.words("decrypted rows", slots[1]),
                ]
            )
            after = search_servers(search, deployment)
            for seed in range(3):
                counter.register(*pair(0.1, seed=50 + seed))
            later = search_servers(search, deployment)
            files = search_files(search, deployment, started)
            assert watch.before is not None
            yield Watched(watch.before, after, later, files)


def kinds(report: Report, server: str) -> set[str]:
    return {f.kind for f in report.findings if f.place.startswith(server)}


def test_secrets_are_found_while_they_are_in_use(watched: Watched) -> None:
    """The control for all that follows: the same search finds them before."""
    assert kinds(watched.before, "authority") >= {
        "HE secret key",
        "pepper",
        "authority signing key",
    }
    assert kinds(watched.before, "gateway") >= {
        "seed",
        "probe, canonical",
        "template, canonical",
        "masked product, words",
        "gateway signing key",
    }


def test_key_and_seed_are_gone_after_the_decision(watched: Watched) -> None:
    for report in (watched.after, watched.later):
        assert not {k for k in report.kinds if k.startswith(("seed", "HE secret key"))}


def test_a_server_never_holds_the_others_secrets(watched: Watched) -> None:
    for report in (watched.before, watched.after, watched.later):
        for kind in kinds(report, "gateway"):
            assert not kind.startswith(("HE secret key", "authority", "pepper"))
        for kind in kinds(report, "authority"):
            assert kind not in ("seed", "mask")
            assert not kind.startswith(("gateway", "template", "probe", "sealed"))


def test_ciphertexts_are_wiped_when_the_decision_arrives(watched: Watched) -> None:
    """Sections 2, 7 and 12: for a session, ciphertexts in memory; wiped with the seed."""
    watched.after.require_nothing(but=LONG_LIVED)


def test_nothing_of_a_session_is_left_after_others(watched: Watched) -> None:
    watched.later.require_nothing(but=LONG_LIVED)


def test_no_secret_of_a_session_reaches_a_disk(watched: Watched) -> None:
    watched.files.require_nothing()


# Servers that leak


GATEWAY_LEAKS = [
    Leak("number", "raw", "log"),
    Leak("embedding", "JSON", "log"),
    Leak("probe", "base64", "log"),
    Leak("seed", "hex", "database"),
    Leak("embedding", "raw", "database"),
    Leak("photograph", "base64url", "temporary file"),
    Leak("signing key", "JSON", "shared memory"),
    Leak("probe", "raw", "deleted file"),
    Leak("reference", "base64 skewed by one", "memory file"),
    Leak("site salt", "raw", "memory"),
]
AUTHORITY_LEAKS = [
    Leak("secret key", "hex", "log"),
    Leak("pepper", "base64", "log"),
    Leak("secret key", "raw", "data file"),
    Leak("pepper", "raw", "temporary file"),
    Leak("secret key", "JSON", "shared memory"),
    Leak("secret key", "base64", "memory file"),
    Leak("secret key", "raw", "memory"),
]
PLACES = {
    "log": "server.log",
    "database": "gateway.sqlite3",
    "data file": "leaky-cache.bin",
    "temporary file": "/leaky-",
    "shared memory": "/dev/shm/leaky-",
    "deleted file": " descriptor ",
    "memory file": " descriptor ",
    "memory": " memory",
}
ENCODED = {"base64 skewed by one": "base64", "raw": ""}
"""What a finding's encoding contains; JSON of text is found as text."""


@pytest.fixture(scope="module")
def leaked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    folder = tmp_path_factory.mktemp("leaking")
    started = time.time() - 1
    reports = Reports(folder / "reports")
    vector, photograph = pair(0.1, seed=61)[0], secrets.token_bytes(5000)
    given = {"number": new_number(), "reference": f"order {secrets.token_hex(8)}"}
    salt = secrets.token_bytes(32)
    values = folder / "values"
    values.write_text(
        json.dumps(
            {
                "text": given,
                "bytes": {"photograph": photograph.hex(), "site salt": salt.hex()},
                "vectors": {"embedding": vector.tolist()},
            }
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        leaks = [*GATEWAY_LEAKS, *AUTHORITY_LEAKS]
        instrumented = leaky.environment(folder / "site")
        for name, value in {**instrumented, **leaky.settings(leaks, values)}.items():
            patch.setenv(name, value)
        patch.setenv(leaky.REPORT, str(reports.path))
        with (
            contextlib.closing(reports),
            LocalDeployment(folder / "d", MODEL) as deployment,
            contextlib.closing(Counter(deployment)) as counter,
        ):
            done = counter.register(*pair(0.7, seed=62))
            key = np.frombuffer(reports.wait_for("secret key")[0], dtype="<u8")
            search = LeakSearch(
                [
                    canaries.words("secret key", key),
                    canaries.secret("seed", reports.wait_for("seed")[0]),
                    canaries.secret("pepper", reports.wait_for("pepper")[0]),
                    canaries.secret("signing key", reports.wait_for("gateway signing key")[0]),
                    canaries.body("probe", done.submission.probe),
                    canaries.text("number", given["number"]),
                    canaries.text("reference", given["reference"]),
                    canaries.body("photograph", photograph, 24),
                    canaries.secret("site salt", salt),
                    canaries.embedding("embedding", vector),
                ]
            )
            without = [folder]
            found = search.temporary_files(started, without) + search_servers(search, deployment)
            kept = deployment.directories
            yield found + search.directories([kept.gateway, kept.authority])
    for place in (Path("/dev/shm"), Path(tempfile.gettempdir())):
        for left in place.glob(f"{leaky.MARK}*"):
            with contextlib.suppress(OSError):
                left.unlink()


@pytest.mark.parametrize(
    "leak",
    [*GATEWAY_LEAKS, *AUTHORITY_LEAKS],
    ids=lambda leak: f"{leak.value}-{leak.encoding}-{leak.channel}",
)
def test_every_leak_of_a_leaky_server_is_found(leaked: Report, leak: Leak) -> None:
    encoding = ENCODED.get(leak.encoding, leak.encoding)
    found = [
        finding
        for finding in leaked.findings
        if finding.kind == leak.value
        and PLACES[leak.channel] in finding.place
        and encoding in finding.encoding
    ]
    assert found


def test_a_leak_fails_the_check_that_the_product_passes(leaked: Report) -> None:
    beyond = leaked.beyond(LONG_LIVED)
    assert {finding.kind for finding in beyond} == {
        leak.value for leak in (*GATEWAY_LEAKS, *AUTHORITY_LEAKS)
    }
    with pytest.raises(LeakFound):
        leaked.require_nothing(but=LONG_LIVED)
