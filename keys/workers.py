"""Session keys in worker processes: where a peer's ciphertext meets a secret key.

The service process holds trust list, caps and signing key; the workers hold nothing but the secret
keys of open sessions and see nothing but ciphertexts. A worker that a ciphertext brings down takes
its sessions with it: they answer "no such session", and the client opens another.

``Bench`` runs inside a worker. ``IsolatedSecret`` is its counterpart in the service process, with
the interface of ``keys.authority.SessionSecret``.
"""

import secrets
import threading
from collections.abc import Callable
from typing import Protocol

from gateway.he.engine import default_engine
from gateway.he.isolation import Limits, Worker, WorkerPool
from gateway.wire.errors import CallerMisuse, SessionNotFound, Unavailable
from gateway.wire.polynomials import Ciphertext, SessionPublicKey
from keys.authority import SessionSecret


class Secret(Protocol):
    """The secret key of one session, wherever it is."""

    def encrypt_bits(self, masked_product: Ciphertext, lanes: int) -> Ciphertext: ...

    def decide(self, blinded_rows: Ciphertext, lanes: int) -> bool: ...

    def destroy(self) -> None: ...


MakeSecret = Callable[[], tuple[Secret, SessionPublicKey]]
"""Draws a key pair."""


def make_local_secret() -> tuple[Secret, SessionPublicKey]:
    """A key pair in this process (for measurements and tests)."""
    return SessionSecret.make(default_engine())


class Bench:
    """Inside a worker: the secret keys of its sessions, by a number of the parent's choosing."""

    def __init__(self) -> None:
        self._engine = default_engine()
        self._held: dict[bytes, SessionSecret] = {}

    def make(self, name: bytes) -> bytes:
        secret, public = SessionSecret.make(self._engine)
        self._held[name] = secret
        return public.encoded

    def encrypt_bits(self, name: bytes, product: bytes, lanes: int) -> bytes:
        ciphertext = Ciphertext.decode(product, polynomials=3)
        return self._secret(name).encrypt_bits(ciphertext, lanes).encoded

    def decide(self, name: bytes, rows: bytes, lanes: int) -> bool:
        return self._secret(name).decide(Ciphertext.decode(rows, polynomials=2), lanes)

    def destroy(self, name: bytes) -> None:
        secret = self._held.pop(name, None)
        if secret is not None:
            secret.destroy()

    def _secret(self, name: bytes) -> SessionSecret:
        try:
            return self._held[name]
        except KeyError:
            raise CallerMisuse("no such key") from None


def make_bench() -> Bench:
    return Bench()


class SecretSource(Protocol):
    """Where session keys are drawn and held."""

    def start(self) -> None: ...

    def make(self) -> tuple[Secret, SessionPublicKey]: ...

    def stop(self) -> None: ...


class SecretWorkers:
    """The workers, sessions shared out among them in turn."""

    def __init__(self, count: int, limits: Limits) -> None:
        self._pool = WorkerPool("keys.workers:make_bench", count, limits)
        self._count = count
        self._next = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the workers. Raises ``Unavailable`` if one does not start."""
        self._pool.start()

    def make(self) -> tuple[Secret, SessionPublicKey]:
        """Draw a key pair in the next worker.

        Raises:
            Unavailable: the worker failed.
        """
        with self._lock:
            self._next = index = (self._next + 1) % self._count
        name = secrets.token_bytes(16)
        with self._pool.on(index) as worker:
            public = SessionPublicKey.decode(worker.call("make", name))
            return IsolatedSecret(self._pool, index, worker.generation, name), public

    def stop(self) -> None:
        """Kill all workers, and every key with them."""
        self._pool.stop()


class IsolatedSecret:
    """A session's key in a worker. If that worker was replaced, the key is gone."""

    __slots__ = ("_generation", "_index", "_name", "_pool")

    def __init__(self, pool: WorkerPool, index: int, generation: int, name: bytes) -> None:
        self._pool, self._index, self._generation, self._name = pool, index, generation, name

    def encrypt_bits(self, masked_product: Ciphertext, lanes: int) -> Ciphertext:
        """As ``SessionSecret``. Raises ``SessionNotFound`` when the key is gone."""
        with self._pool.on(self._index) as worker:
            answer = self._present(worker).call(
                "encrypt_bits", self._name, masked_product.encoded, lanes
            )
        return Ciphertext.decode(answer, polynomials=2)

    def decide(self, blinded_rows: Ciphertext, lanes: int) -> bool:
        """As ``SessionSecret``. Raises ``SessionNotFound`` when the key is gone."""
        with self._pool.on(self._index) as worker:
            return bool(
                self._present(worker).call("decide", self._name, blinded_rows.encoded, lanes)
            )

    def destroy(self) -> None:
        """Drop the key; a replaced worker has dropped it already."""
        with self._pool.on(self._index) as worker:
            if worker.generation == self._generation:
                try:
                    worker.call("destroy", self._name)
                except Unavailable:
                    return  # the worker was replaced: nothing of it remains

    def _present(self, worker: Worker) -> Worker:
        if worker.generation != self._generation:
            raise SessionNotFound("no open session of this id")
        return worker

    def __repr__(self) -> str:
        return "IsolatedSecret()"
