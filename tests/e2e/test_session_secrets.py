"""A session's secrets are in memory while they are in use, and not after; with either engine.

The servers report their session secrets to the test (``tests/support/leaky.py``), so that the test
can show them in memory before it looks for them in vain. Every evaluation here is audited, so that
the auditor's worker is one of those that are searched.
"""

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from secrets import token_bytes
from typing import Any

import numpy as np
import pytest

import gateway.he.product
from gateway.he.engine import Engine
from gateway.he.engines import make_engine
from gateway.he.evaluation import Inputs
from gateway.he.interval import deal
from gateway.he.product import padded_score
from gateway.he.randomness import SeedStream, keystream
from gateway.host.clock import unix_time
from gateway.inspection.leaks import canaries
from gateway.inspection.leaks.canaries import Canary
from gateway.inspection.leaks.findings import Allowed, LeakReport
from gateway.inspection.leaks.search import LeakSearch
from gateway.lab.attack.phases import multiply_slots
from gateway.wire import cose
from gateway.wire.dealing import COMPARISON_SEED_BYTES, Dealing
from gateway.wire.evaluation import (
    AttemptAnswer,
    AttemptNonce,
    MaskedValues,
    ProductRequest,
    SharesRequest,
)
from gateway.wire.ids import Nonce
from gateway.wire.policy import MatchPolicy
from gateway.wire.polynomials import Ciphertext, PaddedProduct, Words
from gateway.wire.profile import DATA_PRIMES, SENT_PRIMES, N, T
from tests.support import leaky
from tests.support.counter import Counter
from tests.support.drafts import ciphertexts, draft
from tests.support.he import (
    centred,
    coefficients_of,
    multiply_exact,
    ntt_of,
    polynomial_of_slots,
)
from tests.support.leaks import LONG_LIVED, search_files, search_servers
from tests.support.leaky import Reports
from tests.support.observed import Observed
from tests.support.samples import ATTEMPTS, PRODUCTS, SHARES, pair

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.cold]

FACES = pair(0.7, seed=41)

UNIFORM = [
    Allowed("masked values", "*", "section 6: uniform without r, whose halves are gone"),
    Allowed("opened values", "*", "section 6: uniform without r, whose halves are gone"),
    Allowed("padded numbers", "*", "section 7: uniform without the pads, which are gone"),
]
"""Numbers that servers tell each other, and the authority keeps for an identical repeat."""


@dataclass
class Watched:
    """One session of servers that report their secrets, searched in its middle and at its end."""

    before: LeakReport
    """While the padded product is on its way: the authority has its key, the gateway its seed."""
    answered: LeakReport
    """While the shares are on their way."""
    after: LeakReport
    later: LeakReport
    """After other sessions."""
    files: LeakReport


class Watch:
    """Searches the servers in the middle of a session, from the proxy's place."""

    def __init__(self, deployment: Observed, counter: Counter, reports: Reports) -> None:
        self._deployment, self._counter, self._reports = deployment, counter, reports
        self._one_at_a_time = threading.Lock()
        self.reports: dict[str, LeakReport] = {}
        self.canaries: list[Canary] = []

    def run(self) -> None:
        self._opened = self._counter.open()
        self._dealings = deal(token_bytes)
        self._bodies = ciphertexts(self._opened, *FACES)
        keys = self._counter.keys
        self._submission = draft(
            keys, self._opened, *self._bodies, unix_time(), dealings=self._dealings
        )
        self._deployment.proxy.behaviour = self._between
        response = self._counter.submit(self._opened, self._submission)
        assert response.json().get("outcome") == "MATCH", response.text

    def _between(self, path: str, body: bytes, ask: Any) -> tuple[int, bytes]:
        """A search may take longer than the gateway waits: it asks again, which changes nothing."""
        with self._one_at_a_time:
            return self._looked_at(path, body, ask)

    def _looked_at(self, path: str, body: bytes, ask: Any) -> tuple[int, bytes]:
        if path == PRODUCTS and "before" not in self.reports:
            self._plant(ProductRequest.decode(body))
            self._search("before")
        if path == SHARES and "answered" not in self.reports:
            opened = SharesRequest.decode(body)
            self.canaries.append(canaries.numbers("opened values", *opened.values))
            self._search("answered")
        status, answer = ask()
        if path == ATTEMPTS:
            signed = AttemptAnswer.decode(answer).nonce
            self._nonce = cose.peek(signed, AttemptNonce).nonce
        if path == PRODUCTS and status == 200:
            masked = MaskedValues.decode(answer).masked
            self.canaries.append(canaries.numbers("masked values", *masked))
        return int(status), bytes(answer)

    def _search(self, name: str) -> None:
        self.reports[name] = search_servers(LeakSearch(self.canaries), self._deployment)

    def _plant(self, asked: ProductRequest) -> None:
        reported = self._reports
        seed = reported.wait_for("seed")[0]
        key = np.frombuffer(reported.wait_for("secret key")[0], dtype="<u8").reshape(4, N)
        drawn = np.frombuffer(reported.wait_for("drawn key")[0], dtype="<u8").reshape(2, 4, N)
        template, probe = (Ciphertext.decode(body) for body in self._bodies)
        product = PaddedProduct.decode(asked.padded_product)
        comparison = self._dealings[0].lanes[0].key
        self.canaries += [
            *canaries.polynomials("template", template),
            *canaries.polynomials("probe", probe),
            canaries.body("sealed template", self._submission.sealed_template),
            canaries.body("sealed probe", self._submission.sealed_probe),
            *canaries.polynomials("padded product", product.tail),
            canaries.numbers("padded numbers", *product.head),
            *key_canaries(key, product.tail.words),
            canaries.words("drawn key, b'", drawn[0]),
            canaries.words("drawn key, a'", drawn[1]),
            canaries.secret("seed", seed),
            canaries.body("comparison words", comparison[COMPARISON_SEED_BYTES:]),
            *dealing_canaries("gateway's dealing", self._dealings[0]),
            *dealing_canaries("authority's dealing", self._dealings[1]),
            *randomness_canaries(seed, self._inputs(template, probe), self._nonce),
            *(
                canaries.secret(name, reported.wait_for(name)[0])
                for name in (*(rule.kind for rule in LONG_LIVED),)
            ),
        ]

    def _inputs(self, template: Ciphertext, probe: Ciphertext) -> Inputs:
        key, given = self._opened.key, self._submission
        return Inputs(
            key.grant,
            key.public_key,
            MatchPolicy.decode(self._opened.offer.policy),
            given.template_assertion,
            given.submission_assertion,
            template,
            probe,
            self._dealings[0],
        )


