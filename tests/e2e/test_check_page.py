"""The check page in a real browser: it says of every receipt what the command says."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any, get_args

import pytest

import gateway.proofs
from gateway.client.registration import SIM_ACTIVATION
from gateway.proofs.checker import LANGUAGES, checker_page
from gateway.proofs.fallback import FALLBACK_STEPS, verify_any
from gateway.proofs.printable import printable_page
from gateway.proofs.requirements import REQUIREMENTS, RequirementNotMet, check_requirements
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import STEPS, ReceiptInvalid, VerifiedReceipt, verify_receipt
from gateway.proofs.wordings import WORDINGS
from gateway.translog.cosignature import sign_checkpoint
from gateway.translog.proof import LogProof
from gateway.translog.tree import leaf_hash
from gateway.wire import cbor, cose, proof
from gateway.wire.evaluation import Outcome
from gateway.wire.fallback import MEANS, REASONS
from gateway.wire.ids import DOCUMENT_TYPES
from gateway.wire.liveness import ACTION_KINDS, LivenessOutcome
from gateway.wire.number import UnusableNumber
from gateway.wire.policy import PolicyAssurance
from gateway.wire.proof import Receipt
from gateway.wire.quality import QualityOutcome
from gateway.wire.subject import Subject
from tests.support import parties
from tests.support.browser import Browser
from tests.support.parties import NOW, OTHER_GATEWAY, fixed_bytes
from tests.support.receipts import (
    APPROVAL,
    BAD_APPROVALS,
    BAD_FALLBACKS,
    FALLBACK,
    FULL,
    FULL_TRUST,
    HONEST,
    LOG,
    OPENING,
    OTHER_POLICY,
    Log,
    approval,
    approving,
    audited,
    fallback_receipt,
    logged,
    pin_auditor,
    pin_supervisor,
    receipt,
    signed_policy,
    trust,
)
from tests.support.translog import root_after
from tests.vectors import golden
from tests.vectors.ordered import DAY

PAGE = Path(gateway.proofs.__file__).parent / "page"
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
        verify_any(encoded, pinned or trust())
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
    browser.wait_for_text("#headline", "The check was passed")
    assert browser.text("#plain").startswith("The receipt is genuine")
    assert "2023-11-14 22:13 UTC" in browser.text("#facts")
    file.write_bytes(HONEST[:-1] + b"\0")
    browser.upload("#file", file)
    browser.wait_for_text("#headline", "The receipt is NOT valid")
    assert browser.run("return document.getElementById('facts').textContent") == ""


def test_no_match_is_said_plainly(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "receipt.cbor"
    file.write_bytes(receipt(decision={"outcome": "NO_MATCH"}))
    browser.open(page(tmp_path))
    browser.upload("#file", file)
    browser.wait_for_text("#headline", "The check was NOT passed")
    assert browser.text("#plain").startswith("The receipt is genuine")
    assert browser.run("return document.getElementById('verdict').className") == "box refused"


def test_a_registration_without_a_face_looks_like_no_match(
    browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "receipt.cbor").write_bytes(FALLBACK)
    (tmp_path / "mine").write_bytes(OPENING.model_copy(update={"consent": None}).encode())
    browser.open(page(tmp_path))
    browser.upload("#file", tmp_path / "receipt.cbor")
    browser.wait_for_text("#headline", "A registration WITHOUT a face")
    assert "No face was compared" in browser.text("#plain")
    assert browser.run("return document.getElementById('verdict').className") == "box other"
    script = "return [...document.querySelectorAll('#items li')].map((one) => one.className)"
    states = ("not-performed", "done", "not-checked", "not-checked", "not-checked")
    assert browser.run(script) == [*states, "not-checked", "not-checked"]
    assert browser.run("return document.querySelectorAll('#steps li').length") == len(
        FALLBACK_STEPS
    )
    browser.upload("#opening", tmp_path / "mine")
    assert golden.ACTIVATION in browser.wait_for_text("#fits-activation")
    browser.choose("#type", "passport")
    browser.run("document.getElementById('number').value = arguments[0]", "X1234567")
    browser.click("#document button")
    browser.wait_for(lambda: "about this document" in browser.text("#fits-subject"))


UNCALIBRATED = parties.QUALITY.model_copy(update={"outcome": "uncalibrated"})
ITEMS = (
    *("comparison", "portrait", "liveness", "quality", "log", "witnesses", "audit", "policy"),
    *("subject", "activation"),
)


def marks(browser: Browser) -> dict[str, str]:
    """What each item of the list is marked as."""
    script = "return [...document.querySelectorAll('#items li')].map((one) => one.className)"
    return dict(zip(ITEMS, browser.run(script), strict=True))


def show(browser: Browser, directory: Path, encoded: bytes, pinned: TrustFile) -> None:
    (directory / "receipt.cbor").write_bytes(encoded)
    browser.open(page(directory, pinned))
    browser.upload("#file", directory / "receipt.cbor")
    browser.wait_for_text("#headline")


def shown(browser: Browser, directory: Path, encoded: bytes, pinned: TrustFile) -> dict[str, str]:
    show(browser, directory, encoded, pinned)
    return marks(browser)


@pytest.mark.parametrize(
    ("encoded", "pinned"),
    [
        (FULL, FULL_TRUST),
        (FULL, trust()),
        (LOG.receipt(), LOG.trusted()),
        (receipt(decision={"outcome": "NO_MATCH"}), trust()),
        (receipt({"live_quality": UNCALIBRATED}), trust(auditors=[pin_auditor()])),
        (receipt({"portrait_source": "photographed"}), trust()),
        (receipt({"portrait_source": "read"}), trust()),
        (receipt({"portrait_source": "mobile-verified"}), trust()),
    ],
    ids=[
        *("all", "nobody-pinned", "no-witness", "no-match", "uncalibrated", "photographed", "read"),
        "mobile",
    ],
)
def test_no_tick_for_what_did_not_take_place(
    browser: Browser, tmp_path: Path, encoded: bytes, pinned: TrustFile
) -> None:
    """Page, command and paper tell it in the same way."""
    verified = verify_receipt(encoded, pinned)
    quality = "quality" not in unmet(verified)
    expected = {
        "comparison": "done" if verified.decision.message.outcome == "MATCH" else "failed",
        "portrait": "not-performed" if "state-signed" in unmet(verified) else "done",
        "liveness": verified.liveness,
        "quality": "done" if quality else "not-performed",
        "log": verified.log,
        "witnesses": verified.witnesses,
        "audit": verified.audit,
        "policy": verified.policy,
        "subject": "not-checked",
        "activation": "not-checked",
    }
    assert shown(browser, tmp_path, encoded, pinned) == expected
    steps = browser.run(
        "return Object.fromEntries([...document.querySelectorAll('#steps li')].map("
        "(one) => [parseInt(one.textContent), one.className]))"
    )
    assert {int(n): state for n, state in steps.items() if state not in ("skipped",)} == {
        **{number: finding.state for number, finding in verified.notes.items()},
        10: "not-checked",
        11: "not-checked",
    }
    printed = printable_page(verified)
    ticked = re.findall(r"<dt>([^<]*)</dt><dd>\u2713", printed)
    labels = dict(zip(WORDINGS["en"].checks, ITEMS, strict=False))
    assert [labels[one] for one in ticked] == [name for name in ITEMS if expected[name] == "done"]


def unmet(verified: VerifiedReceipt) -> dict[str, str]:
    try:
        check_requirements(verified, REQUIREMENTS)
    except RequirementNotMet as error:
        return dict(error.unmet)
    return {}


OWN = OPENING.of_activation(golden.RECORD_ID)
OTHER_SALT = {"activation_salt": bytes(32)}


@pytest.mark.parametrize(
    ("opening", "fits"),
    [
        (OWN.encode(), True),
        (OPENING.encode(), True),
        (OWN.model_copy(update={"activation_reference": "order-2"}).encode(), False),
        (OWN.model_copy(update={"record_id": bytes(16)}).encode(), False),
        (OWN.model_copy(update=OTHER_SALT).encode(), False),
        (OPENING.model_copy(update=OTHER_SALT).encode(), False),
        (cbor.encode({**cbor.decode(OWN.encode()), "other": 1}), False),
        (cbor.encode({**cbor.decode(OWN.encode()), "activationSalt": bytes(16)}), False),
    ],
    ids=["activation", "subscriber", "order", "record", "salt", "subscribers-salt", "field",
         "short"],
)  # fmt: skip
def test_the_page_takes_an_opening(
    browser: Browser, tmp_path: Path, opening: bytes, fits: bool
) -> None:
    shown(browser, tmp_path, HONEST, trust())
    (tmp_path / "opening").write_bytes(opening)
    browser.upload("#opening", tmp_path / "opening")
    told = browser.wait_for_text("#fits-activation")
    assert (golden.ACTIVATION in told) == fits
    assert marks(browser)["activation"] == ("done" if fits else "failed")
    assert browser.text("#headline") == "The check was passed", "it is as genuine as before"
    # Another receipt is another matter.
    (tmp_path / "receipt.cbor").write_bytes(receipt(decision={"outcome": "NO_MATCH"}))
    browser.upload("#file", tmp_path / "receipt.cbor")
    browser.wait_for_text("#headline", "The check was NOT passed")
    assert marks(browser)["activation"] == "not-checked"


def test_a_subscriber_shows_whose_receipt_it_is(browser: Browser, tmp_path: Path) -> None:
    shown(browser, tmp_path, HONEST, trust())
    (tmp_path / "mine").write_bytes(OPENING.encode())
    browser.upload("#opening", tmp_path / "mine")
    browser.wait_for_text("#fits-activation")
    assert marks(browser)["subject"] == "not-checked", "an opening alone shows no document"
    for number, kind, mark in (
        ("x-123 4567", "passport", "done"),
        ("X1234568", "passport", "failed"),
        ("X1234567", "id-card", "failed"),
        ("?", "passport", "failed"),
    ):
        browser.choose("#type", kind)
        browser.run("document.getElementById('number').value = arguments[0]", number)
        browser.click("#document button")
        browser.wait_for(lambda mark=mark: marks(browser)["subject"] == mark)
        assert ("NOT" in browser.text("#fits-subject").upper()) == (mark == "failed")


def test_receipt_and_opening_may_come_together(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(HONEST)
    (tmp_path / "a").write_bytes(OWN.encode())
    browser.open(page(tmp_path))
    browser.upload("#file", tmp_path / "a", tmp_path / "r")
    assert golden.ACTIVATION in browser.wait_for_text("#fits-activation")
    browser.open(page(tmp_path))
    browser.upload("#file", tmp_path / "a")
    browser.wait_for_text("#headline", "The receipt is NOT valid")


SPELLINGS = (
    "x1234567", " X-123 4567\n", "X123.4567", "x(123)4567", "\uff38\uff11\uff12\uff13\uff14567",
    "X\u0661\u0662\u0663\u0664\u0665\u0666\u0667", "\ufeffX1234567", "X\u200e1234567",
    "X\u20101234567", "X\u22121234567", "X\u00ad1234567", "X\u30101234\u3011567", "stra\u00dfe12",
    "\u2167123456", "X12\u24604567", "\U0001d7d8\U0001d7e31234", "\u1a80\u1a81\u1a90\u1a91",
    "\u21161234", "\u0425123456", "AB\u20261234", "a b c d", "1/234567/8", "", "\x1c1234\x1c",
)  # fmt: skip


def test_page_and_command_read_a_number_in_the_same_way(browser: Browser, tmp_path: Path) -> None:
    browser.open(page(tmp_path))
    script = """
    const read = (text) => { try { return normalForm(text); } catch { return null; } };
    return arguments[0].map(read);
    """
    accepted = 0
    for text, found in zip(SPELLINGS, browser.run(script, list(SPELLINGS)), strict=True):
        try:
            expected = Subject.of("passport", text).number
        except UnusableNumber:
            continue  # the command has more reasons to refuse; the page compares
        assert found == expected, ascii(text)
        accepted += 1
    assert accepted > 14


def test_every_language_fits_a_telephone(browser: Browser, tmp_path: Path) -> None:
    """390 CSS pixels, everything open, long names: nothing is wider than the screen."""
    (tmp_path / "mine").write_bytes(OPENING.encode())
    long = {"outlet": "o" * 64, "purpose": "a-purpose-with-a-name-that-is-quite-long"}
    browser.screen(390, 844)
    try:
        for encoded, pinned in (
            *((FULL, FULL_TRUST), (receipt(long), trust())),
            *((FALLBACK, trust()), (b"", trust())),
        ):
            if encoded:
                show(browser, tmp_path, encoded, pinned)
            else:
                browser.open(page(tmp_path))
            if encoded == FULL:
                browser.upload("#opening", tmp_path / "mine")
                browser.wait_for_text("#fits-activation")
            browser.run("document.getElementById('details').open = true")
            for language in LANGUAGES:
                browser.choose("#language", language)
                width = browser.run("return document.documentElement.scrollWidth")
                assert width <= 390, language
                assert browser.run("return innerWidth") == 390
    finally:
        browser.screen(900, 1100)


TEXTS_OF = """
const flat = (value, path) => typeof value === "string" ? [[path, value]]
  : Object.entries(value).flatMap(([key, item]) => flat(item, `${path}/${key}`));
