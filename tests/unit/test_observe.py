"""Dashboard, alerts and runbook: they name metrics that exist, and each alert has its page."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import gateway
from gateway.host.measures import MEASURES, Kind
from gateway.host.metrics import PREFIX

HERE = Path(gateway.__file__).parent
OBSERVE = HERE / "deploy" / "observe"
ALERTS: list[Any] = yaml.safe_load((OBSERVE / "alerts.yaml").read_text())["groups"][0]["rules"]
DASHBOARD: Any = json.loads((OBSERVE / "dashboard.json").read_text())
PANELS = [one for one in DASHBOARD["panels"] if one["type"] != "row"]
PARTS = ("Means", "Customers feel", "Look at", "Do", "Do not")
SUFFIXES = {Kind.HISTOGRAM: ("_bucket", "_sum", "_count"), Kind.COUNTER: ("",), Kind.GAUGE: ("",)}


def expressions() -> list[str]:
    asked = [one["expr"] for panel in PANELS for one in panel["targets"]]
    return [*asked, *(one["expr"] for one in ALERTS)]


def unknown(expression: str) -> list[str]:
    """Metrics and label values in an expression that no server has."""
    known = {f"{PREFIX}{m.name}{end}": m for m in MEASURES.values() for end in SUFFIXES[m.kind]}
    wrong = [one for one in re.findall(rf"{PREFIX}\w+", expression) if one not in known]
    for name, selected in re.findall(rf"({PREFIX}\w+)\{{([^}}]*)\}}", expression):
        for label, values in re.findall(r'(\w+)[!=~]+"([^"]*)"', selected):
            if label != "job" and name in known:
                listed = known[name].labels.get(label, ())
                wrong += [f"{name}: {one}" for one in values.split("|") if one not in listed]
    return wrong


def test_every_metric_that_is_named_exists() -> None:
    assert len(expressions()) > 50
    for one in expressions():
        assert unknown(one) == [], one
    assert unknown("rate(sealmatch_nothing_total[5m])") == ["sealmatch_nothing_total"]
    assert unknown('sealmatch_missing{what="mood"}') == ["sealmatch_missing: mood"]


def test_every_alert_has_its_page_in_the_runbook_and_every_page_an_alert() -> None:
    pages = re.split(r"(?m)^## ", (HERE / "docs" / "RUNBOOK.md").read_text())[1:]
    by_name = {page.partition("\n")[0]: page for page in pages}
    assert list(by_name) != []
    assert set(by_name) == {one["alert"] for one in ALERTS}
    for page in by_name.values():
        assert re.findall(r"(?m)^- \*\*([^*]+)\*\*", page) == list(PARTS), page[:40]


@pytest.mark.parametrize("rule", ALERTS, ids=lambda one: one["alert"])
def test_an_alert_says_how_urgent_it_is_and_what_about(rule: Any) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"].endswith(".")


def test_the_dashboard_has_a_layout_that_grafana_draws() -> None:
    assert DASHBOARD["schemaVersion"] >= 39
    ids = [one["id"] for one in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for one in DASHBOARD["panels"]:
        at = one["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not taken & cells, one["title"]
        taken |= cells
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${source}"
        assert len({one["refId"] for one in panel["targets"]}) == len(panel["targets"])
        assert panel["type"] in ("timeseries", "stat")


def test_nothing_is_shown_by_outcome_or_person() -> None:
    shown = json.dumps(DASHBOARD) + json.dumps(ALERTS)
    assert not re.search(r"NO_MATCH|outcome=|device=|agent=|outlet=|party=|session=", shown)
