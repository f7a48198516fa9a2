"""``sealmatch receipt verify``: a receipt, and everything that must not pass for one."""

import contextlib
import io
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.cli import NOT_VALID
from gateway.cli.pack import model_of, open_pack
from gateway.lab.deployment.local import LocalDeployment
from gateway.main import main
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import ReceiptInvalid, verify_receipt
from tests.support.commands import (
    FAILURE,
    MATCH,
    NUMBER,
    ONES_OWN,
    ORDER,
    PLAIN,
    Photographs,
    register,
)
from tests.support.counter import Counter
from tests.support.leftovers import assert_no_file_holds
from tests.support.samples import pair

pytestmark = [pytest.mark.processes, pytest.mark.pack, pytest.mark.slow]


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
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(number.encode())))
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
    assert wrong.returncode == NOT_VALID
    assert "FAIL  10." in wrong.stdout
    card = ("--id-type", "id-card", "--id-number-file", "-")
    assert verify(trust, receipt, "--opening", f"{receipt}.opening", *card).returncode == NOT_VALID
    opening = bytearray(Path(f"{receipt}.opening").read_bytes())
    opening[-5] ^= 1
    (tmp_path / "opening").write_bytes(opening)
    bad = verify(trust, receipt, "--opening", tmp_path / "opening", *OPENED)
    assert bad.returncode == NOT_VALID


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
    assert done.returncode == NOT_VALID
    assert "FAIL  2. statement is signed by the pinned gateway" in done.stdout
    assert "NOT valid" in done.stderr
    altered.write_bytes(b"\0" * 10_000_000)
    assert verify(deployment.directories.trust, altered).returncode == NOT_VALID
    assert verify(deployment.directories.trust, tmp_path / "missing").returncode == FAILURE
    assert verify(tmp_path / "missing", receipt).returncode == FAILURE


def test_another_deployments_trust_file_does_not_verify_it(
    deployment: LocalDeployment, receipt: Path, tmp_path: Path
) -> None:
    """A second pair of servers with the same names and other keys."""
    with LocalDeployment(tmp_path / "second", model_of(open_pack(None))) as second:
        assert second.trust.gateways[0].party == deployment.trust.gateways[0].party
        done = verify(second.directories.trust, receipt)
        assert done.returncode == NOT_VALID
        assert "FAIL  2." in done.stdout
        other = Counter(second, model_of(open_pack(None)))
        theirs = tmp_path / "theirs"
        theirs.write_bytes(other.register(*pair(0.7)).receipt)
        other.close()
    assert verify(second.directories.trust, theirs).returncode == 0
    assert verify(deployment.directories.trust, theirs).returncode == NOT_VALID
    swapped = TrustFile.read(deployment.directories.trust)
    mixed = tmp_path / "mixed.json"
    swapped.model_copy(update={"authorities": second.trust.authorities}).write(mixed)
    assert "FAIL  3." in verify(mixed, receipt).stdout


def test_no_file_of_either_server_holds_a_number_or_a_ciphertext(
    deployment: LocalDeployment,
) -> None:
    """Comes last: the servers have by now seen everything above."""
    assert_no_file_holds(deployment, NUMBER, PLAIN, ORDER)
