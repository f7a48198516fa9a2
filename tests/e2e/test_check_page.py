"""The check page in a real browser: it says of every receipt what the command says."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway.proofs.checker import checker_page
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import ReceiptInvalid, verify_receipt
from gateway.wire import cbor, cose, proof
from gateway.wire.proof import Receipt
from tests.support import parties
from tests.support.browser import Browser
from tests.support.parties import OTHER_GATEWAY
from tests.support.receipts import (
    HONEST,
    LOG,
    OTHER_POLICY,
    Log,
    audited,
    logged,
    pin_auditor,
    receipt,
    trust,
)
from tests.vectors import golden

MUTANTS = 400

VERIFY = """
const decode = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const verdicts = [];
const one = async (text) => {
  try { await verifyReceipt(decode(text), TRUST, NUMBERS, () => {}); return 0; }
  catch (error) { return error.step ?? `${error}`; }
};
return (async (texts) => {
  for (const text of texts) verdicts.push(await one(text));
  return verdicts;
})(arguments[0]);
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


def page(directory: Path, pinned: TrustFile | None = None) -> Path:
    path = directory / "check.html"
    path.write_text(checker_page(pinned or trust()), encoding="utf-8")
    return path


def in_browser(browser: Browser, receipts: list[bytes]) -> list[Any]:
    """For each receipt the number of the failing step, 0 for none."""
    return list(browser.run(VERIFY, [base64.b64encode(one).decode() for one in receipts]))


def by_command(encoded: bytes, pinned: TrustFile | None = None) -> int:
    try:
        verify_receipt(encoded, pinned or trust())
    except ReceiptInvalid as error:
        return error.step
    return 0


