"""Session keys in worker processes: where a peer's ciphertext meets a secret key.

The service process holds trust list, caps and signing key. The workers hold nothing but the secret
keys of open sessions. Of what peers send they see only padded products, with omega and the
authority's dealing. If a ciphertext brings a worker down, the worker's sessions are gone: they
answer "no such session", and the client opens another.

``KeyWorkshop`` runs inside a worker. ``IsolatedSecret`` is its counterpart in the service process,
with the interface of ``keys.authority.SessionSecret``.
"""

import secrets
import threading
from collections.abc import Callable
from typing import Protocol

from gateway.he.engine import Engine, EngineName, default_engine
from gateway.he.engines import make_engine
from gateway.he.session_key import UniformHalf
from gateway.host.isolation import WorkerLimits, WorkerPool, octets, pair
from gateway.wire.dealing import AUTHORITY, Dealing
from gateway.wire.errors import CallerMisuse, SessionNotFound, Unavailable
from gateway.wire.evaluation import PerLane
from gateway.wire.polynomials import PUBLIC_KEY_BYTES, PaddedProduct, SessionKeyHalf
from gateway.wire.profile import T
from keys.authority import SessionSecret


class Secret(Protocol):
    """The secret key of one session, wherever it is."""

    def answer(self, product: PaddedProduct, omega: int, dealing: Dealing) -> PerLane: ...

    def destroy(self) -> None: ...


MakeSecret = Callable[[UniformHalf], tuple[Secret, SessionKeyHalf]]
"""Draws a key pair for a given uniform half."""


def make_local_secret(uniform: UniformHalf) -> tuple[Secret, SessionKeyHalf]:
    """Draw a key pair in this process (for measurements and tests)."""
    return SessionSecret.make(default_engine(), uniform)


class KeyWorkshop:
    """Runs inside a worker. It holds its sessions' secret keys, under names that the parent
    draws."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._held: dict[bytes, SessionSecret] = {}

    def make(self, name: bytes, seed: bytes) -> bytes:
        secret, half = SessionSecret.make(self._engine, UniformHalf(seed))
        self._held[name] = secret
        return half.encoded

    def answer(self, name: bytes, product: bytes, omega: int, dealing: bytes) -> list[int]:
        padded = PaddedProduct.decode(product)
        given = Dealing.decode(dealing, AUTHORITY)
        try:
            return list(self._held.pop(name).answer(padded, omega, given))
        except KeyError:
            raise CallerMisuse("no such key") from None

    def destroy(self, name: bytes) -> None:
        secret = self._held.pop(name, None)
        if secret is not None:
            secret.destroy()


def make_seal_python_workshop() -> KeyWorkshop:
    return KeyWorkshop(make_engine("seal-python"))


def make_tenseal_workshop() -> KeyWorkshop:
    return KeyWorkshop(make_engine("tenseal"))


class SecretSource(Protocol):
    """Where session keys are drawn and held."""

    def start(self) -> None: ...

    def make(self, uniform: UniformHalf) -> tuple[Secret, SessionKeyHalf]: ...

    def stop(self) -> None: ...


class SecretWorkers:
    """The worker processes. Sessions are shared out among them in turn."""

    def __init__(self, count: int, limits: WorkerLimits, engine: EngineName) -> None:
        workshop = f"keys.workers:make_{engine.replace('-', '_')}_workshop"
        self._pool = WorkerPool(workshop, count, limits)
        self._count = count
        self._next = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the workers. Raises ``Unavailable`` if one does not start."""
        self._pool.start()

    def make(self, uniform: UniformHalf) -> tuple[Secret, SessionKeyHalf]:
        """Draw a key pair in the next worker.

        Raises:
            Unavailable: the worker failed.
        """
        with self._lock:
            self._next = index = (self._next + 1) % self._count
        name = secrets.token_bytes(16)
        with self._pool.on(index) as worker:
            half: SessionKeyHalf = worker.call("make", name, uniform.seed, read=_half)
            return IsolatedSecret(self._pool, index, worker.generation, name), half

    @property
    def pool(self) -> WorkerPool:
        """The processes, for whoever watches them."""
        return self._pool

    def stop(self) -> None:
        """Kill all workers, and every key with them."""
        self._pool.stop()


def _half(value: object) -> SessionKeyHalf:
    return SessionKeyHalf.decode(octets(PUBLIC_KEY_BYTES)(value))


class IsolatedSecret:
    """A session's key in a worker. If that worker was replaced, the key is gone."""

    __slots__ = ("_generation", "_index", "_name", "_pool", "_used")

    def __init__(self, pool: WorkerPool, index: int, generation: int, name: bytes) -> None:
        self._pool, self._index, self._generation, self._name = pool, index, generation, name
        self._used = False

    def answer(self, product: PaddedProduct, omega: int, dealing: Dealing) -> PerLane:
        """As ``SessionSecret``. Raises ``SessionNotFound`` when the key is gone."""
        with self._pool.on(self._index) as worker:
            if worker.generation != self._generation:
                raise SessionNotFound("no open session of this id")
            masked: PerLane = worker.call(
                "answer", self._name, product.encoded, omega, dealing.encoded, read=pair(T)
            )
        self._used = True
        return masked

    def destroy(self) -> None:
        """Drop the key. A worker that used it has dropped it, and so has one that was replaced:
        then nobody waits for a worker that is busy with another session."""
        if self._used:
            return
        with self._pool.on(self._index) as worker:
            if worker.generation == self._generation:
                try:
                    worker.call("destroy", self._name)
                except Unavailable:
                    return  # the worker was replaced: nothing of it remains

    def __repr__(self) -> str:
        return "IsolatedSecret()"
