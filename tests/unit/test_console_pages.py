"""The console's pages: what they say, in which words, and that they change nothing."""

from __future__ import annotations

import html
import re
import string
from pathlib import Path
from typing import Any, get_args

import pytest
import sqlalchemy as sa

from gateway.console import notices
from gateway.console.language import LANGUAGES, Speech, chosen, texts
from gateway.console.pages.layout import PAGES, Basis
from gateway.console.visit import Signature
from gateway.inspection.lines import Verdict
from gateway.retention.schedule import RetentionSchedule
from gateway.store import halts, schema
from gateway.store.parties import KINDS
from gateway.wire import cose
from gateway.wire.liveness import AttemptReason
from gateway.wire.orders import HOLD_REASONS
from gateway.wire.retention import RUN_KINDS, RetentionRun
from tests.support.console import INSPECTOR, Console, Shown, digest
from tests.support.inspected import DAY, own_database
from tests.support.parties import GATEWAY, NOW, stranger
from tests.support.postgres import PostgresServer
from tests.support.receipts import APPROVAL

SOURCES = Path(notices.__file__).parent
EVIL = "<script src=//x.example>\"'&amp;"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return Shown(tmp_path_factory.mktemp("template")).fill()


@pytest.fixture
def shown(template: Shown, tmp_path: Path) -> Shown:
    return Shown.copied(template, tmp_path)


@pytest.fixture(scope="module")
def bundle(template: Shown) -> Path:
    return template.bundle()


def console(shown: Shown, **given: Any) -> Console:
    given = {"trust_file": shown.write_trust()} | given
    return Console(shown.directory, shown.url, **given).entered()


def visible(page: str) -> str:
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(text))


# It reads, on both databases


def test_postgresql_shows_the_same(
    postgresql: PostgresServer, template: Shown, tmp_path: Path
) -> None:
    other = Shown(tmp_path, own_database(postgresql)).fill()
    before = other.rows()
    here, there = console(template), console(other)
    for path in PAGES:
        assert here.again(path) == there.again(path)
    assert other.rows() == before
    assert before["records"]


def test_no_byte_of_the_database_changes(shown: Shown) -> None:
    file = shown.gateway / "gateway.sqlite3"
    names = sorted(one.name for one in shown.gateway.iterdir())
    before, looking = digest(file), console(shown)
    for path in PAGES:
        looking.text(path)
    assert digest(file) == before
    assert sorted(one.name for one in shown.gateway.iterdir()) == names


def test_no_byte_changes_while_the_gateway_writes(shown: Shown) -> None:
    file = shown.gateway / "gateway.sqlite3"
    looking = console(shown)
    with shown.database() as database:
        with database.writing() as connection:
            connection.execute(schema.holds.delete())
            connection.execute(
                schema.parties.insert().values(kind="outlet", party="new", state="active")
            )
        # Within one process SQLite shares its index, which is memory; reader and writer mark it.
        before = digest(file, "", "-wal")
        assert "<div>27</div>" in looking.text("/register")
        assert digest(file, "", "-wal") == before


# What they show


def test_nothing_of_a_record_and_nobody_s_name_is_shown(shown: Shown, bundle: Path) -> None:
    looking = console(shown, inspection_bundle=bundle, inspector_key=INSPECTOR.public.raw.hex())
    looking.add("olga", "operator")
    held = shown.rows()
    secret = {value.hex() for row in held["records"] for value in row if isinstance(value, bytes)}
    secret |= {row[0].hex() for row in held["consents"]} | {
        row[1].hex() for row in held["log_entries"]
    }
    shown_here = "".join(looking.again(path) for path in PAGES)
    assert len(secret) > 500
    assert not [one for one in secret if one[:12] in shown_here]
    for name in ("agent-4", "device-17", "outlet-10"):
        assert name not in visible(shown_here)
    assert "one.example" in shown_here
    assert looking.login("olga").status_code == 303
    assert "outlet-10" in looking.text("/register"), "the operator sees the own parties"


