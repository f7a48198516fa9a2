"""One page for the subscriber to print and keep: what was decided or recorded, in plain words.

It is made from a receipt whose checks have passed. It says whom a reader would have to believe
without the file. The QR code names the receipt, so that paper and file can be matched: record,
digest of the statement, and the place in the log. It holds nothing that the page does not say.
"""

import datetime
import html
from collections.abc import Collection, Iterable
from importlib.resources import files
from string import Template
from typing import Final

import segno

from gateway.proofs.fallback import Verified, VerifiedFallback
from gateway.proofs.fallback_wordings import FALLBACK_WORDINGS, FallbackWording
from gateway.proofs.findings import State
from gateway.proofs.verify import VerifiedReceipt
from gateway.proofs.wordings import WORDINGS, Wording
from gateway.translog.verification import LoggedEntry
from gateway.wire import cose
from gateway.wire.audit import AuditReport
from gateway.wire.submission import STATE_SIGNED

_STYLE: Final = """
@page { size: A4; margin: 18mm }
body { font: 12pt/1.45 system-ui, sans-serif; max-width: 174mm; margin: 8mm auto; color: #000 }
header { display: flex; justify-content: space-between; gap: 8mm; align-items: flex-start }
h1 { font-size: 20pt; line-height: 1.2; margin: 0 0 2mm }
.outcome { border: 1.5pt solid #000; border-radius: 3mm; padding: 4mm 5mm; margin: 5mm 0 }
.outcome strong { font-size: 15pt; display: block }
dl { display: grid; grid-template-columns: fit-content(58mm) minmax(0, 1fr); gap: 1mm 6mm;
  margin: 3mm 0 }
dd { margin: 0; overflow-wrap: anywhere }
h2 { font-size: 12pt; margin: 5mm 0 1mm }
p { margin: 0 0 2mm }
.quiet { font-size: 10pt }
@media screen and (max-width: 30rem) {
  body { margin: 4mm }
  header { display: block }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0 }
  dd { margin-bottom: 2mm }
}
svg { width: 34mm; height: 34mm; flex: none }
"""


_MARKS: Final = {"done": "\u2713", "failed": "\u2717"}
_NO_MARK: Final = "\u25cb"
_PASSED: Final = ("passed",)
"""Neither done nor failed: it did not take place, or nobody checked it."""


def printable_page(verified: Verified, language: str = "en") -> str:
    """The page as HTML that loads nothing.

    Args:
        language: a key of ``WORDINGS``.
    """
    words = WORDINGS[language]
    if isinstance(verified, VerifiedFallback):
        told = _of_fallback(verified, words, FALLBACK_WORDINGS[language])
    else:
        told = _of_decision(verified, words)
    return Template(_template()).substitute(
        told,
        language=language,
        style=_STYLE,
        shown=words.shown,
        kept=words.kept,
        check=words.check,
        check_explained=words.check_explained,
        code=_code(reference(verified)),
    )


def _of_decision(verified: VerifiedReceipt, words: Wording) -> dict[str, str]:
    passed = verified.decision.message.outcome == "MATCH"
    return {
        "title": words.title,
        "about": words.about,
        "outcome": words.match if passed else words.no_match,
        "explained": words.match_explained if passed else words.no_match_explained,
        "rows": _listed(zip(words.rows, _rows(verified, words), strict=True)),
        "checks": _listed(zip(words.checks, _checks(verified, words), strict=True)),
        "kept_explained": words.kept_explained,
    }


def _of_fallback(
    verified: VerifiedFallback, words: Wording, own: FallbackWording
) -> dict[str, str]:
    stated = verified.statement.message
    rows = [
        _minute(stated.recorded_at_minute),
        words.values.get(stated.purpose, stated.purpose),
        own.values[stated.reason],
        ", ".join(own.values[one] for one in stated.means),
        stated.gateway,
        stated.outlet,
        stated.agent,
        stated.supervisor,
        stated.record_id.hex(),
        verified.statement.digest.hex(),
        _place(verified.logged),
    ]
    pinned = verified.supervisor is State.DONE
    checks = [
        f"{_NO_MARK} {words.not_performed}",
        f"{_MARKS['done']} {own.by_word}",
        f"{_MARKS['done']} {own.signed if pinned else own.by_word}",
        *_of_log(verified, words),
    ]
    return {
        "title": own.title,
        "about": own.about,
        "outcome": own.outcome,
        "explained": own.explained,
        "rows": _listed(zip(own.rows, rows, strict=True)),
        "checks": _listed(zip(own.checks, checks, strict=True)),
        "kept_explained": own.kept_explained,
    }


