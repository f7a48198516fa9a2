"""``sealmatch log check``: what is wrong is named, and nobody is accused for it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import gateway.cli.log
from gateway.main import NOBODY_READS, main
from gateway.translog.policy import TrustedLog, TrustPolicy
from gateway.translog.tiles import Tile
from gateway.wire.admin import Concerned, next_action, to_lines
from gateway.wire.cose import SigningKey
from gateway.wire.ids import digest_of
from gateway.wire.proof import Receipt
from tests.support.parties import AGENT, GATEWAY, SUPERVISOR
from tests.support.receipts import HONEST, trust
from tests.support.translog import MemoryLog, signer
from tests.vectors import golden

POLICY = TrustPolicy.simple([TrustedLog(signer().key)], [], 0)
DISAGREES = 3
HTML = "text/html; charset=utf-8"
Answer = Callable[[httpx.Request], httpx.Response]


def reply(status: int, content: bytes = b"", kind: str = "text/plain") -> httpx.Response:
    stream = httpx.ByteStream(content)
    return httpx.Response(status, headers={"content-type": kind}, stream=stream)


def honest(*entries: bytes) -> Answer:
    log = MemoryLog()
    log.append(*(digest_of(f"entry {n}".encode()) for n in range(5)), *entries)
    return of_log(log)


def of_log(log: MemoryLog) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/log/")
        if path == "checkpoint":
            return reply(200, bytes(log.signed()))
        return reply(200, log.tile(Tile.parse(path)))

    return answer


def dead(_request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    trust(log_policy=bytes(POLICY).decode().splitlines()).write(tmp_path / "trust.json")
    return tmp_path


def check(place: Path, answer: Answer, *options: str) -> int:
    """``log check`` with a log that answers so."""
    with pytest.MonkeyPatch.context() as patch:
        transport = httpx.MockTransport(answer)
        patch.setattr(
            gateway.cli.log, "reader_transport", lambda *_: httpx.Client(transport=transport)
        )
        return main(["log", "check", "--trust", str(place / "trust.json"), *options])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            lambda _: reply(200, b"<form>sign in", "text/html; charset=utf-8"),
            "a web page answers in the log's",
        ),
        (lambda _: reply(302), "the log answers with status 302"),
        (lambda _: reply(502, b"bad gateway", "text/html"), "the log answers with status 502"),
        (dead, "the log does not answer (ConnectError)"),
    ],
    ids=["login-page", "redirect", "proxy", "dead"],
)
def test_what_answers_in_the_logs_place_is_no_log_that_lies(
    place: Path, answer: Answer, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(place, answer) == 1
    told = capsys.readouterr()
    assert f"https://gateway.example/log: {why}" in told.err
    assert "disagree" not in told.out + told.err
    garbage = check(place, lambda _: reply(200, b"no checkpoint"))
    assert garbage == DISAGREES, "the control: what claims to be a checkpoint and is none"
    assert check(place, honest()) == 0


def test_an_inspector_sees_which_text_stood_and_that_the_log_says_so(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Concerned.text(2, digest_of(b"consent.json"))
    added = next_action(None, "add", text, GATEWAY, 1000)
    retired = next_action(added, "retire", text, GATEWAY, 2000)
    other = next_action(None, "add", Concerned.text(2, digest_of(b"another")), GATEWAY, 1000)
    stranger = next_action(None, "add", text, SigningKey.generate(GATEWAY.party), 1000)
    log, file = honest(digest_of(added), digest_of(retired)), place / "actions"

    def told(*signed: bytes, options: tuple[str, ...] = ()) -> tuple[int, str]:
        file.write_text(to_lines(signed))
        status = check(place, log, "--actions", str(file), *options)
        return status, "".join(capsys.readouterr())

    status, said = told(added, retired)
    assert status == 0
    assert f"00:16:40\tadd\tconsent-text\t2\t{digest_of(b'consent.json').hex()}" in said
    assert "ok    6. operators' actions are in it: 2" in said
    status, said = told(added, retired, options=("--json",))
    assert [one[1:4] for one in json.loads(said)["actions"]] == [
        ["add", "consent-text", "2"],
        ["retire", "consent-text", "2"],
    ]
    assert told(other)[0] == DISAGREES, "signed, and the log never had it"
    status, said = told(stranger)
    assert (status, "not signed by a key in force" in said) == (1, True)
    file.write_text("enrol\tdevice\n")
    assert check(place, log, "--actions", str(file)) == 1
    assert f"{file}: these are no signed actions" in capsys.readouterr().err
    assert check(place, log) == 0
    assert "6." not in capsys.readouterr().out, "what was not checked gets no tick"


def test_the_file_at_fault_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "seen").write_text("{}")
    (place / "bare").write_bytes(HONEST)
    (place / "cut").write_bytes(HONEST[:-1])
    (place / "folder").mkdir()
    for option, name, why in (
        ("--state", "seen", "not what a log reader remembers"),
        ("--receipt", "bare", "the receipt has none, and the trust file pins a log"),
        ("--receipt", "cut", "step 1"),
        ("--receipt", "missing", "No such file"),
        ("--receipt", "folder", "Is a directory"),
        ("--key", "missing", "No such file"),
    ):
        assert check(place, honest(), option, str(place / name)) == 1
        told = capsys.readouterr().err
        assert name in told if option == "--key" else f"{place / name}: " in told
        assert why in told
        assert "None" not in told
    trust().write(place / "trust.json")
    assert check(place, honest()) == 1
    assert f"{place}/trust.json: the trust file pins no log" in capsys.readouterr().err


def test_an_age_is_a_length_of_time(place: Path) -> None:
    for age in ("0", "-60", "soon"):
        with pytest.raises(SystemExit) as usage:
            check(place, honest(), "--max-age", age)
        assert usage.value.code == 2


def into_a_closed_pipe(run: Callable[[], int]) -> int:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed, contextlib.redirect_stdout(closed):
        return run()


def test_a_reader_that_has_seen_enough_is_no_error(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As ``| head`` does. The status still says what was found."""
    assert into_a_closed_pipe(lambda: check(place, honest(), "--json")) == 0
    liar = lambda _: reply(200, b"no checkpoint")  # noqa: E731
    assert into_a_closed_pipe(lambda: check(place, liar)) == DISAGREES
    assert "Broken pipe" not in capsys.readouterr().err