def test_the_main_page_says_it_all(shown: Shown, bundle: Path) -> None:
    shown.hold(6, "court-order")
    looking = console(shown, inspection_bundle=bundle, inspector_key=INSPECTOR.public.raw.hex())
    page = visible(looking.text("/"))
    for words in ("≤175 of 180 days", "Decisions 100+", "Withdrawals of consent fewer than 100",
                  "Match 5,485+", "Without a face 325+", "1.3 attempts until a liveness check",
                  "one.example less than an hour ago", "two.example less than an hour ago",
                  "Last run 3 hours ago", "Guard held", "Next time, from 15 Nov 2023, 02:00 UTC",
                  "Court order 5+", "Legal claim fewer than 5", "is the pinned one", "Outlets 26",
                  "Version 2 180 days, en, es, zh", "by the pinned inspector",
                  "signed, and checked", "the operator's word", "seen in the"):  # fmt: skip
        assert words in page, words


def test_each_basis_is_said_as_it_is(shown: Shown, bundle: Path) -> None:
    """Without pins nothing is checked, and with others nothing verifies."""
    unpinned = console(shown, trust_file=None, inspection_bundle=bundle)
    page = visible(unpinned.text("/"))
    assert "signed, not checked here" in page
    assert "signed, and checked" not in page
    assert "one.example cosigned, not checked here" in page
    shown.trust = shown.trust.model_copy(
        update={
            "gateways": [
                shown.trust.gateways[0].model_copy(
                    update={"public_key": stranger(GATEWAY.party).public.raw.hex()}
                )
            ]
        }
    )
    other = console(shown, inspection_bundle=bundle, inspector_key="11" * 32)
    page = visible(other.text("/"))
    assert "does not verify under the pinned key" in page
    assert "is not signed by the pinned inspector" in page
    assert "is NOT the pinned one" in page


def test_numbers_and_dates_are_each_language_s(shown: Shown) -> None:
    looking = console(shown)
    said = {one: visible(looking.text("/", one)) for one in LANGUAGES}
    assert "As of 14 Nov 2023, 22:13 UTC" in said["en"]
    assert "截至 2023年11月14日 22:13 UTC" in said["zh"]
    assert "A fecha de 14 nov 2023, 22:13 UTC" in said["es"]
    assert "1,3 intentos" in said["es"]
    assert "1,095 天" in said["zh"]
    spoken = {one: Speech(one) for one in LANGUAGES}
    assert [spoken[one].number(1234567) for one in LANGUAGES] == [
        "1,234,567", "1,234,567", "1\u202f234\u202f567"
    ]  # fmt: skip
    assert spoken["es"].number(9876) == "9876"


# States


def planted(shown: Shown, *statements: str, days: int = 0, **values: Any) -> str:
    """The main page, so many days later."""
    shown.execute(*statements, **values)
    looking = console(shown)
    looking.clock.now += days * DAY
    return visible(looking.text("/"))


def run_with(shown: Shown, **changes: Any) -> str:
    """Another last run in place of the one that there was."""
    with shown.database() as database, database.writing() as connection:
        row = connection.execute(sa.select(schema.retention_runs)).one()
        said = cose.peek(bytes(row.report), RetentionRun)
        lines = [
            one.model_copy(update={"overdue": 7 * (one.kind == "records")}) for one in said.lines
        ]
        if changes.get("guard") == "broken":
            changes["lines"] = tuple(lines)
        signed = cose.sign(said.model_copy(update=changes), GATEWAY).encoded
        values = {"report": signed, "ended_at": changes.get("ended_at", row.ended_at)}
        connection.execute(schema.retention_runs.update().values(values))
    return visible(console(shown).text("/"))


