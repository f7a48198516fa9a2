"""``sealmatch subject``, ``receipt erased``, ``receipt verify --erasure``: as a shop uses them."""

from __future__ import annotations

import contextlib
import io
import json
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from gateway.cli.rights_report import COLUMNS, TABLES, as_text
from gateway.client.liveness.prompts import LANGUAGES
from gateway.host.clock import unix_time
from gateway.host.keyfile import create_secret
from gateway.main import main
from gateway.proofs.trust import CounterFiles
from gateway.server.rights import _NOT_TOLD
from gateway.store import schema
from gateway.translog.policy import TrustedLog, TrustPolicy
from gateway.wire.errors import Unavailable
from gateway.wire.rights import KeptTable, SubjectAnswer
from tests.support.rights import DAY, Subscriber, hold
from tests.support.samples import ERASURES, SUBJECT_REQUESTS, new_number
from tests.support.world import World

DONE, FAILURE, USAGE, NOT_DONE, REFUSED, NOT_VALID = 0, 1, 2, 3, 5, 6


@dataclass
class Said:
    status: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


class Shop:
    """A counter with its trust file, before a gateway in this process."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world, self.directory = world, directory
        key = world.counter.device.private.private_bytes_raw()  # type: ignore[attr-defined]
        create_secret(directory / "device.key", key)
        self.trust = directory / "trust.json"
        counter = CounterFiles(
            device="device",
            device_key_file="device.key",
            issuer="issuer",
            issuer_key_file="none",
            site_salt_file="none",
            agent="agent",
            outlet="outlet",
        )
        log = TrustPolicy.simple([TrustedLog(world.log_signer.key)], [], 0)
        pinned = {"counter": counter, "log_policy": bytes(log).decode().splitlines()}
        world.trust.model_copy(update=pinned).write(self.trust)

    def customer(self, name: str, number: str | None = None, cosine: float = 0.7) -> Path:
        """Registers somebody; the receipt's file, with the opening beside it."""
        self.subscriber = Subscriber.registered(self.world, number, cosine)
        receipt = self.directory / name
        receipt.write_bytes(self.subscriber.done.receipt)
        receipt.with_name(f"{name}.opening").write_bytes(self.subscriber.done.opening.encode())
        return receipt

    def run(self, *arguments: object, stdin: str = "") -> Said:
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            patch.setattr("gateway.client.rights.gateway_transport", self._transport)
            try:
                status = main([*map(str, arguments), "--trust", str(self.trust)])
            except SystemExit as usage:
                status = int(str(usage.code))
        assert "Traceback" not in err.getvalue()
        return Said(status, out.getvalue(), err.getvalue())

    def _transport(self, *_: object) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self.world._at_gateway))

    def asked(self) -> int:
        """Requests of subjects that reached the gateway."""
        return sum(path == SUBJECT_REQUESTS for path, _ in self.world.received)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    directory = tmp_path_factory.mktemp("shop")
    with World(directory) as world:
        yield Shop(world, directory)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_copy_is_written_for_programs_and_for_people(shop: Shop) -> None:
    number = new_number()
    shop.customer("other.cbor", number)
    receipt = shop.customer("copy.cbor", number)
    said = shop.run("subject", "copy", receipt, "--json")
    assert said.status == DONE, said.err
    assert said.report["liveLines"] == 2
    files = (Path(said.report["copy"]), Path(said.report["text"]))
    assert [mode(path) for path in files] == [0o600, 0o600]
    kept = json.loads(files[0].read_text())
    records = [row for row in kept["rows"] if row["table"] == "records"]
    assert shop.subscriber.record_id.hex() in {row["record_id"] for row in records}
    assert len(records) == 2
    text = files[1].read_text()
    assert "Live lines on the document: 2." in text
    assert shop.subscriber.record_id.hex() in text
    for secret in (shop.subscriber.done.opening.erasure_secret, b"QX7391"):
        assert secret.hex() not in files[0].read_text() + text + said.out
    assert "QX7391" not in files[0].read_text() + text + said.out
    # A name that ends as the text's does makes two files all the same.
    out = files[0].with_name("both.txt")
    said = shop.run("subject", "copy", receipt, "--json", "--out", str(out))
    assert json.loads(out.read_text())["rows"]
    assert "Live lines" in Path(said.report["text"]).read_text()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_value_has_a_label_in_every_language(shop: Shop, language: Any) -> None:
    tables = {name: schema.metadata.tables[name] for name in get_args(KeptTable)}
    columns = {
        column.name
        for name, table in tables.items()
        for column in table.columns
        if (name, column.name) not in _NOT_TOLD
    }
    assert columns == COLUMNS[language].keys()
    assert tables.keys() == TABLES[language].keys()
    shop.customer(f"labelled-{language}.cbor")
    kept = shop.subscriber.asks("copy").kept
    assert kept is not None
    text = "\n".join(as_text(kept, language))
    assert TABLES[language]["records"] in text
    assert "gateway" in text.splitlines()[0]