def key_canaries(key: np.ndarray, tail: Words) -> list[Canary]:
    """The HE secret key in every form in which SEAL, or a copy, could hold it, and what gives it.

    The phase's inner sum c1 + c2 s gives s to whoever has the product.
    """
    squared = [multiply_exact(key[i], key[i], p) for i, p in enumerate(DATA_PRIMES)]
    times = [multiply_exact(key[i], tail[1, i], p) for i, p in enumerate(SENT_PRIMES)]
    inner = [(times[i] + tail[0, i]) % np.uint64(p) for i, p in enumerate(SENT_PRIMES)]
    phase = [multiply_exact(inner[i], key[i], p) for i, p in enumerate(SENT_PRIMES)]
    residues = coefficients_of(make_engine("seal-python"), key[None, :3])[0]
    ternary = np.where(residues[0] > 1, -1, residues[0].astype(np.int64))
    assert set(np.unique(ternary)) == {-1, 0, 1}
    return [
        canaries.words("HE secret key", key),
        canaries.words("HE secret key, squared", np.stack(squared)),
        canaries.words("HE secret key, times c2", np.stack(times)),
        canaries.words("HE secret key, times c2 plus c1", np.stack(inner)),
        canaries.words("HE secret key, phase", np.stack(phase)),
        canaries.body("HE secret key, residues", residues.tobytes(), 64 * 8),
        canaries.body("HE secret key, int32", ternary.astype("<i4").tobytes(), 64 * 4),
        canaries.body("HE secret key, int8", ternary.astype("i1").tobytes(), 64),
    ]


def dealing_canaries(kind: str, dealing: Dealing) -> list[Canary]:
    """The comparison's root seeds, as they were sealed and as the integers that they become.

    The correction words are the same in both dealings: with no root they say nothing.
    """
    roots = [lane.key[:COMPARISON_SEED_BYTES] for lane in dealing.lanes]
    return [
        *(canaries.secret(kind, root) for root in roots),
        *(canaries.numbers(kind, int.from_bytes(root, "little")) for root in roots),
    ]


class Recording(SeedStream):
    """The evaluation's own stream, which remembers what it drew and under which keys."""

    def __init__(self, seed: bytes, transcript: bytes) -> None:
        super().__init__(seed, transcript)
        self.drawn: dict[str, bytes] = {}
        self.keys: dict[str, bytes] = {}

    def _bytes(self, label: str, count: int) -> bytes:
        name = label.encode()
        known = b"sealmatch/bgv8192-2\0" + bytes((len(name),)) + name + self._transcript
        self.keys[label] = hashlib.shake_256(known + self._seed).digest(32)
        self.drawn[label] = super()._bytes(label, count)
        assert self.drawn[label].startswith(keystream(self.keys[label], count))
        return self.drawn[label]