def test_the_database_away(shown: Shown) -> None:
    looking = console(shown)
    (shown.gateway / "gateway.sqlite3").rename(shown.gateway / "away")
    looking.seconds += 2
    for path in PAGES:
        answer = looking.web.get(path)
        assert answer.status_code == 503
        said = visible(answer.text)
        assert "The gateway's database cannot be read. Figures are missing, not zero." in said
        assert "100+" not in said
    (shown.gateway / "away").rename(shown.gateway / "gateway.sqlite3")
    assert "100+" in looking.text("/")


def test_a_database_of_another_form(shown: Shown) -> None:
    looking = console(shown)
    shown.execute("DROP TABLE retention_totals")
    looking.seconds += 2
    said = visible(looking.web.get("/").text)
    assert "The database has another form than this console knows." in said


def test_an_empty_deployment(tmp_path: Path) -> None:
    looking = console(Shown(tmp_path))
    said = visible(looking.text("/"))
    assert "Nothing has been registered yet, or too little to show." in said
    assert "The reaper has not run yet. It runs within an hour" in said
    assert "none is published yet" in said
    assert "No finished day had five or more of anything." in said
    assert all(map(looking.again, PAGES))


def test_the_reaper_never_ran(shown: Shown) -> None:
    said = planted(shown, "DELETE FROM retention_runs", days=3)
    assert (
        "What expires is not removed: the reaper never ran. A gateway that serves runs it" in said
    )


def test_the_reaper_is_late(shown: Shown) -> None:
    said = run_with(shown, ended_at=NOW - 3 * DAY)
    assert "The reaper last ran on 11 Nov 2023, 22:13 UTC." in said


def test_a_broken_guard_says_what_it_left_and_what_to_do(shown: Shown) -> None:
    said = run_with(shown, guard="broken")
    assert "Left in place: Decisions. Check the clock and the schedule." in said
    assert "sealmatch-gateway retention run --lift-guard" in said
    assert "Guard broken: nothing was removed" in said


def test_a_lifted_guard_and_a_forged_report(shown: Shown) -> None:
    assert "an operator lifted the guard" in run_with(shown, guard="lifted")
    said = planted(shown, "UPDATE retention_runs SET report = :r", r=b"forged")
    assert "The report of the last run cannot be read." in said
    assert "does not verify under the pinned key" in said


def test_a_halted_log(shown: Shown) -> None:
    with shown.database() as database, database.writing() as connection:
        halts.halt(connection, NOW - 7200)
    said = visible(console(shown).text("/"))
    assert "The log has been halted since 14 Nov 2023, 20:13 UTC: nothing is signed." in said
    assert "sealmatch-gateway log resume" in said
    assert "Head halted" in said


def test_overdue_rows(shown: Shown) -> None:
    soon = "UPDATE records SET expires_at = :at"
    assert "Overdue" not in planted(shown, soon, at=NOW - DAY + 60), "within the day of a run"
    said = planted(shown, soon, at=NOW - 2 * DAY)
    assert "Overdue by more than a day: Decisions." in said
    assert ">180 of 180 days" in said
    assert "Overdue: the limit of 180 days has passed" in console(shown).text("/retention")


def test_no_schedule_no_text_no_scrub(shown: Shown) -> None:
    said = planted(
        shown,
        "DELETE FROM retention_schedules",
        "UPDATE consent_versions SET state = 'retired'",
        "DELETE FROM admin_actions WHERE number > 3",
        days=3,
    )
    assert "No retention schedule was adopted; the built-in one holds." in said
    assert "No consent text is in force. Nobody can be registered" in said
    assert "The bytes of deleted rows were not removed for two days or more." in said
    said = planted(
        shown,
        "INSERT INTO retention_schedules VALUES (2, :content, 0)",
        content=b"version = 7",
    )
    assert "The retention schedule in force cannot be read." in said