def test_a_subscriber_drops_a_receipt_and_reads_the_verdict(
    browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "receipt.cbor"
    file.write_bytes(HONEST)
    browser.open(page(tmp_path))
    browser.upload("#file", file)
    assert browser.wait_for_text("#headline") == "The receipt is genuine"
    assert browser.text("#plain").startswith("The check passed")
    assert "2023-11-14 22:13 UTC" in browser.text("#facts")
    file.write_bytes(HONEST[:-1] + b"\0")
    browser.upload("#file", file)
    assert browser.wait_for_text("#headline") == "The receipt is NOT valid"
    assert browser.text("#facts") == ""


def test_no_match_is_said_plainly(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "receipt.cbor"
    file.write_bytes(receipt(decision={"outcome": "NO_MATCH"}))
    browser.open(page(tmp_path))
    browser.upload("#file", file)
    assert browser.wait_for_text("#headline") == "The receipt is genuine"
    assert browser.text("#plain").startswith("The check did not pass")


@pytest.mark.parametrize(
    ("language", "title"), [("zh-CN", "核验凭证"), ("es-MX", "Comprobar un recibo")]
)
def test_the_page_speaks_the_browsers_language(language: str, title: str, tmp_path: Path) -> None:
    with Browser(language) as browser:
        browser.open(page(tmp_path))
        assert browser.text("h1") == title


def test_the_page_can_reach_no_network(browser: Browser, tmp_path: Path) -> None:
    browser.open(page(tmp_path))
    script = """
    const blocked = [];
    addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
    return (async () => {
      await fetch("http://127.0.0.1:9/").catch(() => {});
      const image = new Image(); image.src = "http://127.0.0.1:9/x.png";
      const added = document.createElement("script"); added.text = "window.ran = true";
      document.body.append(added);
      await new Promise((done) => setTimeout(done, 200));
      return [blocked.sort(), window.ran === undefined];
    })();
    """
    assert browser.run(script) == [["connect-src", "img-src", "script-src-elem"], True]


def claiming(claims: dict[int, str]) -> bytes:
    """A receipt whose gateway signed other claims than the statement's fields."""

    class Statement(proof.Statement):
        def claims(self) -> dict[int, str]:
            return claims

    stated = Statement.decode(cose.peek(Receipt.decode(HONEST).statement, proof.Statement).encode())
    return Receipt(statement=cose.sign(stated, parties.GATEWAY).encoded, log_proof=None).encode()


FORGED = {
    "no claims": claiming({}),
    "another issuer": claiming({**golden.STATEMENT.claims(), 1: "another"}),
    "another subject": claiming({**golden.STATEMENT.claims(), 2: "00" * 16}),
    "one claim more": claiming({**golden.STATEMENT.claims(), 3: "audience"}),
    "gateway's key": receipt(gateway=OTHER_GATEWAY),
    "authority's key": receipt(authority=OTHER_GATEWAY),
    "session": receipt(decision={"session": bytes(16)}),
    "policy": receipt(
        statement={"policy_digest": bytes(32)}, decision={"policy_digest": bytes(32)}
    ),
    "no proof at all": receipt(log_proof=b"x"),
    "proof that nobody asked for": LOG.receipt(),
    "honest": HONEST,
    "other policy that is pinned": receipt(
        statement={"policy_digest": OTHER_POLICY.digest},
        decision={"policy_digest": OTHER_POLICY.digest},
    ),
    "unsigned header": HONEST.replace(b"\xa0", b"\xa1\x18\x20\x00", 1),
    "empty": b"",
    "something else": cbor.encode({"version": 1}),
    "trailing byte": HONEST + b"\0",
    "too long": bytes(300_000),
}


STATEMENT = Receipt.decode(HONEST).statement
PROOF = LOG.proof(STATEMENT, witnesses=2)
OTHER_LOG = Log("other.example/log")
LOGGED = {
    "honest": LOG.receipt(witnesses=2),
    "without proof": HONEST,
    "another log": OTHER_LOG.receipt(witnesses=2),
    "one witness": LOG.receipt(witnesses=1),
    "no witness": LOG.receipt(),
    "another entry": LOG.receipt(index=2, witnesses=2),
    "another statement's proof": logged(LOG.proof(b"another statement", witnesses=2)),
    "path cut short": logged(replace(PROOF, path=PROOF.path[:-1])),
    "path too long": logged(replace(PROOF, path=(*PROOF.path, PROOF.path[0]))),
    "path reversed": logged(replace(PROOF, path=PROOF.path[::-1])),
    "index beyond the tree": logged(replace(PROOF, index=7)),
    "index with a zero": receipt(log_proof=bytes(PROOF).replace(b"index 3", b"index 03")),
    "extra data": logged(replace(PROOF, extra=b"x")),
    "larger size": receipt(log_proof=bytes(PROOF).replace(b"\n7\n", b"\n8\n")),
    "cosignature altered": receipt(log_proof=bytes(PROOF)[:-6] + b"AA==\n"),
    "no final newline": receipt(log_proof=bytes(PROOF)[:-1]),
    "carriage returns": receipt(log_proof=bytes(PROOF).replace(b"\n", b"\r\n")),
}


AUDITED = {
    "honest": audited(),
    "not audited": HONEST,
    "no match": audited(decision={"outcome": "NO_MATCH"}),
    "another evaluation": audited({"evaluated_digest": bytes(32)}),
    "another decision": audited(decision={"lanes": 1}),
    "a stranger's": audited(auditor=parties.stranger(parties.AUDITOR.party)),
    "somebody": audited({"auditor": "somebody"}),
    "another object": receipt({"audit": golden.SIGNED_DECISION.encoded}),
}


@pytest.mark.parametrize(
    ("pinned", "receipts"),
    [
        (trust(), FORGED),
        (LOG.trusted(2), LOGGED),
        (trust(auditors=[pin_auditor()]), AUDITED),
        (trust(), {name: AUDITED[name] for name in ("honest", "a stranger's")}),
    ],
    ids=["no log", "log and two witnesses", "auditor", "no auditor"],
)
def test_browser_and_command_name_the_same_step(
    browser: Browser, tmp_path: Path, pinned: TrustFile, receipts: dict[str, bytes]
) -> None:
    browser.open(page(tmp_path, pinned))
    found = in_browser(browser, list(receipts.values()))
    assert dict(zip(receipts, found, strict=True)) == {
        name: by_command(encoded, pinned) for name, encoded in receipts.items()
    }
    assert 0 in found


def test_no_altered_receipt_passes_in_the_browser(browser: Browser, tmp_path: Path) -> None:
    random = Random(1)
    honest = LOG.receipt(witnesses=2)
    browser.open(page(tmp_path, LOG.trusted(2)))
    mutants = []
    for _ in range(MUTANTS):
        mutant = bytearray(honest)
        mutant[random.randrange(len(mutant))] ^= 1 << random.randrange(8)
        mutants.append(bytes(mutant))
    assert [step for step in in_browser(browser, mutants) if step not in range(1, 10)] == []


def test_pins_cannot_leave_their_place(tmp_path: Path) -> None:
    """Names come from a file: they are data, whatever they look like."""
    pinned = trust(policies=["00" * 32])
    odd = pinned.model_copy(
        update={
            "gateways": [
                pinned.gateways[0].model_copy(update={"party": "</script><script>alert(1)"})
            ]
        }
    )
    assert "</script><script>alert" not in checker_page(odd)
