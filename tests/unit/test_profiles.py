"""Profiles: each line has its source, a bad file is named with its line, and no judgement is better
than its worst check."""

import io
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.inspection import checks
from gateway.inspection.bundle import MANIFEST, REPORT, pack, read_bundle, unpack
from gateway.inspection.exhibits import decoded, encoded
from gateway.inspection.lines import Basis, Line, Progress, Verdict
from gateway.inspection.profiles.evaluation import Judgement, evaluate
from gateway.inspection.profiles.form import KNOWN_CHECKS, READ_AS
from gateway.inspection.profiles.loading import BadProfile, load, shipped
from gateway.inspection.profiles.repeating import exhibits_of
from gateway.inspection.profiles.showing import profile_text, report_text
from gateway.inspection.verification import verify_bundle
from gateway.main import main
from gateway.store.database import Database
from gateway.wire.errors import CallerMisuse

SHIPPED = (
    "china-face-recognition",
    "china-pipl",
    "gdpr",
    "iso-24745",
    "mexico-mobile-lines",
    "nist-800-63a",
    "vietnam-subscribers",
)
HEAD = """\
name = "own"
title = "A carrier's own rules"
jurisdiction = "nowhere"
version = 2026-01-02
notice = "This is not legal advice."
"""
LINE = """
[[line]]
id = "{id}"
requirement = "Something is asked for."
source = {{ title = "A law", article = "article 1", address = "https://law.example/1" }}
source_kind = "official"
looked_up = 2026-01-02
read = "The official journal."
{more}
"""


def line(named: str = "own-1", more: str = 'checks = ["log.entries"]') -> str:
    return LINE.format(id=named, more=more)


def written(folder: Path, text: str, name: str = "own.toml") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def inspected(
    check: str, verdict: Verdict = Verdict.PASSED, basis: Basis = Basis.SEEN, title: str = "a rule"
) -> Line:
    count = 0 if verdict in (Verdict.NOTHING, Verdict.NO_ACCESS) else 7
    found = () if verdict in (Verdict.PASSED, Verdict.NOTHING) else ("something is wrong",)
    return Line(check, title, "rows", count, "", verdict, found, "look", basis)


def judgement_of(folder: Path, more: str, lines: Sequence[Line]) -> Judgement:
    (judged,) = evaluate(load(written(folder, HEAD + line(more=more))), lines).lines
    return judged.judgement


# What comes with the product


def test_the_shipped_profiles_are_these() -> None:
    assert shipped() == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_each_shipped_line_says_where_it_comes_from(name: str) -> None:
    profile = load(name)
    assert profile.name == name
    assert "not legal advice" in profile.notice
    assert profile.lines
    for placed in profile.lines:
        one = placed.line
        assert one.source.title, one.id
        assert one.source.article, one.id
        assert one.source.address.startswith("https://"), one.id
        assert date(2026, 11, 27) <= one.looked_up, one.id
        assert one.read, one.id
        honest = ("not found", "could not be opened", "not read", "only fragments", "copy")
        official = one.source_kind == "official"
        assert official or any(said in one.read for said in honest), one.id
        assert one.checks or one.rests_on or one.gap, one.id


def test_shipped_profiles_reach_every_check() -> None:
    """A check that bears on no requirement, or an id that nobody has, would be a slip."""
    named = {id_ for name in SHIPPED for one in load(name).lines for id_ in one.line.checks}
    assert KNOWN_CHECKS - named == {"retention.holds"}


def test_the_inspection_has_no_check_that_profiles_cannot_name() -> None:
    assert {check.id for check in checks.ALL} <= KNOWN_CHECKS


def test_what_was_asked_of_each_rule_is_there() -> None:
    articles = {
        name: " ".join(one.line.source.article for one in load(name).lines) for name in SHIPPED
    }
    for wanted in ("28", "29", "47", "55", "56"):
        assert f"article {wanted}" in articles["china-pipl"]
    for wanted in ("5(1)", "9(1)", "17(1)", "25(1)", "35(1)"):
        assert f"article {wanted}" in articles["gdpr"]
    assert all(
        f"article {wanted}" in articles["china-face-recognition"] for wanted in (4, 9, 10, 15)
    )
    kinds = {one.line.source_kind for one in load("mexico-mobile-lines").lines}
    assert kinds == {"press"}