def test_commands_that_do_not_care_end_as_shells_expect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command in the middle of its output has neither failed nor succeeded."""

    def talkative(_options: object) -> int:
        print(json.dumps({"much": "x" * 100_000}))
        return 0

    monkeypatch.setattr("gateway.cli.reconcile.run", talkative)
    asked = ["reconcile", "--activations", "x"]
    assert into_a_closed_pipe(lambda: main(asked)) == NOBODY_READS
    assert capsys.readouterr().err == ""
    assert main(asked) == 0


def test_people_of_the_gateway_s_own_making_are_noticed(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Agent and supervisor of a registration without a face stand in the record of enrolments."""
    pair = (("agent", AGENT), ("supervisor", SUPERVISOR))
    actions: list[bytes] = []
    for kind, key in pair:
        before, concerned = (actions or [None])[-1], Concerned.with_key(kind, key.public)
        actions.append(next_action(before, "enrol", concerned, GATEWAY, 1000))
    statement = golden.SIGNED_FALLBACK_STATEMENT.encoded
    log = MemoryLog()
    log.append(*map(digest_of, actions), digest_of(statement))
    receipt = Receipt(statement=statement, log_proof=bytes(log.prove(2))).encode()
    (place / "receipt").write_bytes(receipt)

    def told(*signed: bytes) -> tuple[int, str]:
        (place / "actions").write_text(to_lines(signed))
        files = ("--receipt", str(place / "receipt"), "--actions", str(place / "actions"))
        return check(place, of_log(log), *files), "".join(capsys.readouterr())

    assert told(*actions)[0] == 0, "the control"
    status, said = told(actions[0])
    assert status == DISAGREES
    assert "supervisor-1 was not enrolled with this key" in said
    assert check(place, of_log(log), "--receipt", str(place / "receipt")) == 0
