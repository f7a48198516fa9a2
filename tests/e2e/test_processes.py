"""The product as its users run it: two servers as processes, the real command, real photographs.

One deployment serves the whole module. The last tests look at what it left behind.
"""

import base64
import contextlib
import io
import itertools
import json
import os
import random
import resource
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gateway.cli.local import Directories, LocalDeployment
from gateway.cli.main import main
from gateway.cli.pack import gateway_settings, model_of, open_pack
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import ReceiptInvalid, verify_receipt
from gateway.server.config import GatewaySettings
from gateway.server.policy import default_policy
from gateway.store.database import Database
from gateway.vision.demo_faces import genuine_pair, impostor_pair
from gateway.vision.errors import VisionError
from gateway.vision.images import decode_image
from gateway.vision.pipeline import FacePipeline
from gateway.wire import cbor
from gateway.wire.cose import SigningKey
from gateway.wire.host.keyfile import create_signing_key
from gateway.wire.polynomials import FRESH_BYTES, PUBLIC_KEY_BYTES
from gateway.wire.sealing import SEALED_BYTES
from tests.faces_data import Embeddings, Pair, lfw_pairs, pipeline
from tests.support.counter import Counter
from tests.support.drafts import session_request
from tests.support.observation import gateway_database, record_count, session_states
from tests.support.samples import SESSIONS, occasion, pair, plain_decision
from tests.unit.test_store_database import SECTION_12, columns_of

pytestmark = [pytest.mark.processes, pytest.mark.pack, pytest.mark.slow]

SEALMATCH = Path(sys.executable).with_name("sealmatch")
NUMBER, PLAIN = "l01x-00 t", "L01X00T"
"""How every document number begins here, as given and normalised; each run has its own."""
ONES_OWN, _numbers = f"{NUMBER}47", itertools.count(1000)
ORDER = "order 5550123-77"
MATCH, FAILURE, USAGE, NO_MATCH, INCONCLUSIVE, REFUSED = 0, 1, 2, 3, 4, 5


@dataclass
class Photographs:
    """Files for the command: one person's portrait and live picture, and another person's."""

    portrait: Path
    live: Path
    stranger: Path


@pytest.fixture(scope="module")
def vision() -> FacePipeline:
    return pipeline()


@pytest.fixture(scope="module")
def photographs(vision: FacePipeline, tmp_path_factory: pytest.TempPathFactory) -> Photographs:
    directory = tmp_path_factory.mktemp("photographs")
    made = Photographs(*(directory / f"{name}.jpg" for name in ("portrait", "live", "stranger")))
    portrait, live = genuine_pair(vision)
    made.portrait.write_bytes(portrait)
    made.live.write_bytes(live)
    made.stranger.write_bytes(impostor_pair(vision)[1])
    return made


@pytest.fixture(scope="module")
def deployment(
    vision: FacePipeline, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalDeployment]:
    root = tmp_path_factory.mktemp("processes")
    pack = open_pack(None)
    with LocalDeployment(root, model_of(pack), **gateway_settings(pack)) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def counter(deployment: LocalDeployment) -> Iterator[Counter]:
    counter = Counter(deployment, model_of(open_pack(None)))
    yield counter
    counter.close()


def sealmatch(
    *arguments: str | Path, stdin: str | None = None, limits: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SEALMATCH, *map(str, arguments)],
        input=stdin or "",
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        preexec_fn=limits,
    )


