"""The operator's log: one line per event on stderr, as text or as JSON, with listed fields alone.

A program reads JSON, a person reads text; both say the same. A line that was written while a
request was answered has the request's correlation id, so one reference finds what counter,
gateway, authority and auditor wrote of one registration. Rules: ``log_events``, ``log_fields``.
"""

import json
import logging
import sys
import time
from typing import Final, Literal

from gateway.host.correlating import correlator
from gateway.host.log_events import EVENTS, UNLISTED, Event
from gateway.host.log_fields import FIELDS, LEFT_OUT
from gateway.host.metrics import Metrics

LogFormat = Literal["text", "json"]

_NOISY: Final = ("uvicorn.access", "httpx", "httpcore")


class OperatorFormatter(logging.Formatter):
    """Renders what is listed, and counts what it leaves out."""

    def __init__(self, form: LogFormat) -> None:
        super().__init__()
        self._form = form
        self.metrics: Metrics | None = None
        """Where that is counted."""

    def format(self, record: logging.LogRecord) -> str:
        event, values = self._event(record)
        fields = {name: self._checked(name, one) for name, one in values}
        now = correlator()
        if "correlator" not in fields and now is not None:
            fields["correlator"] = now
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        written = f"{moment}.{int(record.msecs):03d}Z"
        if self._form == "json":
            told = {
                "time": written,
                "level": record.levelname,
                "logger": record.name,
                "event": event.name,
            }
            return json.dumps({**told, **fields})
        text = self._text(record, event, fields)
        if now is not None and "correlator" not in event.fields:
            text = f"{now} {text}"
        return f"{written} {record.levelname} {record.name} {text}"

    def _event(self, record: logging.LogRecord) -> tuple[Event, list[tuple[str, object]]]:
        listed = EVENTS.get(record.msg) if isinstance(record.msg, str) else None
        given = record.args if isinstance(record.args, tuple) else (record.args,)
        if not record.args:
            given = ()
        if listed is not None and len(given) == len(listed.fields):
            return listed, list(zip(listed.fields, given, strict=True))
        self._leave_out()
        error = record.exc_info[0] if record.exc_info else None
        place = f"{record.module}:{record.lineno}"
        return UNLISTED, [("place", place), ("error", "-" if error is None else error.__name__)]

    def _checked(self, name: str, value: object) -> object:
        try:
            return FIELDS[name](value)
        except Exception:  # noqa: BLE001  also a value whose text cannot be had
            self._leave_out()
            return LEFT_OUT

    def _text(self, record: logging.LogRecord, event: Event, fields: dict[str, object]) -> str:
        values = tuple(fields[name] for name in event.fields)
        if event is UNLISTED:
            return "a line of {} was left out ({})".format(*values)
        # A number that was left out stands as a text.
        return (record.msg.replace("%d", "%s") % values) if values else str(record.msg)

    def _leave_out(self) -> None:
        if self.metrics is not None:
            self.metrics.count("log_values_left_out_total")


def operator_log(form: LogFormat = "text", level: int = logging.INFO) -> OperatorFormatter:
    """Send the operator's log to stderr."""
    logging.raiseExceptions = False  # a line that fails would be printed with its values
    formatter = OperatorFormatter(form)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler])
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return formatter


def counting(metrics: Metrics) -> None:
    """Count there what this process's log leaves out."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, OperatorFormatter):
            handler.formatter.metrics = metrics
