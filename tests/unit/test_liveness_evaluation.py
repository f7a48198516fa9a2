"""Events against labels: what counts as found, missed and false; intervals; the labels' file."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gateway.lab.evaluation.liveness_events import Scored, score
from gateway.lab.evaluation.liveness_figures import judge
from gateway.lab.evaluation.liveness_labels import (
    KINDS,
    ClipLabels,
    FrameRange,
    Kind,
    UnreadableLabels,
    read_labels,
)
from gateway.lab.intervals import rate, share

LABELS = Path(__file__).resolve().parent.parent / "data" / "liveness_labels.json"
FPS = 20.0  # 50 ms a frame


@dataclass(frozen=True)
class Seen:
    kind: str
    start_ms: int
    end_ms: int


def clip(
    events: dict[Kind, list[tuple[int, int]]],
    ambiguous: dict[Kind, list[tuple[int, int]]] | None = None,
    last: int = 599,
) -> ClipLabels:
    def ranges(given: dict) -> dict:
        return {kind: tuple(FrameRange(*one) for one in given.get(kind, [])) for kind in KINDS}

    return ClipLabels("clip", FrameRange(0, last), ranges(events), ranges(ambiguous or {}))


def blinks(labels: list[tuple[int, int]], *events: tuple[int, int], **more: object) -> Scored:
    seen = [Seen("blink", *one) for one in events]
    return score(clip({"blink": labels}, **more), FPS, seen)["blink"]


def counts(scored: Scored) -> tuple[int, int, int]:
    return len(scored.found), len(scored.missed), len(scored.false)


def test_an_event_finds_the_label_that_it_overlaps() -> None:
    assert counts(blinks([(20, 23)], (1000, 1200))) == (1, 0, 0)


@pytest.mark.parametrize(("start", "outcome"), [(1400, (1, 0, 0)), (1401, (0, 1, 1))])
def test_an_event_may_come_200_ms_late_and_no_more(start: int, outcome: tuple) -> None:
    assert counts(blinks([(20, 23)], (start, start + 100))) == outcome


def test_an_event_of_another_kind_finds_nothing() -> None:
    scores = score(clip({"turn-left": [(20, 40)]}), FPS, [Seen("turn-right", 1000, 2000)])
    assert counts(scores["turn-left"]) == (0, 1, 0)
    assert counts(scores["turn-right"]) == (0, 0, 1)


def test_one_event_over_two_labels_finds_one_of_them() -> None:
    assert counts(blinks([(20, 23), (27, 30)], (1000, 1600))) == (1, 1, 0)


def test_pairs_are_chosen_so_that_as_many_as_possible_are_found() -> None:
    # The first event reaches both labels and the second one only the first label.
    assert counts(blinks([(20, 23), (27, 30)], (1000, 1400), (1050, 1100))) == (2, 0, 0)


def test_a_second_event_within_a_label_is_no_false_alarm() -> None:
    assert counts(blinks([(20, 60)], (1000, 1200), (2000, 2200))) == (1, 0, 0)


def test_a_second_event_beside_a_found_label_is_false() -> None:
    assert counts(blinks([(20, 23)], (1000, 1190), (1210, 1300))) == (1, 0, 1)


def test_ambiguous_ranges_are_neither_missed_nor_false() -> None:
    scores = score(clip({}, {"blink": [(20, 23)]}), FPS, [Seen("blink", 1000, 1100)])
    assert counts(scores["blink"]) == (0, 0, 0)
    assert counts(score(clip({}, {"blink": [(20, 23)]}), FPS, [])["blink"]) == (0, 0, 0)
    other_kind = score(clip({}, {"open-mouth": [(20, 23)]}), FPS, [Seen("blink", 1000, 1100)])
    assert counts(other_kind["blink"]) == (0, 0, 1)


def test_events_beyond_the_labelled_frames_count_for_nothing() -> None:
    assert counts(blinks([], (5100, 5200), last=99)) == (0, 0, 0)
    assert counts(blinks([], (4800, 5200), last=99)) == (0, 0, 1)


_spans = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 40)), max_size=8)


@given(_spans, _spans)
def test_no_label_and_no_event_is_counted_twice(labels: list, events: list) -> None:
    ranges, free = [], 0
    for first, length in sorted(labels):
        start = max(first, free)
        ranges.append((start, start + length))
        free = start + length + 1
    seen = [(50 * first, 50 * (first + length)) for first, length in events]
    scored = blinks(ranges, *seen, last=2000)
    assert len(scored.found) + len(scored.missed) == len(ranges)
    assert len(scored.found) <= len(seen)
    assert len(scored.false) <= len(seen) - len(scored.found)


def _verdict(found: int, missed: int, false: int, minutes: float = 10):
    labels = [(100 * i, 100 * i + 3) for i in range(found + missed)]
    seen = [(5000 * i, 5000 * i + 100) for i in range(found)]
    noise = [(5000 * i + 2500, 5000 * i + 2600) for i in range(false)]
    scored = {kind: Scored(kind, (), (), ()) for kind in KINDS}
    scored["blink"] = blinks(labels, *seen, *noise, last=100_000)
    return judge([scored], minutes, KINDS)


@pytest.mark.parametrize(
    ("found", "missed", "false", "met"),
    [(18, 2, 0, True), (17, 3, 0, False), (20, 0, 20, True), (20, 0, 21, False)],
)
def test_nine_in_ten_blinks_and_two_false_events_a_minute_are_the_bounds(
    found: int, missed: int, false: int, met: bool
) -> None:
    assert _verdict(found, missed, false).met is met


def test_kinds_that_nobody_labelled_are_not_judged() -> None:
    scored = {kind: Scored(kind, (), (), ()) for kind in KINDS}
    assert [figure.name for figure in judge([scored], 1, ["blink"]).figures] == ["blinks"]


@pytest.mark.parametrize(("hits", "trials"), [(0, 5), (5, 5), (3, 1000), (41, 46), (0, 0)])
def test_shares_have_the_intervals_of_clopper_and_pearson(hits: int, trials: int) -> None:
    ours = share(hits, trials)
    if trials:
        oracle = stats.binomtest(hits, trials).proportion_ci(0.95, "exact")
        assert (ours.low, ours.high) == pytest.approx((oracle.low, oracle.high))
    else:
        assert (ours.low, ours.high) == (0, 1)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_rates_have_the_intervals_of_garwood(count: int) -> None:
    ours = rate(count, 2.5)
    low = stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0
    high = stats.chi2.ppf(0.975, 2 * count + 2) / 2
    assert (2.5 * ours.low, 2.5 * ours.high) == pytest.approx((low, high))


def test_the_projects_labels_cover_every_kind() -> None:
    labels = read_labels(LABELS)
    assert len(labels.clips) == 12
    totals = {kind: sum(len(one.events[kind]) for one in labels.clips) for kind in KINDS}
    assert totals == {"blink": 46, "open-mouth": 50, "turn-left": 3, "turn-right": 2}


def test_the_short_form_labels_closed_eyes_alone(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({"note": "", "a": {"range": [0, 9], "closed": [[2, 3]]}}))
    labels = read_labels(path)
    assert labels.kinds == ("blink",)
    assert labels.clips[0].events["blink"] == (FrameRange(2, 3),)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"a": {"range": [0, 9], "closed": [[8, 12]]}}',
        '{"a": {"range": [0, 9], "closed": [[5, 4]]}}',
        '{"a": {"range": [0, 9], "closed": [[2, 4], [4, 6]]}}',
        '{"a": {"range": [0, 9], "closed": [], "winks": []}}',
        '{"format": "sealmatch-liveness-labels/1", "clips": {"a": {"range": [0, 9], "events":'
        ' {"wink": [[1, 2]]}}}}',
        " " * (2**20 + 1),
    ],
)
def test_what_is_no_label_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(UnreadableLabels):
        read_labels(path)
