"""The reports for people and for other tools say what the lines say, and nothing passes by form."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from gateway.inspection.bundle import report_of
from gateway.inspection.lines import Basis, Line, Verdict
from gateway.inspection.oscal import assessment_results
from gateway.inspection.report_html import page
from tests.support.parties import NOW

LINES = (
    Line("data-map.tables", "Tables are listed", "tables", 12, "the map", Verdict.PASSED, (),
         "look", Basis.PROVEN, ("27 rows",)),
    Line("log.entries", "No leaf is missing", "entries", 9, "", Verdict.VIOLATED,
         ("entry 3 <b>& more</b> is missing",), "count", Basis.SEEN),
    Line("audits.done", "Audits are done", "audits", 0, "", Verdict.NOTHING, (), "", Basis.SEEN),
    Line("log.visit", "The log grew", "", 0, "", Verdict.NO_ACCESS, ("not given: --since",), "",
         Basis.PROVEN),
    Line("keys.peppers", "Peppers change", "peppers", 1, "", Verdict.PASSED, (), "ask",
         Basis.WORD),
)  # fmt: skip
REPORT = report_of(LINES, NOW, "0.1.0", {})
DAY = 86_400


# OSCAL 1.1.2: the members that its JSON schema requires, and the forms of ids, tokens and times

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[45][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
LINE = re.compile(r"\S(.*\S)?")
REQUIRED: dict[str, set[str]] = {
    "assessment-results": {"uuid", "metadata", "import-ap", "results"},
    "metadata": {"title", "last-modified", "version", "oscal-version"},
    "import-ap": {"href"},
    "results": {"uuid", "title", "description", "start", "reviewed-controls"},
    "reviewed-controls": {"control-selections"},
    "include-controls": {"control-id"},
    "observations": {"uuid", "description", "methods", "collected"},
    "findings": {"uuid", "title", "description", "target"},
    "target": {"type", "target-id", "status"},
    "status": {"state"},
    "related-observations": {"observation-uuid"},
    "resources": {"uuid"},
    "props": {"name", "value"},
}


def walk(name: str, value: Any) -> None:
    for one in value if isinstance(value, list) else [value]:
        assert one not in ("", [], {}), name
        if not isinstance(one, dict):
            continue
        assert REQUIRED.get(name, set()) <= one.keys(), name
        for member, held in one.items():
            if member.endswith("uuid"):
                assert UUID.fullmatch(held)
            if member in ("last-modified", "start", "end", "collected"):
                assert TIME.fullmatch(held)
            if member in ("control-id", "target-id") or (name, member) == ("props", "name"):
                assert TOKEN.fullmatch(held)
            if (name, member) == ("props", "value"):
                assert LINE.fullmatch(held)
            walk(member, held)


def oscal(lines: tuple[Line, ...] = LINES) -> dict[str, Any]:
    report = report_of(lines, NOW, "0.1.0", {})
    found: dict[str, Any] = json.loads(assessment_results(report, lines))["assessment-results"]
    return found


def test_oscal_has_what_its_schema_requires() -> None:
    document = oscal()
    walk("assessment-results", document)
    assert document["metadata"]["oscal-version"] == "1.1.2"
    (result,) = document["results"]
    observations = {one["uuid"]: one for one in result["observations"]}
    assert len(observations) == len(LINES)
    for line, finding in zip(LINES, result["findings"], strict=True):
        (related,) = finding["related-observations"]
        assert observations[related["observation-uuid"]]["title"] == line.title
    assert {m for one in observations.values() for m in one["methods"]} == {
        *("TEST", "EXAMINE", "INTERVIEW")
    }


def test_in_oscal_nothing_passes_that_was_not_examined() -> None:
    findings = oscal()["results"][0]["findings"]
    states = [one["target"]["status"] for one in findings]
    assert [(one["state"], one["reason"]) for one in states] == [
        ("satisfied", "pass"),
        ("not-satisfied", "fail"),
        ("not-satisfied", "other"),
        ("not-satisfied", "other"),
        ("satisfied", "pass"),
    ]


def test_the_same_lines_have_the_same_ids_and_others_have_others() -> None:
    assert oscal() == oscal()
    assert oscal()["uuid"] != oscal(LINES[:1])["uuid"]


# HTML


class Reader(HTMLParser):
    """What a page loads, which elements it has, and what a person reads."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [name for name, _ in attrs if name in ("src", "href", "srcset", "data")]

    def handle_data(self, data: str) -> None:
        self.text += data


def read(content: bytes) -> Reader:
    reader = Reader()
    reader.feed(content.decode())
    return reader


def test_the_page_loads_nothing_and_escapes_everything() -> None:
    reader = read(page(REPORT, LINES, {}))
    assert reader.loads == []
    assert not {"script", "img", "link", "iframe", "b"} & set(reader.tags)
    assert "entry 3 <b>& more</b> is missing" in reader.text


def test_the_first_page_sums_up() -> None:
    content = page(REPORT, LINES, {}, "ab" * 32).decode()
    first = read(content[: content.index("</section>")].encode()).text
    for sentence in REPORT["sentences"]:
        assert sentence in first
    assert "ab" * 32 in first
    assert "What rests on trust" in first
    assert "1 lines rest on the operator's word: keys.peppers" in first
    assert re.search(r"all\s*2\s*1\s*1\s*1", first), "totals of the table of verdicts"
    assert "@page { size: A4" in content


def test_every_line_is_there_with_its_verdict() -> None:
    text = read(page(REPORT, LINES, {})).text
    for line in LINES:
        assert line.title in text
        assert all(one in text for one in (*line.found, *line.notes))
    assert text.count("passed: ") == 2


@pytest.mark.parametrize(
    ("lines", "kind"),
    [(LINES[:1], "clean"), (LINES[:2], "violated"), (LINES[2:4], "unknown")],
)
def test_a_page_about_nothing_is_not_shown_as_clean(lines: tuple[Line, ...], kind: str) -> None:
    report = report_of(lines, NOW, "0.1.0", {})
    assert f'<div class="sum {kind}">'.encode() in page(report, lines, {})


def ages(**kinds: Any) -> bytes:
    return json.dumps({"kinds": kinds}).encode()


def test_the_oldest_row_is_drawn_against_its_limit() -> None:
    young = {"kept": 5, "days": 100, "oldestDue": NOW + 75 * DAY}
    late = {"kept": 1, "days": 100, "oldestDue": NOW - 20 * DAY}
    none = {"kept": 0, "days": 30, "oldestDue": None}
    content = page(REPORT, LINES, {"ages.json": ages(records=young, runs=late, orders=none)})
    text = read(content).text
    assert "25 of 100 days" in text
    assert "120 of 100 days" in text
    bars = re.findall(r'width="([0-9.]+)" height="14" fill="(#1a6b3c|#a40e26)"', content.decode())
    assert [(float(width) / 330, colour) for width, colour in bars] == [
        (0.0, "#1a6b3c"), (0.25, "#1a6b3c"), (1.2, "#a40e26"),
    ]  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", ages(records=1), ages(records={})])
def test_what_is_no_exhibit_is_not_drawn(content: bytes) -> None:
    assert b"<svg" not in page(REPORT, LINES, {"ages.json": content})
