"""The console tells of nobody: not by one page, nor by many pages over many days.

Outcomes: all pages are a function of the rounded cells, so two histories with the same rounded
cells give the same bytes. Stocks: an attacker who reads them every day, and knows all rounded
cells, finds no small cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from gateway.console.flows import SERIES
from gateway.console.pages.layout import PAGES
from gateway.console.rounding import STEP, age, cell, stock
from gateway.inspection.small_counts import LEAST
from gateway.store import schema
from tests.support.console import TODAY, Cells, Console, Shown, busy
from tests.support.inspected import DAY
from tests.support.kept import keep, made
from tests.support.parties import NOW

LANGUAGES = ("en", "zh", "es")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return Shown(tmp_path_factory.mktemp("template")).fill()


@pytest.fixture
def shown(template: Shown, tmp_path: Path) -> Shown:
    return Shown.copied(template, tmp_path)


def pages(shown: Shown, directory: Path, now: int = NOW) -> dict[str, str]:
    """Every page in every language, of a console that has just started."""
    console = Console(directory, shown.url, trust_file=shown.write_trust())
    console.clock.now = now
    console.entered()
    return {f"{path} {one}": console.again(path, one) for path in PAGES for one in LANGUAGES}


def within(cells: Cells, seed: int) -> Cells:
    """Another history whose days round to the same numbers."""
    random = Random(seed)
    return {key: cell(count) + random.randrange(LEAST) for key, count in cells.items()}


def test_all_pages_are_a_function_of_the_rounded_cells(shown: Shown, tmp_path: Path) -> None:
    # Averages of liveness checks come from other counters, which stay as they are.
    cells = {key: n for key, n in busy().items() if key[1] not in ("FAILED",)}
    seen = []
    for history in (cells, within(cells, 1), within(cells, 2)):
        recount(shown, history)
        seen.append(pages(shown, tmp_path))
    assert seen[0] == seen[1] == seen[2]
    other = {key: count + LEAST * (key == (3, "FALLBACK")) for key, count in cells.items()}
    recount(shown, other)
    changed = {key for key, page in pages(shown, tmp_path).items() if page != seen[0][key]}
    assert changed == {f"{path} {one}" for path in ("/", "/outcomes") for one in LANGUAGES}


def recount(shown: Shown, cells: Cells) -> None:
    rows = [{"day": TODAY - a, "outcome": o, "count": n} for (a, o), n in cells.items()]
    with shown.database() as database, database.writing() as connection:
        connection.execute(schema.outcome_counters.delete())
        connection.execute(schema.outcome_counters.insert(), rows)


def test_nobody_and_somebody_are_told_alike(shown: Shown, tmp_path: Path) -> None:
    """A day of a small shop: nobody without a face, or one, or four."""
    seen = set()
    console = Console(tmp_path, shown.url).entered()
    for without in (0, 1, 4):
        recount(shown, {(2, "MATCH"): 7, (2, "FALLBACK"): without, (9, "MATCH"): 12})
        seen.add("".join(console.text(path) for path in ("/", "/outcomes")))
    assert len(seen) == 1


def test_what_happens_today_changes_no_page(shown: Shown, tmp_path: Path) -> None:
    console = Console(tmp_path, shown.url, trust_file=shown.write_trust()).entered()

    def look() -> dict[str, str]:
        return {path: console.text(path) for path in PAGES}

    before = look()
    with shown.database() as database:
        keep(database, [made(NOW - 60, NOW + 180 * DAY) for _ in range(STEP)])
    shown.register(7)
    shown.hold(5, "legal-claim")
    shown.publish()
    assert look() == before
    console.clock.now += DAY
    after = look()
    assert after["/"] != before["/"], "the next day tells it"
    assert dict(re.findall(r"<dt>(Legal claim)</dt><dd>(.*?)</dd>", after["/"])) == {
        "Legal claim": "5+"
    }


def test_a_sum_is_the_sum_of_what_is_shown(shown: Shown, tmp_path: Path) -> None:
    console = Console(tmp_path, shown.url).entered()
    for days in range(4):
        console.clock.now = NOW + days * DAY
        page = console.text("/outcomes")
        rows = re.findall(r"<tr role=\"row\"><th scope=\"row\".*?</tr>", page)
        assert len(rows) == 30
        cells = [re.findall(r"<div>(?:&lt;)?(\d+)(\+?)</div>", row) for row in rows]
        sums = [sum(int(n) for n, plus in column if plus) for column in zip(*cells, strict=True)]
        legend = [int(n.replace(",", "")) for n in re.findall(r"</span>[^<]* <b>([\d,]+)\+", page)]
        assert legend == sums
        assert len(sums) == len(SERIES)


def test_no_outlet_and_no_exact_total_of_people_is_on_any_page(
    shown: Shown, tmp_path: Path
) -> None:
    shown.register(137 - 130, outlet="outlet-3")
    held = "".join(pages(shown, tmp_path).values())
    text = re.sub(r"<[^>]+>", " ", held)
    assert "outlet-3" not in text
    assert not re.search(r"\b137\b", text), "so many records are kept"
    total = sum(n for (ago, outcome), n in busy().items() if outcome == "MATCH" and ago <= 30)
    assert f"{total:,}" not in text
    assert total % LEAST, "or it says nothing"


def test_few_rows_have_no_age(tmp_path: Path) -> None:
    """The age of one of four rows would say when one of four people registered."""
    (tmp_path / "empty").mkdir()
    seen, empty = [], Shown(tmp_path / "empty")
    for ages in ((170,), (170, 90, 80, 10), (11,)):
        directory = tmp_path / f"{len(seen)}"
        directory.mkdir()
        one = Shown.copied(empty, directory)
        with one.database() as database:
            keep(database, [made(NOW - n * DAY, NOW + (180 - n) * DAY) for n in ages])
        seen.append(Console(tmp_path, one.url).entered().text("/retention"))
    assert seen[0] == seen[1] == seen[2]
    assert "None that can be shown; the limit is 180 days" in seen[0]


# Rounding itself


@pytest.mark.parametrize(
    ("count", "shows"),
    [(0, 0), (4, 0), (5, 5), (9, 5), (10, 10), (1204, 1200), (1205, 1205)],
)
def test_a_cell_is_rounded_down(count: int, shows: int) -> None:
    assert cell(count) == shows


@pytest.mark.parametrize(
    ("count", "shows"),
    [(0, 0), (7, 0), (99, 0), (100, 100), (199, 100), (1999, 1900), (12_999, 12_000),
     (123_456, 120_000), (1_299_999, 1_200_000)],
)  # fmt: skip
def test_a_stock_is_rounded_to_hundreds_at_least(count: int, shows: int) -> None:
    assert stock(count) == shows


@pytest.mark.parametrize(
    ("days", "limit", "shows"),
    [(0, 180, 0), (0.1, 180, 5), (175.5, 180, 180), (179.9, 180, 180), (180.5, 180, 185),
     (3, 7, 3), (32, 1095, 60)],
)  # fmt: skip
def test_an_age_is_rounded_up_and_not_past_its_limit(days: float, limit: int, shows: int) -> None:
    assert age(days * DAY, limit) == shows


def attack(views: Sequence[int], shown_as: Callable[[int], int], known: int) -> list[set[int]]:
    """What an attacker knows of each day's small cell from a stock that is read every day.

    The attacker knows the stock before the first day, and that nothing else goes in or out. Each
    day adds one of ``range(LEAST)``. Returned is what each may have been (forwards and backwards
    through all paths that agree with what was shown).
    """
    ahead = [{known}]
    for view in views:
        reached = {at + n for at in ahead[-1] for n in range(LEAST)}
        ahead.append({at for at in reached if shown_as(at) == view})
    behind = [ahead[-1]]
    for before in reversed(ahead[:-1]):
        behind.insert(0, {at for at in before if any(at + n in behind[0] for n in range(LEAST))})
    return [
        {n for n in range(LEAST) for at in now if at + n in then} for now, then in pairwise(behind)
    ]


@pytest.mark.parametrize("seed", range(2))
def test_stocks_of_many_days_give_no_small_cell_away(seed: int) -> None:
    random = Random(seed)
    days = [random.randrange(LEAST) for _ in range(365)]
    path = [sum(days[: n + 1]) for n in range(len(days))]
    found = attack([stock(at) for at in path], stock, 0)
    assert all(day in one for day, one in zip(days, found, strict=True)), "the attack is sound"
    assert min(map(len, found)) >= LEAST - 1, "a day may show that there was somebody, no more"
    assert sum(len(one) < LEAST for one in found) <= len(days) // 20
    exact = attack(path, lambda at: at, 0)
    assert all(one == {day} for day, one in zip(days, exact, strict=True)), "control"
    finer = attack([cell(at) for at in path], cell, 0)
    assert min(map(len, finer)) < LEAST - 1, "control: steps of five would give some away"
