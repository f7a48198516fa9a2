"""Every line that a server may write to the operator's log: its text, its event, its fields.

A line whose text does not stand here is not written, whoever wrote it: our code, a library, or an
error with a value in its message. Values are checked against their field's kind (``log_fields``).
Texts are constants with places for values, as ``logging`` takes them.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Event:
    """What a text says, for programs that read the log."""

    name: str
    fields: tuple[str, ...] = ()
    """Of the values, in their order; names of ``log_fields.FIELDS``."""


EVENTS: Final[dict[str, Event]] = {
    # Requests
    "%s %s: %s": Event("request-refused", ("correlator", "code", "detail")),
    "%s INTERNAL: %s": Event("request-failed", ("correlator", "error")),
    "%d lines like the next were left out": Event("lines-left-out", ("count",)),
    "submission ended by %s": Event("submission-failed", ("error",)),
    "a failed session could not be marked; it will expire": Event("session-not-marked"),
    "a failed session could not be marked; it is forgotten": Event("session-not-marked"),
    "registrations without a face: %s": Event("fallback-refused", ("detail",)),
    "the key authority demands an audit, and no auditor is set: see auditor_url": Event(
        "auditor-not-set"
    ),
    # Peers
    "%s: %s": Event("peer-failed", ("peer", "error")),
    "%s: status %d": Event("peer-answered", ("peer", "status")),
    "witness %s: %s": Event("witness-failed", ("witness", "detail")),
    "witness %s: its newest checkpoint: %s": Event("witness-failed", ("witness", "error")),
    # The server itself
    "not healthy: %s: %s": Event("not-healthy", ("missing", "detail")),
    "healthy again": Event("healthy"),
    "not started: %s": Event("not-started", ("detail",)),
    "metrics are read at port %d": Event("metrics-listening", ("port",)),
    "connections ended: %s": Event("connections-ended", ("detail",)),
    "in the event loop: %s": Event("loop-failed", ("error",)),
    "the collector takes no traces": Event("traces-not-taken"),
    "storage: %s": Event("storage-failed", ("error",)),
    "%s is open to other accounts; its owner should mend that": Event("file-open", ("file",)),
    "%s was open to other accounts; its mode is 0600 now": Event("file-closed", ("file",)),
    "memory is not locked: %s; switch swap off or encrypt it": Event(
        "memory-not-locked", ("detail",)
    ),
    "other processes of this account can read the memory of this one": Event("memory-readable"),
    "match policy: %s": Event("policy-noted", ("detail",)),
    "match policy: %s: %s": Event("policy-failed", ("what", "detail")),
    "match policy %d is in force for new sessions": Event("policy-in-force", ("number",)),
    # The transparency log
    "sequencer: %s": Event("sequencer-failed", ("detail",)),
    "the log is halted, no session is opened: %s": Event("log-halted", ("detail",)),
    "the log goes on: an operator has settled what it was halted for": Event("log-goes-on"),
    # Retention
    "retention: %s": Event("retention-failed", ("detail",)),
    "retention: run %d removed %d rows": Event("retention-run", ("number", "count")),
    "retention: more is due than a run may remove: %s": Event("retention-stopped", ("detail",)),
    "retention: a legal hold was to end before its time; it holds until then": Event(
        "hold-tampered"
    ),
    "retention: %d records were to go before their time; they stay until then": Event(
        "expiry-tampered", ("count",)
    ),
    # Authority, witness, console
    "trust list: %d actions, head %s": Event("trust-list", ("count", "digest")),
    "the counters of attempts are closed until %d": Event("counters-closed", ("until",)),
    "the counters of attempts are older than their mark: closed for a day": Event("counters-old"),
    "%d log keys are known": Event("logs-known", ("count",)),
    "not cosigned, does not extend what is remembered: %r": Event(
        "not-consistent", ("checkpoint",)
    ),
    "%d people may look": Event("people", ("count",)),
    "%s signed in, as %s": Event("signed-in", ("person", "role")),
    "a login was turned away: too many guesses": Event("login-turned-away"),
    "a login failed: no such name, or a wrong passphrase": Event("login-failed"),
    "database: %s": Event("database-failed", ("detail",)),
    "the counter's page was opened by its address": Event("page-opened"),
    "an address of the counter's page was opened again: it works once": Event("page-opened-again"),
    # Libraries
    "Started server process [%d]": Event("process-started", ("number",)),
    "Finished server process [%d]": Event("process-finished", ("number",)),
    "Waiting for application startup.": Event("starting"),
    "Application startup complete.": Event("started"),
    "Application startup failed. Exiting.": Event("start-failed"),
    "Shutting down": Event("stopping"),
    "Waiting for connections to close. (CTRL+C to force quit)": Event("waiting-for-connections"),
    "Waiting for background tasks to complete. (CTRL+C to force quit)": Event(
        "waiting-for-requests"
    ),
    "Cancel %s running task(s), timeout graceful shutdown exceeded": Event(
        "requests-cancelled", ("count",)
    ),
    "Waiting for application shutdown.": Event("stopping"),
    "Application shutdown complete.": Event("stopped"),
}
UNLISTED: Final = Event("unlisted", ("place", "error"))
"""What stands for a line that is not above: where it was written, and the error's type."""