def test_lines_are_told_to_the_holder_of_a_match_alone(shop: Shop) -> None:
    number = new_number()
    match = shop.customer("match.cbor", number)
    mismatch = shop.customer("mismatch.cbor", number, cosine=0.1)
    said = shop.run("subject", "lines", match)
    assert (said.status, said.out) == (DONE, "liveLines: 1\n")
    said = shop.run("subject", "lines", mismatch, "--json")
    assert said.status == NOT_DONE
    assert said.report["liveLines"] is None


def test_an_erasure_is_confirmed_proven_and_done_once(shop: Shop) -> None:
    receipt = shop.customer("erased.cbor")
    stranger = shop.customer("kept.cbor")
    before = shop.asked()
    said = shop.run("subject", "erase", receipt, stdin="erase\n")
    assert said.status == FAILURE
    assert "--yes" in said.err
    assert shop.asked() == before, "nothing was sent"
    said = shop.run("receipt", "erased", receipt)
    assert (said.status, said.out) == (NOT_DONE, "the gateway knows of no erasure of this record\n")

    said = shop.run("subject", "erase", receipt, "--yes", "--json")
    assert said.status == DONE, said.err
    proof = Path(said.report["erasure"])
    assert mode(proof) == 0o600
    day = said.report["erasedOn"]
    again = shop.run("subject", "erase", receipt, "--yes", "--json", "--out", f"{proof}.again")
    assert again.status == DONE, "the gateway refuses, and its proof says why"
    assert Path(f"{proof}.again").read_bytes() == proof.read_bytes()
    said = shop.run("receipt", "erased", receipt, "--out", f"{proof}.fetched", "--json")
    assert (said.status, said.report["erasedOn"]) == (DONE, day)
    assert Path(f"{proof}.fetched").read_bytes() == proof.read_bytes()

    plain = shop.run("receipt", "verify", receipt, "--json")
    assert plain.status == DONE, "the receipt of an erased record verifies as before"
    assert "erasure" not in plain.report
    said = shop.run("receipt", "verify", receipt, "--json", "--erasure", proof)
    told = {"state": "done", "erasedOn": day, "log": "done"}
    assert (said.status, said.report) == (DONE, {**plain.report, "erasure": told})
    said = shop.run("receipt", "verify", receipt, "--erasure", proof)
    assert f"erased the record of this receipt on {day}" in said.out

    said = shop.run("receipt", "verify", stranger, "--erasure", proof)
    assert said.status == NOT_VALID
    assert "another record" in said.err
    said = shop.run("receipt", "verify", stranger, "--erasure", proof, "--json")
    assert said.report["erasure"]["state"] == "not-valid"
    assert (said.status, said.report["met"]) == (NOT_VALID, False)
    said = shop.run("receipt", "verify", stranger, "--erasure", stranger)
    assert said.status == FAILURE, "that is no proof of erasure"
    assert shop.run("subject", "copy", receipt).status == REFUSED


