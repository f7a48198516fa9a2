"""Instrumented builds of both servers: the positive controls of the leak search. Never shipped.

The real commands are started under ``environment()``, where every Python process of a server
imports this file first. It wraps a few methods of the product as their modules are imported:

- with ``SEALMATCH_TEST_LEAKS`` the build *leaks*: after each message it writes what the list names,
  in the encoding and to the channel that it names;
- with ``SEALMATCH_TEST_REPORT`` it *reports* session secrets to the test over a socket, and leaves
  no copy of its own: what has to be derived first is derived in a forked child, which ends.

The same encoders and channels serve tests without processes.
"""

import base64
import contextlib
import functools
import importlib.abc
import importlib.util
import json
import os
import secrets
import socket
import sqlite3
import struct
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

LEAKS, VALUES, REPORT = "SEALMATCH_TEST_LEAKS", "SEALMATCH_TEST_VALUES", "SEALMATCH_TEST_REPORT"
MARK, RUN = "leaky-", "SEALMATCH_TEST_RUN"
"""How names of leaked files begin, and the environment variable that names the run (guardian)."""

Value = str | bytes | np.ndarray


def mark() -> str:
    """How names begin of what this run leaks where all have their files: it removes its own."""
    return f"{MARK}{Path(os.environ.get(RUN, 'alone')).name}-"


def raw(value: Value) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else value.tobytes()


def as_json(value: Value) -> bytes:
    """What ``json.dumps`` makes of a value somebody put into a message: text, or a list."""
    if isinstance(value, str):
        return json.dumps({"value": value}).encode()
    listed = list(value) if isinstance(value, bytes) else value.reshape(-1).tolist()
    return json.dumps({"value": listed}).encode()


def skewed_base64(value: Value, before: bytes = b"x") -> bytes:
    """Base64 of a record in which the value begins anywhere."""
    return base64.b64encode(before + raw(value) + b"tail")


ENCODERS: dict[str, Callable[[Value], bytes]] = {
    "raw": raw,
    "base64": lambda v: base64.b64encode(raw(v)),
    "base64 skewed by one": skewed_base64,
    "base64 skewed by two": lambda v: skewed_base64(v, b"xy"),
    "base64url": lambda v: base64.urlsafe_b64encode(raw(v)).rstrip(b"="),
    "hex": lambda v: raw(v).hex().encode(),
    "upper-case hex": lambda v: raw(v).hex().upper().encode(),
    "JSON": as_json,
    "compact JSON": lambda v: json.dumps(json.loads(as_json(v)), separators=(",", ":")).encode(),
    "JSON string": lambda v: json.dumps(raw(v).decode("latin-1")).encode(),
    "Python bytes": lambda v: repr(raw(v)).encode(),
    "UTF-8 of Latin-1": lambda v: raw(v).decode("latin-1").encode(),
    "UTF-16": lambda v: v.encode("utf-16") if isinstance(v, str) else b"",
}


# Channels: where a leaky build writes. Each takes the server's data directory.

_kept: list[int | bytes | sqlite3.Connection] = []
"""Descriptors, values and connections that a leaky build forgets to let go."""


def let_go() -> None:
    """Close what is kept: for tests that leak in their own process."""
    for kept in _kept:
        if isinstance(kept, int):
            os.close(kept)
        elif isinstance(kept, sqlite3.Connection):
            kept.close()
    _kept.clear()


def to_log(_: Path, data: bytes) -> None:
    """Past the operator's log, which takes listed lines alone: into the same file."""
    print(data.decode("latin-1"), file=sys.stderr, flush=True)


def to_database(directory: Path, data: bytes) -> None:
    """A column more. The row stays in the write-ahead log; nothing is checkpointed."""
    connection = sqlite3.connect(directory / "gateway.sqlite3", 300, isolation_level=None)
    connection.execute("pragma journal_mode=wal")
    connection.execute("create table if not exists leak (id integer primary key, note blob)")
    connection.execute("insert into leak (note) values (?)", (data,))
    _kept.append(connection)


def to_data_file(directory: Path, data: bytes) -> None:
    with (directory / f"{MARK}cache.bin").open("ab") as file:
        file.write(os.urandom(999) + data + os.urandom(10))


