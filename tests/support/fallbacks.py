"""Registrations without a face in one process: an agent, a supervisor, and what each may get wrong.

``Desk`` makes honest requests; a test changes one thing before it is signed.
"""

from dataclasses import dataclass
from typing import Any

from gateway.client.fallback import Asserted, Case, Counter, approve, make_assertion, record
from gateway.client.registration import SIM_ACTIVATION
from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.fallback import FallbackRequest
from gateway.wire.subject import Subject
from tests.support.samples import REFERENCE, new_number
from tests.support.world import World


@dataclass
class Desk:
    """The counter of a ``World``, with the keys of both people."""

    world: World
    reference: str = REFERENCE

    @property
    def counter(self) -> Counter:
        return Counter("gateway", "device", "outlet", "supervisor")

    def case(self, subject: Subject | None = None, **changes: Any) -> Case:
        given: dict[str, Any] = {
            "subject": subject or Subject.of("passport", new_number()),
            "activation_reference": self.reference,
            "reason": "declined",
            "means": ("document-in-person",),
            "purpose": SIM_ACTIVATION,
            "consent_text_version": 1,
        }
        return Case(**(given | changes))

    def asserted(
        self,
        agent: SigningKey | None = None,
        changed: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Asserted:
        """A signed assertion. ``changed`` replaces its fields before it is signed."""
        agent = agent or self.world.agent_key
        made = make_assertion(self.case(**changes), self.counter, agent, self.world.clock())
        message = made.assertion.message.model_copy(update=changed or {})
        return Asserted(cose.sign(message, agent), made.opening)

    def request(
        self, asserted: Asserted | None = None, supervisor: SigningKey | None = None
    ) -> FallbackRequest:
        """The assertion with its approval."""
        asserted = asserted or self.asserted()
        supervisor = supervisor or self.world.supervisor_key
        return approve(asserted.assertion.encoded, supervisor, self.world.clock())

    def record(self, request: FallbackRequest | None = None) -> bytes:
        """Through the client and its transport. Returns the receipt."""
        return record(self.world.gateway_client, request or self.request())
