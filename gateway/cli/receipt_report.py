"""What ``receipt verify`` says of a valid receipt: line by line for a person, or as one object.

What did not take place, and what could not be checked here, is said in words of its own: neither
looks like a check that was passed.
"""

import datetime
from collections.abc import Collection, Iterator
from typing import Final

from gateway.proofs.fallback import Verified
from gateway.proofs.findings import Finding, State
from gateway.proofs.requirements import REQUIREMENTS, Requirement
from gateway.proofs.verify import STEPS, VerifiedReceipt
from gateway.wire.liveness import LivenessResult
from gateway.wire.quality import FaceQuality
from gateway.wire.submission import ConsentRecord

_MARKS: Final = {State.DONE: "ok", State.NOT_PERFORMED: "none", State.NOT_CHECKED: "?"}
SUBJECT_STEP, ACTIVATION_STEP = 10, 11


def step_line(step: int, name: str, found: Finding) -> str:
    return f"{_MARKS[found.state]:<5} {step}. {name}: {found}"


def _decided(verified: VerifiedReceipt) -> datetime.datetime:
    minute = verified.statement.message.decided_at_minute
    return datetime.datetime.fromtimestamp(minute, datetime.UTC)


def _liveness(result: LivenessResult) -> str:
    asked = f" ({', '.join(result.asked)})" if result.asked else ""
    excluded = [f"; without {one.kind}: {one.reason}" for one in result.excluded]
    return result.outcome + asked + "".join(excluded)


def summary(verified: VerifiedReceipt) -> Iterator[tuple[str, object]]:
    """Names and values, for a person."""
    statement, decision = verified.statement.message, verified.decision.message
    yield "outcome", decision.outcome
    yield "decided", f"{_decided(verified):%Y-%m-%d %H:%M} UTC"
    yield "record", statement.record_id.hex()
    yield "purpose", statement.purpose
    yield "gateway", statement.gateway
    yield "key authority", statement.authority
    yield "issuer", statement.issuer
    yield "device", f"{statement.device} (agent {statement.agent}, outlet {statement.outlet})"
    yield "model", statement.model_id
    policy = f"{statement.policy_digest.hex()[:16]}... ({statement.policy_assurance})"
    yield "match policy", policy
    yield "policy signed", verified.notes[13]
    yield "portrait", f"{statement.portrait_source}; {_quality(statement.portrait_quality)}"
    yield "live pictures", _quality(statement.live_quality)
    yield "liveness", _liveness(statement.liveness)
    yield "consent text", f"version {statement.consent_text_version}"
    if verified.consent is not None:
        yield "consent", _consent(verified.consent)
    yield "log", log_found(verified.notes)
    yield "witnesses", verified.notes.get(8, "not checked, the trust file pins no log")
    yield "audit", verified.notes[12]
    yield "document", about(verified, SUBJECT_STEP)
    yield "activation", about(verified, ACTIVATION_STEP)


def _consent(consent: ConsentRecord) -> str:
    """Who agreed: the receipt alone does not say it."""
    who = "the person" if consent.given_by == "subject" else "a guardian in the person's place"
    at = datetime.datetime.fromtimestamp(consent.given_at, datetime.UTC)
    return f"given by {who}, {at:%Y-%m-%d %H:%M} UTC, shown in {consent.language}"


def _quality(quality: FaceQuality) -> str:
    return f"{quality.outcome} ({quality.measures})"


def about(verified: Verified, step: int) -> str:
    return "the one given" if step in verified.notes else "not checked, none was given"


def log_found(notes: dict[int, Finding]) -> str:
    return f"{notes[9]} of {notes[7]}" if 9 in notes else str(notes[6])


def evaluated(verified: VerifiedReceipt) -> str:
    """What a receipt shows of the evaluation."""
    if verified.audited:
        return "An auditor, who can decrypt nothing, repeated the gateway's evaluation bit for bit."
    return "That the gateway evaluated them correctly is not shown by this receipt."


def as_json(
    verified: VerifiedReceipt, required: Collection[Requirement], unmet: dict[Requirement, str]
) -> dict[str, object]:
    """For programs: ``met`` is what the exit status says."""
    statement = verified.statement.message
    notes, liveness = verified.notes, statement.liveness
    return {
        "checked": True,
        "valid": True,
        "met": not unmet,
        "required": [name for name in REQUIREMENTS if name in required],
        "unmet": unmet,
        "kind": "decision",
        "outcome": verified.decision.message.outcome,
        "recordId": statement.record_id.hex(),
        "decided": f"{_decided(verified):%Y-%m-%dT%H:%MZ}",
        "purpose": statement.purpose,
        "gateway": statement.gateway,
        "authority": statement.authority,
        "issuer": statement.issuer,
        "device": statement.device,
        "agent": statement.agent,
        "outlet": statement.outlet,
        "model": statement.model_id,
        "policy": {
            "digest": statement.policy_digest.hex(),
            "assurance": statement.policy_assurance,
            "approval": _hex(statement.policy_approval),
            "state": verified.policy,
            "found": str(notes[13]),
        },
        "portrait": {"source": statement.portrait_source},
        "quality": {
            "portrait": statement.portrait_quality.outcome,
            "live": statement.live_quality.outcome,
        },
        "liveness": {
            "state": verified.liveness,
            "outcome": liveness.outcome,
            "asked": list(liveness.asked),
            "excluded": {one.kind: one.reason for one in liveness.excluded},
        },
        "consentTextVersion": statement.consent_text_version,
        "consent": _consent_json(verified.consent),
        "log": log_as_json(verified),
        "witnesses": {"state": verified.witnesses, "names": witnesses(verified)},
        "audit": {"state": verified.audit, "found": str(notes[12])},
        "document": state_of(verified, SUBJECT_STEP),
        "activation": state_of(verified, ACTIVATION_STEP),
        "steps": [
            {"step": step, "name": STEPS[step], "state": found.state, "found": str(found)}
            for step, found in notes.items()
        ],
    }


def _hex(digest: bytes | None) -> str | None:
    return None if digest is None else digest.hex()


def _consent_json(consent: ConsentRecord | None) -> dict[str, object]:
    if consent is None:
        return {"state": State.NOT_CHECKED}
    return {"state": State.DONE, "givenBy": consent.given_by, "language": consent.language}


def state_of(verified: Verified, step: int) -> State:
    return State.DONE if step in verified.notes else State.NOT_CHECKED


def witnesses(verified: Verified) -> list[str]:
    return [] if verified.logged is None else list(verified.logged.witnessed.cosigned)


def log_as_json(verified: Verified) -> dict[str, object]:
    if verified.logged is None:
        return {"state": verified.log}
    under = verified.logged.witnessed.checkpoint
    return {
        "state": verified.log,
        "origin": under.origin,
        "entry": verified.logged.index,
        "size": under.size,
    }
