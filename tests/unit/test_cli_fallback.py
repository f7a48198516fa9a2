"""``sealmatch fallback``: an agent asks, a supervisor approves, the counter records."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.client import counter_keys, fallback
from gateway.client.counter import CounterLine
from gateway.client.without_face import offer, reason_of
from gateway.host import keystore
from gateway.host.keyfile import create_secret, load_signing_key
from gateway.main import main
from gateway.proofs.consent import ConsentText, ConsentTexts
from gateway.proofs.fallback import verify_fallback
from gateway.server.answers import fallback_answer
from gateway.store import parties
from gateway.vision.errors import ModelPackMissing, NoFaceFound, UnreadableImage
from gateway.wire import cose
from gateway.wire.errors import LivenessNotPossible, Refused, Unavailable
from gateway.wire.fallback import REASONS, FallbackAssertion
from gateway.wire.proof import ActivationOpening, Opening
from tests.support.fallbacks import Desk
from tests.support.samples import PLAIN_NUMBER, Clock
from tests.support.sealed import CHEAP
from tests.support.world import World

NUMBER = f"{PLAIN_NUMBER}000"
REFUSED, NOT_APPROVED, USAGE, WITHOUT_FACE = 5, 4, 2, 7
OTHER_WAY = "Ask for the manager, who checks the document by hand."


@dataclass
class Shop:
    """A counter's directory, and what its people type."""

    world: World
    directory: Path
    said: pytest.CaptureFixture[str]

    @property
    def request(self) -> Path:
        return self.directory / "sim.request"

    @property
    def receipt(self) -> Path:
        return self.directory / "sim.receipt"

    def run(self, *words: object) -> int:
        self.said.readouterr()
        try:
            status = main(list(map(str, words)))
        except SystemExit as usage:
            status = int(str(usage.code))
        self.out, self.err = self.said.readouterr()
        for text in (self.out, self.err):
            assert PLAIN_NUMBER not in text
        return status

    def ask(self, *more: object) -> int:
        return self.run(
            *("fallback", "request", self.request, "--trust", self.directory / "trust.json"),
            *("--id-type", "passport", "--id-number-file", self.directory / "number"),
            *("--reason", "declined", "--means", "existing-account,document-in-person", *more),
        )

    def approve(self, *more: object, key: str = "supervisor.key") -> int:
        named = ("--key", self.directory / key, "--reviewed", *more)
        return self.run("fallback", "approve", self.request, *named)

    def record(self, *more: object) -> int:
        files = ("--trust", self.directory / "trust.json", "--receipt", self.receipt)
        return self.run("fallback", "record", self.request, *files, *more)

    def fetch(self) -> int:
        files = ("--trust", self.directory / "trust.json", "--receipt", self.receipt)
        return self.run("receipt", "fetch", *files)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world"), clock=Clock()) as world:
        yield world