def test_the_measures_extend_the_law() -> None:
    law, measures = load("china-pipl"), load("china-face-recognition")
    assert measures.bases == ("china-pipl",)
    assert measures.lines[: len(law.lines)] == law.lines
    assert {one.profile for one in measures.lines} == {law.name, measures.name}
    assert measures.digest != law.digest


# What is wrong with a file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "not valid TOML"),
        (HEAD, "line: is missing"),
        (HEAD.replace("not legal advice", "advice") + line(), "notice"),
        (HEAD.replace('notice = "This is not legal advice."', "") + line(), "notice: is missing"),
        (HEAD + line(more='checks = ["log.nothing"]'), "line own-1: checks.0: 'log.nothing' is no"),
        (HEAD + line(more=""), "line own-1: without checks, rests_on and gap"),
        (
            HEAD + line(more='checks = ["log.entries", "log.entries"]'),
            "line own-1: a check is named",
        ),
        (HEAD + line() + line("own-2") + line(), "line own-1: there are two of this id"),
        (HEAD + line("Own 1"), "line Own 1: id: is not of the form"),
        (HEAD + line().replace('id = "own-1"', ""), "line number 1: id: is missing"),
        (
            HEAD + line().replace("[[line]]", "[[line]]\nsources = 3"),
            "line own-1: sources: is unknown",
        ),
        (HEAD + "colour = 1\n" + line(), "colour: is unknown"),
        (HEAD + line().replace("https://law", "law"), "line own-1: source.address"),
        (HEAD + line().replace('"official"', '"rumour"'), "line own-1: source_kind"),
        (HEAD + line().replace("2026-01-02\nread", '"soon"\nread'), "line own-1: looked_up"),
        (HEAD + line().replace('read = "The', 'read = "\\u001b[2JThe'), "line own-1: read"),
        (HEAD + 'without = ["gdpr-35-assessment"]\n' + line(), "without: it extends nothing"),
        (HEAD + 'extends = "gdpr"\nwithout = ["gdpr-99"]\n' + line(), "the line gdpr-99"),
        (
            HEAD + 'extends = "gdpr"\n' + line("gdpr-5-purpose"),
            "line gdpr-5-purpose: there are two",
        ),
        (HEAD + 'extends = "lex-romana"\n' + line(), "there is no profile 'lex-romana'; there are"),
        (HEAD + 'extends = "other.toml"\n' + line(), "other.toml: No such file"),
        (HEAD.replace('"own"', '"gdpr"') + 'extends = "gdpr"\n' + line(), "has the same name"),
        (HEAD + 'extends = "./own.toml"\n' + line(), "extends itself by way of this file"),
        ("a." * 20_000 + "b = 1", "too many dots"),
        (HEAD + "# " + "x" * 300_000, "too long"),
    ],
)
def test_a_bad_profile_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    place = written(tmp_path, text)
    with pytest.raises(BadProfile) as caught:
        load(place)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    named = place if "No such file" not in said and "lex-romana" not in said else ""
    assert named in str(caught.value)


def test_a_good_profile_is_not_bad(tmp_path: Path) -> None:
    """The control of the test above."""
    profile = load(written(tmp_path, HEAD + line()))
    assert (profile.name, profile.bases) == ("own", ())
    assert [one.line.id for one in profile.lines] == ["own-1"]


def test_two_that_extend_each_other_are_found(tmp_path: Path) -> None:
    written(tmp_path, HEAD.replace("own", "a") + 'extends = "b.toml"\n' + line("a-1"), "a.toml")
    place = written(
        tmp_path, HEAD.replace("own", "b") + 'extends = "a.toml"\n' + line("b-1"), "b.toml"
    )
    with pytest.raises(BadProfile, match="extends itself"):
        load(place)


