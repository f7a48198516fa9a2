"""What ``receipt verify`` says of the receipt of a registration without a face.

It never looks like that of a match: the outcome is FALLBACK, and the words say that no face was
compared.
"""

import datetime
from collections.abc import Collection, Iterator
from typing import Final

from gateway.cli.receipt_report import (
    ACTIVATION_STEP,
    SUBJECT_STEP,
    about,
    log_as_json,
    log_found,
    state_of,
    witnesses,
)
from gateway.proofs.fallback import FALLBACK_STEPS, OUTCOME, VerifiedFallback
from gateway.proofs.requirements import REQUIREMENTS, Requirement

SHOWN: Final = (
    "No face was compared, and this is no match. An agent and a supervisor, two people with two "
    "keys, signed\nthat the person was identified by other means. That they did it well is not "
    "shown by this receipt."
)


def summary(verified: VerifiedFallback) -> Iterator[tuple[str, object]]:
    """Names and values, for a person."""
    statement = verified.statement.message
    yield "outcome", f"{OUTCOME} (no face was compared)"
    yield "recorded", f"{_minute(statement.recorded_at_minute):%Y-%m-%d %H:%M} UTC"
    yield "record", statement.record_id.hex()
    yield "purpose", statement.purpose
    yield "gateway", statement.gateway
    yield "reason", statement.reason
    yield "identified by", ", ".join(statement.means)
    yield "agent", f"{statement.agent} (device {statement.device}, outlet {statement.outlet})"
    yield "supervisor", str(verified.notes[4])
    yield "consent text", f"version {statement.consent_text_version}"
    yield "log", log_found(verified.notes)
    yield "witnesses", verified.notes.get(8, "not checked, the trust file pins no log")
    yield "document", about(verified, SUBJECT_STEP)
    yield "activation", about(verified, ACTIVATION_STEP)


def as_json(
    verified: VerifiedFallback, required: Collection[Requirement], unmet: dict[Requirement, str]
) -> dict[str, object]:
    """For programs: ``met`` is what the exit status says."""
    statement = verified.statement.message
    return {
        "checked": True,
        "valid": True,
        "met": not unmet,
        "required": [name for name in REQUIREMENTS if name in required],
        "unmet": unmet,
        "kind": "fallback",
        "outcome": OUTCOME,
        "recordId": statement.record_id.hex(),
        "recorded": f"{_minute(statement.recorded_at_minute):%Y-%m-%dT%H:%MZ}",
        "asserted": f"{_minute(verified.assertion.asserted_at_minute):%Y-%m-%dT%H:%MZ}",
        "approved": f"{_minute(verified.approval.approved_at_minute):%Y-%m-%dT%H:%MZ}",
        "purpose": statement.purpose,
        "gateway": statement.gateway,
        "device": statement.device,
        "agent": statement.agent,
        "outlet": statement.outlet,
        "supervisor": {"state": verified.supervisor, "name": statement.supervisor},
        "reason": statement.reason,
        "means": list(statement.means),
        "consentTextVersion": statement.consent_text_version,
        "log": log_as_json(verified),
        "witnesses": {"state": verified.witnesses, "names": witnesses(verified)},
        "document": state_of(verified, SUBJECT_STEP),
        "activation": state_of(verified, ACTIVATION_STEP),
        "steps": [
            {"step": step, "name": FALLBACK_STEPS[step], "state": one.state, "found": str(one)}
            for step, one in verified.notes.items()
        ],
    }


def _minute(at: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at, datetime.UTC)