def reference(verified: Verified) -> str:
    """What the QR code says."""
    statement = verified.statement
    return (
        f"sealmatch:receipt?record={statement.message.record_id.hex()}"
        f"&statement={statement.digest.hex()}"
    )


def _listed(rows: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in rows)


def _rows(verified: VerifiedReceipt, words: Wording) -> list[str]:
    stated = verified.statement.message
    return [
        _minute(stated.decided_at_minute),
        words.values.get(stated.purpose, stated.purpose),
        stated.gateway,
        stated.authority,
        stated.outlet,
        stated.agent,
        stated.record_id.hex(),
        verified.statement.digest.hex(),
        _place(verified.logged),
    ]


def _minute(at: int) -> str:
    return f"{datetime.datetime.fromtimestamp(at, datetime.UTC):%Y-%m-%d %H:%M} UTC"


def _checks(verified: VerifiedReceipt, words: Wording) -> list[str]:
    """What each of ``CHECKS`` came to: a tick for nothing that did not take place."""
    stated = verified.statement.message
    outcome = verified.decision.message.outcome
    quality = next(
        (
            one.outcome
            for one in (stated.portrait_quality, stated.live_quality)
            if one.outcome != "passed"
        ),
        "passed",
    )
    return [
        f"{_MARKS['done' if outcome == 'MATCH' else 'failed']} {words.values[outcome]}",
        _said(stated.portrait_source, words, STATE_SIGNED),
        _said(stated.liveness.outcome, words, _PASSED),
        _said(quality, words, _PASSED),
        *_of_log(verified, words),
        _state(verified.audit, _auditor(verified), words),
        _thresholds(verified, words),
    ]


def _thresholds(verified: VerifiedReceipt, words: Wording) -> str:
    if verified.policy is State.NOT_PERFORMED:
        return f"{_NO_MARK} {words.values[verified.statement.message.policy_assurance]}"
    return _state(verified.policy, str(verified.notes[13]), words)


def _of_log(verified: Verified, words: Wording) -> tuple[str, str]:
    """Log and witnesses."""
    cosigned = "" if verified.logged is None else ", ".join(verified.logged.witnessed.cosigned)
    origin = "" if verified.logged is None else verified.logged.witnessed.checkpoint.origin
    return (
        _state(verified.log, origin, words),
        _state(verified.witnesses, cosigned, words),
    )


def _said(outcome: str, words: Wording, done: Collection[str]) -> str:
    mark = _MARKS["done"] if outcome in done else _NO_MARK
    return f"{mark} {words.values[outcome]}"


def _state(state: State, done: str, words: Wording) -> str:
    match state:
        case State.DONE:
            return f"{_MARKS['done']} {done}"
        case State.NOT_PERFORMED:
            return f"{_NO_MARK} {words.not_performed}"
        case State.NOT_CHECKED:
            return f"{_NO_MARK} {words.not_checked}"


def _auditor(verified: VerifiedReceipt) -> str:
    audit = verified.statement.message.audit
    return "" if audit is None else cose.peek(audit, AuditReport).auditor


def _place(logged: LoggedEntry | None) -> str:
    if logged is None:
        return "\u2013"
    under = logged.witnessed.checkpoint
    return f"{logged.index + 1} / {under.size} ({under.origin})"


def _code(content: str) -> str:
    """A QR code as SVG, medium error correction."""
    return str(segno.make(content, error="m", micro=False).svg_inline(border=2, omitsize=True))


def _template() -> str:
    return (files("gateway.proofs") / "page" / "printable.html").read_text(encoding="utf-8")
