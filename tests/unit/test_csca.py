"""Lists of issuing authorities: put together from what a State signed, or from nothing at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.cli import FAILURE, csca
from gateway.documents.chip.certificates import Certificate, CscaList, UnusableList
from gateway.documents.chip.master_list import read_master_list
from gateway.documents.chip.revocation import RevocationList
from gateway.main import main
from tests.support.chips import (
    NOW,
    SIGNERS_SERIAL,
    authority,
    certificates_of,
    key,
    listed,
    master_list,
    name,
    revocation_list,
    signer_certificate,
    utopia,
)

OTHER = authority(key("brainpoolP384r1"), name("FR", "CSCA Elsewhere"))
SIGNER = signer_certificate(utopia(), key().public_key(), purpose="2.23.136.1.1.3")
CONTENT = certificates_of(utopia().der, OTHER.der)


def signer(**changes: Any) -> Any:
    given = {"purpose": "2.23.136.1.1.3"} | changes
    return lambda by, public: signer_certificate(by, public, **given)


def test_a_master_list_gives_the_authorities_that_its_state_lists() -> None:
    found = read_master_list(master_list(CONTENT), listed(utopia()), NOW)
    assert {one.encoded for one in found.certificates} == {utopia().der, OTHER.der}
    assert (found.left_out, found.signed_by) == (0, "UT")
    more = certificates_of(utopia().der, utopia().der[:-1] + b"\0", OTHER.der)
    with_signer = certificates_of(utopia().der, SIGNER.public_bytes(Encoding.DER))
    for content, kept in ((more, 3), (with_signer, 1)):
        again = read_master_list(master_list(content), listed(utopia()), NOW)
        assert len(again.certificates) == kept  # a signature of its own is no matter of a root


@pytest.mark.parametrize(
    ("encoded", "why"),
    [
        (b"", "malformed"),
        (master_list(CONTENT)[:-1], "malformed"),
        (master_list(CONTENT).replace(OTHER.der, utopia().der), "malformed"),
        (master_list(CONTENT, content_type="2.23.136.1.1.1"), "no master list"),
        (master_list(b"\x30\x00"), "malformed"),
        (master_list(CONTENT, certificate=signer_certificate), "another use"),
        (master_list(CONTENT, certificate=signer(usage=False)), "another use"),
        (master_list(CONTENT, by=OTHER), "nobody of --signed-under"),
        (master_list(CONTENT, certificate=signer(years=(-9, -1))), "not valid today"),
        (master_list(CONTENT, attributes={"message_digest": bytes(32)}), "is not the one that was"),
    ],
    ids=["empty", "cut", "altered", "type", "content", "purpose", "usage", "stranger", "expired",
         "digest"],
)  # fmt: skip
def test_a_list_that_no_known_state_signed_is_refused(encoded: bytes, why: str) -> None:
    with pytest.raises(UnusableList, match=why):
        read_master_list(encoded, listed(utopia()), NOW)


def test_a_signer_who_was_taken_back_signs_no_list() -> None:
    def under(serial: int) -> CscaList:
        taken = RevocationList.parse(revocation_list(utopia(), serial))
        return CscaList([Certificate.parse(utopia().der)], [taken])

    assert read_master_list(master_list(CONTENT), under(1), NOW).certificates
    with pytest.raises(UnusableList, match="took"):
        read_master_list(master_list(CONTENT), under(SIGNERS_SERIAL), NOW)


def test_the_command_puts_a_list_together_and_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(csca, "unix_time", lambda: int(NOW.timestamp()))
    root, states, out = tmp_path / "root.pem", tmp_path / "states.ml", tmp_path / "csca.pem"
    root.write_bytes(utopia().pem)
    states.write_bytes(master_list(CONTENT))
    made = ("csca", "make", "--out", str(out), "--master-list", str(states))
    assert main([*made, "--signed-under", str(root), "--certificate", str(root)]) == 0
    assert "2 certificates, signed by UT" in capsys.readouterr().out
    assert len(CscaList.read(out.read_bytes()).certificates) == 2
    assert main(["csca", "show", str(out)]) == 0
    told = capsys.readouterr().out
    assert "FR  until 2038-" in told
    assert "2 certificates of 2 States" in told
    revoked = tmp_path / "revoked.crl"
    revoked.write_bytes(revocation_list(utopia(), 7, 8))
    with_lists = ("csca", "make", "--out", str(out), "--crl", str(revoked), "--certificate")
    assert main([*with_lists, str(root)]) == 0
    told = capsys.readouterr().out
    assert "2 revoked, on 1 lists" in told
    assert "on no list" not in told
    both = tmp_path / "both.pem"
    both.write_bytes(root.read_bytes() + OTHER.pem)
    assert main([*with_lists, str(both)]) == 0
    assert "what 1 of the certificates issued: FR" in capsys.readouterr().out
    assert main([*with_lists, str(root)]) == 0
    assert CscaList.read(out.read_bytes()).revocations[0].serials == {7, 8}
    again = ("csca", "make", "--out", str(out), "--certificate")
    assert main([*again, str(out), "--certificate", str(root)]) == 0
    assert CscaList.read(out.read_bytes()).revocations[0].serials == {7, 8}, "renewed, and kept"
    before = out.read_bytes()
    states.write_bytes(master_list(CONTENT, by=OTHER))
    assert main([*made, "--signed-under", str(root)]) == FAILURE
    assert out.read_bytes() == before
    for usage in (made, ("csca", "make", "--out", str(out))):
        with pytest.raises(SystemExit):
            main(list(usage))
