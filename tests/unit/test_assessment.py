"""The draft impact assessment: each sentence follows from the configuration and says so, or is a
blank; two configurations differ where they differ."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.inspection.assessment.document import (
    NOTICE,
    TO_BE_WRITTEN,
    TO_LOOK_AT,
    Blank,
    Document,
    Said,
    Section,
    Table,
)
from gateway.inspection.assessment.facts import MEASURED_MODEL, published_figures
from gateway.inspection.assessment.html import as_html
from gateway.inspection.assessment.markdown import as_markdown
from gateway.main import main
from gateway.retention.schedule import draft as draft_schedule
from gateway.server import cli as gateway_cli
from gateway.server.consent import DRAFT
from gateway.store import consents, parties, policies
from gateway.store.consents import StoredText, StoredVersion
from gateway.store.database import Database
from gateway.store.policies import PolicyRow
from gateway.store.schema import retention_schedules
from keys import cli as authority_cli
from tests.support.receipts import APPROVAL
from tests.vectors.ordered import PROPOSAL

ROOT = Path(__file__).parents[2]
BASE = f"""\
data_dir = "/srv/nobody-should-see-this"
authority_public_key = "{"a" * 64}"
model_digest = "{"b" * 64}"
"""
STRICT = f"""\
party = "north.example"
authority_party = "vault.example"
model_id = "{MEASURED_MODEL}"
log_witnesses = "witnesses.policy"
auditor_url = "https://auditor.example"
auditor_public_key = "{"c" * 64}"
auditor_party = "auditor.example"
activations_per_subject = 3
"""
LAX = """\
party = "south.example"
model_id = "another-model"
threshold_cosine = "0.35"
liveness = "off"
face_quality = "optional"
lock_memory = "off"
inspectable = true
log_read = "public"
retention_days = 30
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two deployments' settings, a schedule, and a database of one of them."""
    place = tmp_path_factory.mktemp("assessment")
    for name, text in (("strict", STRICT), ("lax", LAX)):
        (place / f"{name}.toml").write_text(BASE + text)
    (place / "authority.toml").write_text(f'data_dir = "/d"\npolicies = "{"d" * 64}"\n')
    (place / "authority-lax.toml").write_text(
        'data_dir = "/d"\naudit_one_in = 0\npepper_overlap_days = 60\n'
    )
    (place / "retention.toml").write_bytes(draft_schedule(180))
    with closing(Database(url(place))) as database:
        database.migrate()
        fill(database)
    return place


def url(place: Path) -> str:
    return f"sqlite:///{place / 'gateway.sqlite3'}"


def fill(database: Database) -> None:
    texts = {language: StoredText(one.text, one.without_face) for language, one in DRAFT.items()}
    with database.writing() as connection:
        consents.add(connection, StoredVersion(2, 180, "active", texts))
        consents.add(connection, StoredVersion(3, 90, "retired", texts))
        for kind, party, key in (
            ("device", "device-secret-name", b"d" * 32),
            ("device", "device-2", b"e" * 32),
            ("issuer", "reader-1", b"f" * 32),
            ("agent", "agent-1", None),
        ):
            parties.enrol_party(connection, kind, party, key)
        parties.suspend_party(connection, "device", "device-2")
        connection.execute(
            retention_schedules.insert().values(
                number=1, content=draft_schedule(180), adopted_at=1_800_000_000
            )
        )


@pytest.fixture(scope="module")
def settings(folder: Path) -> Path:
    """The settings in force, as the servers print them."""
    for name, command in (
        ("strict", gateway_cli.main),
        ("lax", gateway_cli.main),
        ("authority", authority_cli.main),
        ("authority-lax", authority_cli.main),
    ):
        with (folder / f"{name}.json").open("w") as out, pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdout", out)
            assert command(["--config", str(folder / f"{name}.toml"), "settings"]) == 0
    return folder


def assess(folder: Path, *arguments: str) -> str:
    out = folder / "draft.md"
    assert main(["inspect", "assess", *arguments, "--out", str(out)]) == 0
    return out.read_text()


def strict(folder: Path) -> Iterator[str]:
    yield from ("--settings", str(folder / "strict.json"))
    yield from ("--authority-settings", str(folder / "authority.json"))
    yield from ("--gateway-database", url(folder))


def lax(folder: Path) -> Iterator[str]:
    yield from ("--settings", str(folder / "lax.json"))
    yield from ("--authority-settings", str(folder / "authority-lax.json"))
    yield from ("--retention", str(folder / "retention.toml"))