def test_a_name_that_nobody_has_is_told_with_those_that_exist() -> None:
    with pytest.raises(BadProfile, match="china-pipl, gdpr"):
        load("gdrp")


def test_an_own_profile_extends_a_shipped_one(tmp_path: Path) -> None:
    text = HEAD + 'extends = "gdpr"\nwithout = ["gdpr-22-decisions"]\n' + line()
    profile, base = load(written(tmp_path, text)), load("gdpr")
    ids = [one.line.id for one in profile.lines]
    assert ids == [one.line.id for one in base.lines if one.line.id != "gdpr-22-decisions"] + [
        "own-1"
    ]
    assert profile.bases == ("gdpr",)
    assert f"(of {base.name})" in profile_text(profile)
    over = HEAD.replace('"own"', '"over"') + 'extends = "own.toml"\n' + line("over-1")
    assert load(written(tmp_path, over, "over.toml")).bases == ("own", "gdpr")


# Judgements

WORST_FIRST = tuple(Judgement)
OUTCOMES = {
    (Verdict.PASSED, Basis.PROVEN): Judgement.SUPPORTED,
    (Verdict.PASSED, Basis.SEEN): Judgement.SUPPORTED,
    (Verdict.PASSED, Basis.WORD): Judgement.WORD,
    **{(Verdict.VIOLATED, basis): Judgement.CONTRADICTED for basis in Basis},
    **{(Verdict.NOTHING, basis): Judgement.NOTHING for basis in Basis},
    **{(Verdict.NO_ACCESS, basis): Judgement.NOTHING for basis in Basis},
    None: Judgement.NOTHING,  # not part of the inspection
}


def test_the_table_has_every_outcome_of_a_check() -> None:
    assert set(OUTCOMES) == {None, *itertools.product(Verdict, Basis)}
    assert WORST_FIRST == ("contradicted", "nothing shown", "rests on word",
                           "supported by what was examined")  # fmt: skip


@pytest.mark.parametrize(
    "more", ["", 'rests_on = ["a paper"]', 'gap = "not done"', 'rests_on = ["a"]\ngap = "b"']
)
def test_a_judgement_is_never_better_than_its_worst_part(tmp_path: Path, more: str) -> None:
    """Every pair of outcomes of two checks, with and without word and gap."""
    named = f'checks = ["log.entries", "log.visit"]\n{more}'
    profile = load(written(tmp_path, HEAD + line(more=named)))
    bound = [Judgement.WORD] * ("rests_on" in more) + [Judgement.NOTHING] * ("gap" in more)
    for first, second in itertools.product(OUTCOMES, repeat=2):
        lines = [
            inspected(check, *outcome)
            for check, outcome in (("log.entries", first), ("log.visit", second))
            if outcome is not None
        ]
        (judged,) = evaluate(profile, [*lines, inspected("data-map.tables")]).lines
        parts = [OUTCOMES[first], OUTCOMES[second], *bound]
        assert judged.judgement is min(parts, key=WORST_FIRST.index), (first, second)
        assert [one.judgement for one in judged.checks] == [OUTCOMES[first], OUTCOMES[second]]


@pytest.mark.parametrize("other", [*OUTCOMES.items()][:-1], ids=str)
def test_a_check_of_several_lines_is_as_its_worst_line(
    tmp_path: Path, other: tuple[tuple[Verdict, Basis], Judgement]
) -> None:
    outcome, expected = other
    lines = [inspected("log.entries"), inspected("log.entries", *outcome)]
    for order in (lines, lines[::-1]):
        assert judgement_of(tmp_path, 'checks = ["log.entries"]', order) is expected


def test_a_line_without_checks_is_never_supported(tmp_path: Path) -> None:
    passed = [inspected(check) for check in KNOWN_CHECKS]
    assert judgement_of(tmp_path, 'rests_on = ["a paper"]', passed) is Judgement.WORD
    assert judgement_of(tmp_path, 'gap = "not done"', passed) is Judgement.NOTHING
    assert judgement_of(tmp_path, 'checks = ["log.entries"]', passed) is Judgement.SUPPORTED