def test_the_match_policy_in_force(shown: Shown) -> None:
    assert "Nobody signed the match policy" in console(shown).text("/")
    assert "Nobody signed one" in visible(console(shown).text("/register"))
    row = {"number": 3, "approval": APPROVAL, "adopted_at": NOW - DAY}
    with shown.database() as database, database.writing() as connection:
        connection.execute(schema.match_policies.insert().values(row))
    said = visible(console(shown).text("/register"))
    assert "Accepted from cosine (face / actions) 0.431 / 0.352" in said
    assert "signed, not checked here" in said
    assert "match policy" not in console(shown).text("/").lower()
    assert "The match policy in force cannot be read." in planted(
        shown, "UPDATE match_policies SET approval = :content", content=b"no approval"
    )


def test_an_altered_head_and_missing_witnesses(shown: Shown) -> None:
    with shown.database() as database, database.transaction() as connection:
        query = sa.select(schema.log_checkpoints.c.note).where(schema.log_checkpoints.c.published)
        (note,) = (bytes(row.note) for row in connection.execute(query))
    lines = note.split(b"\n")
    write = "UPDATE log_checkpoints SET note = :note"
    alone = b"\n".join(one for one in lines if b".example " not in one[:16] or b"/log" in one)
    assert "Too few witnesses cosigned the log's newest head." in planted(shown, write, note=alone)
    larger = b"\n".join([lines[0], b"9" + lines[1], *lines[2:]])
    said = planted(shown, write, note=larger)
    assert "The log's head does not verify under the pinned key." in said


def test_an_inspection_that_is_missing_damaged_or_old(shown: Shown, bundle: Path) -> None:
    assert "No inspection is known here." in visible(console(shown).text("/"))
    damaged = shown.directory / "damaged.tar"
    damaged.write_bytes(bundle.read_bytes()[:-1])
    said = visible(console(shown, inspection_bundle=damaged).text("/"))
    assert "The bundle of the last inspection cannot be read." in said
    looking = console(shown, inspection_bundle=bundle)
    looking.clock.now = NOW + 370 * DAY
    assert "The last inspection was on 14 Nov 2023, 22:13 UTC." in visible(looking.text("/"))


def test_the_last_inspection_s_open_lines_are_all_on_its_page(shown: Shown, bundle: Path) -> None:
    looking = console(shown, inspection_bundle=bundle)
    page = visible(looking.text("/inspection"))
    for check in ("log.visit", "keys.peppers", "activations.reconciled", "access.staff"):
        assert f"({check}) no access" in page
    assert "more" not in page.partition("Last inspection")[2].partition("Without this page")[0]


# Nothing enters as markup, nothing comes from elsewhere


def test_what_others_wrote_is_text(shown: Shown) -> None:
    shown.execute(
        "UPDATE parties SET party = :evil WHERE kind = 'witness'",
        "UPDATE parties SET kind = :short WHERE kind = 'agent'",
        "UPDATE log_head SET origin = :evil",
        "UPDATE consent_texts SET language = '<b>' WHERE text_version = 1",
        evil=EVIL,
        short="<i>agent</i>",
    )
    shown.hold(5, EVIL)
    content = shown.rows()["retention_schedules"][0][1].replace(b"show that a face", b"<script>x")
    shown.execute("UPDATE retention_schedules SET content = :content", content=content)
    looking = console(shown)
    for path in PAGES:
        page = looking.again(path)
        assert not re.search(r"<(script|i|b)>x|<script|<i>|<b>'|<b></b>", page), path
    assert "&lt;script src=//x.example&gt;&quot;" in looking.text("/register")
    assert "&lt;script src=//x.example&gt;&quot;" in looking.text("/")
    assert "&lt;script&gt;x" in looking.text("/retention")