def sentences(draft: str) -> set[str]:
    """Everything but headings, tables, their sources and blanks."""
    other = re.compile(rf"[#|]|\*[^*]|\*\*{TO_BE_WRITTEN}")
    return {line for line in draft.splitlines() if line and not other.match(line)}


def marked(draft: str, mark: str) -> list[str]:
    return [line for line in draft.splitlines() if line.startswith(f"**{mark}:**")]


# What the configuration says stands there, and is no blank


def test_a_whole_configuration_leaves_no_blank_that_it_could_fill(settings: Path) -> None:
    told = assess(settings, *strict(settings))
    assert not [one for one in marked(told, TO_BE_WRITTEN) if "give the draft" in one]
    assert "The gateway is north.example. Its key authority is vault.example." in told
    assert "| device | 1 | 1 |" in told
    assert "| records | 180 days |" in told
    assert "retention schedule 1, in force" in told
    assert "Version 2 is in use in en, es, zh, and tells people 180 days." in told
    assert DRAFT["zh"].without_face in told
    assert "A document has at most 3 live activations." in told
    assert "activations\\_per\\_subject (given)" in told
    assert "liveness\\_seconds (default)" in told
    assert marked(told, TO_LOOK_AT) == []
    assert len(marked(told, TO_BE_WRITTEN)) > 20  # what only the operator knows
    for secret in ("device-secret-name", "nobody-should-see-this", str(settings)):
        assert secret not in told


def test_what_was_not_given_is_a_blank(settings: Path) -> None:
    told, whole = assess(settings), assess(settings, *strict(settings))
    missing = [one for one in marked(told, TO_BE_WRITTEN) if "give the draft" in one]
    assert len(missing) >= 6
    assert set(missing).isdisjoint(marked(whole, TO_BE_WRITTEN))
    assert "Nothing was given." in told
    assert "north.example" not in told


def test_two_configurations_differ_where_they_differ(settings: Path) -> None:
    one, other = assess(settings, *strict(settings)), assess(settings, *lax(settings))
    only_other = "\n".join(sentences(other) - sentences(one))
    for weak in (
        "south.example",
        "cosine 0.35,",
        "Nothing checks that the live picture is of a living person.",
        "Pictures without a calibrated quality gate are accepted.",
        "Memory may reach the swap device.",
        "The server's memory can be read",
        "Anybody may read the log",
        "No witness cosigns the log",
        "There is no auditor",
        "The key authority never demands an audit",
        "decides by any match policy",
        "The figures below are not of this configuration",
        "a record expires after 30 days, which is not what the schedule says",
        "The previous pepper serves for 60 days, and records stay for 180",
    ):
        assert weak in only_other, weak
    assert len(marked(other, TO_LOOK_AT)) == 12
    for same in ("There is no gallery and no search.", "What lies on disk is keyed hashes"):
        assert same in one
        assert same in other


def test_what_holds_until_a_schedule_is_adopted_is_told(settings: Path) -> None:
    held = "Until a schedule is adopted, a record expires after 30 days."
    lax_settings = ("--settings", str(settings / "lax.json"))
    assert held in assess(settings, *lax_settings)
    adopted = assess(settings, *lax_settings, "--gateway-database", url(settings))
    assert "Until a schedule is adopted" not in adopted
    assert "| records | 180 days |" in adopted


def test_a_demand_without_an_auditor_is_told(settings: Path) -> None:
    told = assess(
        settings,
        *("--settings", str(settings / "lax.json")),
        *("--authority-settings", str(settings / "authority.json")),
    )
    assert "one evaluation in 64, and these fail without an auditor" in told


def test_every_sentence_names_what_it_follows_from(settings: Path) -> None:
    for arguments in (strict, lax, lambda _: ()):
        draft = assess(settings, *arguments(settings))
        body = draft[draft.index("## 1.") :]
        for one in sentences(body):
            assert re.search(r" \*\[.+\]\*$", one), one
        for mark in re.findall(r"^\*\*([A-Z ]+):\*\*", body, re.MULTILINE):
            assert mark in (TO_BE_WRITTEN, TO_LOOK_AT)
        assert NOTICE in draft
        for asked in (
            "GDPR 35(7)(a)",
            "GDPR 35(7)(b)",
            "35(7)(c) and (d)",
            "PIPL 56 (2)",
            "Measures 9 (2)",
        ):
            assert asked in draft


