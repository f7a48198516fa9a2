"""Custody with real servers: what their disks and processes give away, and rotation with overlap.

The story of one deployment, in the order of the tests: registered, looked at by a thief, its keys
rotated by its operators, registered again.
"""

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.client.answers import GatewayError
from gateway.client.registration import Registration
from gateway.host.keyfile import create_secret
from gateway.host.keystore import KEYSTORE_FILE, open_keystore
from gateway.host.memory import _may_lock
from gateway.lab.deployment.local import LocalDeployment
from gateway.lab.deployment.parties import AUTHORITY, DEVICE, GATEWAY, ISSUER
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import ReceiptInvalid, verify_receipt
from gateway.server.custody import GatewayKeys
from gateway.wire.errors import Refused
from keys.vault import AuthorityKeys, SealedVault
from tests.support.counter import Counter
from tests.support.observation import gateway_database, server_logs
from tests.support.processes import PATIENCE
from tests.support.samples import MODEL, occasion, pair

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.cold]

NUMBER = "custody 7391"
"""One person almost throughout, so that handles can be compared; the cap of five a day is not
reached."""


@dataclass
class Story:
    root: Path
    before: Registration = field(init=False)
    trust_before: TrustFile = field(init=False)
    handle_before: bytes = field(init=False)

    @contextmanager
    def running(self, **gateway_settings: str) -> Iterator[LocalDeployment]:
        with LocalDeployment(self.root, MODEL, **gateway_settings) as deployment:
            yield deployment

    def register(
        self, deployment: LocalDeployment, trust: TrustFile | None = None, number: str = NUMBER
    ) -> Registration:
        counter = Counter(deployment)
        try:
            client = counter.client_with(counter.http, trust)
            return client.register(*pair(0.7), occasion(number))
        finally:
            counter.close()

    def command(
        self, server: str, *arguments: str, **changed: str
    ) -> subprocess.CompletedProcess[str]:
        """An operator's command, with the settings that the deployment gives the server."""
        deployment = LocalDeployment(self.root, MODEL)
        deployment.gateway.settings["authority_public_key"] = "ab" * 32
        party = deployment.authority if server == "authority" else deployment.gateway
        return subprocess.run(
            [*party.program, *arguments],
            env={**os.environ, **party.environment(), **changed},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def keys(self, server: str, *arguments: str) -> dict[str, Any]:
        done = self.command(server, "keys", *arguments)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def passphrase(self, server: str) -> str:
        return (self.root / "operator" / f"{server}.passphrase").read_text().strip()

    def secrets(self) -> dict[str, bytes]:
        """Every long-lived secret of both servers, opened with the operators' passphrases."""
        authority = open_keystore(
            self.root / "authority" / KEYSTORE_FILE,
            AuthorityKeys,
            bytearray(self.passphrase("authority").encode()),
        )
        gateway = open_keystore(
            self.root / "gateway" / KEYSTORE_FILE,
            GatewayKeys,
            bytearray(self.passphrase("gateway").encode()),
        )
        sealing = SealedVault(Path(), bytearray()).sealing(authority.sealing.current).raw
        return {
            "authority's signing key": authority.signing.current.held,
            "pepper": authority.peppers.current.held,
            "authority's sealing secret": authority.sealing.current.held,
            "authority's sealing key, first part": sealing[:64],
            "authority's sealing key, second part": sealing[64:],
            "gateway's signing key": gateway.signing.current.held,
            "sealing key, first part": gateway.sealing[:64],
            "sealing key, second part": gateway.sealing[64:],
            "authority's passphrase": self.passphrase("authority").encode(),
            "gateway's passphrase": self.passphrase("gateway").encode(),
        }


def last_handle(deployment: LocalDeployment) -> bytes:
    with gateway_database(deployment) as connection:
        query = "select subject_handle from records order by rowid desc limit 1"
        return bytes(connection.execute(query).fetchone()[0])


def forms(secret: bytes) -> tuple[bytes, ...]:
    return (secret, secret.hex().encode(), base64.b64encode(secret).rstrip(b"="))


def leaks(directory: Path, secrets: dict[str, bytes]) -> list[tuple[str, str]]:
    """File and name of every secret that lies open in a directory."""
    contents = {p.name: p.read_bytes() for p in directory.rglob("*") if p.is_file()}
    return [
        (name, what)
        for name, content in contents.items()
        for what, secret in secrets.items()
        if any(form in content for form in forms(secret))
    ]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(tmp_path_factory.mktemp("custody"))


def test_registered_with_sealed_keys(story: Story) -> None:
    with story.running() as deployment:
        story.before = story.register(deployment)
        story.trust_before = deployment.trust
        story.handle_before = last_handle(deployment)
        look_at_processes(story, deployment)
    assert story.before.outcome == "MATCH"


def look_at_processes(story: Story, deployment: LocalDeployment) -> None:
    """No core dump; not readable by its own account; locked where allowed; nothing in arguments."""
    for server in deployment.servers:
        proc = Path(f"/proc/{server.process.pid}")
        limits = (proc / "limits").read_text().splitlines()
        core = next(line for line in limits if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"]
        public = (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()
        for what, secret in story.secrets().items():
            assert not any(form in public for form in forms(secret)), what
        if _may_lock():
            status = (proc / "status").read_text()
            locked = next(line for line in status.splitlines() if line.startswith("VmLck"))
            assert int(locked.split()[1]) > 1000
            assert "memory is not locked" not in server_logs(deployment)
        if os.geteuid() == 0:  # a leak search by root is still possible
            with (proc / "mem").open("rb", buffering=0) as memory:
                start = (proc / "maps").read_text().split("-", 1)[0]
                memory.seek(int(start, 16))
                assert len(memory.read(4096)) == 4096


def test_a_thief_of_either_directory_gets_sealed_files(story: Story) -> None:
    secrets = story.secrets()
    for server in ("authority", "gateway"):
        files = [p for p in (story.root / server).rglob("*") if p.is_file()]
        assert KEYSTORE_FILE in {p.name for p in files}
        assert not [p.name for p in files if p.suffix == ".key"]
        assert leaks(story.root / server, secrets) == []
    for path in (story.root / "operator").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    assert story.passphrase("gateway") != story.passphrase("authority")


def test_the_search_finds_bare_keys(story: Story, tmp_path: Path) -> None:
    """Positive control of the test above."""
    secrets = story.secrets()
    for what, secret in secrets.items():
        for form in forms(secret):
            (tmp_path / "leak").write_bytes(b"before " + form + b" after")
            assert leaks(tmp_path, secrets) == [("leak", what)]


def test_a_wrong_passphrase_serves_nothing(story: Story, tmp_path: Path) -> None:
    create_secret(tmp_path / "wrong", b"another passphrase\n")
    for server in ("authority", "gateway"):
        variable = f"SEALMATCH_{server.upper()}_PASSPHRASE_FILE"
        for verb in (("serve",), ("keys", "show"), ("keys", "rotate", "signing")):
            done = story.command(server, *verb, **{variable: str(tmp_path / "wrong")})
            assert done.returncode == 1
            assert done.stdout == ""
            assert done.stderr.splitlines()[-1].endswith(
                "the keystore does not open: wrong passphrase, or the file was altered"
            )
            assert "Traceback" not in done.stderr


def test_the_authority_rotates_and_everyone_pins_both(story: Story) -> None:
    old = story.keys("authority", "show")["publicKey"]
    staged = story.keys("authority", "rotate", "signing")
    new = staged["nextPublicKey"]
    assert staged["publicKey"] == old
    with story.running() as deployment:  # still signs with the old key
        both = deployment.trust
        assert [a.public_key for a in both.authorities] == [old, new]
        during = story.register(deployment)
        story.register(deployment, moved(story.trust_before, both.gateways[0].url))
    story.keys("authority", "rotate", "signing", "--activate")
    with story.running() as deployment:  # signs with the new one
        assert {a.public_key for a in deployment.trust.authorities} == {old, new}
        url = deployment.trust.gateways[0].url
        after = story.register(deployment, moved(both, url))
        # The receipts of before, during and after verify with both keys pinned, in either order.
        for receipt in (story.before.receipt, during.receipt, after.receipt):
            verify_receipt(receipt, both)
            verify_receipt(receipt, deployment.trust)
        verify_receipt(during.receipt, story.trust_before)
        with pytest.raises(ReceiptInvalid) as caught:
            verify_receipt(after.receipt, story.trust_before)
        assert caught.value.step == 3
        # Who pins the old key alone refuses the new key's grant, before anything is sent.
        with pytest.raises(Refused, match="the request is refused") as refused:
            story.register(deployment, moved(story.trust_before, url))
        assert "not signed by demo-authority's key" in refused.value.detail


def moved(trust: TrustFile, url: str) -> TrustFile:
    """The same pins; the gateway's port is another after a restart."""
    gateways = [gateway.model_copy(update={"url": url}) for gateway in trust.gateways]
    return trust.model_copy(update={"gateways": gateways})


def test_a_gateway_that_pins_the_old_key_alone_opens_no_session(story: Story) -> None:
    old = story.trust_before.authorities[0].public_key
    with story.running(authority_public_key=old) as deployment:
        with pytest.raises((Refused, GatewayError)):
            story.register(deployment)
        assert "not signed by demo-authority's key" in server_logs(deployment)


def test_the_sealing_key_rotates_and_issuers_may_pin_either(story: Story) -> None:
    old = story.keys("authority", "show")["sealingKey"]
    rotated = story.keys("authority", "rotate", "sealing")
    assert [key["use"] for key in rotated["sealingKeys"]] == ["current", "previous"]
    with story.running() as deployment:
        trust = deployment.trust
        assert story.trust_before.authority_sealing(AUTHORITY).raw.hex() == old
        assert trust.authority_sealing(AUTHORITY).raw.hex() == rotated["sealingKey"] != old
        for sealing in (old, rotated["sealingKey"]):
            update = {"sealing_key": sealing}
            pinned = [one.model_copy(update=update) for one in trust.authorities]
            used = trust.model_copy(update={"authorities": pinned})
            assert story.register(deployment, used, "custody 7392").outcome == "MATCH"


def test_gateway_and_pepper_rotate(story: Story) -> None:
    story.keys("gateway", "rotate", "signing")
    rotated = story.keys("gateway", "rotate", "signing", "--activate")
    peppers = story.keys("authority", "rotate", "pepper")["peppers"]
    assert [pepper["use"] for pepper in peppers] == ["current", "previous"]
    with story.running() as deployment:
        keys = [gateway.public_key for gateway in deployment.trust.gateways]
        assert keys == [rotated["publicKey"], story.trust_before.gateways[0].public_key]
        after = story.register(deployment)
        verify_receipt(after.receipt, deployment.trust)
        verify_receipt(story.before.receipt, deployment.trust)
        with pytest.raises(ReceiptInvalid) as caught:
            verify_receipt(after.receipt, story.trust_before)
        assert caught.value.step == 2
        assert last_handle(deployment) != story.handle_before, "another period, another handle"
        named = {after.verified.statement.message.device, after.verified.statement.message.issuer}
        assert named == {DEVICE, ISSUER}


def test_what_is_shown_and_logged_is_public(story: Story) -> None:
    deployment = LocalDeployment(story.root, MODEL)
    shown = [json.dumps(story.keys(server, "show")) for server in ("authority", "gateway")]
    public = "\n".join([*shown, server_logs(deployment)]).encode()
    assert AUTHORITY.encode() in public
    assert GATEWAY.encode() in public
    for what, secret in story.secrets().items():
        assert not any(form in public for form in forms(secret)), what
    assert b"Traceback" not in public
