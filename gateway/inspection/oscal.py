"""The report as OSCAL assessment results, for regulators' tools (NIST OSCAL 1.1.2, JSON).

Each line is an *observation* (what was examined, how) and a *finding* against its check as an
objective. OSCAL knows two states. A line that examined nothing, or had no access, is
``not-satisfied`` with the reason ``other``: it never counts as a pass. On what a line rests is a
property of its observation, in our namespace.

Ids are UUIDs of version 5 under the bundle's content, so the same inspection gives the same file.
"""

import datetime
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.inspection.exhibits import encoded
from gateway.inspection.lines import Basis, Line, Verdict

VERSION: Final = "1.1.2"
NAMESPACE: Final = "https://sealmatch.example/ns/inspection"
"""Of our properties. It names, and need not answer."""

_IDS: Final = uuid.uuid5(uuid.NAMESPACE_URL, NAMESPACE)
_PLAN: Final = "The checks of sealmatch inspect, as gateway/docs/INSPECTION.md describes them."
_METHODS: Final = {
    Basis.PROVEN: "TEST",
    Basis.SEEN: "EXAMINE",
    Basis.WORD: "INTERVIEW",
}
_STATES: Final = {
    Verdict.PASSED: ("satisfied", "pass"),
    Verdict.VIOLATED: ("not-satisfied", "fail"),
    Verdict.NOTHING: ("not-satisfied", "other"),
    Verdict.NO_ACCESS: ("not-satisfied", "other"),
}


def assessment_results(report: Mapping[str, Any], lines: Sequence[Line]) -> bytes:
    """The document.

    Args:
        report: of ``report_of``; names the time and the tool.
    """
    made = datetime.datetime.fromtimestamp(report["madeAt"], datetime.UTC).isoformat()
    ids = uuid.uuid5(_IDS, encoded(report).decode())
    plan = str(uuid.uuid5(ids, "plan"))
    document = {
        "uuid": str(uuid.uuid5(ids, "document")),
        "metadata": {
            "title": "Inspection of a Sealmatch deployment",
            "last-modified": made,
            "version": made,
            "oscal-version": VERSION,
            "props": [_prop("tool", f"sealmatch {report['tool']}")],
        },
        "import-ap": {"href": f"#{plan}", "remarks": _PLAN},
        "results": [_result(ids, made, report, lines)],
        "back-matter": {
            "resources": [{"uuid": plan, "title": "Assessment plan", "description": _PLAN}]
        },
    }
    return encoded({"assessment-results": document})


def _result(
    ids: uuid.UUID, made: str, report: Mapping[str, Any], lines: Sequence[Line]
) -> dict[str, Any]:
    checks = dict.fromkeys(line.check for line in lines)
    return {
        "uuid": str(uuid.uuid5(ids, "result")),
        "title": "Lines of the inspection",
        "description": " ".join(report["sentences"]),
        "start": made,
        "end": made,
        "reviewed-controls": {
            "control-selections": [
                {"include-controls": [{"control-id": check} for check in checks]}
            ]
        },
        "observations": [_observation(ids, made, n, line) for n, line in enumerate(lines)],
        "findings": [_finding(ids, n, line) for n, line in enumerate(lines)],
    }


def _observation(ids: uuid.UUID, made: str, number: int, line: Line) -> dict[str, Any]:
    told = [*line.found, *line.notes]
    observed = {
        "uuid": str(uuid.uuid5(ids, f"observation {number}")),
        "title": line.title,
        "description": f"{line.count:,} {line.examined}" if line.examined else "Nothing.",
        "props": [
            _prop("basis", line.basis.name.lower()),
            _prop("verdict", line.verdict.name.lower()),
            _prop("count", str(line.count)),
            *([_prop("limit", line.limit)] if line.limit else []),
        ],
        "methods": [_METHODS[line.basis]],
        "types": ["control-objective"],
        "collected": made,
    }
    return observed | ({"remarks": "\n\n".join(told)} if told else {})


def _finding(ids: uuid.UUID, number: int, line: Line) -> dict[str, Any]:
    state, reason = _STATES[line.verdict]
    return {
        "uuid": str(uuid.uuid5(ids, f"finding {number}")),
        "title": line.title,
        "description": "; ".join(line.found) or f"{line.title}: {line.verdict}.",
        "target": {
            "type": "objective-id",
            "target-id": line.check,
            "status": {"state": state, "reason": reason},
        },
        "related-observations": [
            {"observation-uuid": str(uuid.uuid5(ids, f"observation {number}"))}
        ],
    }


def _prop(name: str, value: str) -> dict[str, str]:
    """A property; OSCAL wants a value of one line, without spaces at its ends."""
    return {"name": name, "ns": NAMESPACE, "value": " ".join(value.split())}