def register(
    deployment: LocalDeployment,
    portrait: Path,
    live: Path,
    receipt: Path,
    *more: str | Path,
    trust: Path | None = None,
    number: tuple[str, str] = ("--id-number-file", "-"),
    stdin: str | None = None,
    limits: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    return sealmatch(
        "register",
        *("--trust", trust or deployment.directories.trust),
        *("--id-type", "passport", *number),
        *("--id-portrait", portrait, "--live", live, "--receipt", receipt),
        *more,
        stdin=stdin or f"{NUMBER}{next(_numbers)}",
        limits=limits,
    )


def report(done: subprocess.CompletedProcess[str], status: int, outcome: str) -> dict[str, Any]:
    """The one JSON object of ``--json``, after a look at status and outcome."""
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    assert done.stdout.count("\n") == 1
    parsed: dict[str, Any] = json.loads(done.stdout)
    assert parsed["outcome"] == outcome
    assert "Traceback" not in done.stderr
    for text in (done.stdout, done.stderr):
        assert PLAIN not in text
        assert NUMBER not in text
    return parsed


# Decisions


@pytest.mark.faces
def test_forty_pairs_through_real_processes(
    deployment: LocalDeployment, counter: Counter, vision: FacePipeline
) -> None:
    """Real servers decide as the integers do; the embeddings are this test's own."""
    embeddings = Embeddings(vision)
    near = sorted(lfw_pairs(100, seed=77), key=lambda p: abs(embeddings.cosine(p) - 0.419))[:12]
    pairs = [*near, *(p for p in lfw_pairs(60, seed=77) if p not in near)][:40]
    policy = default_policy(
        GatewaySettings(
            data_dir=deployment.directories.gateway,
            authority_public_key="00" * 32,
            model_id=counter.model.model_id,
            model_digest=counter.model.digest.hex(),
            **gateway_settings(open_pack(None)),
        )
    )
    assert deployment.trust.policies == [policy.digest.hex()]
    before = record_count(deployment)
    outcomes = []
    for one, other, _ in pairs:
        template, probe = embeddings(one), embeddings(other)
        outcome = counter.register(template, probe).outcome
        assert outcome == plain_decision(policy, template, probe)
        outcomes.append(outcome)
    assert len(outcomes) == 40
    assert min(outcomes.count("MATCH"), outcomes.count("NO_MATCH")) >= 10
    assert record_count(deployment) == before + 40


def usable(pair: Pair, vision: FacePipeline) -> bool:
    """Whether the product takes both photographs: exactly one face in each."""
    try:
        for path in pair[:2]:
            vision.embed(decode_image(path.read_bytes()), select="only")
    except VisionError:
        return False
    return True


@pytest.mark.faces
def test_photographs_through_the_command(
    deployment: LocalDeployment, vision: FacePipeline, tmp_path: Path
) -> None:
    embeddings = Embeddings(vision)
    drawn = lfw_pairs(40, seed=78)
    likely = [p for p in drawn if p[2]][:9] + [p for p in drawn if not p[2]][:9]
    chosen = [p for p in likely if usable(p, vision)]
    genuine = [p for p in chosen if 0.5 < embeddings.cosine(p) < 0.95][:2]
    impostors = [p for p in chosen if embeddings.cosine(p) < 0.3][:2]
    assert len(genuine) == len(impostors) == 2
    for number, (portrait, live, _) in enumerate([*genuine, *impostors]):
        receipt = tmp_path / f"{number}.cbor"
        done = register(deployment, portrait, live, receipt, "--json")
        report(done, *((MATCH, "MATCH") if number < 2 else (NO_MATCH, "NO_MATCH")))
        checked = sealmatch("receipt", "verify", receipt, "--trust", deployment.directories.trust)
        assert checked.returncode == 0, checked.stdout


# The command


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
    assert 440_000 < said["bytes"]["sessionOffer"] <= 460_000
    assert 680_000 < said["bytes"]["submission"] <= 700_000
    assert receipt.stat().st_size == said["bytes"]["receipt"] < 16_384
    opening = Path(f"{receipt}.opening")
    assert stat.S_IMODE(opening.stat().st_mode) == 0o600
    assert ORDER.encode() in opening.read_bytes()
    for secret in (PLAIN, NUMBER, ORDER):
        assert secret.encode() not in receipt.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "order",
        "receipt.cbor",
        "receipt.cbor.opening",
    ]


