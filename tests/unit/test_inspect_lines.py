"""Lines and checks by themselves: what examined nothing never passes, no small count follows."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inspection import word
from gateway.inspection.checks import ALL
from gateway.inspection.checks.installation import CHECKS as INSTALLATION
from gateway.inspection.checks.keys import PEPPERS
from gateway.inspection.checks.log import CHECKS as LOG_CHECKS
from gateway.inspection.checks.operation import CHECKS as OPERATION
from gateway.inspection.checks.operation import RECONCILED
from gateway.inspection.evidence import Evidence, NoAccess
from gateway.inspection.inspection import examined, sentences
from gateway.inspection.lines import (
    MAX_FOUND,
    Basis,
    Check,
    Line,
    Progress,
    Verdict,
    judged,
    shown_name,
)
from gateway.inspection.small_counts import LEAST, rounded, shown, shown_together
from gateway.inspection.software import installed_files, parse_list, to_list
from gateway.translog.note import Kind, NoteSigner
from gateway.translog.policy import TrustedLog, TrustedWitness, TrustPolicy
from gateway.wire.cose import SigningKey
from gateway.wire.errors import CallerMisuse, MalformedMessage, Refused, Unavailable
from tests.support.inspected import DAY, OUTLETS, RETENTION_DAYS, Inspected, violated
from tests.support.parties import GATEWAY, NOW
from tests.support.receipts import LOG, pin_gateway, trust

# Lines


def line(count: int = 1, wrong: Sequence[str] = ()) -> Line:
    return judged(CHECK, "things", count, wrong, limit="", repeat="look")


def nothing(*_: object) -> Line:
    return line(0)


CHECK = Check("x.y", "All is well", nothing, Basis.SEEN)


def test_what_examined_nothing_does_not_pass() -> None:
    assert line(1).verdict is Verdict.PASSED
    assert line(0).verdict is Verdict.NOTHING
    assert line(0, ["bad"]).verdict is Verdict.VIOLATED
    for verdict, count, found in ((Verdict.PASSED, 0, ()), (Verdict.PASSED, 1, ("bad",)),
                                  (Verdict.VIOLATED, 1, ())):  # fmt: skip
        with pytest.raises(CallerMisuse):
            Line("x", "", "", count, "", verdict, found, "", Basis.SEEN)


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (NoAccess("not given: it"), "not given: it"),
        (Unavailable("it is away"), "could not be examined: it is away"),
        (Refused("unsigned"), "could not be examined: unsigned"),
        (ZeroDivisionError("X1234567"), "could not be examined (ZeroDivisionError)"),
    ],
)
def test_a_check_that_breaks_down_is_a_line_and_no_pass(raised: Exception, says: str) -> None:
    def examine(*_: object) -> Line:
        raise raised

    (found,) = examined(Check("x.y", "", examine, Basis.PROVEN), Evidence(1), Progress())
    assert (found.verdict, found.found, found.basis) == (
        Verdict.NO_ACCESS, (says,), Basis.PROVEN,
    )  # fmt: skip


def test_a_check_without_lines_does_not_pass() -> None:
    (found,) = examined(Check("x.y", "", lambda *_: (), Basis.SEEN), Evidence(1), Progress())
    assert found.verdict is Verdict.NO_ACCESS


def test_a_flood_of_findings_is_counted() -> None:
    found = line(1, [f"fault {number}" for number in range(1000)]).found
    assert len(found) == MAX_FOUND + 1
    assert found[-1] == "and 980 more"


def test_the_last_sentences_say_what_was_not_examined() -> None:
    first, second, third = sentences([line(1), line(0), line(1, ["bad"])])
    assert first == "1 of 3 lines are violated."
    assert second.startswith("1 lines were NOT examined")
    assert "2 rest on the inspector's own access" in third
    assert sentences([line(1)])[1] == "Every line was examined."


@pytest.mark.parametrize("name", ["X1234567", "11010119900101123X.jpg", "a\x1b[2Jb", "名前"])
def test_names_are_shown_without_numbers_of_documents(name: str) -> None:
    assert not {"1234567", "19900101", "\x1b", "名"} & {shown_name(name)[i:j] for i in range(9)
                                                       for j in range(10)}  # fmt: skip


def test_ids_of_checks_are_those_that_profiles_refer_to() -> None:
    assert all(one.id.count(".") == 1 for one in ALL)
    titles = [(one.id, one.title) for one in ALL]
    assert len(set(titles)) == len(titles)


def test_the_page_for_inspectors_has_every_line() -> None:
    page = Path(__file__).parents[2] / "gateway" / "docs" / "INSPECTION.md"
    lines = page.read_text().partition("## The lines")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([a-z-]+\.[a-z-]+)`", lines)) == {one.id for one in ALL}


# Small counts

COUNTS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 40), min_size=1)


@given(COUNTS)
def test_no_small_count_is_shown_or_follows_from_the_total(counts: dict[str, int]) -> None:
    told = shown(counts)
    hidden = [counts[name] for name, count in told.items() if count is None]
    assert all(count >= LEAST for count in told.values() if count)
    if hidden and len(hidden) < len(counts):
        assert len(hidden) >= 2
        assert sum(hidden) >= LEAST
    for name, count in rounded(counts).items():
        assert count is None or (count % LEAST == 0 and 0 <= counts[name] - count < LEAST)


@given(COUNTS, COUNTS)
def test_what_one_row_hides_no_other_row_shows(one: dict[str, int], two: dict[str, int]) -> None:
    first, second = shown_together(one, two)
    for name in one.keys() & two.keys():
        assert (first[name] is None) == (second[name] is None)
    assert {n for n, c in shown(one).items() if c is None} <= {
        n for n, c in first.items() if c is None
    }


def test_by_outlet_no_small_count_is_shown(tmp_path: Path) -> None:
    deployment = Inspected(tmp_path)
    deployment.register(12)
    deployment.register(9, outlet=OUTLETS[1], policy={"portrait_source": "photographed"})
    deployment.register(2, "NO_MATCH", OUTLETS[1])
    lines = {one.check: one for one in deployment.inspect(OPERATION)}
    notes = " ".join(lines["outcomes.totals"].notes + lines["outcomes.fallbacks"].notes)
    assert "NO_MATCH not shown" in notes
    assert "MATCH 21" not in notes, "23 records less 21 are two"
    assert "NO_MATCH 2" not in notes
    assert "portraits, rounded down to 5: chip-verified 10, photographed 5" in notes


# What is seen beside the database, and what the operator states


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Inspected:
    made = Inspected(tmp_path_factory.mktemp("deployment"))
    made.register(5)
    made.publish()
    return made


@pytest.fixture
def deployment(template: Inspected, tmp_path: Path) -> Inspected:
    return Inspected.copied(template, tmp_path)


def lines_of(found: Sequence[Line], check: str, basis: Basis) -> Line:
    (one,) = (line for line in found if (line.check, line.basis) == (check, basis))
    return one


def test_the_software_is_the_published_one(deployment: Inspected, tmp_path: Path) -> None:
    published = to_list(installed_files()).encode()
    assert parse_list(published) == installed_files()
    found = deployment.inspect(INSTALLATION, published_given=published)
    assert lines_of(found, "software.digest", Basis.SEEN).verdict is Verdict.PASSED

    site = tmp_path / "site"
    (site / "keys").mkdir(parents=True)
    (site / "keys" / "caps.py").write_text("# without caps")
    (site / "keys" / "more.py").write_text("")
    shown = violated(deployment.inspect(INSTALLATION, published_given=published, installed=site))[
        "software.digest"
    ]
    assert "keys/caps.py is another file than the published one" in shown
    assert "keys/more.py is installed, and not published" in shown
    assert "keys/service.py is published, and not installed" in [*shown, *_all(site, published)]
    assert not any(one.startswith("gateway/") for one in _all(site, published))


def _all(site: Path, published: bytes) -> list[str]:
    from gateway.inspection.software import differences

    return list(differences(installed_files(site), parse_list(published)))


@pytest.mark.parametrize("content", [b"", b"x", b"\xff", b"ab  gateway/x.py\n", b"\n"])
def test_what_is_no_list_of_software_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_list(content)


def adopt(deployment: Inspected, text: str) -> None:
    """A schedule that is in force."""
    deployment.execute(
        "INSERT INTO retention_schedules (number, content, adopted_at) VALUES (1, :content, 1)",
        content=text.encode(),
    )


def test_backups_are_as_old_as_the_schedule_lets_them_be(
    deployment: Inspected, tmp_path: Path
) -> None:
    adopt(deployment, "[backups]\ndays = 30\n")
    places = tmp_path / "backups"
    places.mkdir()
    for name, age in (("new.sqlite3", 3), ("old.sqlite3", 31)):
        copy = places / name
        copy.write_bytes((deployment.gateway / "gateway.sqlite3").read_bytes())
        copy.chmod(0o600)
        os.utime(copy, (NOW - age * DAY, NOW - age * DAY))
    found = deployment.inspect(INSTALLATION, paths=(places,))
    kept = lines_of(found, "backups.kept", Basis.SEEN)
    assert kept.found == ("old.sqlite3 is 31 days old, and backups are kept for 30",)
    assert kept.count == 2
    from gateway.host.archive import ArchiveWriter
    from gateway.store.portable import BACKUP

    (places / "old.sqlite3").unlink()
    with (places / "whole").open("wb") as file:
        ArchiveWriter(file, BACKUP, {"made_at": NOW}).end()
    (places / "whole").chmod(0o600)
    os.utime(places / "whole", (NOW - 99 * DAY, NOW - 99 * DAY))
    found = deployment.inspect(INSTALLATION, paths=(places,))
    kept = lines_of(found, "backups.kept", Basis.SEEN)
    assert kept.found == ("whole is 99 days old, and backups are kept for 30",)
    (places / "whole").unlink()
    (places / "new.sqlite3").chmod(0o644)
    found = deployment.inspect(INSTALLATION, paths=(places,))
    kept = lines_of(found, "backups.kept", Basis.SEEN)
    assert kept.found == ("new.sqlite3 is open to other accounts",)


WORD = """stated_on = 2026-11-20
[peppers]
current_age_days = {age}
previous_age_days = 400
[backups]
copies = 7
oldest_age_days = {oldest}
removed_after_days = {removed}
[staff]
accounts = 4
reviewed_days_ago = 20
"""


def test_what_the_operator_states_rests_on_the_operators_word(deployment: Inspected) -> None:
    adopt(deployment, "[records]\ndays = 180\n[backups]\ndays = 30\n")
    checks = (PEPPERS, *INSTALLATION)
    honest = WORD.format(age=100, oldest=20, removed=30).encode()
    found = [
        one for one in deployment.inspect(checks, word_given=honest) if one.basis is Basis.WORD
    ]
    assert [one.verdict for one in found] == [Verdict.PASSED] * 3
    late = WORD.format(age=RETENTION_DAYS + 1, oldest=60, removed=45).encode()
    shown = violated(deployment.inspect(checks, word_given=late))
    assert shown == {
        "keys.peppers": (
            "the previous pepper is kept 181 days after its rotation, longer than records "
            "(180 days)",
        ),
        "backups.kept": (
            "backups are removed after 45 days, and the schedule says 30",
            "the oldest backup is older than the time after which backups are removed",
        ),
    }


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"x = 1", b"stated_on = 1", WORD.format(age=-1, oldest=1, removed=1).encode()],
)
def test_what_is_no_statement_is_refused_and_no_value_is_told(content: bytes) -> None:
    with pytest.raises(MalformedMessage) as caught:
        word.parse(content)
    assert "-1" not in str(caught.value)


def test_activations_are_held_against_records(deployment: Inspected, tmp_path: Path) -> None:
    listed = tmp_path / "activations.csv"
    listed.write_text(
        "record_id,activation_reference,activation_salt\n" + f"{'ab' * 16},+86 1,{'cd' * 32}\n"
    )
    found = deployment.inspect([RECONCILED], activations_given=listed)
    shown = violated(found)["activations.reconciled"]
    assert "1 times: activation without a receipt, lines 2" in shown
    assert "5 times: match without an activation" in shown
    assert not any("ab" * 16 in one for one in shown)


def test_the_authoritys_list_must_have_the_pinned_gateway(deployment: Inspected) -> None:
    another = SigningKey.generate(GATEWAY.party)
    deployment.trust = trust(log_policy=LOG.policy(2), gateways=[pin_gateway(another)])
    shown = violated(deployment.inspect())
    assert shown["parties.trust-lists"] == (
        "the pinned key of gateway gateway.example is not enrolled at the authority",
    )
    assert "keys.gateway" in shown
    assert "parties.enrolled" in shown


def with_policy(deployment: Inspected, witnesses: Sequence[NoteSigner], quorum: int) -> None:
    known = [TrustedWitness(one.key.name, one.key) for one in witnesses]
    policy = TrustPolicy.simple([TrustedLog(LOG.key.key)], known, quorum)
    deployment.trust = trust(log_policy=bytes(policy).decode().splitlines())


def test_witnesses_that_did_not_cosign_are_missed(deployment: Inspected) -> None:
    absent = NoteSigner.from_seed("three.example", Kind.COSIGNATURE_ED25519, bytes(32))
    with_policy(deployment, [*LOG.witnesses, absent], 2)
    assert violated(deployment.inspect(LOG_CHECKS)) == {}
    with_policy(deployment, [*LOG.witnesses, absent], 3)
    shown = violated(deployment.inspect())
    assert shown["log.cosignatures"] == (
        "the quorum is not reached by the cosignatures of 2 of 3 witnesses",
    )
    assert "log.checkpoint" in shown
    with_policy(deployment, [], 0)
    (line,) = (one for one in deployment.inspect() if one.check == "log.cosignatures")
    assert line.verdict is Verdict.NOTHING, "nobody was asked, so nobody vouches"


def test_cosignatures_of_tomorrow_are_none(deployment: Inspected) -> None:
    shown = violated(deployment.inspect(LOG_CHECKS, now=NOW - 3600))
    assert shown["log.cosignatures"] == (
        "one.example cosigned at a time that has not come yet",
        "two.example cosigned at a time that has not come yet",
    )


def test_json_lines_have_no_values(deployment: Inspected) -> None:
    told = json.dumps([one.as_json() for one in deployment.inspect()])
    with deployment.database() as database, database.transaction() as connection:
        from gateway.store.records import all_records

        for row in all_records(connection):
            assert row.record_id.hex() not in told
            assert row.subject_handle is not None
            assert row.subject_handle.hex() not in told