def to_temporary_file(_: Path, data: bytes) -> None:
    descriptor, _name = tempfile.mkstemp(prefix=mark())
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def to_shared_memory(_: Path, data: bytes) -> None:
    Path("/dev/shm", f"{mark()}{secrets.token_hex(8)}").write_bytes(data)


def to_deleted_file(directory: Path, data: bytes) -> None:
    path = directory / f"{MARK}deleted"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    os.write(descriptor, data)
    path.unlink()
    _kept.append(descriptor)


def to_memory_file(_: Path, data: bytes) -> None:
    descriptor = os.memfd_create("leaky")
    os.write(descriptor, data)
    _kept.append(descriptor)


def to_memory(_: Path, data: bytes) -> None:
    _kept.append(data)


CHANNELS: dict[str, Callable[[Path, bytes], None]] = {
    "log": to_log,
    "database": to_database,
    "data file": to_data_file,
    "temporary file": to_temporary_file,
    "shared memory": to_shared_memory,
    "deleted file": to_deleted_file,
    "memory file": to_memory_file,
    "memory": to_memory,
}


@dataclass(frozen=True)
class Leak:
    """Which value goes out, how, and where to."""

    value: str
    encoding: str
    channel: str

    def write(self, directory: Path, value: Value) -> None:
        CHANNELS[self.channel](directory, ENCODERS[self.encoding](value))


def settings(leaks: list[Leak], values: Path) -> dict[str, str]:
    """Environment of a leaky server.

    Args:
        values: a JSON file of what it gets besides what passes through it: an object of texts, of
            bytes in hexadecimal, and of vectors.
    """
    listed = [[leak.value, leak.encoding, leak.channel] for leak in leaks]
    return {LEAKS: json.dumps(listed), VALUES: str(values)}


# The test's end of the reports


