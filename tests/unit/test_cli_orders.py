"""``operator``, ``erase``, ``hold`` and ``policy`` of ``sealmatch-gateway``, as two people use
them."""

import base64
import datetime
import io
import json
import stat
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.calibration.proposal import to_json
from gateway.host import keystore
from gateway.host.clock import unix_time
from gateway.host.personal_key import open_personal_key
from gateway.retention import holds
from gateway.server import custody
from gateway.server.cli import main
from gateway.server.config import GatewaySettings
from gateway.store.database import Database
from gateway.store.locks import hold_register
from gateway.wire.orders import AgreedOrder
from gateway.wire.proof import Receipt
from tests.support.killed import killed_at
from tests.support.operators import DAY, Desk
from tests.support.sealed import CHEAP, passphrase_file
from tests.vectors.ordered import PROPOSAL

START = unix_time()


def day(ahead: int) -> str:
    """So many days from when the tests began, as ``--until`` takes it."""
    at = datetime.datetime.fromtimestamp(START + ahead * DAY, datetime.UTC)
    return f"{at:%Y-%m-%d}"


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keystore, "DEFAULT_COST", CHEAP)
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "DATA_DIR": str(tmp_path / "gateway"),
        "PASSPHRASE_FILE": str(passphrase_file(tmp_path)),
        "AUTHORITY_PUBLIC_KEY": "ab" * 32,
        "MODEL_ID": "test/none",
        "MODEL_DIGEST": "cd" * 32,
    }.items():
        monkeypatch.setenv(f"SEALMATCH_GATEWAY_{name}", value)


