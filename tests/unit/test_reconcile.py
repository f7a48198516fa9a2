"""Activations against receipts: each kind of deviation is found, and nothing else is."""

import contextlib
import io
import json
from pathlib import Path

import pytest

from gateway.inspection.reconcile import (
    WITH_OPENINGS,
    WITH_SALTS,
    Activation,
    BadActivationList,
    Deviation,
    Discrepancy,
    NoOpening,
    read_activations,
    reconcile,
)
from gateway.main import main
from gateway.proofs.openings import AnyActivationOpening
from gateway.store.database import Database
from gateway.store.records import RecordRow, add_record
from gateway.wire.ids import RecordId
from gateway.wire.proof import ActivationOpening, Opening, Receipt
from gateway.wire.subject import activation_commitment
from tests.support import parties
from tests.support.parties import AUTHORITY, GATEWAY, fixed_bytes
from tests.support.receipts import receipt, trust
from tests.vectors import golden

SALT = b"s" * 32


def record(number: int) -> RecordId:
    return RecordId(bytes([number]) * 16)


def statement(number: int, reference: str, outcome: str = "MATCH", **given) -> bytes:
    stated = {
        "record_id": record(number),
        "activation_commitment": activation_commitment(reference, SALT),
        **given.pop("stated", {}),
    }
    return Receipt.decode(receipt(stated, {"outcome": outcome}, **given)).statement


def activation(number: int, reference: str) -> Activation:
    return Activation(number + 1, record(number), reference, SALT)


def deviations(activations: list[Activation], statements: dict[int, bytes]) -> list[Deviation]:
    kept = {record(number): encoded for number, encoded in statements.items()}
    return reconcile(activations, kept.items(), trust())


def findings(activations: list[Activation], statements: dict[int, bytes]) -> list[Discrepancy]:
    return [one.finding for one in deviations(activations, statements)]


def test_activations_that_fit_their_receipts_are_silent() -> None:
    kept = {
        1: statement(1, "+86 1"),
        2: statement(2, "+86 2"),
        3: statement(3, "x", outcome="NO_MATCH"),
    }
    assert findings([activation(1, "+86 1"), activation(2, "+86 2")], kept) == []


UNSIGNED = statement(1, "+86 1", gateway=parties.stranger(GATEWAY.party))
UNDECIDED = statement(1, "+86 1", authority=parties.stranger(AUTHORITY.party))
BORROWED = statement(1, "+86 1", stated={"session": bytes(16)})
"""A gateway puts the match of another session into a statement."""


@pytest.mark.parametrize(
    ("activations", "statements", "expected"),
    [
        ([activation(9, "+86 1")], {}, [Discrepancy.NO_RECEIPT]),
        (
            [activation(1, "+86 1")],
            {1: statement(1, "+86 1", outcome="NO_MATCH")},
            [Discrepancy.NOT_A_MATCH],
        ),
        ([activation(1, "+86 2")], {1: statement(1, "+86 1")}, [Discrepancy.OTHER_ACTIVATION]),
        ([activation(1, "x" * 200)], {1: statement(1, "+86 1")}, [Discrepancy.OTHER_ACTIVATION]),
        (
            [activation(1, "+86 1"), activation(1, "+86 1")],
            {1: statement(1, "+86 1")},
            [Discrepancy.USED_TWICE] * 2,
        ),
        ([], {1: statement(1, "+86 1")}, [Discrepancy.NO_ACTIVATION]),
        ([activation(1, "+86 1")], {1: UNSIGNED}, [Discrepancy.INVALID_RECEIPT]),
        ([activation(1, "+86 1")], {1: UNDECIDED}, [Discrepancy.INVALID_RECEIPT]),
        ([activation(1, "+86 1")], {1: BORROWED}, [Discrepancy.INVALID_RECEIPT]),
        ([activation(1, "+86 1")], {1: b"damaged"}, [Discrepancy.INVALID_RECEIPT]),
        ([activation(1, "+86 1")], {1: b""}, [Discrepancy.INVALID_RECEIPT]),
        (
            [activation(1, "+86 1")],
            {1: statement(2, "+86 1")},
            [Discrepancy.INVALID_RECEIPT],
        ),
        ([], {1: UNSIGNED, 2: b"damaged"}, [Discrepancy.INVALID_RECORD] * 2),
    ],
    ids=["no-receipt", "no-match", "other", "unusable", "twice", "unused", "unsigned", "undecided",
         "borrowed", "damaged", "empty", "swapped", "unused-invalid"],
)  # fmt: skip
def test_each_deviation_is_found(
    activations: list[Activation], statements: dict[int, bytes], expected: list[Discrepancy]
) -> None:
    found = deviations(activations, statements)
    assert [one.finding for one in found] == expected
    for one in found:
        if one.finding in (Discrepancy.INVALID_RECEIPT, Discrepancy.INVALID_RECORD):
            assert one.detail, "a reviser is told why"


