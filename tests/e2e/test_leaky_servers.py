"""Servers that leak: the search that the product passes finds every leak."""

import contextlib
import json
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gateway.inspection.leaks import canaries
from gateway.inspection.leaks.findings import LeakFound, LeakReport
from gateway.inspection.leaks.search import LeakSearch
from gateway.lab.deployment.local import LocalDeployment
from tests.support import leaky
from tests.support.counter import Counter
from tests.support.leaks import LONG_LIVED, new_number, of_other_tests, search_servers
from tests.support.leaky import Leak, Reports
from tests.support.samples import MODEL, pair

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.cold]


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
def leaked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeakReport]:
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
                    canaries.body("probe", done.submission.sealed_probe),
                    canaries.text("number", given["number"]),
                    canaries.text("reference", given["reference"]),
                    canaries.body("photograph", photograph, 24),
                    canaries.secret("site salt", salt),
                    canaries.embedding("embedding", vector),
                ]
            )
            without = [folder, *of_other_tests(folder)]
            found = search.temporary_files(started, without) + search_servers(search, deployment)
            kept = deployment.directories
            yield found + search.directories([kept.gateway, kept.authority])
    for place in (Path("/dev/shm"), Path(tempfile.gettempdir())):
        for left in place.glob(f"{leaky.mark()}*"):
            with contextlib.suppress(OSError):
                left.unlink()


@pytest.mark.parametrize(
    "leak",
    [*GATEWAY_LEAKS, *AUTHORITY_LEAKS],
    ids=lambda leak: f"{leak.value}-{leak.encoding}-{leak.channel}",
)
def test_every_leak_of_a_leaky_server_is_found(leaked: LeakReport, leak: Leak) -> None:
    encoding = ENCODED.get(leak.encoding, leak.encoding)
    found = [
        finding
        for finding in leaked.findings
        if finding.kind == leak.value
        and PLACES[leak.channel] in finding.place
        and encoding in finding.encoding
    ]
    assert found


def test_a_leak_fails_the_check_that_the_product_passes(leaked: LeakReport) -> None:
    beyond = leaked.beyond(LONG_LIVED)
    assert {finding.kind for finding in beyond} == {
        leak.value for leak in (*GATEWAY_LEAKS, *AUTHORITY_LEAKS)
    }
    with pytest.raises(LeakFound):
        leaked.require_nothing(but=LONG_LIVED)