def test_an_altered_proof_is_refused(shop: Shop) -> None:
    receipt = shop.customer("altered.cbor")
    said = shop.run("subject", "erase", receipt, "--yes", "--json")
    proof = Path(said.report["erasure"])
    content = bytearray(proof.read_bytes())
    marks = (b"tombstone", b"erasedOn", b"tlog-proof", b"index ", b"gateway/log")
    places = [content.index(mark) + len(mark) + 3 for mark in marks]
    for place in (len(content) // 6, *places):
        altered = bytearray(content)
        altered[place] ^= 1
        proof.write_bytes(altered)
        said = shop.run("receipt", "verify", receipt, "--erasure", proof)
        assert said.status in (NOT_VALID, FAILURE), place
    proof.write_bytes(content)
    assert shop.run("receipt", "verify", receipt, "--erasure", proof).status == DONE


def test_the_wrong_opening_is_noticed_here(shop: Shop) -> None:
    receipt = shop.customer("mine.cbor")
    other = shop.customer("theirs.cbor")
    before = shop.asked()
    said = shop.run("subject", "erase", receipt, "--yes", "--opening", f"{other}.opening")
    assert said.status == FAILURE
    assert "opening of another receipt" in said.err
    activation = shop.directory / "activation"
    opening = shop.subscriber.done.opening
    activation.write_bytes(opening.of_activation(shop.subscriber.record_id).encode())
    said = shop.run("subject", "erase", other, "--yes", "--opening", activation)
    assert said.status == FAILURE
    assert "activation opening" in said.err
    altered = receipt.read_bytes()
    receipt.write_bytes(altered[:-900] + bytes(900))
    assert shop.run("subject", "copy", receipt, "--opening", f"{other}.opening").status != DONE
    assert shop.asked() == before, "nothing was sent"


def test_a_withdrawal_of_a_held_record_says_until_when_it_is_kept(shop: Shop) -> None:
    receipt = shop.customer("held.cbor")
    hold(shop.world.database, shop.subscriber.record_id, shop.world.gateway_key, shop.world.clock())
    said = shop.run("subject", "withdraw", receipt, "--yes", "--json")
    assert said.status == NOT_DONE
    assert (said.report["erased"], said.report["heldFor"]) == (False, "court-order")
    assert said.report["withdrawn"] is True
    assert mode(Path(said.report["withdrawal"])) == 0o600
    assert not receipt.with_name("held.cbor.erasure").exists()


def test_an_answer_that_is_lost_is_asked_for(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    receipt = shop.customer("lost.cbor")

    def lose(path: str, answer: httpx.Response) -> httpx.Response:
        if path == SUBJECT_REQUESTS:
            raise httpx.ReadError("lost")
        return answer

    monkeypatch.setattr(shop.world, "alter_gateway", lose)
    said = shop.run("subject", "erase", receipt, "--yes", "--json")
    assert said.status == DONE, said.err
    assert said.report["erasedOn"]


def test_an_answer_about_somebody_else_is_not_believed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt, stranger = shop.customer("believed.cbor"), Subscriber.registered(shop.world)
    lie = stranger.asks("erase")

    def lied(path: str, answer: httpx.Response) -> httpx.Response:
        if path == SUBJECT_REQUESTS or path.startswith(ERASURES):
            return httpx.Response(200, content=_as(path, lie))
        return answer

    monkeypatch.setattr(shop.world, "alter_gateway", lied)
    said = shop.run("subject", "erase", receipt, "--yes")
    assert said.status == FAILURE
    assert "another record" in said.err
    said = shop.run("receipt", "erased", receipt)
    assert said.status == NOT_VALID
    said = shop.run("subject", "copy", receipt)
    assert said.status == FAILURE, "an answer to another wish"


def _as(path: str, answer: SubjectAnswer) -> bytes:
    assert answer.erasure is not None
    return answer.encode() if path == SUBJECT_REQUESTS else answer.erasure.encode()


def test_a_proof_that_is_not_published_yet_comes_later(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = shop.customer("late.cbor")

    def unavailable(*_: object) -> None:
        raise Unavailable("the log rests")

    with monkeypatch.context() as patch:
        patch.setattr(shop.world.publication, "wait_for", unavailable)
        said = shop.run("subject", "erase", receipt, "--yes", "--json")
        assert (said.status, "erasedOn" in said.report) == (DONE, False)
        assert "receipt erased" in said.report["advice"]
        assert shop.run("receipt", "erased", receipt).status == FAILURE
        assert shop.run("receipt", "verify", receipt, "--erasure", f"{receipt}.erasure").status == (
            NOT_VALID
        )
    shop.world.sequencer.step()
    assert shop.run("receipt", "erased", receipt).status == DONE


def test_an_answer_that_cannot_be_true_is_told_by_its_field(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that answers with a copy of another one's; and an erasure of a day to come."""
    receipt = shop.customer("untrue.cbor")

    def another(path: str, answer: httpx.Response) -> httpx.Response:
        if path != SUBJECT_REQUESTS:
            return answer
        said = SubjectAnswer.decode(answer.content)
        assert said.kept is not None
        kept = said.kept.model_copy(update={"gateway": "gateway-2"})
        return httpx.Response(200, content=said.model_copy(update={"kept": kept}).encode())

    with monkeypatch.context() as patch:
        patch.setattr(shop.world, "alter_gateway", another)
        said = shop.run("subject", "copy", receipt)
    assert (said.status, "the gateway's answer says otherwise" in said.err) == (REFUSED, True)
    assert "gateway\n" in said.err
    assert not Path(f"{receipt}.copy.json").exists()
    assert shop.run("subject", "copy", receipt).status == DONE

    assert shop.run("subject", "erase", receipt, "--yes").status == DONE
    before = unix_time() - 2 * DAY
    with monkeypatch.context() as patch:
        patch.setattr("gateway.host.clock.unix_time", lambda: before)
        said = shop.run("receipt", "erased", receipt)
    assert (said.status, "says otherwise than this counter: day" in said.err) == (NOT_VALID, True)
    assert shop.run("receipt", "erased", receipt).status == DONE