# The list


def opening(number: int, reference: str = "+86 1") -> ActivationOpening:
    return ActivationOpening(
        record_id=record(number), activation_salt=SALT, activation_reference=reference
    )


OLD = Opening(subject_salt=bytes(32), activation_salt=SALT, activation_reference="+86 1")
FILES: dict[str, AnyActivationOpening] = {"a": opening(1), "b": opening(2), "old": OLD}


def open_file(name: str) -> AnyActivationOpening:
    if name not in FILES:
        raise NoOpening(f"{name}: No such file")
    return FILES[name]


def read(*lines: str, columns: tuple[str, ...] = WITH_OPENINGS) -> list[Activation]:
    text = "".join(f"{line}\n" for line in (",".join(columns), *lines))
    return read_activations(io.StringIO(text, newline=""), open_file)


R1 = record(1).hex()


def test_a_list_with_openings_needs_no_salts() -> None:
    for name in ("a", "old"):
        found = read(f"{R1},+86 1,{name}")
        assert found == [Activation(2, record(1), "+86 1", SALT)]
        assert findings(found, {1: statement(1, "+86 1")}) == []
    assert read(f"{R1},+86 1,{SALT.hex()}", columns=WITH_SALTS) == found


def test_the_lists_own_number_counts_and_not_that_of_the_opening() -> None:
    kept = {1: statement(1, "+86 1")}
    assert findings(read(f"{R1},+86 2,a"), kept) == [Discrepancy.OTHER_ACTIVATION]


@pytest.mark.parametrize(("name", "why"), [("missing", "No such"), ("b", "another receipt")])
def test_an_opening_that_cannot_be_used_is_a_finding_of_its_line(name: str, why: str) -> None:
    kept = {1: statement(1, "+86 1"), 3: statement(3, "+86 3")}
    [found, _] = deviations(read(f"{R1},+86 1,{name}"), kept)
    assert (found.finding, found.line) == (Discrepancy.NO_OPENING, 2)
    assert why in (found.detail or "")
    # It does not hide what is worse, nor what follows.
    refused = {1: statement(1, "+86 1", outcome="NO_MATCH")}
    assert findings(read(f"{R1},+86 1,{name}"), refused) == [Discrepancy.NOT_A_MATCH]


def test_lists_as_programs_write_them() -> None:
    for separator in ",;\t":
        head = separator.join(f'"{name}"' for name in WITH_SALTS)
        text = f"{head}\r\n\r\n{separator.join((R1.upper(), ' +86 1 ', SALT.hex()))}\r\n"
        [found] = read_activations(io.StringIO(text, newline=""), open_file)
        assert (found.line, found.record_id, found.reference) == (3, record(1), "+86 1")


@pytest.mark.parametrize(
    ("lines", "columns", "why"),
    [
        ([], (), "the first line must be"),
        ([], ("record_id",), "the first line must be"),
        (["01,x,a"], WITH_OPENINGS, "line 2: record_id is not 32 hexadecimal digits"),
        ([f"{'0g' * 16},x,a"], WITH_OPENINGS, "line 2: record_id"),
        ([f"{R1},x,{'00' * 31}"], WITH_SALTS, "line 2: activation_salt is not 64"),
        ([f"{R1},x,a", f"{R1},,a"], WITH_OPENINGS, "line 3: activation_reference is empty"),
        ([f"{R1},x"], WITH_OPENINGS, "line 2 has 2 values, and not 3"),
        ([f"{R1},x,a,b"], WITH_OPENINGS, "line 2 has 4 values, and not 3"),
        ([f'{R1},"x,a'], WITH_OPENINGS, "not CSV"),
    ],
)
def test_a_list_is_read_strictly_and_its_fault_is_named(
    lines: list[str], columns: tuple[str, ...], why: str
) -> None:
    with pytest.raises(BadActivationList) as caught:
        read(*lines, columns=columns)
    assert why in str(caught.value)