class Remembering:
    """An engine that remembers every word that it returned."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.made: dict[str, Words] = {}

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._engine, name)

        def remembered(*arguments: Any) -> Any:
            self.made[name] = method(*arguments)
            return self.made[name]

        return remembered


def randomness_canaries(seed: bytes, given: Inputs, nonce: Nonce) -> list[Canary]:
    """What the gateway drew from the seed, and what it computed with that."""

    def fresh() -> SeedStream:
        return SeedStream(seed, given.transcript(nonce))

    stream, engine = Recording(seed, given.transcript(nonce)), make_engine("seal-python")
    remembering = Remembering(engine)
    score = padded_score(remembering, given.public_key, given.probe, given.template, stream)  # type: ignore[arg-type]
    assert set(stream.drawn) == {"rho", "omega", "pad", "beta", "e1", "u"}
    rho, flood = fresh().residues("rho", N), gateway.he.product._flood(fresh())
    small, switched = remembering.made["transformed"], remembering.made["folded_square"]
    first, second = fresh().numbers("pad", 2)
    polynomial = polynomial_of_slots(engine, rho)
    return [
        *(canaries.body(f"stream of {name}", drawn) for name, drawn in stream.drawn.items()),
        *(canaries.secret(f"stream's key, {name}", key) for name, key in stream.keys.items()),
        canaries.words("rho, slots", rho),
        canaries.words("rho, polynomial", polynomial),
        canaries.words("rho, transformed", ntt_of(engine, centred(polynomial.astype(object), T))),
        canaries.words("rho times probe", multiply_slots(engine, given.probe.words, rho)),
        canaries.words("beta, coefficients", flood),
        canaries.words("beta", small[0]),
        canaries.words("u", small[1]),
        canaries.words("e1", small[2]),
        canaries.words("product without pad", switched),
        canaries.numbers("pads", first, second),
        canaries.numbers("offsets", *score.offsets),
    ]


@pytest.fixture(scope="module", params=["seal-python", "tenseal"])
def watched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    started = time.time() - 1
    reports = Reports(folder / "reports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(leaky.REPORT, str(reports.path))
        for server in ("AUTHORITY", "AUDITOR", "GATEWAY"):
            patch.setenv(f"SEALMATCH_{server}_HE_ENGINE", request.param)
            patch.setenv(f"SEALMATCH_{server}_WORKERS", "1")
        for name, value in leaky.environment(folder / "site").items():
            patch.setenv(name, value)
        with (
            contextlib.closing(reports),
            Observed(folder / "d", authority_seconds="60", audit_one_in=1) as deployment,
            contextlib.closing(Counter(deployment)) as counter,
        ):
            counter.http.timeout = 900  # it is searched while it waits
            watch = Watch(deployment, counter, reports)
            watch.run()
            search = LeakSearch(watch.canaries)
            after = search_servers(search, deployment)
            for seed in range(3):
                counter.register(*pair(0.1, seed=50 + seed))
            later = search_servers(search, deployment)
            files = search_files(search, deployment, started)
            yield Watched(watch.reports["before"], watch.reports["answered"], after, later, files)


def kinds(report: LeakReport, server: str) -> set[str]:
    return {f.kind for f in report.findings if f.place.startswith(server)}


def test_secrets_are_found_while_they_are_in_use(watched: Watched) -> None:
    """The control for all that follows: the same search finds them before."""
    assert kinds(watched.before, "authority") >= {
        "HE secret key",
        "authority's dealing",
        "pepper",
        "authority signing key",
    }
    assert kinds(watched.before, "gateway") >= {
        "seed",
        "probe, canonical",
        "template, canonical",
        "padded product, canonical",
        "gateway's dealing",
        "pads",
        "gateway signing key",
    }
    assert "masked values" in kinds(watched.answered, "authority")


def test_a_key_that_has_answered_is_gone(watched: Watched) -> None:
    """Before the session is decided."""
    assert not {k for k in kinds(watched.answered, "authority") if k.startswith("HE secret key")}


def test_keys_seeds_and_dealings_are_gone_after_the_decision(watched: Watched) -> None:
    for report in (watched.after, watched.later):
        gone = ("seed", "HE secret key", "drawn key", "gateway's dealing", "authority's dealing")
        assert not {kind for kind in report.kinds if kind.startswith(gone)}


def test_a_server_never_holds_the_others_secrets(watched: Watched) -> None:
    own = ("seed", "stream", "rho", "beta", "e1", "u", "product without", "pads", "offsets")
    for report in (watched.before, watched.answered, watched.after, watched.later):
        for kind in kinds(report, "gateway"):
            assert not kind.startswith(("HE secret key", "drawn", "authority", "pepper"))
        for kind in kinds(report, "authority"):
            assert not kind.startswith(("gateway", "template", "probe", "sealed", *own))
        for kind in kinds(report, "auditor"):
            assert not kind.startswith(("HE secret key", "drawn", "authority", "pepper"))


def test_everything_is_wiped_when_the_decision_arrives(watched: Watched) -> None:
    """Sections 2, 7 and 12: for a session, ciphertexts in memory; wiped with the seed."""
    watched.after.require_nothing(but=[*LONG_LIVED, *UNIFORM])


def test_nothing_of_a_session_is_left_after_others(watched: Watched) -> None:
    watched.later.require_nothing(but=[*LONG_LIVED, *UNIFORM])


def test_no_secret_of_a_session_reaches_a_disk(watched: Watched) -> None:
    watched.files.require_nothing()