def test_no_address_leads_elsewhere(shown: Shown, bundle: Path) -> None:
    looking = console(shown, inspection_bundle=bundle)
    pages = [looking.again(f"{path}?wall=1&lang=es") for path in PAGES]
    pages.append(looking.web.get("/none").text)
    for page in pages:
        assert set(re.findall(r"\w+://[^\s\"'<)]+", page)) <= {"http://www.w3.org/2000/svg"}
        for address in re.findall(r'(?:href|src|action|url)="?([^";> ]+)', page):
            assert re.match(r"/(?!/)|#|data:image/svg\+xml,", address), address
        assert "@import" not in page
        assert not re.search(r"url\(", page)


# Words


def test_every_text_is_there_in_every_language() -> None:
    english = texts("en")
    for one in LANGUAGES:
        own = texts(one)
        assert own.keys() == english.keys()
        assert all(own.values())
        for key, text in own.items():
            assert placeholders(text) == placeholders(english[key]), (one, key)
        assert all(own[f"notice.{key}_do"] for key in notice_keys())
    alike = {key for key in english for one in ("zh", "es") if texts(one)[key] == english[key]}
    assert alike <= {"count.over", "count.short", "time.comma", "time.between", "visit.said"}


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def notice_keys() -> set[str]:
    source = "".join((SOURCES / f"{one}.py").read_text() for one in ("notices", "watch"))
    found = set(re.findall(r'"([a-z-]+)"', source)) - {"alarm", "warning", "note"}
    return {one for one in found if f"notice.{one}" in texts("en")}


def test_every_text_that_the_pages_ask_for_is_there_and_no_other() -> None:
    english = texts("en")
    source = "".join(path.read_text() for path in SOURCES.rglob("*.py"))
    asked = {one for one in re.findall(r"[\"']([a-z_]+\.[a-z_]+)[\"']", source) if "/" not in one}
    asked = {
        one for one in asked if one.partition(".")[0] in {k.partition(".")[0] for k in english}
    }
    families: dict[str, set[str]] = {
        "kind": {*RUN_KINDS, *RetentionSchedule.model_fields} - {"version", "guard"},
        "party": {*KINDS, "authority", "gateway"},
        "hold": set(HOLD_REASONS),
        "attempt": set(get_args(AttemptReason)),
        "verdict": {one.name for one in Verdict},
        "line": {one.name for one in Verdict},
        "basis": {*get_args(Basis), "rests"},
        "signature": set(get_args(Signature)),
        "guard": {"kept", "broken", "lifted", "unreadable"},
        "keys": {"true", "false", "none"},
        "role": {"operator", "regulator"},
        "level": {"alarm", "warning", "note"},
        "page": {path.strip("/") or "main" for path in PAGES},
        "series": {"match", "no_match", "ended", "without_face"},
        "login": {"wrong", "many", "elsewhere"},
        "plain": {"not_found", "not_allowed", "malformed"},
        "rules": {"kind", "rows", "days", "oldest", "purpose"},
        "parties": {"kind", "active", "suspended", "names"},
        "texts": {"number", "days", "languages", "other_way"},
        "notice": {f"{key}{end}" for key in notice_keys() for end in ("", "_do")},
        "block": {"kept", "outcomes", "log", "reaper", "erasures", "holds", "attempts", "parties",
                  "keys", "texts", "inspection", "rules", "policy"},
    }  # fmt: skip
    wanted = asked | {f"{name}.{one}" for name, all_of in families.items() for one in all_of}
    assert wanted - english.keys() == set()
    assert english.keys() - wanted == set()


@pytest.mark.parametrize(
    ("named", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "de, es-MX;q=0.7, zh;q=0.8", "zh"),
        (None, "es-MX,es;q=0.9,en;q=0.8", "es"),
        (None, "zh-CN", "zh"),
        (None, "de, *;q=0.5", "en"),
        (None, "es;q=x", "es"),
        ("zh", "es", "zh"),
        ("de", "es", "es"),
    ],
)
def test_the_language_is_the_chosen_or_the_accepted_one(
    named: str | None, accepted: str, language: str
) -> None:
    assert chosen(named, accepted) == language
