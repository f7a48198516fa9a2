"""``sealmatch register``: what it says and leaves, with a usable photograph and without."""

import datetime
import io
import sqlite3
import stat
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest
from PIL import Image

from gateway.lab.deployment.local import LocalDeployment
from gateway.lab.deployment.servers import Directories
from gateway.proofs.trust import TrustFile
from gateway.store.database import Database
from gateway.wire import cbor
from gateway.wire.dealing import DEALING_BYTES
from gateway.wire.polynomials import FRESH_BYTES, PUBLIC_KEY_BYTES
from gateway.wire.proof import Opening
from tests.support.chips import Chip, lay, utopia
from tests.support.commands import (
    INCONCLUSIVE,
    MATCH,
    NO_MATCH,
    NUMBER,
    ORDER,
    PLAIN,
    Photographs,
    changed_trust,
    register,
    report,
    sealmatch,
)
from tests.support.counter import Counter
from tests.support.drafts import session_request
from tests.support.leftovers import assert_no_file_holds
from tests.support.mobiles import DAY, Mobile, elements, iaca, time
from tests.support.mobiles import lay as lay_mobile
from tests.support.observation import gateway_database, record_count, session_states
from tests.support.samples import SESSIONS, occasion, pair
from tests.support.tables import DATA_MAP, columns_of

pytestmark = [pytest.mark.processes, pytest.mark.pack, pytest.mark.slow]


def test_a_match_and_what_json_says(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    receipt, order = tmp_path / "receipt.cbor", tmp_path / "order"
    order.write_text(ORDER)
    done = register(
        deployment,
        photographs.portrait,
        photographs.live,
        receipt,
        "--json",
        *("--activation-file", order),
    )
    said = report(done, MATCH, "MATCH")
    assert {"outcome", "recordId", "receipt", "timingsMs", "bytes"} <= set(said)
    assert len(bytes.fromhex(said["recordId"])) == 16
    assert said["receipt"] == str(receipt)
    assert all(isinstance(v, int | float) and v >= 0 for v in said["timingsMs"].values())
    assert {"portraitEmbedding", "liveEmbedding", "session", "verification"} <= set(
        said["timingsMs"]
    )
    assert 229_378 < said["bytes"]["sessionOffer"] <= 232_000
    assert 680_000 < said["bytes"]["submission"] <= 700_000
    assert receipt.stat().st_size == said["bytes"]["receipt"] < 16_384
    opening = Path(f"{receipt}.opening")
    assert stat.S_IMODE(opening.stat().st_mode) == 0o600
    assert ORDER.encode() in opening.read_bytes()
    carriers = Path(f"{receipt}.activation")
    assert stat.S_IMODE(carriers.stat().st_mode) == 0o600
    assert ORDER.encode() in carriers.read_bytes()
    salt = Opening.decode(opening.read_bytes()).subject_salt
    assert salt not in carriers.read_bytes(), "it opens no document"
    verify = ("receipt", "verify", receipt, "--trust", deployment.directories.trust)
    assert sealmatch(*verify, "--activation-file", order).returncode == MATCH
    for secret in (PLAIN, NUMBER, ORDER):
        assert secret.encode() not in receipt.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "order",
        "receipt.cbor",
        "receipt.cbor.activation",
        "receipt.cbor.opening",
    ]