return Object.fromEntries(Object.entries(TEXTS).map(([code, texts]) =>
  [code, Object.fromEntries(flat(texts, ""))]));
"""
SAME_IN_ALL = {"/colon", "/found/bytes"}


def test_every_language_has_words_for_everything(browser: Browser, tmp_path: Path) -> None:
    browser.open(page(tmp_path))
    texts = browser.run(TEXTS_OF)
    assert set(texts) == set(LANGUAGES)
    english = texts["en"]
    for language, own in texts.items():
        assert own.keys() == english.keys(), language
        if language != "en":
            same = {key for key in own if own[key] == english[key]} - SAME_IN_ALL
            assert not same, language
        for key, text in own.items():
            places = re.findall(r"\{\w+\}", english[key])
            assert sorted(re.findall(r"\{\w+\}", text)) == sorted(places), key
    assert not re.findall(
        r"[a-z]{4,}",
        " ".join(
            re.sub(r"\{\w+\}|\.opening|\.activation", "", text)
            for key, text in texts["zh"].items()
            if key != "/unusable"
        ),
    ), "no English word is left in the Chinese"
    for word in ("registro p\u00fablico", "c\u00f3digos con clave", "log"):
        assert not re.search(rf"\b{word}\b", " ".join(texts["es"].values())), word


def test_every_code_and_value_has_words(browser: Browser, tmp_path: Path) -> None:
    browser.open(page(tmp_path))
    english = browser.run(TEXTS_OF)["en"]
    source = "".join(
        one.read_text(encoding="utf-8") for one in PAGE.glob("*.js") if "text-" not in one.name
    )
    reasons = set(re.findall(r'new Invalid\("([^"]+)"', source))
    assert reasons == {k.removeprefix("/reasons/") for k in english if k.startswith("/reasons/")}
    for code in re.findall(r'found\("([^"]+)"', source):
        assert f"/found/{code}" in english
    steps = {*STEPS.values(), *FALLBACK_STEPS.values()}
    assert {f"/steps/{name}" for name in steps} <= english.keys()
    values = (
        get_args(Outcome), get_args(LivenessOutcome), ACTION_KINDS, get_args(QualityOutcome),
        get_args(PolicyAssurance), DOCUMENT_TYPES, (SIM_ACTIVATION,), REASONS, MEANS,
    )  # fmt: skip
    for value in chain.from_iterable(values):
        assert f"/values/{value}" in english


def test_the_browser_binds_a_proof_to_the_trees_size(browser: Browser, tmp_path: Path) -> None:
    """Every place in trees of up to nine leaves, and proofs of every length, as RFC 6962 has it."""
    browser.open(page(tmp_path))
    entry, path = b"entry", [fixed_bytes(f"sibling/{n}") for n in range(5)]
    script = """
    const decode = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const [entry, path] = [decode(arguments[0]), arguments[1].map(decode)];
    const root = (...place) => rootOf(entry, ...place).then(hex, () => null);
    return (async () => {
      const roots = [];
      for (let size = 1; size < 10; size++)
        for (let count = 0; count <= path.length; count++)
          for (let index = 0; index <= size; index++)
            roots.push(await root(index, size, path.slice(0, count)));
      return roots;
    })();
    """
    encoded = [base64.b64encode(one).decode() for one in (entry, *path)]
    found = browser.run(script, encoded[0], encoded[1:])
    expected = [
        root_after(leaf_hash(entry), index, size, path[:count]) if index < size else None
        for size in range(1, 10)
        for count in range(len(path) + 1)
        for index in range(size + 1)
    ]
    assert found == [None if root is None else root.hex() for root in expected]
    assert sum(root is not None for root in expected) == 45, "the control: each place once"


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
    const all = new Promise((done) => addEventListener("securitypolicyviolation", (event) => {
      if (blocked.push(event.effectiveDirective) === 3) setTimeout(done, 200);
    }));
    return (async () => {
      await fetch("http://127.0.0.1:9/").catch(() => {});
      const image = new Image(); image.src = "http://127.0.0.1:9/x.png";
      const added = document.createElement("script"); added.text = "window.ran = true";
      document.body.append(added);
      await all;
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


def again(proof: LogProof, *times: int) -> bytes:
    """The first witness cosigns some more."""
    signed, witness = proof.signed, LOG.witnesses[0]
    lines = [sign_checkpoint(signed.checkpoint, witness, time) for time in times]
    note = replace(signed.note, signatures=(*signed.note.signatures, *lines))
    return logged(replace(proof, signed=replace(signed, note=note)))


def timeless(proof: LogProof) -> bytes:
    """The second witness signs rightly, and the time is zero."""
    checkpoint, witness = proof.signed.checkpoint, LOG.witnesses[1]
    line = witness.line(f"cosignature/v1\ntime 0\n{checkpoint.text}".encode(), bytes(8))
    return logged(replace(proof, signed=proof.signed.with_signatures(line)))


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
    "one witness twice": again(LOG.proof(STATEMENT, witnesses=1), NOW + 1),
    "one witness often": again(LOG.proof(STATEMENT, witnesses=1), *range(NOW + 1, NOW + 9)),
    "both, one of them often": again(PROOF, *range(NOW + 1, NOW + 9)),
    "more signatures than a note has": again(PROOF, *range(NOW + 1, NOW + 31)),
    "as many as it may have": again(PROOF, *range(NOW + 1, NOW + 30)),
    "a cosignature without a time": timeless(LOG.proof(STATEMENT, witnesses=1)),
    "extra data that is none": receipt(
        log_proof=bytes(PROOF).replace(b"index", b"extra *\nindex", 1)
    ),
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


APPROVED = {
    "honest": signed_policy(),
    "signed by nobody": HONEST,
    "approval that is not at hand": signed_policy(approval({"number": 2})),
    "signed without an approval": receipt({"policy_assurance": "signed"}),
    "an approval of what nobody signed": receipt({"policy_approval": bytes(32)}),
} | {name: signed_policy(bad) for name, (bad, _) in BAD_APPROVALS.items()}
LATER = approval({"number": 2}, {"agreed_at": NOW - DAY // 2})
AGAIN = approval({"order_id": bytes(16)}, {"agreed_at": NOW - DAY // 2})
OPERATORS = approving(APPROVAL, *(bad for bad, _ in BAD_APPROVALS.values()))


WITHOUT_FACE = {"honest": FALLBACK} | {name: bad for name, (_, bad) in BAD_FALLBACKS.items()}
LOGGED_FALLBACK = {"honest": fallback_receipt(log=LOG), "without proof": FALLBACK}


@pytest.mark.parametrize(
    ("pinned", "receipts"),
    [
        (trust(), WITHOUT_FACE),
        (trust(supervisors=[pin_supervisor()]), {"honest": FALLBACK}),
        (LOG.trusted(2), LOGGED_FALLBACK),
        (trust(), FORGED),
        (LOG.trusted(2), LOGGED),
        (trust(auditors=[pin_auditor()]), AUDITED),
        (trust(), {name: AUDITED[name] for name in ("honest", "a stranger's")}),
        (OPERATORS, APPROVED),
        (approving(APPROVAL, LATER), {"replaced": signed_policy(), "honest": signed_policy(LATER)}),
        (approving(APPROVAL, AGAIN), {"replaced": signed_policy(), "honest": signed_policy(AGAIN)}),
    ],
    ids=[
        *("no face", "no face, supervisor", "no face, log"),
        *(
            "no log",
            "log and two witnesses",
            "auditor",
            "no auditor",
            "operators",
            "a later policy",
            "a later one of the same number",
        ),
    ],
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
