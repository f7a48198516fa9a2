"""The operator's log takes what is listed, and nothing that may tell of somebody."""

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import gateway
from gateway.host.correlating import answering
from gateway.host.log_events import EVENTS, UNLISTED
from gateway.host.log_fields import FIELDS, LEFT_OUT
from gateway.host.metrics import Metrics
from gateway.host.operator_log import LogFormat, OperatorFormatter
from gateway.inspection.contents.files import Opened, look

CODE = Path(gateway.__file__).parents[1]
SERVERS = ("auditor", "console", "host", "retention", "sequencing", "server", "store", "witness")
LEVELS = ("debug", "info", "warning", "error", "critical", "exception", "log", "line")
REFERENCE = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"


@pytest.fixture(autouse=True)
def no_request() -> Iterator[None]:
    yield
    answering("-")


def written(record: logging.LogRecord, form: LogFormat = "json") -> str:
    return OperatorFormatter(form).format(record)


def line(text: object, *values: object, name: str = "sealmatch.gateway") -> logging.LogRecord:
    return logging.LogRecord(name, logging.WARNING, "/x/place.py", 7, text, values, None)


def calls() -> Iterator[tuple[str, ast.expr | None, int]]:
    """Every line that servers write: where, its text, and how many values it has."""
    files = [one for part in SERVERS for one in (CODE / "gateway" / part).rglob("*.py")]
    for file in [*files, *(CODE / "keys").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner = ast.unparse(node.func.value).split(".")[-1].lower()
            if node.func.attr not in LEVELS or "log" not in owner or file.name == "bounded_log.py":
                continue
            given = node.args[1:] if node.func.attr in ("log", "line") else node.args
            yield f"{file.name}:{node.lineno}", given[0] if given else None, len(given) - 1


def test_every_line_of_the_servers_is_listed() -> None:
    found = list(calls())
    assert len(found) > 30
    for place, text, values in found:
        assert isinstance(text, ast.Constant), f"{place}: its text is no constant"
        listed = EVENTS.get(text.value)
        assert listed is not None, f"{place}: its text is not in host.log_events"
        assert values == len(listed.fields), f"{place}: other values than listed"


def test_every_field_is_listed_and_means_one_thing() -> None:
    for text, event in EVENTS.items():
        assert set(event.fields) <= set(FIELDS)
        assert text.count("%") == len(event.fields)
    assert set(UNLISTED.fields) <= set(FIELDS)


@pytest.mark.parametrize(
    "told",
    [
        "agent x1234567 is not enrolled",
        "number 12 34 56 78 Z",
        "vector [0.1234567, 0.2]",
        "key AAAAC3NzaC1lZDI1NTE5AAAAIJ7mRvYqTZ",
        "digest " + "ab" * 32,
        "two\nlines",
    ],
)
def test_a_detail_that_may_tell_something_is_left_out(told: str) -> None:
    metrics = Metrics("gateway")
    for form in ("text", "json"):
        formatter = OperatorFormatter(form)  # type: ignore[arg-type]
        formatter.metrics = metrics
        text = formatter.format(line("%s %s: %s", REFERENCE, "PERMISSION_DENIED", told))
        assert "1234" not in text
        assert "AAAA" not in text
        assert "abab" not in text
        assert text.count("\n") == 0
        assert REFERENCE in text


def test_and_a_plain_one_is_not() -> None:
    told = "device device-17 is not enrolled: 3 of 5 in 2.5 s, see public_urls"
    assert told in written(line("%s %s: %s", "-", "PERMISSION_DENIED", told), "text")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_that_is_not_listed_says_where_it_was_written_alone(form: LogFormat) -> None:
    metrics = Metrics("gateway")
    formatter = OperatorFormatter(form)
    formatter.metrics = metrics
    try:
        raise KeyError("X1234567")
    except KeyError as error:
        planted = line("Exception in ASGI application\n", name="uvicorn.error")
        planted.exc_info = (type(error), error, error.__traceback__)
    for one in (planted, line("the number is X1234567"), line("healthy again", "X1234567")):
        text = formatter.format(one)
        assert "1234567" not in text
        assert "place:7" in text
    assert "sealmatch_log_values_left_out_total 3.0" in metrics.text().decode()
    assert "KeyError" in formatter.format(planted)


class Unreadable:
    def __str__(self) -> str:
        raise KeyError("X1234567")


def test_a_value_that_cannot_be_read_costs_no_line() -> None:
    text = written(line("storage: %s", Unreadable()), "text")
    assert text.endswith(f"storage: {LEFT_OUT}")


def test_a_program_reads_the_same_as_a_person() -> None:
    answering(REFERENCE)
    told = line("not healthy: %s: %s", "disk", "it is full")
    assert written(told, "text").endswith(f"{REFERENCE} not healthy: disk: it is full")
    read = json.loads(written(told))
    assert read.pop("time").endswith("Z")
    assert read == {
        "level": "WARNING",
        "logger": "sealmatch.gateway",
        "event": "not-healthy",
        "missing": "disk",
        "detail": "it is full",
        "correlator": REFERENCE,
    }


def test_an_inspection_finds_nothing_in_it_and_a_number_that_is_planted(tmp_path: Path) -> None:
    values = {
        "correlator": REFERENCE,
        "code": "PERMISSION_DENIED",
        "digest": "ab12" * 16,
        "checkpoint": "gateway.example/log\n17\n" + "uQ4rZ0lq" * 5 + "abc=\n",
        **dict.fromkeys(("count", "number", "status", "port", "until"), 1764237600),
    }
    for form in ("text", "json"):
        told = [
            written(line(text, *(values.get(one, "device-17") for one in event.fields)), form)  # type: ignore[arg-type]
            for text, event in EVENTS.items()
        ]
        file = tmp_path / f"{form}.log"
        file.write_text("\n".join(told))
        opened = Opened(tmp_path, file)
        assert opened.is_log
        assert look(opened).findings == []
        planted = told[0].replace("device-17", "passport X12345674, sealedTemplate")
        file.write_text("\n".join([*told, planted]))
        assert look(opened).findings != []


def test_a_reference_that_is_none_is_not_written() -> None:
    answering("12345678Z")
    assert "12345678Z" not in written(line("healthy again"), "text")
    assert LEFT_OUT in written(line("%s %s: %s", "12345678Z", "UNAVAILABLE", "x"), "text")