def test_no_match_is_status_3_and_has_a_receipt(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    """The portrait comes out of the document's chip, and the receipt says so."""
    receipt, trust = tmp_path / "receipt.cbor", deployment.directories.trust
    (trust.parent / "csca.pem").write_bytes(utopia().pem)
    counter = TrustFile.read(trust).counter
    assert counter is not None
    only_chips = {"csca_file": "csca.pem", "documents": {"passport": "chip"}}
    listing = changed_trust(deployment, "chips.json", counter=counter.model_copy(update=only_chips))
    folder = lay(tmp_path / "chip", Chip(picture=photographs.portrait.read_bytes()).files())
    given = ("--chip", folder, "--live", photographs.stranger, "--receipt", receipt)
    done = sealmatch("register", "--trust", listing, *given, "--consent-shown", "--json")
    assert report(done, NO_MATCH, "NO_MATCH")["portrait"] == "chip-verified"
    checked = sealmatch("receipt", "verify", receipt, "--trust", trust)
    assert checked.returncode == NO_MATCH, "verify && activate: no"
    assert "NO_MATCH" in checked.stdout
    assert "chip-verified; passed" in checked.stdout


def test_the_portrait_held_to_the_camera_is_no_match(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    """It comes out of a licence on a telephone, and the receipt says so."""
    receipt, trust = tmp_path / "receipt.cbor", deployment.directories.trust
    (trust.parent / "iaca.pem").write_bytes(iaca().pem)
    counter = TrustFile.read(trust).counter
    assert counter is not None
    only = {"iaca_file": "iaca.pem", "documents": {"driving-licence": "mobile"}}
    listing = changed_trust(deployment, "mobile.json", counter=counter.model_copy(update=only))
    now = datetime.datetime.now(datetime.UTC)
    issued = {
        "signed": time(now - DAY),
        "validFrom": time(now - DAY),
        "validUntil": time(now + DAY),
    }
    expiry = (now + 30 * DAY).date()
    told = elements(portrait=photographs.portrait.read_bytes(), expiry_date=expiry)
    held = Mobile(elements=told, validity=issued)
    folder = lay_mobile(tmp_path / "session", held.files())
    given = ("--mobile", folder, "--live", photographs.portrait, "--receipt", receipt)
    done = sealmatch("register", "--trust", listing, *given, "--consent-shown", "--json")
    assert report(done, NO_MATCH, "NO_MATCH")["portrait"] == "mobile-verified"
    checked = sealmatch("receipt", "verify", receipt, "--trust", trust)
    assert "mobile-verified; passed" in checked.stdout


def test_without_json_a_person_reads_the_outcome(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    done = register(
        deployment,
        photographs.portrait,
        photographs.live,
        tmp_path / "receipt.cbor",
        *("--opening", tmp_path / "mine"),
        number=("--id-number", f"{NUMBER}48"),
    )
    assert done.returncode == MATCH, done.stderr
    assert done.stdout.startswith("MATCH\n")
    assert "recordId: " in done.stdout
    assert PLAIN not in done.stdout
    assert (tmp_path / "mine").exists()


def bad_images(photographs: Photographs) -> dict[str, bytes]:
    jpeg = photographs.live.read_bytes()
    group = (resources.files("insightface.data") / "images/t1.jpg").read_bytes()
    plain = io.BytesIO()
    Image.new("RGB", (640, 480), (90, 120, 150)).save(plain, "JPEG")
    return {
        "no face": plain.getvalue(),
        "several faces": group,
        "not an image": b"GIF89a or so, canary" * 50,
        "truncated": jpeg[: len(jpeg) // 2],
        "empty": b"",
    }


@pytest.mark.parametrize(
    ("which", "name"),
    [
        ("live", "no face"),
        ("live", "several faces"),
        ("live", "not an image"),
        ("live", "truncated"),
        ("live", "empty"),
        ("portrait", "several faces"),
        ("portrait", "truncated"),
    ],
)
def test_an_unusable_photograph_is_inconclusive(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path, which: str, name: str
) -> None:
    """Status 4 with a reason and advice; nothing is sent, nothing written."""
    before = session_states(deployment), record_count(deployment)
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(bad_images(photographs)[name])
    portrait, live = photographs.portrait, bad
    if which == "portrait":
        portrait, live = bad, photographs.live
    said = report(
        register(deployment, portrait, live, tmp_path / "r", "--json"), INCONCLUSIVE, "INCONCLUSIVE"
    )
    assert said["reason"]
    assert said["advice"]
    assert "canary" not in said["reason"]
    assert (session_states(deployment), record_count(deployment)) == before
    assert not (tmp_path / "r").exists()
    assert not (tmp_path / "r.opening").exists()


# Sizes


def test_messages_are_small_and_hold_nothing_but_their_fields(counter: Counter) -> None:
    """No Galois or relinearisation key could hide: every byte belongs to a named field."""
    request = session_request(counter.keys)
    answer = counter.send("POST", SESSIONS, request.encode())
    offer = cbor.decode(answer.content)
    assert len(answer.content) <= 232_000
    assert set(offer) == {"version", "grant", "publicKey", "policy", "challenge"}
    assert len(offer["publicKey"]) == PUBLIC_KEY_BYTES == 2 + 4 * 8192 * 7
    rest = len(answer.content) - PUBLIC_KEY_BYTES - len(offer["grant"]) - len(offer["policy"])
    assert len(offer["challenge"]) < 300
    assert len(offer["grant"]) + len(offer["policy"]) < 1200
    assert rest - len(offer["challenge"]) < 80, "names of fields and lengths"

    opened = counter.open()
    body = counter.honest_submission(opened).encode()
    fields = cbor.decode(body)
    assert len(body) <= 700_000
    assert set(fields) == {
        "version",
        "session",
        "sealedTemplate",
        "templateAssertion",
        "sealedDealing",
        "sealedProbe",
        "submissionAssertion",
        "livenessEvidence",
        "consent",
    }
    assert FRESH_BYTES == 344_066
    assert len(fields["sealedProbe"]) == FRESH_BYTES + 1120 + 16
    assert len(fields["sealedTemplate"]) == FRESH_BYTES + DEALING_BYTES + 1120 + 16
    assert len(fields["sealedDealing"]) == DEALING_BYTES + 1120 + 16
    assert len(fields["templateAssertion"]) + len(fields["submissionAssertion"]) < 2500
    accounted = sum(len(v) for v in fields.values() if isinstance(v, bytes))
    accounted += len(cbor.encode(fields["consent"]))
    assert len(body) - accounted < 160, "names of fields and lengths"


# What is left behind. These come last: the module's deployment has by now seen everything above.


def test_the_database_holds_what_the_protocol_lists(deployment: LocalDeployment) -> None:
    path = deployment.directories.gateway / "gateway.sqlite3"
    with closing(Database(f"sqlite:///{path}")) as database:
        found = columns_of(database)
    assert found.pop("alembic_version") == {"version_num"}
    assert found == DATA_MAP
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        for table in found:
            for row in connection.execute(f"select * from {table}"):
                for value in row:
                    size = len(value) if isinstance(value, bytes | str) else 8
                    assert size < 20_000, f"{table} holds a value of {size} bytes"
        assert connection.execute("select count(*) from records").fetchone()[0] > 3
    finally:
        connection.close()


def test_keys_are_their_owners_alone(deployment: LocalDeployment) -> None:
    directories: Directories = deployment.directories
    secret = {".key", ".sealed", ".passphrase"}
    keys = [path for path in directories.root.rglob("*") if path.suffix in secret]
    assert {"keystore.sealed", "authority.passphrase", "device.key", "issuer.key"} <= {
        p.name for p in keys
    }
    for key in keys:
        assert stat.S_IMODE(key.stat().st_mode) == 0o600, key
    private = (directories.gateway, directories.authority, directories.counter)
    for directory in (*private, directories.operator):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700, directory


def test_servers_make_no_core_dumps(deployment: LocalDeployment) -> None:
    for server in deployment.servers:
        limits = Path(f"/proc/{server.process.pid}/limits").read_text().splitlines()
        core = next(line for line in limits if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"]


def test_handles_tell_documents_apart_and_nothing_else(
    deployment: LocalDeployment, counter: Counter
) -> None:
    """One document, however its number is written, has one handle; another has another."""
    for number in ("AB12345", "ab 123-45", "AB12346"):
        counter.client.register(*pair(0.6), occasion(number))
    with gateway_database(deployment) as database:
        handles = [
            row[0]
            for row in database.execute(
                "select subject_handle from records order by rowid desc limit 3"
            )
        ]
    last, second, first = handles
    assert first == second != last


def test_no_file_of_either_server_holds_a_number_or_a_ciphertext(
    deployment: LocalDeployment,
) -> None:
    """Comes last: the servers have by now seen everything above."""
    assert_no_file_holds(deployment, NUMBER, PLAIN, ORDER)