class Office:
    """The gateway's command, two operators' key files, and records in its database."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self._capsys = capsys
        assert self.run("init")[0] == 0
        database = Database(f"sqlite:///{directory / 'gateway' / 'gateway.sqlite3'}")
        database.migrate()
        self.desk = Desk(database, unix_time())
        for name in ("anna", "ben"):
            self.new_operator(name)

    def run(self, *words: str) -> tuple[int, str, str]:
        """Status, standard output and error."""
        try:
            status = main(list(words))
        except SystemExit as usage:
            status = int(usage.code or 0)
        said = self._capsys.readouterr()
        return status, said.out, said.err

    def new_operator(self, name: str) -> None:
        passphrase = passphrase_file(self.directory, f"the passphrase of {name}", f"{name}.pass")
        made = ("new-key", "--out", f"{name}.key", "--key-passphrase-file", str(passphrase))
        status, public, _ = self.run("operator", *made)
        assert status == 0
        assert self.run("enrol", "operator", name, public.strip())[0] == 0

    def by(self, name: str) -> tuple[str, ...]:
        signed = ("--operator", name, "--key", f"{name}.key")
        return (*signed, "--key-passphrase-file", f"{name}.pass")

    def order(self, record: bytes, name: str = "anna") -> str:
        named = ("--record", record.hex(), "--reason", "subject-request")
        status, printed, _ = self.run("erase", "order", *named, *self.by(name))
        assert status == 0
        return printed.strip()

    def hold(self, record: bytes, ahead: int = 200) -> tuple[int, str]:
        named = ("--record", record.hex(), "--reason", "court-order", "--until", day(ahead))
        status, printed, said = self.run("hold", "place", *named, *self.by("anna"))
        return status, printed.strip() or said


@pytest.fixture
def office(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Office]:
    office = Office(tmp_path, capsys)
    with closing(office.desk.database):
        yield office


def test_an_operator_s_key_needs_no_gateway(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATA_DIR", "AUTHORITY_PUBLIC_KEY", "MODEL_ID", "MODEL_DIGEST"):
        monkeypatch.delenv(f"SEALMATCH_GATEWAY_{name}")
    words = ["operator", "new-key", "--out", "anna.key", "--key-passphrase-file"]
    short = passphrase_file(tmp_path, "short", "short.pass")
    assert main([*words, str(short)]) == 1
    assert "at least 12 bytes" in capsys.readouterr().err
    good = passphrase_file(tmp_path, "long enough, I think", "good.pass")
    assert main([*words, str(good)]) == 0
    said = capsys.readouterr()
    assert len(bytes.fromhex(said.out.strip())) == 32
    assert "enrol operator NAME" in said.err
    assert stat.S_IMODE((tmp_path / "anna.key").stat().st_mode) == 0o600
    assert main([*words, str(good)]) == 1
    assert "exists already" in capsys.readouterr().err


def test_two_people_erase_a_record(office: Office, tmp_path: Path) -> None:
    record = office.desk.record()
    order = office.order(record)
    status, listed, _ = office.run("erase", "list")
    assert listed.split("\t")[:4] == [order, "erase", record.hex(), "subject-request"]
    assert (status, listed.split("\t")[-1]) == (0, "waits\n")

    status, _, said = office.run("erase", "agree", order, *office.by("ben"))
    assert status == 1
    assert f"order {order} of anna: erase a record, subject-request" in said
    assert f"record {record.hex()}: decision MATCH of 2023-11-14 22:13 UTC, kept until" in said
    assert "nobody is there to ask" in said
    assert office.desk.row(record) is not None

    status, printed, said = office.run("erase", "agree", order, "--yes", *office.by("ben"))
    assert (status, printed) == (0, "")
    copy = tmp_path / f"{order}.agreed"
    assert "names what is gone" in said
    assert office.desk.row(record) is None
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert record in AgreedOrder.decode(copy.read_bytes()).order
    assert office.run("erase", "list")[1] == ""
    assert f"\terase\torder\t{order}\t" in office.run("history")[1]

    status, printed, _ = office.run("erase", "check", str(copy))
    assert status == 0
    assert f"order {order} of anna" in printed
    assert "ben agreed" in printed
    assert "(history)" in printed


def test_a_filed_order_that_was_never_done_is_told(office: Office, tmp_path: Path) -> None:
    anna, ben = (
        open_personal_key(tmp_path / f"{name}.key", name, tmp_path / f"{name}.pass")
        for name in ("anna", "ben")
    )
    order = office.desk.erasure(anna, office.desk.record(), gateway="gateway")
    agreement = office.desk.agreement(ben, order, gateway="gateway")
    kept = AgreedOrder(order=order, agreement=agreement)
    (tmp_path / "copy").write_bytes(kept.encode())
    status, _, said = office.run("erase", "check", "copy")
    assert status == 1
    assert "never done" in said


@pytest.mark.parametrize("point", ["operator-order-done", "operator-order-committed"])
def test_the_copy_is_there_whenever_the_order_was_done(
    office: Office, tmp_path: Path, point: str
) -> None:
    record = office.desk.record()
    order = office.order(record)
    agree = ("erase", "agree", order, "--yes", *office.by("ben"))
    office.desk.database.close()
    killed_at(point, lambda: main([*agree, "--copy", "first"]))
    assert record in AgreedOrder.decode((tmp_path / "first").read_bytes()).order
    done = point == "operator-order-committed"
    assert (office.desk.row(record) is None) == done
    assert office.run("erase", "check", "first")[0] == (0 if done else 1)
    assert office.run(*agree, "--copy", "first")[0] == 1
    assert (tmp_path / "first").exists()
    assert office.run(*agree, "--copy", "second")[0] == (1 if done else 0)
    assert office.desk.row(record) is None
    assert (tmp_path / "second").exists() == (not done)


def test_the_digits_are_asked_for(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    record = office.desk.record()
    order = office.order(record)
    for typed, status in (("yes", 1), ("", 1), (order[:8], 0)):
        monkeypatch.setattr(sys, "stdin", Terminal(typed + "\n"))
        assert office.run("erase", "agree", order, *office.by("ben"))[0] == status
        assert (office.desk.row(record) is None) == (status == 0)


def test_a_record_is_named_by_its_receipt(office: Office, tmp_path: Path) -> None:
    record = office.desk.record()
    row = office.desk.row(record)
    assert row is not None
    (tmp_path / "receipt").write_bytes(Receipt(statement=row.statement, log_proof=None).encode())
    words = ("--reason", "fraud", *office.by("anna"))
    assert office.run("erase", "order", "--receipt", "receipt", *words)[0] == 0

    other = Receipt(statement=row.statement[:-1] + b"x", log_proof=None).encode()
    for content, why in ((other, "not of this gateway's record"), (b"no", "not a receipt")):
        (tmp_path / "receipt").write_bytes(content)
        status, _, said = office.run("erase", "order", "--receipt", "receipt", *words)
        assert status == 1
        assert why in said
    assert "--id-number" not in office.run("erase", "order", "--help")[1]


def test_what_is_wrong_is_said(office: Office, tmp_path: Path) -> None:
    record, held = office.desk.record(), office.desk.record()
    assert office.hold(held)[0] == 0
    order = office.order(record)
    copy = ("--yes", "--copy", str(tmp_path / "copy"))
    named = ("--reason", "fraud", "--record")

    def fails(*words: str) -> str:
        status, _, said = office.run(*words)
        assert status == 1
        assert not (tmp_path / "copy").exists()
        return said

    assert "anna ordered it" in fails("erase", "agree", order, *copy, *office.by("anna"))
    assert "no such record" in fails("erase", "order", *named, "ab" * 16, *office.by("anna"))
    assert f"held until {day(201)}" in fails(
        "erase", "order", *named, held.hex(), *office.by("ben")
    )
    assert "no such order" in fails("erase", "agree", "ab" * 16, *copy, *office.by("ben"))
    assert "another kind" in fails("hold", "agree", order, *copy, *office.by("ben"))
    as_ben_with_annas = ("--operator", "ben", *office.by("anna")[2:])
    assert "not signed by ben" in fails("erase", "agree", order, *copy, *as_ben_with_annas)
    wrong = (*office.by("ben")[:-1], "anna.pass")
    assert "ben.key does not open" in fails("erase", "agree", order, *copy, *wrong)
    nobody = ("--operator", "ben", "--key", "nowhere.key")
    assert "nowhere.key does not exist" in fails("erase", "agree", order, *copy, *nobody)
    (tmp_path / "taken").write_text("mine")
    taken = ("--yes", "--copy", str(tmp_path / "taken"))
    assert "exists already" in fails("erase", "agree", order, *taken, *office.by("ben"))
    assert (tmp_path / "taken").read_text() == "mine"
    assert office.run("suspend", "operator", "ben")[0] == 0
    assert "suspended" in fails("erase", "agree", order, *copy, *office.by("ben"))
    assert office.run("suspend", "operator", "anna")[0] == 0
    assert "suspended" in office.run("erase", "list")[1]
    assert office.desk.row(record) is not None
    for words in (("erase", "order", "--record", "AB" * 16), ("hold", "release", "12")):
        assert office.run(*words)[0] == 2


def test_holds_are_placed_listed_and_released(office: Office, tmp_path: Path) -> None:
    record = office.desk.record()
    status, hold = office.hold(record)
    assert status == 0
    assert office.run("hold", "list")[1].rstrip("\n").split("\t") == [
        *(hold, record.hex(), "court-order", f"{day(201)} 00:00 UTC", "anna", "holds")
    ]
    assert "takes two operators" in office.hold(record, 199)[1]
    assert "within two years" in office.hold(record, 800)[1]
    assert "within two years" in office.hold(record, -2)[1]
    named = ("--record", record.hex(), "--reason", "court-order", *office.by("anna"))
    assert office.run("hold", "place", "--until", "31.12.2027", *named)[0] == 2

    words = (hold, "--reason", "order-lifted", *office.by("anna"))
    status, order, _ = office.run("hold", "release", *words)
    assert status == 0
    status, _, said = office.run("hold", "agree", order.strip(), "--yes", *office.by("ben"))
    assert status == 0
    assert f"record {record.hex()} is held until {day(201)} 00:00 UTC: court-order" in said
    assert office.run("hold", "list")[1] == ""
    assert (tmp_path / f"{order.strip()}.agreed").exists()
    assert office.run("erase", "check", f"{order.strip()}.agreed")[0] == 0


def test_a_hold_that_is_over_is_listed_so(office: Office, tmp_path: Path) -> None:
    status, hold = office.hold(office.desk.record())
    assert status == 0
    settings = GatewaySettings.read(None)
    with office.desk.database.writing() as connection:
        hold_register(connection)
        late = 10**10
        key = custody.open_keys(settings)[0]
        assert holds.remove_ended(connection, key, late) == 1
    assert f"\trelease\tlegal-hold\t{hold}\t" in office.run("history")[1]


def test_two_people_put_a_match_policy_in_force(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEALMATCH_GATEWAY_MODEL_ID", PROPOSAL.policy.model_id)
    monkeypatch.setenv("SEALMATCH_GATEWAY_MODEL_DIGEST", PROPOSAL.policy.model_digest.hex())
    file = tmp_path / "policy.json"
    laxer = to_json(PROPOSAL).replace(f'"lowest": {PROPOSAL.policy.lanes[0].lo}', '"lowest": 2217')
    file.write_text(laxer)  # edited by hand, after it was calibrated
    status, _, said = office.run("policy", "propose", str(file), *office.by("anna"))
    assert (status, "policyDigest is another" in said) == (1, True)
    file.write_text(to_json(PROPOSAL))
    unsigned = json.loads(office.run("keys", "show")[1])
    assert "policyApproval" not in unsigned
    assert office.run("policy", "status")[1].startswith("unsigned: cosine-0.419-0.341")

    status, order, said = office.run("policy", "propose", str(file), *office.by("anna"))
    assert status == 0
    order = order.strip()
    assert PROPOSAL.policy.digest.hex() in said
    assert "list the policy's digest at authority, auditor" in said
    assert office.run("policy", "show", "--order", order)[1] == file.read_text()
    assert f"{order}\tnumber 1\tcalibrated-0.431-0.352\twaits" in office.run("policy", "status")[1]
    assert "\tpolicy\t1\tcalibrated-0.431-0.352\tanna\t" in office.run("erase", "list")[1]

    status, _, said = office.run("policy", "agree", order, *office.by("ben"))
    assert (status, "nobody is there to ask" in said) == (1, True)
    assert "strongest probe 0.00185" in said  # what one signs is shown before
    status, _, said = office.run("policy", "agree", order, "--yes", *office.by("anna"))
    assert (status, "another operator must agree" in said) == (1, True)
    with monkeypatch.context() as patch:
        patch.setenv("SEALMATCH_GATEWAY_MODEL_DIGEST", "cd" * 32)
        status, _, said = office.run("policy", "agree", order, "--yes", *office.by("ben"))
        assert (status, "calibrate for this one" in said) == (1, True)
        status, _, said = office.run("policy", "propose", str(file), *office.by("ben"))
        assert (status, "calibrate for this one" in said) == (1, True)
    status, printed, _ = office.run("policy", "agree", order, "--yes", *office.by("ben"))
    assert (status, "in force for new sessions" in printed) == (0, True)

    shown = json.loads(office.run("policy", "status", "--json")[1])
    assert (shown["assurance"], shown["number"], shown["operators"]) == (
        "signed", 1, ["anna", "ben"],
    )  # fmt: skip
    status, printed, said = office.run("policy", "show", "--approval", "policy-1.approval")
    assert (status, printed) == (0, file.read_text())
    assert "number 1, in force: anna proposed it, ben agreed" in said
    approval = (tmp_path / "policy-1.approval").read_bytes()
    assert approval == (tmp_path / f"{order}.agreed").read_bytes()
    pinned = json.loads(office.run("keys", "show")[1])
    assert pinned["policyDigest"] == PROPOSAL.policy.digest.hex() != unsigned["policyDigest"]
    assert base64.b64decode(pinned["policyApproval"]) == approval
    assert [one["party"] for one in pinned["operators"]] == ["anna", "ben"]
    assert f"\tadopt\tmatch-policy\t1\t{shown['approval']}" in office.run("history")[1]
    assert office.run("erase", "check", f"{order}.agreed")[0] == 0
    assert "signed, number 1" in office.run("check-config")[1]