# The command


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A trust file, and a gateway's database with one record, as ``sealmatch up`` has them."""
    trust().write(tmp_path / "trust.json")
    (tmp_path / "gateway").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'gateway' / 'gateway.sqlite3'}")
    database.migrate()
    with database.transaction() as connection:
        row = RecordRow(
            record_id=record(1),
            kind="decision",
            outcome="MATCH",
            policy_digest=fixed_bytes("policy"),
            subject_handle=fixed_bytes("handle"),
            activation_commitment=activation_commitment("+86 1", SALT),
            statement=statement(1, "+86 1"),
            decided_at=0,
            expires_at=2**40,
        )
        add_record(connection, row)
    database.close()
    return tmp_path


def command(place: Path, content: bytes, *options: str) -> int:
    (place / "list.csv").write_bytes(content)
    files = ["--activations", f"{place}/list.csv", "--trust", f"{place}/trust.json"]
    return main(["reconcile", *files, *options])


HEAD = ",".join(WITH_OPENINGS).encode()


def test_the_command_reads_openings_beside_the_list(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "orders").mkdir()
    (place / "orders" / "1.activation").write_bytes(opening(1).encode())
    line = f"\n{R1},+86 1,orders/1.activation\n".encode()
    assert command(place, HEAD + line) == 0
    assert capsys.readouterr().out == "1 activations (0 without a face), 1 records, 0 deviations\n"
    assert command(place, b"\xef\xbb\xbf" + HEAD + line, "--json") == 0, "as Excel writes it"
    assert json.loads(capsys.readouterr().out) == {"deviations": [], "withoutFace": 0}
    assert command(place, HEAD + line.replace(b"orders/1", b"orders/2"), "--json") == 3
    [found] = json.loads(capsys.readouterr().out)["deviations"]
    assert (found["finding"], found["line"]) == ("NO_OPENING", 2)
    assert found["detail"] == f"{place}/orders/2.activation: No such file or directory"
    (place / "orders" / "1.activation").write_bytes(receipt())
    assert command(place, HEAD + line) == 3
    assert "it is a receipt, and not an activation opening" in capsys.readouterr().out


def test_the_command_counts_those_without_a_face_apart(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        contextlib.closing(
            Database(f"sqlite:///{place / 'gateway' / 'gateway.sqlite3'}")
        ) as database,
        database.transaction() as connection,
    ):
        row = RecordRow(
            record_id=RecordId(golden.RECORD_ID),
            kind="fallback",
            outcome="FALLBACK",
            policy_digest=bytes(32),
            subject_handle=None,
            activation_commitment=golden.FALLBACK_STATEMENT.activation_commitment,
            statement=golden.SIGNED_FALLBACK_STATEMENT.encoded,
            decided_at=0,
            expires_at=2**40,
        )
        add_record(connection, row)
    rows = [
        ",".join(WITH_SALTS),
        f"{R1},+86 1,{SALT.hex()}",
        f"{golden.RECORD_ID.hex()},{golden.ACTIVATION},{golden.ACTIVATION_SALT.hex()}",
    ]
    assert command(place, "\n".join(rows).encode()) == 0
    assert capsys.readouterr().out == "2 activations (1 without a face), 2 records, 0 deviations\n"
    assert command(place, "\n".join(rows[:2]).encode(), "--json") == 3
    told = json.loads(capsys.readouterr().out)
    assert told["withoutFace"] == 0
    assert [one["finding"] for one in told["deviations"]] == ["FALLBACK_UNUSED"]


def test_the_command_names_the_file_that_it_cannot_read(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(content: bytes, *options: str) -> str:
        assert command(place, content, *options) == 1
        told = capsys.readouterr().err
        assert "None" not in told
        return told

    assert f"{place}/list.csv: the list is not UTF-8 text" in said(HEAD.decode().encode("utf-16"))
    assert f"{place}/list.csv: the first line must be" in said(b"\0")
    (place / "elsewhere").write_text("no database")
    for name, why in (("missing", "there is no such database"), ("elsewhere", "cannot be read")):
        told = said(HEAD + b"\n", "--database", f"sqlite:///{place}/{name}")
        assert f"{place}/{name}: {why}" in told
    assert not (place / "missing").exists(), "reading makes no database"