@pytest.mark.parametrize("name", SHIPPED)
def test_nothing_is_shown_by_an_inspection_of_nothing(name: str) -> None:
    """And of one in which everything passed, some lines are supported and none contradicted."""
    profile = load(name)
    nothing = evaluate(profile, [])
    assert {one.judgement for one in nothing.lines if one.placed.line.checks} <= {Judgement.NOTHING}
    passed = evaluate(profile, [inspected(check) for check in KNOWN_CHECKS]).counts
    assert passed[Judgement.SUPPORTED] + passed[Judgement.WORD] > 0
    assert passed[Judgement.CONTRADICTED] == 0
    for one in evaluate(profile, [inspected(check) for check in KNOWN_CHECKS]).lines:
        open_ = one.placed.line.gap or one.placed.line.rests_on
        assert (one.judgement is Judgement.SUPPORTED) is not bool(open_), one.placed.line.id


def test_a_report_says_what_and_never_what_was_found() -> None:
    broken = inspected("contents.database", Verdict.VIOLATED, title="no cell holds an image")
    lines = [inspected(check) for check in KNOWN_CHECKS - {"contents.database"}] + [broken]
    report = evaluate(load("mexico-mobile-lines"), lines)
    told = report_text(report)
    assert "NO   mx-no-biometrics: contradicted" in told
    assert "violated: no cell holds an image (7 rows)" in told
    assert "something is wrong" not in told
    assert "press alone read, 2026-11-27" in told
    assert all(READ_AS[one.placed.line.source_kind] in told for one in report.lines)
    as_json: Any = report.as_json()
    assert as_json["counts"]["CONTRADICTED"] == 2
    assert as_json["notice"] == report.profile.notice
    assert as_json["digest"] == report.profile.digest
    (found,) = (one for one in as_json["lines"] if one["id"] == "mx-no-biometrics")
    assert found["judgement"] == "CONTRADICTED"
    assert found["source"]["kind"] == "press"
    assert "something is wrong" not in str(as_json)


# Profiles in a bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An inspection of an empty gateway, held against a shipped profile and one of one's own."""
    folder = tmp_path_factory.mktemp("bundle")
    text = HEAD + 'extends = "china-pipl"\n' + line("own-1", 'checks = ["data-map.tables"]')
    own = written(folder, text)
    url = f"sqlite:///{folder / 'gateway.sqlite3'}"
    with closing(Database(url)) as database:
        database.migrate()
    out = folder / "bundle.tar"
    with pytest.MonkeyPatch.context() as patch:
        printed = io.StringIO()
        patch.setattr("sys.stdout", printed)
        profiles = ("--profile", "gdpr", "--profile", own)
        main(["inspect", "--gateway-database", url, *profiles, "--out", str(out)])
    return out, printed.getvalue()


def verified(files: dict[str, bytes]) -> tuple[str, ...]:
    """What differs about profiles in a bundle of these files, whose manifest somebody made anew."""
    stated = {
        name: {"sha256": sha256(content).hexdigest(), "bytes": len(content), "what": ""}
        for name, content in files.items()
        if name != MANIFEST
    }
    manifest = {**decoded(files[MANIFEST]), "files": stated}
    again = read_bundle(pack({**files, MANIFEST: encoded(manifest)}))
    differs = verify_bundle(again, checks.ALL, None, Progress()).differs
    return tuple(one for one in differs if "profile" in one)


def report_with(files: dict[str, bytes], **changes: object) -> dict[str, bytes]:
    return {**files, REPORT: encoded({**decoded(files[REPORT]), **changes})}


def test_an_inspection_is_held_against_profiles(bundle: tuple[Path, str]) -> None:
    out, printed = bundle
    assert "General Data Protection Regulation (gdpr, European Union" in printed
    assert "own-1: " in printed
    files = unpack(out.read_bytes())
    carried = {name for name in files if name.startswith("evidence/profiles/")}
    assert carried == {f"evidence/profiles/{name}.toml" for name in ("gdpr", "own", "china-pipl")}
    told: Any = decoded(files[REPORT])
    assert [one["name"] for one in told["profiles"]] == ["gdpr", "own"]
    assert told["profiles"][1]["extends"] == ["china-pipl"]
    assert verified(files) == ()