@dataclass
class Reports:
    """Receives what instrumented servers report."""

    path: Path
    values: dict[str, list[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(8)
        self._arrived = threading.Condition()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def wait_for(self, label: str, count: int = 1) -> list[bytes]:
        with self._arrived:
            there = self._arrived.wait_for(lambda: len(self.values.get(label, [])) >= count, 300)
        assert there, f"nothing reported as {label}"
        return self.values[label]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                with self._listener.accept()[0] as connection, connection.makefile("rb") as stream:
                    label_size, size = struct.unpack("<HI", stream.read(6))
                    label, value = stream.read(label_size).decode(), stream.read(size)
                with self._arrived:
                    self.values.setdefault(label, []).append(value)
                    self._arrived.notify_all()


# The servers' end


def _report(label: str, value: Any) -> None:
    """Send a buffer as it lies; the kernel copies, this process does not."""
    path = os.environ.get(REPORT)
    if path is None:
        return
    size = memoryview(value).nbytes
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        name = label.encode()
        connection.sendall(struct.pack("<HI", len(name), size) + name)
        connection.sendall(value)


def _report_derived(label: str, derive: Callable[[], Any]) -> None:
    """Derive and send in a child: its copies are in its own memory, which goes with it."""
    if REPORT not in os.environ:
        return
    child = os.fork()
    if child == 0:
        try:
            _report(label, derive())
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def pepper_of(custody: Any) -> bytes:
    """The pepper's bytes, where it lies in memory and not in a token."""
    return bytes(custody.pepper._value)


def _leak(available: dict[str, Value], directory: Path) -> None:
    if LEAKS not in os.environ:
        return
    given = json.loads(Path(os.environ[VALUES]).read_text())
    everything: dict[str, Value] = {
        **given["text"],
        **{name: bytes.fromhex(value) for name, value in given["bytes"].items()},
        **{name: np.array(value) for name, value in given["vectors"].items()},
        **available,
    }
    for listed in json.loads(os.environ[LEAKS]):
        leak = Leak(*listed)
        if leak.value in everything:
            leak.write(directory, everything[leak.value])


def _after(owner: Any, name: str, then: Callable[..., None]) -> None:
    """Call ``then(result, self, *arguments)`` after a method, also if it raised (result None)."""
    method = getattr(owner, name)

    @functools.wraps(method)
    def wrapped(self: Any, *arguments: Any, **named: Any) -> Any:
        result = None
        try:
            result = method(self, *arguments, **named)
            return result
        finally:
            then(result, self, *arguments, **named)

    setattr(owner, name, wrapped)


_leaked: dict[str, Value] = {}


def _evaluation(module: Any) -> None:
    def seeded(_result: Any, self: Any, *_arguments: Any, **_named: Any) -> None:
        _report("seed", self._seed)

    def evaluated(_result: Any, self: Any, *_rest: Any) -> None:
        """In a worker: the seed is nowhere else."""
        if LEAKS in os.environ:
            directory = Path(os.environ["SEALMATCH_GATEWAY_DATA_DIR"])
            _leak({"seed": bytes(self._seed)}, directory)

    _after(module.Evaluation, "__init__", seeded)
    _after(module.Evaluation, "open", evaluated)


def _gateway_service(module: Any) -> None:
    def started(_result: Any, _self: Any, identity: Any, *_rest: Any, **_named: Any) -> None:
        private = identity.signing.private
        _report_derived("gateway signing key", private.private_bytes_raw)
        _report_derived("gateway sealing key", lambda: identity.sealing.raw)
        if LEAKS in os.environ:
            _leaked["signing key"] = private.private_bytes_raw()

    def submitted(_result: Any, _self: Any, _session: Any, submission: Any, *_rest: Any) -> None:
        directory = Path(os.environ["SEALMATCH_GATEWAY_DATA_DIR"])
        _leak({**_leaked, "probe": submission.sealed_probe}, directory)

    _after(module.GatewayService, "__init__", started)
    _after(module.GatewayService, "submit", submitted)


def _authority(module: Any) -> None:
    """In a worker: the secret key, and SEAL's own public key, are nowhere else."""
    read_coefficients, read_words = module.read_coefficients, module.read_words

    def key_read(*arguments: Any) -> Any:
        words = read_coefficients(*arguments)
        _report("secret key", words)
        if LEAKS in os.environ:
            _leaked["secret key"] = words.copy()
        return words

    def drawn_read(*arguments: Any) -> Any:
        words = read_words(*arguments)
        _report("drawn key", words)
        return words

    module.read_coefficients, module.read_words = key_read, drawn_read

    def answered(_result: Any, _self: Any, *_rest: Any) -> None:
        if LEAKS in os.environ:
            _leak(_leaked, Path(os.environ["SEALMATCH_AUTHORITY_DATA_DIR"]))

    _after(module.SessionSecret, "answer", answered)


def _authority_service(module: Any) -> None:
    def started(
        _result: Any, _self: Any, _parameters: Any, custody: Any, *_r: Any, **_n: Any
    ) -> None:
        private = custody.signing.private
        _report_derived("authority signing key", private.private_bytes_raw)
        _report_derived("authority sealing key", lambda: custody.sealing[0].raw)
        _report_derived("pepper", lambda: pepper_of(custody))
        if LEAKS in os.environ:
            _leaked["pepper"] = pepper_of(custody)

    def decided(_result: Any, _self: Any, *_rest: Any) -> None:
        _leak(_leaked, Path(os.environ["SEALMATCH_AUTHORITY_DATA_DIR"]))

    _after(module.AuthorityService, "__init__", started)
    _after(module.AuthorityService, "decide", decided)


_INSTRUMENTED: dict[str, Callable[[Any], None]] = {
    "gateway.he.evaluation": _evaluation,
    "gateway.server.service": _gateway_service,
    "keys.authority": _authority,
    "keys.service": _authority_service,
}


class _Finder(importlib.abc.MetaPathFinder):
    """Instruments modules as they are imported, in whichever process of a server that is."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name not in _INSTRUMENTED:
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def and_instrument(module: Any) -> None:
            execute(module)
            _INSTRUMENTED[name](module)

        spec.loader.exec_module = and_instrument  # type: ignore[method-assign]
        return spec


def environment(folder: Path) -> dict[str, str]:
    """Settings under which Python processes are instrumented: they import ``sitecustomize``."""
    folder.mkdir()
    load = f"import runpy; runpy.run_path({str(Path(__file__).resolve())!r}, run_name='leaky')\n"
    (folder / "sitecustomize.py").write_text(load)
    return {"PYTHONPATH": str(folder)}


if __name__ == "leaky":
    sys.meta_path.insert(0, _Finder())
