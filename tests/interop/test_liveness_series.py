"""The recorded series by which the counter's page is judged are what the Python client makes."""

from tests.vectors import liveness_series


def test_the_recorded_series_are_those_of_this_client() -> None:
    recorded = liveness_series.FILE.read_text("utf-8")
    assert liveness_series.text() == recorded, "run: python -m tests.vectors.liveness_series"