def test_a_judgement_that_was_edited_is_found(bundle: tuple[Path, str]) -> None:
    files = unpack(bundle[0].read_bytes())
    told: Any = decoded(files[REPORT])
    first = told["profiles"][0]["lines"][0]
    assert first["judgement"] != "SUPPORTED"
    first["judgement"] = "SUPPORTED"
    edited = report_with(files, profiles=told["profiles"])
    assert verified(edited) == (
        "profile gdpr says something else than what follows from the lines",
    )


def test_a_profile_that_was_edited_or_taken_away_is_found(bundle: tuple[Path, str]) -> None:
    files = unpack(bundle[0].read_bytes())
    name = "evidence/profiles/own.toml"
    softer = files[name].replace(b"Something is asked for.", b"Nothing is asked for.")
    assert softer != files[name]
    assert any("profile own says" in one for one in verified({**files, name: softer}))
    without = {one: content for one, content in files.items() if one != name}
    assert any("has no profiles/own.toml" in one for one in verified(without))
    broken = verified({**files, name: b"name = 3"})
    assert any("cannot be repeated: file 1: name" in one for one in broken)
    base = {one: content for one, content in files.items() if "china-pipl" not in one}
    assert any("has no profiles/china-pipl.toml" in one for one in verified(base))


def test_a_profile_cannot_be_left_out_of_the_report(bundle: tuple[Path, str]) -> None:
    files = unpack(bundle[0].read_bytes())
    told: Any = decoded(files[REPORT])
    (differs,) = verified(report_with(files, profiles=told["profiles"][1:]))
    assert "profiles/gdpr.toml is in the bundle, and the report says nothing of it" in differs
    for odd in ("gdpr", [3], [{"name": "../../etc/passwd", "extends": []}], [{"name": "gdpr"}], {}):
        assert any(
            "cannot be repeated" in one for one in verified(report_with(files, profiles=odd))
        )


def test_two_profiles_of_one_name_are_not_taken(tmp_path: Path) -> None:
    one = load(written(tmp_path, HEAD + line()))
    other = load(written(tmp_path, HEAD + line("own-2"), "other.toml"))
    assert exhibits_of([one, one]) == {"profiles/own.toml": one.files[0]}
    with pytest.raises(CallerMisuse, match="two different profiles of the name own"):
        exhibits_of([one, other])


def test_a_bad_profile_ends_the_command_before_anything_is_inspected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bundle.tar"
    assert main(["inspect", "--profile", "lex-romana", "--out", str(out)]) == 1
    assert "there is no profile 'lex-romana'" in capsys.readouterr().err
    assert not out.exists()


# The page about profiles

PAGE = (Path(__file__).parents[2] / "gateway" / "docs" / "PROFILES.md").read_text()


def test_the_page_tells_how_each_source_was_read() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| .+? \| ((?:\d+ \| ?){5})$", PAGE, re.MULTILINE)
    told = {name: tuple(map(int, re.findall(r"\d+", numbers))) for name, numbers in rows}
    found = {}
    for name in SHIPPED:
        kinds = Counter(one.line.source_kind for one in load(name).lines)
        found[name] = (sum(kinds.values()), *(kinds[kind] for kind in READ_AS))
    assert told == found


def test_the_page_tells_every_gap() -> None:
    section = PAGE.partition("\n## Gaps\n")[2].partition("\n## ")[0]
    told = set(re.findall(r"`([a-z0-9-]+)`", section))
    assert told == {
        one.line.id for name in SHIPPED for one in load(name).lines if one.line.gap is not None
    }


def test_the_example_of_the_page_is_a_profile(tmp_path: Path) -> None:
    example = PAGE.partition("```toml\n")[2].partition("```")[0]
    profile = load(written(tmp_path, example))
    assert profile.bases == ("gdpr",)
    assert profile.lines[-1].line.gap
