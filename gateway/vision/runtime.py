"""The one place that imports onnxruntime and insightface: late, quietly, single-threaded.

Rules:

- ``session`` takes a model as bytes whose hash was checked, never as a path.
- Nothing that a dependency prints reaches the user.
- A session uses one thread. These models are small, and a second thread would mostly wait when
  other work shares the cores.
"""

import contextlib
import importlib
import io
import os
from collections.abc import Iterator
from types import ModuleType
from typing import Any

_ERRORS_ONLY = 3
"""onnxruntime's severity level: 0 verbose, 1 info, 2 warning, 3 error, 4 fatal."""

CPU = ["CPUExecutionProvider"]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what Python code prints on standard output: insightface reports its progress there."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def onnxruntime() -> Any:
    """The onnxruntime module. Telemetry is switched off before its native part starts."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    return importlib.import_module("onnxruntime")


def insightface(module: str) -> Any:
    """A module of insightface by its dotted name below the package, imported quietly."""
    onnxruntime()
    with quiet():
        loaded: ModuleType = importlib.import_module(f"insightface.{module}")
    return loaded


def session_options() -> Any:
    """One thread; only errors are printed, on standard error."""
    options = onnxruntime().SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    return options


def session(model: bytes) -> Any:
    """An onnxruntime CPU session for a model given as bytes."""
    return onnxruntime().InferenceSession(model, session_options(), providers=CPU)
