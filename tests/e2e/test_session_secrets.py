"""A session's secrets are in memory while they are in use, and not after.

The servers report their session secrets to the test (``tests/support/leaky.py``), so that the test
can show them in memory before it looks for them in vain.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from gateway.audit import canaries
from gateway.audit.canaries import Canary
from gateway.audit.findings import Report
from gateway.audit.leaksearch import LeakSearch
from gateway.he import transcript
from gateway.he.engine import default_engine
from gateway.he.interval import make_rows
from gateway.he.product import LaneBounds
from gateway.he.randomness import SeedStream
from gateway.wire.evaluation import BlindedRows, EncryptedBits, MaskedProduct
from gateway.wire.host.clock import unix_time
from gateway.wire.policy import MatchPolicy
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import DATA_PRIMES, LANE, N, T
from gateway.wire.submission import Submission
from tests.support import leaky
from tests.support.counter import Counter
from tests.support.drafts import Opened, ciphertexts, draft
from tests.support.he import coefficients_of, multiply_arrays
from tests.support.leaks import LONG_LIVED, search_files, search_servers
from tests.support.leaky import Reports
from tests.support.observed import Observed
from tests.support.samples import MASKED, ROWS, pair

pytestmark = [pytest.mark.processes, pytest.mark.slow]


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
