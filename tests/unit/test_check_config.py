"""``check-config``: what is right, wrong and unknown, before a person looks refused."""

import asyncio
import json
import logging
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path

import httpx
import pytest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp

from gateway.client.answers import NoSuchSession
from gateway.client.gateway_client import GatewayClient
from gateway.host import application
from gateway.host import keystore as keystores
from gateway.host.settings import BadConfiguration
from gateway.proofs.consent import ConsentTexts
from gateway.server import cli as gateway_cli
from gateway.server import peers
from gateway.server.authority_client import AuthorityClient
from gateway.server.config import GatewaySettings
from gateway.wire.admin import AdminAction, from_lines
from gateway.wire.cose import SigningKey, peek
from gateway.wire.errors import Refused, SessionNotFound, problem_for
from gateway.wire.ids import SessionId
from keys import cli as authority_cli
from tests.support.parties import DEVICE, session_key_request
from tests.support.processes import free_ports
from tests.support.sealed import CHEAP, no_settings, passphrase_file

KEY = DEVICE.public.raw.hex()
REFERENCE = "12345678-1234-1234-1234-123456789abc"


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_settings(monkeypatch)
    monkeypatch.setattr(keystores, "DEFAULT_COST", CHEAP)
    port = free_ports(2)
    for name, value in {
        "GATEWAY_DATA_DIR": str(tmp_path / "gateway"),
        "GATEWAY_PASSPHRASE_FILE": str(passphrase_file(tmp_path)),
        "GATEWAY_PORT": str(port),
        "GATEWAY_AUTHORITY_URL": f"http://127.0.0.1:{port + 1}",
        "GATEWAY_AUTHORITY_PUBLIC_KEY": "ab" * 32,
        "GATEWAY_MODEL_ID": "test/none",
        "GATEWAY_MODEL_DIGEST": "cd" * 32,
        "AUTHORITY_DATA_DIR": str(tmp_path / "authority"),
        "AUTHORITY_PASSPHRASE_FILE": str(tmp_path / "passphrase"),
        "AUTHORITY_PORT": "0",
    }.items():
        monkeypatch.setenv(f"SEALMATCH_{name}", value)


def gateway(*words: str) -> int:
    return gateway_cli.main(list(words))


def authority(*words: str) -> int:
    return authority_cli.main(list(words))


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[str, str]]:
    """What was checked: verdict and detail."""
    found = {}
    for line in capsys.readouterr().out.splitlines():
        what, _, detail = line[8:].partition(": ")
        found[what] = (line[:8].strip(), detail)
    return found


def add_consent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    capsys.readouterr()
    assert gateway("consent", "draft", "2") == 0
    (tmp_path / "draft").write_text(capsys.readouterr().out)
    assert gateway("consent", "add", str(tmp_path / "draft")) == 0
    return tmp_path / "draft"


def test_a_gateway_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gateway("check-config") == 1
    before = lines(capsys)
    assert before["data_dir"][0] == before["keys"][0] == "WRONG"
    assert before["database"][0] == "unknown"
    assert not (tmp_path / "gateway").exists(), "nothing is made"
    assert gateway("init") == 0
    add_consent(tmp_path, capsys)
    capsys.readouterr()
    held = {path.name: path.read_bytes() for path in (tmp_path / "gateway").iterdir()}
    assert gateway("check-config") == 1
    told = lines(capsys)
    wrong = {what for what, (verdict, _) in told.items() if verdict == "WRONG"}
    assert wrong == {"authority", "authority knows this gateway"}, told
    assert told["consent texts"] == ("right", "version 2")
    assert told["match policy"][1].startswith("digest ")
    assert {p.name: p.read_bytes() for p in (tmp_path / "gateway").iterdir()} == held


def test_a_text_that_nobody_signed_is_named_and_not_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gateway("init") == 0
    add_consent(tmp_path, capsys)
    assert gateway("consent", "retire", "1") == 0
    capsys.readouterr()
    assert gateway("history") == 0
    acts = [line.split("\t")[1:4] for line in capsys.readouterr().out.splitlines()]
    assert acts == [["add", "consent-text", "2"], ["retire", "consent-text", "1"]]
    assert gateway("history", "--signed") == 0
    signed = from_lines(capsys.readouterr().out.encode())
    assert [peek(one, AdminAction).verb for one in signed] == ["add", "retire"]
    assert gateway("consent", "list") == gateway("consent", "export", "2") == 0
    gateway("check-config")
    assert lines(capsys)["consent texts are as signed"] == ("right", "")
    with closing(sqlite3.connect(tmp_path / "gateway" / "gateway.sqlite3")) as connection:
        connection.execute("UPDATE consent_texts SET text = 'Smile.' WHERE text_version = 2")
        connection.commit()
    capsys.readouterr()
    for words in (("consent", "list"), ("consent", "export", "2")):
        assert gateway(*words) == 1
        told = capsys.readouterr()
        assert "version 2 are not those that were registered" in told.err
        assert "Smile" not in told.out + told.err
    assert gateway("check-config") == 1
    verdict, detail = lines(capsys)["consent texts are as signed"]
    assert (verdict, "version 2" in detail) == ("WRONG", True)