def test_no_match_is_status_3_and_has_a_receipt(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    receipt = tmp_path / "receipt.cbor"
    done = register(deployment, photographs.portrait, photographs.stranger, receipt, "--json")
    report(done, NO_MATCH, "NO_MATCH")
    checked = sealmatch("receipt", "verify", receipt, "--trust", deployment.directories.trust)
    assert checked.returncode == 0
    assert "NO_MATCH" in checked.stdout


def test_the_portrait_held_to_the_camera_is_no_match(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    done = register(
        deployment, photographs.portrait, photographs.portrait, tmp_path / "r", "--json"
    )
    report(done, NO_MATCH, "NO_MATCH")


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


def changed_trust(deployment: LocalDeployment, name: str, **changes: Any) -> Path:
    """A trust file beside the real one (its key files are relative to it)."""
    path = deployment.directories.root / name
    TrustFile.read(deployment.directories.trust).model_copy(update=changes).write(path)
    return path


def test_another_authoritys_key_in_the_trust_file_is_status_5(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    """The client refuses the session key: the session stays open, no submission ever arrives."""
    pinned = deployment.trust.authorities[0]
    stranger = SigningKey.generate("x").public.raw.hex()
    trust = changed_trust(
        deployment,
        "other-authority.json",
        authorities=[pinned.model_copy(update={"public_key": stranger})],
    )
    records, states = record_count(deployment), session_states(deployment)
    done = register(
        deployment, photographs.portrait, photographs.live, tmp_path / "r", "--json", trust=trust
    )
    report(done, REFUSED, "REFUSED")
    assert record_count(deployment) == records
    assert session_states(deployment) == [*states, "OPEN"]
    with gateway_database(deployment) as database:
        row = database.execute(
            "select submission_digest from sessions order by rowid desc limit 1"
        ).fetchone()
    assert row == (None,)
    assert not (tmp_path / "r").exists()


def test_a_policy_that_is_not_pinned_is_status_5(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    trust = changed_trust(deployment, "other-policy.json", policies=["00" * 32])
    states = session_states(deployment)
    done = register(
        deployment, photographs.portrait, photographs.live, tmp_path / "r", "--json", trust=trust
    )
    report(done, REFUSED, "REFUSED")
    assert session_states(deployment) == [*states, "OPEN"]


def test_a_device_that_is_not_enrolled_is_status_5(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    key = deployment.directories.counter / "stranger.key"
    create_signing_key(key, "demo-device")
    counter = deployment.trust.counter
    assert counter is not None
    trust = changed_trust(
        deployment,
        "stranger.json",
        counter=counter.model_copy(update={"device_key_file": "counter/stranger.key"}),
    )
    states = session_states(deployment)
    done = register(
        deployment, photographs.portrait, photographs.live, tmp_path / "r", "--json", trust=trust
    )
    report(done, REFUSED, "REFUSED")
    assert session_states(deployment) == states


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9", "http://127.0.0.1:99999", "ftp://127.0.0.1", "nonsense", "http://["],
)
def test_a_gateway_that_cannot_be_reached_is_status_1(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path, url: str
) -> None:
    gateways = [deployment.trust.gateways[0].model_copy(update={"url": url})]
    trust = changed_trust(deployment, "elsewhere.json", gateways=gateways)
    done = register(
        deployment, photographs.portrait, photographs.live, tmp_path / "r", "--json", trust=trust
    )
    assert report(done, FAILURE, "FAILED")["reason"]


@pytest.mark.parametrize("which", ["trust", "portrait", "live", "number"])
def test_a_missing_file_is_status_1(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path, which: str
) -> None:
    states = session_states(deployment)
    missing = tmp_path / "missing-file"
    done = register(
        deployment,
        missing if which == "portrait" else photographs.portrait,
        missing if which == "live" else photographs.live,
        tmp_path / "r",
        "--json",
        trust=missing if which == "trust" else None,
        number=("--id-number-file", str(missing) if which == "number" else "-"),
    )
    assert "missing-file" in report(done, FAILURE, "FAILED")["reason"]
    assert session_states(deployment) == states


def test_a_number_that_is_none_is_status_1_and_not_repeated(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    done = register(
        deployment,
        photographs.portrait,
        photographs.live,
        tmp_path / "r",
        "--json",
        number=("--id-number", "Ω!?canary"),
    )
    assert "canary" not in done.stdout + done.stderr
    report(done, FAILURE, "FAILED")


def test_a_missing_model_pack_is_a_failure_and_not_inconclusive(
    deployment: LocalDeployment,
    photographs: Photographs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Status 4 tells the shop to take another photograph, which would not help."""
    monkeypatch.setenv("SEALMATCH_MODELS", str(tmp_path / "no-models"))
    done = register(deployment, photographs.portrait, photographs.live, tmp_path / "r", "--json")
    report(done, FAILURE, "FAILED")


@pytest.mark.parametrize("target", ["no/such/directory/r", "a-directory", "a-pipe"])
def test_a_receipt_that_cannot_be_written_is_said_before_anything_is_sent(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path, target: str
) -> None:
    """A decision whose proof is lost helps nobody: the subscriber would have to start again.

    A pipe stands for /dev/full and /dev/stdout: what is no file must never be replaced by one.
    """
    (tmp_path / "a-directory").mkdir()
    os.mkfifo(tmp_path / "a-pipe")
    before = session_states(deployment), record_count(deployment)
    opening = tmp_path / "opening"
    done = register(
        deployment,
        photographs.portrait,
        photographs.live,
        tmp_path / target,
        "--json",
        *("--opening", opening),
    )
    assert (tmp_path / "a-directory").is_dir()
    assert (tmp_path / "a-pipe").is_fifo()
    assert report(done, FAILURE, "FAILED")["reason"]
    assert (session_states(deployment), record_count(deployment)) == before
    assert not opening.exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_disk_without_room_for_the_receipt_is_said_before_anything_is_sent(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    before = session_states(deployment), record_count(deployment)
    done = register(
        deployment,
        photographs.portrait,
        photographs.live,
        tmp_path / "r",
        "--json",
        limits=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert report(done, FAILURE, "FAILED")["reason"]
    assert (session_states(deployment), record_count(deployment)) == before
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_receipt_is_replaced_only_by_a_new_one(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    receipt, broken = tmp_path / "r", tmp_path / "broken.jpg"
    receipt.write_bytes(b"an earlier one")
    broken.write_bytes(b"")
    done = register(deployment, photographs.portrait, broken, receipt, "--json")
    report(done, INCONCLUSIVE, "INCONCLUSIVE")
    assert receipt.read_bytes() == b"an earlier one"
    done = register(deployment, photographs.portrait, photographs.live, receipt, "--json")
    report(done, MATCH, "MATCH")
    assert receipt.stat().st_size > 1000


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["register"],
        ["register", "--trust", "x", "--id-type", "library-card"],
        [
            "register",
            "--trust",
            "x",
            "--id-type",
            "passport",
            "--id-number",
            "1",
            "--id-number-file",
            "-",
        ],
        ["receipt"],
        ["receipt", "verify"],
        ["receipt", "verify", "x"],
        ["receipt", "verify", "x", "--trust", "y", "--opening", "z"],
        ["receipt", "verify", "x", "--trust", "y", "--id-type", "passport", "--id-number", "AB123"],
        ["up"],
        ["nonsense"],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == USAGE


# Receipts


@pytest.fixture(scope="module")
def receipt(
    deployment: LocalDeployment,
    photographs: Photographs,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    path = tmp_path_factory.mktemp("receipt") / "receipt.cbor"
    done = register(deployment, photographs.portrait, photographs.live, path, stdin=ONES_OWN + "\n")
    assert done.returncode == MATCH, done.stderr
    return path


@dataclass
class Said:
    """What a command run inside this process left; the real one runs with the photographs."""

    returncode: int
    stdout: str
    stderr: str


def verify(trust: Path, receipt: Path, *more: str | Path, number: str = ONES_OWN) -> Said:
    out, err = io.StringIO(), io.StringIO()
    arguments = ["receipt", "verify", receipt, "--trust", trust, *more]
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "stdin", io.StringIO(number))
        status = main([str(argument) for argument in arguments])
    return Said(status, out.getvalue(), err.getvalue())


OPENED = ("--id-type", "passport", "--id-number-file", "-")


def test_a_receipt_verifies_with_and_without_its_opening(
    deployment: LocalDeployment, receipt: Path
) -> None:
    trust = deployment.directories.trust
    alone = verify(trust, receipt)
    assert alone.returncode == 0, alone.stdout
    assert "10. subject opens" not in alone.stdout
    opened = verify(trust, receipt, "--opening", f"{receipt}.opening", *OPENED, number="l01x00T47")
    assert opened.returncode == 0, opened.stdout
    assert "10. subject opens" in opened.stdout
    assert PLAIN not in opened.stdout


def test_a_wrong_number_type_or_opening_fails_at_its_step(
    deployment: LocalDeployment, receipt: Path, tmp_path: Path
) -> None:
    trust = deployment.directories.trust
    wrong = verify(trust, receipt, "--opening", f"{receipt}.opening", *OPENED, number="L01X00T48")
    assert wrong.returncode == FAILURE
    assert "FAIL  10." in wrong.stdout
    card = ("--id-type", "id-card", "--id-number-file", "-")
    assert verify(trust, receipt, "--opening", f"{receipt}.opening", *card).returncode == FAILURE
    opening = bytearray(Path(f"{receipt}.opening").read_bytes())
    opening[-5] ^= 1
    (tmp_path / "opening").write_bytes(opening)
    bad = verify(trust, receipt, "--opening", tmp_path / "opening", *OPENED)
    assert bad.returncode == FAILURE


def test_every_altered_byte_of_a_receipt_is_noticed(
    deployment: LocalDeployment, receipt: Path
) -> None:
    """Two hundred positions through the verifier itself, one through the command.

    The last line is the log's signature for COSE receipts, by a key of a type that a trust policy
    does not name; readers of notes pass such lines over (C2SP signed-note).
    """
    original = receipt.read_bytes()
    passed_over = original.rindex("\u2014 ".encode())
    trust = TrustFile.read(deployment.directories.trust)
    verify_receipt(original, trust)
    rng = random.Random(3)
    for at in [0, passed_over - 1, *rng.sample(range(passed_over), 200)]:
        altered = bytearray(original)
        altered[at] ^= 1 << rng.randrange(8)
        with pytest.raises(ReceiptInvalid):
            verify_receipt(bytes(altered), trust)
    for cut in (0, 1, len(original) // 2, len(original) - 1):
        with pytest.raises(ReceiptInvalid):
            verify_receipt(original[:cut], trust)


def test_the_command_names_the_failing_step(
    deployment: LocalDeployment, receipt: Path, tmp_path: Path
) -> None:
    altered = tmp_path / "altered"
    altered.write_bytes(receipt.read_bytes().replace(b"demo-outlet", b"demo-outleu"))
    done = verify(deployment.directories.trust, altered)
    assert done.returncode == FAILURE
    assert "FAIL  2. statement is signed by the pinned gateway" in done.stdout
    assert "NOT valid" in done.stderr
    altered.write_bytes(b"\0" * 10_000_000)
    assert verify(deployment.directories.trust, altered).returncode == FAILURE
    assert verify(deployment.directories.trust, tmp_path / "missing").returncode == FAILURE
    assert verify(tmp_path / "missing", receipt).returncode == FAILURE


def test_another_deployments_trust_file_does_not_verify_it(
    deployment: LocalDeployment, receipt: Path, tmp_path: Path
) -> None:
    """A second pair of servers with the same names and other keys."""
    with LocalDeployment(tmp_path / "second", model_of(open_pack(None))) as second:
        assert second.trust.gateways[0].party == deployment.trust.gateways[0].party
        done = verify(second.directories.trust, receipt)
        assert done.returncode == FAILURE
        assert "FAIL  2." in done.stdout
        other = Counter(second, model_of(open_pack(None)))
        theirs = tmp_path / "theirs"
        theirs.write_bytes(other.register(*pair(0.7)).receipt)
        other.close()
    assert verify(second.directories.trust, theirs).returncode == 0
    assert verify(deployment.directories.trust, theirs).returncode == FAILURE
    swapped = TrustFile.read(deployment.directories.trust)
    mixed = tmp_path / "mixed.json"
    swapped.model_copy(update={"authorities": second.trust.authorities}).write(mixed)
    assert "FAIL  3." in verify(mixed, receipt).stdout


# Sizes


def test_messages_are_small_and_hold_nothing_but_their_fields(counter: Counter) -> None:
    """No Galois or relinearisation key could hide: every byte belongs to a named field."""
    request = session_request(counter.keys)
    answer = counter.send("POST", SESSIONS, request.encode())
    offer = cbor.decode(answer.content)
    assert len(answer.content) <= 460_000
    assert set(offer) == {"version", "grant", "publicKey", "policy", "challenge"}
    assert len(offer["publicKey"]) == PUBLIC_KEY_BYTES == 458_754
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
        "probe",
        "submissionAssertion",
        "livenessEvidence",
        "consent",
    }
    assert len(fields["probe"]) == FRESH_BYTES == 344_066
    assert len(fields["sealedTemplate"]) == SEALED_BYTES == FRESH_BYTES + 1120 + 16
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
    assert found == SECTION_12
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


def forms(text: str) -> set[bytes]:
    """A text as it is, and as somebody might have encoded it."""
    raw = text.encode()
    padded = [base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4] for shift in range(3)]
    return {
        raw,
        raw.lower(),
        raw.hex().encode(),
        raw.hex().upper().encode(),
        text.encode("utf-16-le"),
        *(part for part in padded if len(part) >= 6),
    }


def test_no_file_of_either_server_holds_a_number_or_a_ciphertext(
    deployment: LocalDeployment,
) -> None:
    """Databases, write-ahead logs, logs, trust lists: every file, at any size."""
    searched = {f for text in (NUMBER, PLAIN, ORDER) for f in forms(text)}
    files = []
    for directory in (deployment.directories.gateway, deployment.directories.authority):
        files += [path for path in sorted(directory.rglob("*")) if path.is_file()]
    names = {path.name for path in files}
    assert {"gateway.sqlite3", "gateway.sqlite3-wal", "server.log", "trust.json"} <= names
    for path in files:
        content = path.read_bytes()
        for one in searched:
            assert one not in content, f"{path.name} holds {one!r}"
    authority = [p for p in files if deployment.directories.authority in p.parents]
    assert sum(p.stat().st_size for p in authority) < 64 * 1024
    counters = {f"{name}.sqlite3{end}" for name in ("caps", "audits") for end in ("", "-journal")}
    own = {"keystore.sealed", "trust.json", "server.log", *counters}
    assert {p.name for p in authority} <= own


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