def test_a_promise_shorter_than_the_schedule_is_told(settings: Path, tmp_path: Path) -> None:
    longer = tmp_path / "longer.toml"
    longer.write_bytes(draft_schedule(365))
    told = assess(settings, "--gateway-database", url(settings), "--retention", str(longer))
    (look,) = marked(told, TO_LOOK_AT)
    assert "Version 2 of the consent texts promises 180 days" in look
    assert "keeps records for 365" in look
    assert "retention schedule longer.toml, not the one in force" in look


# The form of what comes out


def test_the_page_says_the_same_as_the_text(settings: Path) -> None:
    page = settings / "draft.html"
    told = assess(settings, *strict(settings), "--html", str(page))
    html = page.read_text()
    assert html.count(f"<b>{TO_BE_WRITTEN}:</b>") == len(marked(told, TO_BE_WRITTEN))
    assert html.count("<h2>") == told.count("\n## ")
    assert "<script" not in html
    assert "default-src 'none'" in html
    assert not re.search(r"(src|href)=", html)


HOSTILE = "<img src=x> | [a](javascript:b)\n# **bold**"


def test_texts_from_outside_cannot_write_the_document() -> None:
    parts = (Said(HOSTILE, HOSTILE), Blank(HOSTILE), Table((HOSTILE,), ((HOSTILE,),), HOSTILE))
    document = Document("Draft", "2026-11-27", (Section("S", "nobody", parts),))
    html, text = as_html(document), as_markdown(document)
    assert "<img" not in html
    assert html.count("&lt;img") == 6
    assert "\n# **bold" not in text
    assert not re.search(r"(?<!\\)[<\[]img|(?<!\\)\[a\]", text)
    assert document.summary == "1 blanks to be written, 0 points to look at"


def test_the_figures_are_those_of_the_page(settings: Path) -> None:
    assert len(published_figures()) >= 5
    assert any("4,200 pairs" in what for what, _, _ in published_figures())
    assert (ROOT / "gateway" / "vision" / "packs" / f"{MEASURED_MODEL}.json").exists()


@pytest.mark.parametrize(
    ("option", "content", "said"),
    [
        ("--settings", "{}", "not settings in force"),
        ("--settings", "[" * 100_000, "not settings in force"),
        ("--authority-settings", None, "these are not the settings of sealmatch-authority"),
        ("--retention", "version = 1", "no retention schedule"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(
    settings: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    option: str,
    content: str | None,
    said: str,
) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text((settings / "strict.json").read_text() if content is None else content)
    assert main(["inspect", "assess", option, str(bad)]) == 1
    error = capsys.readouterr().err
    assert "bad.json: " in error
    assert said in error


def test_nothing_is_written_where_something_is_wrong(settings: Path, tmp_path: Path) -> None:
    out = tmp_path / "draft.md"
    gone = f"sqlite:///{tmp_path / 'gone.sqlite3'}"
    assert main(["inspect", "assess", "--gateway-database", gone, "--out", str(out)]) == 1
    assert not list(tmp_path.iterdir())


# ``inspect profiles``


def test_profiles_are_listed_and_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["inspect", "profiles"]) == 0
    listed = capsys.readouterr().out
    assert "8 lines; sources: 8 press" in listed
    assert "not legal advice" in listed
    assert main(["inspect", "profiles", "mexico-mobile-lines"]) == 0
    shown = capsys.readouterr().out
    assert "press alone read, 2026-11-27" in shown
    assert "GAP: " in shown
    assert main(["inspect", "profiles", "gdpr", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["lines"][0]["source"]["article"]
    assert main(["inspect", "profiles", str(tmp_path / "own.toml")]) == 1
    assert "own.toml: No such file" in capsys.readouterr().err


def test_it_says_who_answers_for_the_thresholds(settings: Path, tmp_path: Path) -> None:
    told = assess(settings, *strict(settings))
    assert "Nobody signed these thresholds." in told
    shutil.copytree(settings, tmp_path / "signed")
    with closing(Database(url(tmp_path / "signed"))) as database, database.writing() as connection:
        policies.add_policy(connection, PolicyRow(1, APPROVAL, 1_800_000_000))
    told = assess(tmp_path / "signed", *strict(tmp_path / "signed"))
    assert "Nobody signed" not in told
    assert "accepted from cosine 0.431, and moving pictures from 0.352. Two operators" in told
    assert PROPOSAL.evidence.hex() in told
