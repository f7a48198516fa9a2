"""Submissions that are honest but for one thing, and signed after that thing was changed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.wire.errors import Refused, SealmatchError
from gateway.wire.ids import digest_of
from gateway.wire.sealing import Sealed, SealingPrivateKey, SealingPublicKey
from gateway.wire.submission import Submission
from tests.support.drafts import Opened, ciphertexts, draft
from tests.support.parties import fixed_dealings
from tests.support.samples import PROBE, TEMPLATE
from tests.support.world import World

OTHER = digest_of(b"something else")
NOBODY = SealingPrivateKey.generate().public
OURS, THEIRS = fixed_dealings("steps")


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it should be."""

    says: str
    """What the operator's log holds."""
    parts: dict[str, Any] = field(default_factory=dict)
    """Keywords of ``draft``."""
    template: Callable[[bytes], bytes] = lambda encoded: encoded
    probe: Callable[[bytes], bytes] = lambda encoded: encoded
    top: Callable[[World, Opened], dict[str, Any]] = lambda _world, _opened: {}
    """What replaces a field of the submission."""
    raises: type[SealmatchError] = Refused


def at(seconds: int) -> Callable[[int], int]:
    return lambda now: now + seconds


def resealed(
    name: str,
    what: Sealed,
    plain: bytes,
    to: SealingPublicKey | None = None,
    **scope: bytes,
) -> Callable[[World, Opened], dict[str, Any]]:
    """A field sealed otherwise: to another key, as something else, for another session or key."""

    def make(world: World, opened: Opened) -> dict[str, Any]:
        grant = opened.key.grant.message
        given: dict[str, Any] = {"session": grant.session, "key_id": grant.key_id, **scope}
        return {name: (to or world.sealing.public).seal(what, plain, **given)}

    return make


def timed(parts: dict[str, Any], now: int) -> dict[str, Any]:
    """Replace offsets by times."""
    return {
        name: {k: v(now) if callable(v) else v for k, v in value.items()}
        if isinstance(value, dict)
        else value
        for name, value in parts.items()
    }


def faulty(world: World, opened: Opened, fault: Fault) -> Submission:
    template, probe = ciphertexts(opened, TEMPLATE, PROBE)
    now = world.clock()
    made = draft(
        world.counter,
        opened,
        fault.template(template),
        fault.probe(probe),
        now,
        **timed(fault.parts, now),
    )
    return made.model_copy(update=fault.top(world, opened))


def reason(error: SealmatchError) -> str:
    return error.detail if isinstance(error, Refused) else str(error)


def assert_nothing_kept(world: World, opened: Opened) -> None:
    assert world.rows("records") == []
    assert world.state(opened) == "FAILED"
    assert world.counters() == {"FAILED": 1}
    assert world.sessions.find(opened.session, world.counter.device.party) is None
