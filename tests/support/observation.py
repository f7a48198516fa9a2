"""Looking at what the servers answer and keep."""

import contextlib
import sqlite3
from collections.abc import Iterator

import httpx

from gateway.host.keystore import KEYSTORE_FILE, open_keystore
from gateway.lab.deployment import local
from gateway.server.custody import GatewayKeys
from gateway.wire.cose import SigningKey
from tests.support.processes import PATIENCE

# Looking at what the servers keep


@contextlib.contextmanager
def gateway_database(deployment: local.LocalDeployment) -> Iterator[sqlite3.Connection]:
    """The gateway's database, read while the server runs."""
    path = deployment.directories.gateway / "gateway.sqlite3"
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=PATIENCE)
    try:
        yield connection
    finally:
        connection.close()


def record_count(deployment: local.LocalDeployment) -> int:
    with gateway_database(deployment) as connection:
        return int(connection.execute("select count(*) from records").fetchone()[0])


def session_state(deployment: local.LocalDeployment, session: bytes) -> str | None:
    with gateway_database(deployment) as connection:
        row = connection.execute(
            "select state from sessions where session_id = ?", (session,)
        ).fetchone()
    return None if row is None else str(row[0])


def gateway_signing_key(deployment: local.LocalDeployment) -> SigningKey:
    """The gateway's own key, opened as its operator does."""
    directories = deployment.directories
    passphrase = (directories.operator / "gateway.passphrase").read_bytes().strip()
    path = directories.gateway / KEYSTORE_FILE
    keys = open_keystore(path, GatewayKeys, bytearray(passphrase))
    return SigningKey(keys.party, keys.signing.current.signer())


def session_states(deployment: local.LocalDeployment) -> list[str]:
    """States in the order in which the sessions were opened."""
    with gateway_database(deployment) as connection:
        return [str(r[0]) for r in connection.execute("select state from sessions order by rowid")]


def server_logs(deployment: local.LocalDeployment) -> str:
    paths = (deployment.directories.gateway, deployment.directories.authority)
    return "\n".join((p / "server.log").read_text(errors="replace") for p in paths)


CODES = {
    400: {"INVALID_ARGUMENT", "FACE_VERIFICATION.UNKNOWN_PROFILE"},
    403: {"PERMISSION_DENIED"},
    404: {"NOT_FOUND"},
    405: {"METHOD_NOT_ALLOWED"},
    409: {"CONFLICT"},
    413: {"PAYLOAD_TOO_LARGE"},
    415: {"UNSUPPORTED_MEDIA_TYPE"},
    503: {"UNAVAILABLE"},
}


REFUSAL = b'{"status": 403, "code": "PERMISSION_DENIED", "message": "the request is refused"}'


def assert_problem(response: httpx.Response, *statuses: int) -> None:
    """The answer is an error in the CAMARA form, of one of these statuses."""
    assert response.status_code in statuses, (response.status_code, response.text)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-correlator"]
    body = response.json()
    assert set(body) == {"status", "code", "message"}
    assert body["status"] == response.status_code
    assert body["code"] in CODES[response.status_code]
    if response.status_code == 403:
        assert response.content == REFUSAL