@pytest.fixture
def shop(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Shop:
    texts = ConsentTexts(
        version=1,
        retention_days=180,
        texts={"en": ConsentText(text="May we?", without_face=OTHER_WAY)},
    )
    (tmp_path / "consent.json").write_bytes(texts.encode())
    names = counter_keys.CounterNames("device", "issuer", "agent", "outlet", "supervisor")
    counter_keys.create(tmp_path / "c", names)
    described = counter_keys.described(tmp_path / "c").model_copy(
        update={
            "agent_key_file": "agent.key",
            "consent_file": "consent.json",
            "consent_digest": texts.digest.hex(),
        }
    )
    world.trust.model_copy(update={"counter": described}).write(tmp_path / "trust.json")
    for key in (world.agent_key, world.supervisor_key):
        private: Any = key.private
        create_secret(tmp_path / f"{key.party}.key", private.private_bytes_raw())
    (tmp_path / "number").write_text(NUMBER)

    def line(*_: object) -> CounterLine:
        return CounterLine(world.counter.device, world.gateway_client, httpx.Client())

    monkeypatch.setattr("gateway.client.counter.counter_line", line)
    monkeypatch.setattr("gateway.client.fallback.RECOVERY_PAUSE_SECONDS", 0)
    for module in ("gateway.cli.fallback", "gateway.client.counter"):
        monkeypatch.setattr(f"{module}.unix_time", world.clock)
    return Shop(world, tmp_path, capsys)


def test_three_commands(shop: Shop) -> None:
    assert shop.ask() == 0
    assert OTHER_WAY in shop.err, "the person reads the outlet's own words"
    private = (shop.request, Path(f"{shop.request}.opening"))
    assert {stat.S_IMODE(one.stat().st_mode) for one in private} == {0o600}
    assert shop.approve("--supervisor", "supervisor") == 0
    assert "document-in-person, existing-account" in shop.out
    assert shop.record("--json") == 0
    told = json.loads(shop.out)
    assert told["outcome"] == "FALLBACK"
    verified = verify_fallback(shop.receipt.read_bytes(), shop.world.trust)
    assert verified.statement.message.record_id.hex() == told["recordId"]
    opening = Opening.decode(Path(told["opening"]).read_bytes())
    activation = ActivationOpening.decode(Path(told["activationOpening"]).read_bytes())
    assert activation == opening.of_activation(verified.statement.message.record_id)
    left = {one.name for one in shop.directory.glob("sim.*")}
    assert left == {"sim.receipt", "sim.receipt.opening", "sim.receipt.activation"}
    given = ("--opening", told["opening"], "--id-type", "passport")
    trust = ("--trust", shop.directory / "trust.json", "--require", "fallback")
    number = ("--id-number-file", shop.directory / "number")
    assert shop.run("receipt", "verify", shop.receipt, *trust, *given, *number) == 0


def test_only_the_request_travels_and_it_names_nobody(shop: Shop) -> None:
    assert shop.ask() == 0
    for path in (shop.request, Path(f"{shop.request}.opening")):
        assert NUMBER.encode() not in path.read_bytes()
    asserted = cose.peek(shop.request.read_bytes(), FallbackAssertion)
    opening = Opening.decode(Path(f"{shop.request}.opening").read_bytes())
    assert opening.subject_salt not in shop.request.read_bytes()
    assert opening.activation_reference.encode() not in shop.request.read_bytes()
    assert asserted.reason == "declined"
    assert shop.ask() == 1, "an unfinished request is not written over"


def test_the_supervisor_looks_at_the_document(shop: Shop) -> None:
    assert shop.ask() == 0
    (shop.directory / "other").write_text(f"{NUMBER}9")
    about = ("--opening", f"{shop.request}.opening", "--id-type", "passport", "--id-number-file")
    named = ("--supervisor", "supervisor", *about)
    assert shop.approve(*named, shop.directory / "other") == REFUSED
    assert not Path(f"{shop.request}.approved").exists()
    assert shop.approve(*named, shop.directory / "number") == 0


def test_nobody_approves_by_accident(shop: Shop) -> None:
    assert shop.ask() == 0
    key = ("--key", shop.directory / "supervisor.key", "--supervisor", "supervisor")
    assert shop.run("fallback", "approve", shop.request, *key) == NOT_APPROVED, "no terminal"
    assert shop.record() == 1, "there is no approval"
    assert shop.approve("--supervisor", "agent", key="agent.key") == REFUSED, "the agent"
    assert shop.approve() == 0, "a bare key is taken for that of who was asked"


def test_an_opening_of_another_request_is_noticed(shop: Shop) -> None:
    assert shop.ask() == 0
    opening = Path(f"{shop.request}.opening")
    kept = opening.read_bytes()
    shop.request.rename(shop.directory / "first")
    opening.unlink()
    assert shop.ask() == 0
    assert shop.approve("--supervisor", "supervisor") == 0
    opening.write_bytes(kept)
    assert shop.record() == 1
    assert "opening of another request" in shop.err


def test_sealed_keys(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's key opens with the passphrase alone, and says whose it is."""
    monkeypatch.setattr(keystore, "DEFAULT_COST", CHEAP)
    phrase, short = shop.directory / "phrase", shop.directory / "short"
    create_secret(phrase, b"correct horse battery\n")
    create_secret(short, b"short")
    for name, given in (("a", short), ("b", None)):
        words = () if given is None else ("--passphrase-file", given)
        out = ("--out", shop.directory / name)
        assert shop.run("fallback", "new-key", "supervisor", "x", *out, *words) == 1
        assert not (shop.directory / name).exists()
    for kind in ("agent", "supervisor"):
        out = ("--out", shop.directory / f"{kind}.sealed", "--passphrase-file", phrase)
        assert shop.run("fallback", "new-key", kind, f"new-{kind}", *out) == 0
        words = shop.out.split()[:3]
        assert words[:2] == [kind, f"new-{kind}"]
        with shop.world.database.transaction() as connection:
            parties.enrol_party(connection, kind, words[1], bytes.fromhex(words[2]))  # type: ignore[arg-type]
        assert stat.S_IMODE((shop.directory / f"{kind}.sealed").stat().st_mode) == 0o600
    key = ("--key", shop.directory / "agent.sealed", "--supervisor", "new-supervisor")
    assert shop.ask(*key, "--passphrase-file", short) == 1, "a wrong passphrase"
    assert shop.ask(*key, "--passphrase-file", phrase) == 0
    assert shop.approve("--passphrase-file", phrase, key="agent.sealed") == 1, "an agent's"
    assert shop.approve("--passphrase-file", phrase, key="supervisor.sealed") == 0
    assert shop.record() == 0
    stated = verify_fallback(shop.receipt.read_bytes(), shop.world.trust).statement.message
    assert (stated.agent, stated.supervisor) == ("new-agent", "new-supervisor")
    bare = ("--out", shop.directory / "bare.key", "--bare")
    assert shop.run("fallback", "new-key", "agent", "dev", *bare) == 0
    drawn = load_signing_key(shop.directory / "bare.key", "dev").public.raw.hex()
    assert shop.out.split()[:3] == ["agent", "dev", drawn]
    assert shop.run("fallback", "new-key", "agent", "No Name", *bare) == 1


@pytest.mark.parametrize("means", ["", "passport", "notary,", "notary,second-document," * 2])
def test_means_are_of_the_list(shop: Shop, means: str) -> None:
    known = means.startswith("notary,second")
    assert shop.ask("--means", means.rstrip(",") if known else means) == (0 if known else USAGE)


# On the way


def answering(shop: Shop, *answers: Any) -> None:
    """What comes back instead of the gateway's answer, one after the other."""
    left = list(answers)

    def alter(_path: str, honest: httpx.Response) -> httpx.Response:
        found = left.pop(0) if left else None
        if isinstance(found, Exception):
            raise found
        return honest if found is None else found

    shop.world.alter_gateway = alter


LOST = httpx.ReadError("the line broke")


def ready(shop: Shop) -> None:
    assert shop.ask() == 0
    assert shop.approve("--supervisor", "supervisor") == 0


def test_a_lost_answer_is_asked_for_again(shop: Shop) -> None:
    """The same assertion is recorded once, whatever became of the first answer."""
    ready(shop)
    before = len(shop.world.rows("records"))
    answering(shop, LOST, httpx.Response(403, json=refusal()), LOST)
    assert shop.record() == 0
    assert len(shop.world.rows("records")) == before + 1


def refusal() -> dict[str, Any]:
    return {"status": 403, "code": "PERMISSION_DENIED", "message": "the request is refused"}


def test_a_receipt_that_nobody_saw_is_fetched(shop: Shop) -> None:
    ready(shop)
    before = len(shop.world.rows("records"))
    answering(shop, *[LOST] * fallback.ATTEMPTS)
    assert shop.record() == 1
    pending = Path(f"{shop.receipt}.pending")
    assert pending.exists()
    assert not shop.receipt.exists()
    assert shop.fetch() == WITHOUT_FACE, "not 0: no match"
    assert shop.out == "FALLBACK\n"
    assert verify_fallback(shop.receipt.read_bytes(), shop.world.trust)
    assert not pending.exists()
    assert len(shop.world.rows("records")) == before + 1
    assert shop.record() == 0, "the request is there still, and gets the same receipt"
    assert len(shop.world.rows("records")) == before + 1


def test_a_late_receipt(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    ready(shop)
    with monkeypatch.context() as patch:
        patch.setattr(shop.world.publication, "wait_for", lambda _: None)
        patch.setattr(shop.world.publication, "receipt", lambda _: None)
        assert shop.record() == 1
        assert "recorded" in shop.err
        assert shop.fetch() == 1
    assert shop.record() == 0, "gone on with"
    assert not Path(f"{shop.receipt}.pending").exists()


def test_a_refused_one_leaves_nothing_behind(shop: Shop) -> None:
    ready(shop)
    clock: Any = shop.world.clock
    clock.now += 3600
    assert shop.record() == REFUSED
    assert not Path(f"{shop.receipt}.pending").exists()
    assert not shop.receipt.exists()
    assert shop.approve("--supervisor", "supervisor") == 0, "approved again"
    assert shop.record() == 0


def test_another_registration_does_not_take_its_place(shop: Shop) -> None:
    ready(shop)
    answering(shop, *[LOST] * fallback.ATTEMPTS)
    assert shop.record() == 1
    kept = Path(f"{shop.receipt}.pending").read_bytes()
    for name in ("", ".opening", ".approved"):
        Path(f"{shop.request}{name}").unlink()
    ready(shop)
    assert shop.record() == 1
    assert "earlier registration" in shop.err
    assert Path(f"{shop.receipt}.pending").read_bytes() == kept


def test_a_receipt_of_somebody_else_is_refused(shop: Shop) -> None:
    ready(shop)

    other = shop.world.fallbacks.record(
        Desk(shop.world).request(), shop.world.counter.device.public
    )
    assert other.receipt

    answering(shop, httpx.Response(200, json=fallback_answer(other).body()))
    assert shop.record() == REFUSED
    assert not shop.receipt.exists()


# Where a face check ends


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NoFaceFound(), "not-possible"),
        (LivenessNotPossible("too few"), "not-possible"),
        (UnreadableImage("the camera was unplugged"), "equipment"),
        (ModelPackMissing("no pack"), "equipment"),
        (OSError("no such file"), "equipment"),
        (Refused("the gateway refuses"), "unavailable"),
        (Unavailable("away"), "unavailable"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else one,
)
def test_each_ending_has_its_reason(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason
    assert reason in REASONS


def test_the_offer_is_made_in_three_languages() -> None:
    told = {language: offer("no-match", language, OTHER_WAY) for language in ("en", "zh", "es")}
    assert len({str(one["advice"]) for one in told.values()}) == 3
    for one in told.values():
        assert OTHER_WAY in str(one["advice"])
        assert str(one["command"]).startswith(
            "sealmatch fallback request REQUEST --reason no-match"
        )
    first = offer("unavailable", "en", None, undecided=True)
    assert "fetch the receipt first" in str(first["advice"])