def test_what_is_wrong_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gateway("init") == 0
    add_consent(tmp_path, capsys)
    (tmp_path / "passphrase").chmod(0o644)
    monkeypatch.setenv("SEALMATCH_GATEWAY_HOST", "0.0.0.0")
    monkeypatch.setenv("SEALMATCH_GATEWAY_PUBLIC_URLS", "gateway.example")
    monkeypatch.setenv("SEALMATCH_GATEWAY_LIVENESS_KIND", "blink")
    monkeypatch.setenv("SEALMATCH_GATEWAY_RETENTION_DAYS", "181")
    monkeypatch.setenv("SEALMATCH_GATEWAY_AUDITOR_URL", "http://auditor.example")
    capsys.readouterr()
    assert gateway("check-config") == 1
    told = lines(capsys)
    for what, reason in {
        "settings": "SEALMATCH_GATEWAY_LIVENESS_KIND",
        "passphrase": "0600",
        "TLS": "plain HTTP",
        "public_urls": "public_urls",
        "consent texts": "shorter period",
        "auditor": "go together",
    }.items():
        assert told[what][0] == "WRONG", what
        assert reason in told[what][1]


def test_an_authority_line_by_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert authority("init") == 0
    assert authority("enrol", "gateway", "gateway", KEY) == 0
    capsys.readouterr()
    assert authority("check-config") == 1
    assert lines(capsys)["audits"] == (
        "WRONG",
        "audit_one_in is 64, and no auditor is enrolled: enrol one, or set audit_one_in = 0",
    )
    assert authority("enrol", "auditor", "auditor", KEY) == 0
    assert authority("check-config") == 0
    assert lines(capsys)["audits"] == ("right", "one in 64")
    assert authority("suspend", "auditor", "auditor") == 0
    monkeypatch.setenv("SEALMATCH_AUTHORITY_AUDIT_ONE_IN", "0")
    assert authority("check-config") == 0
    assert lines(capsys)["policies"][0] == "unknown"


def test_an_authority_that_cannot_have_its_audits_does_not_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert authority("init") == 0
    assert authority("serve") == 1
    assert "no auditor is enrolled" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "starts"),
    [
        ({"status": "ok", "audits": True}, False),
        ({"status": "ok", "audits": False}, True),
        ({"status": "ok"}, True),
        ([], True),
    ],
)
def test_a_gateway_without_an_auditor_asks_its_authority_at_the_start(
    answer: object, starts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def client(_: object) -> httpx.Client:
        return httpx.Client(
            transport=httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
        )

    monkeypatch.setattr(peers, "transport_to", client)
    settings = GatewaySettings.read(None)
    if starts:
        assert peers.require_auditor(settings) is None
        return
    with pytest.raises(BadConfiguration, match="audits"):
        peers.require_auditor(settings)


@pytest.mark.parametrize(("status", "known"), [(400, True), (403, False), (502, False)])
def test_a_peer_that_knows_the_gateway_calls_an_empty_message_malformed(
    status: int, known: bool
) -> None:
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(status))) as client:
        ask = (client, "http://a.example", "/v1/session-keys", SigningKey.generate("gateway"), 5)
        if known:
            peers.require_known(*ask)
            return
        with pytest.raises(peers.PeerDiffers):
            peers.require_known(*ask)


def test_consent_versions_are_added_once_exported_and_retired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gateway("init") == 0
    file = add_consent(tmp_path, capsys)
    capsys.readouterr()
    assert gateway("consent", "export", "2") == 0
    exported = ConsentTexts.decode(capsys.readouterr().out.encode())
    assert exported == ConsentTexts.decode(file.read_bytes())
    changed = json.loads(file.read_text())
    changed["texts"]["en"]["text"] = "something else"
    file.write_text(json.dumps(changed))
    assert gateway("consent", "add", str(file)) == 1
    assert "never changes" in capsys.readouterr().err
    assert gateway("consent", "retire", "2") == 0
    assert gateway("consent", "list") == 0
    listed = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert listed[0] == ["1", "active", "no period", "en", "not for counters"]
    assert listed[1] == ["2", "retired", "180 days", "en,es,zh", exported.digest.hex()]


