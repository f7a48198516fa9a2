"""The auditor as its operator runs it: its register of parties, its keys, and a restart."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from gateway.auditor import cli as auditor_cli
from gateway.auditor import custody
from gateway.auditor.app import create_app
from gateway.auditor.config import AuditorSettings
from gateway.auditor.register import Enrolled, Register
from gateway.auditor.repetition import repeat_here
from gateway.host import keystore
from gateway.main import main
from gateway.wire.cose import VerifyKey
from gateway.wire.errors import CallerMisuse
from gateway.wire.requests import sign_request
from tests.support.parties import Clock, fixed_key, refused
from tests.support.processes import PATIENCE
from tests.support.sealed import CHEAP, passphrase_file

GATEWAY = fixed_key("g")


def test_the_register_keeps_two_keys_of_a_party_and_no_third(tmp_path: Path) -> None:
    register = Register(tmp_path / "parties.json")
    keys = [fixed_key("a", f"a{i}") for i in range(3)]
    for key in keys[:2]:
        register.enrol(Enrolled(kind="authority", party="a", public_key=key.public.raw.hex()))
    register.enrol(Enrolled(kind="authority", party="a", public_key=keys[0].public.raw.hex()))
    third = Enrolled(kind="authority", party="a", public_key=keys[2].public.raw.hex())
    with pytest.raises(CallerMisuse):
        register.enrol(third)
    assert register.authority("a") == VerifyKey.pinned("a", [k.public.raw.hex() for k in keys[:2]])
    again = Register(tmp_path / "parties.json")
    register.suspend("authority", "a", keys[0].public.raw.hex())
    assert again.authority("a") == keys[1].public
    with pytest.raises(CallerMisuse):
        register.suspend("gateway", "a")
    register.suspend("authority", "a")
    with refused("not enrolled"):
        again.authority("a")


DIE_ENROLLING = """
import sys
from pathlib import Path
from gateway.auditor.register import Enrolled, Register
from tests.support.crashing import die_at
die_at("secret-file-written")
Register(Path(sys.argv[1])).enrol(Enrolled.model_validate_json(sys.argv[2]))
"""


def test_an_enrolment_that_is_killed_leaves_the_old_register(tmp_path: Path) -> None:
    path = tmp_path / "auditor" / "parties.json"
    path.parent.mkdir()
    first, second = (
        Enrolled(kind="device", party=party, public_key="ab" * 32) for party in ("first", "second")
    )
    Register(path).enrol(first)
    command = [sys.executable, "-c", DIE_ENROLLING, str(path), second.model_dump_json()]
    assert subprocess.run(command, check=False, timeout=PATIENCE).returncode == -signal.SIGKILL
    assert Register(path).parties() == (first,)
    assert len(list(path.parent.iterdir())) == 2, "a file was half written"
    Register(path).enrol(second)
    assert Register(path).parties() == (first, second)
    assert [left.name for left in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"parties": 1}', b'{"version": 2}', b"\xff"])
def test_a_broken_register_trusts_nobody(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "parties.json").write_bytes(content)
    with pytest.raises(CallerMisuse):
        Register(tmp_path / "parties.json").authority("a")


def test_the_command_makes_keys_and_lists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keystore, "DEFAULT_COST", CHEAP)
    passphrase = str(passphrase_file(tmp_path))
    options = ["--data-dir", str(tmp_path / "d"), "--passphrase-file", passphrase]

    def run(*arguments: str) -> tuple[int, str, str]:
        status = auditor_cli.main([*options, *arguments])
        return status, *capsys.readouterr()

    status, made, _ = run("keys", "init")
    assert status == 0
    public = json.loads(made)
    assert len(public["publicKey"]) == 64
    assert len(public["sealingKey"]) == 2 * 1216
    assert run("keys", "show")[1] == made
    assert run("keys", "init")[0] == 1
    assert run("enrol", "gateway", "g", "ab" * 32)[0] == 0
    assert run("list")[1] == f"gateway\tg\t{'ab' * 32}\n"
    assert run("enrol", "gateway", "g", "no key")[0] == 1
    assert run("suspend", "gateway", "g")[0] == 0
    assert run("suspend", "gateway", "g")[0] == 1
    staged = json.loads(run("keys", "rotate", "signing")[1])
    active = json.loads(run("keys", "rotate", "signing", "--activate")[1])
    assert active["publicKey"] == staged["nextPublicKey"] != public["publicKey"]
    assert active["sealingKey"] == public["sealingKey"]
    content = (tmp_path / "d" / "keystore.sealed").read_bytes()
    assert bytes.fromhex(active["publicKey"]) not in content


@pytest.mark.parametrize(
    ("party", "key", "wrong"),
    [
        ("BAD!", "ab" * 32, "a name has 1 to 63 lower-case letters"),
        ("gateway", "xyz", "a public key is 64 lower-case hexadecimal digits"),
        ("gateway", "AB" * 32, "a public key is 64 lower-case hexadecimal digits"),
        ("", "", "or digit; a public key is"),
    ],
)
def test_what_is_no_party_is_said_by_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], party: str, key: str, wrong: str
) -> None:
    command = ["auditor", "--data-dir", str(tmp_path), "enrol", "gateway", party, key]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert wrong in said
    assert len(said.splitlines()) == 1


def test_a_request_recorded_before_a_restart_is_not_answered_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new process has forgotten which nonces were used, and how often a demand was answered."""
    monkeypatch.setattr(keystore, "DEFAULT_COST", CHEAP)
    settings = AuditorSettings(data_dir=tmp_path, passphrase_file=passphrase_file(tmp_path))
    custody.initialise(settings, 0)
    register = Register(settings.register_file)
    register.enrol(Enrolled(kind="gateway", party="g", public_key=GATEWAY.public.raw.hex()))
    clock, path, body, host = Clock(), "/v1/audits", b"no audit request", "localhost:8472"
    headers = {
        "content-type": "application/cbor",
        **sign_request("POST", host, path, body, GATEWAY, clock.now),
    }

    def ask() -> int:
        """Of an auditor that was started just now."""
        app = create_app(settings, clock, repeat_here)

        async def send() -> int:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
                return (await client.post(path, content=body, headers=headers)).status_code

        return asyncio.run(send())

    assert ask() == 400, "the signature counts, and the body is none of the auditor's"
    clock.now += 1
    assert ask() == 503
