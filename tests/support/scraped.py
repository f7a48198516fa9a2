"""A server's metrics, read where Prometheus would, and held against what is declared."""

import re

import httpx

from gateway.host.measures import BUCKETS, MEASURES, OTHER
from gateway.host.metrics import PREFIX
from tests.support.processes import PATIENCE

_PORT = re.compile(r"metrics are read at port (\d+)|\"metrics-listening\".*\"port\": (\d+)")
_LABEL = re.compile(r'([a-z_]+)="([^"]*)"')


def scrape(log: str) -> str:
    """The metrics of the server that wrote this log."""
    found = _PORT.findall(log)[-1]
    url = f"http://127.0.0.1:{''.join(found)}/metrics"
    answer = httpx.get(url, trust_env=False, timeout=PATIENCE)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return answer.text


def labels_not_listed(text: str) -> list[tuple[str, str]]:
    """Label values that are not declared for their metric."""
    bounds = {*map(repr, BUCKETS), "+Inf"}
    found = []
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name = re.sub(r"_(bucket|sum|count)$", "", line.partition("{")[0].partition(" ")[0])
        declared = MEASURES.get(name.removeprefix(PREFIX))
        listed = {} if declared is None else declared.labels
        for label, value in _LABEL.findall(line):
            if label == "le" and value in bounds:
                continue
            if value not in (*listed.get(label, ()), OTHER):
                found.append((label, value))
    return found