@pytest.mark.parametrize(
    "change",
    [{"retentionDays": 179}, {"version": 0}, {"texts": {}}, {"texts": {"en": {"text": "only"}}},
     {"texts": {"en": {"text": "a\x1b[2J", "withoutFace": "b"}}},
     {"texts": {"en": {"text": "  ", "withoutFace": "b"}}}],
)  # fmt: skip
def test_texts_that_promise_too_little_or_are_none_are_not_taken(
    change: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gateway("init") == 0
    capsys.readouterr()
    assert gateway("consent", "draft", "3") == 0
    (tmp_path / "f").write_text(json.dumps(json.loads(capsys.readouterr().out) | change))
    assert gateway("consent", "add", str(tmp_path / "f")) == 1


def test_each_registration_has_a_reference_of_its_own() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["x-correlator"])
        return httpx.Response(404, json=problem_for(SessionNotFound("none")).body())

    with httpx.Client(transport=httpx.MockTransport(answer)) as line:
        client = GatewayClient(line, "http://gateway", DEVICE, lambda: 5)
        references = []
        for questions in (2, 1):
            references += [client.new_reference()] * questions
            for _ in range(questions):
                with pytest.raises(NoSuchSession):
                    client.status(SessionId(bytes(16)))
    assert seen == references
    assert len(set(seen)) == 2
    assert all(str(uuid.UUID(one)) == one for one in seen)


def sent(app: ASGIApp, request: httpx.Request) -> httpx.Response:
    """An application's answer, from a thread that has no event loop."""

    async def answered() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            again = httpx.Request(
                request.method, request.url, headers=request.headers, content=request.read()
            )
            answer = await client.send(again)
            return httpx.Response(answer.status_code, content=answer.content)

    return asyncio.run(answered())


@pytest.fixture
def _logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO):
        yield


@pytest.mark.usefixtures("_logs")
@pytest.mark.parametrize("given", [REFERENCE, "number-of-somebody"])
def test_one_reference_stands_in_the_logs_of_both_servers(
    given: str, caplog: pytest.LogCaptureFixture
) -> None:
    far, near = logging.getLogger("test.authority"), logging.getLogger("test.gateway")
    there = application.new_application("far", "1", far, lambda _: nullcontext())
    here = application.new_application("near", "1", near, lambda _: nullcontext())

    @there.post("/v1/session-keys")
    async def refuse(_: Request) -> None:
        raise Refused("the true reason")

    with httpx.Client(transport=httpx.MockTransport(partial(sent, there))) as line:
        asking = AuthorityClient(line, "http://authority", SigningKey.generate("g"), lambda: 5)

        @here.post("/x")
        async def ask() -> None:
            await run_in_threadpool(asking.session_key, session_key_request())

        header = {"x-correlator": given}
        answer = sent(here, httpx.Request("POST", "http://gateway/x", headers=header))
    assert answer.json()["message"] == "the request is refused"
    logged = {one.name: one.getMessage() for one in caplog.records if one.name.startswith("test.")}
    assert logged["test.authority"].endswith("PERMISSION_DENIED: the true reason")
    assert logged["test.gateway"].endswith("the key authority answered 403")
    with_reference = [name for name, said in logged.items() if said.startswith(REFERENCE)]
    assert with_reference == (["test.authority", "test.gateway"] if given == REFERENCE else [])
    assert given == REFERENCE or "somebody" not in caplog.text


def test_how_a_server_is_watched_is_tried_before_it_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (
        ("METRICS_PORT", str(free_ports(1))),
        ("METRICS_HOST", "0.0.0.0"),
        ("OTLP_ENDPOINT", "http://collector.example:4318"),
    ):
        monkeypatch.setenv(f"SEALMATCH_AUTHORITY_{name}", value)
    authority_cli.main(["check-config"])
    told = capsys.readouterr().out
    assert "WRONG   metrics: refusing plain HTTP on 0.0.0.0" in told
    assert "WRONG   traces: check the settings: otlp_endpoint must be https" in told
    monkeypatch.setenv("SEALMATCH_AUTHORITY_METRICS_HOST", "127.0.0.1")
    monkeypatch.setenv("SEALMATCH_AUTHORITY_OTLP_ENDPOINT", "https://collector.example:4318")
    authority_cli.main(["check-config"])
    told = capsys.readouterr().out
    assert "right   metrics: 127.0.0.1:" in told
    assert "right   traces: collector.example" in told
