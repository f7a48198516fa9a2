"""The authority at each of its steps, behind the signatures of a gateway's requests.

The session stands in the state in which a message arrives, so that the step's own checks decide and
not those before it. What is sealed is sealed here, with the right key: a hostile issuer or gateway
can do that too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from gateway.wire import cose
from gateway.wire.audit import AuditResult, Evaluated
from gateway.wire.cose import VerifyKey
from gateway.wire.dealing import DEALING_BYTES
from gateway.wire.errors import Refused, SealmatchError
from gateway.wire.evaluation import (
    AttemptAnswer,
    Decision,
    DecisionResponse,
    MaskedValues,
    ProductRequest,
    SharesRequest,
)
from gateway.wire.ids import digest_of
from gateway.wire.message import SMALL
from gateway.wire.profile import SENT_PRIMES, N, T
from gateway.wire.sealing import Sealed
from keys import sessions
from keys.audits import AuditPolicy
from keys.authority import SessionSecret
from keys.custody import Custody
from keys.service import AuthorityRules, AuthorityService
from keys.sessions import Answered, Attempt, Demanded, KeySession, SessionTable, StepTaken
from keys.vault import MemoryMacKey
from tests.fuzz import trees
from tests.fuzz.making import target
from tests.fuzz.mutations import Mutator, frame, framed, unframe
from tests.fuzz.targets_he import dealing
from tests.fuzz.targets_wire import promise
from tests.support import parties
from tests.support.fuzzing import BrokenPromise, Parse, Target
from tests.support.parties import AUDITOR, AUTHORITY, DEVICE, GATEWAY, ISSUER, NOW
from tests.vectors import golden

_AUTHORITYS = golden.DEALINGS[1]
_POLICY_BYTES: Final = 2048
BOUND: Final = (golden.SESSION, golden.KEY.key_id)


def fit(data: bytes, length: int) -> bytes:
    """As the message around it bounds it."""
    return data[:length].ljust(length, b"\0")


def while_given(mutate: Mutator) -> Mutator:
    """A part that stands for the honest one while it is empty."""
    return lambda rng, data: mutate(rng, data) if data else data


def both_assertions(probe: bytes | None = None, **stated: bytes) -> tuple[bytes, bytes]:
    """Both assertions of a hostile issuer and device about these parts."""
    template = cose.sign(golden.TEMPLATE.model_copy(update=stated), ISSUER)
    changes: dict[str, bytes] = {"template_assertion_digest": template.digest}
    if probe is not None:
        changes["probe_digest"] = digest_of(probe)
    made = golden.SUBMISSION_ASSERTION.model_copy(update=changes)
    return template.encoded, cose.sign(made, DEVICE).encoded


# --- the service -----------------------------------------------------------------------------


class _Trust:
    """The golden parties, enrolled."""

    def key(self, kind: str, party: str) -> VerifyKey:
        known = {"issuer": ISSUER, "device": DEVICE, "auditor": AUDITOR}[kind].public
        if party != known.party:
            raise Refused("not enrolled")
        return known


class _Authority:
    """The service with its keys, and one session in whatever state it is put."""

    def __init__(self) -> None:
        self.falls = False
        self._table = SessionTable(1, lambda: NOW)
        self.service = AuthorityService(
            AuthorityRules(AUTHORITY.party, parties.SESSION_SECONDS, AuditPolicy(1, 60, 3)),
            Custody(
                AUTHORITY, MemoryMacKey(parties.PEPPER), sealing=(parties.authority_sealing_key(),)
            ),
            _Trust(),  # type: ignore[arg-type]
            self._table,
            SimpleNamespace(admit=lambda *_: 1, conclude=lambda *_, **__: None),  # type: ignore[arg-type]
            SimpleNamespace(  # type: ignore[arg-type]
                require_answering=lambda *_: None, demand=lambda *_: 1, answered=lambda *_: None
            ),
            lambda _: NotImplemented,
            lambda: NOW,
            lambda _: self.falls,
        )

    def put(self, state: StepTaken, *, falls: bool = False) -> KeySession:
        """The golden session, in this state."""
        self.falls = falls
        grant, secret = golden.SIGNED_GRANT.message, SessionSecret(_secret())
        session = KeySession.granted(grant, secret, digest_of(b""), b"")
        session.state = state
        if state is not StepTaken.GRANTED:
            session.counted = 1  # type: ignore[assignment]
            session.attempt = Attempt(
                golden.SIGNED_TEMPLATE,
                golden.SIGNED_SUBMISSION,
                golden.POLICY,
                _AUTHORITYS,
                golden.ATTEMPT.seed_commitment,
                golden.ATTEMPT_NONCE,  # type: ignore[arg-type]
            )
        if state in (StepTaken.ANSWERED, StepTaken.DEMANDED):
            session.answered = Answered(golden.PRODUCT.digest, golden.OMEGA, golden.MASKED)
        if state is StepTaken.DEMANDED:
            opened = sessions.Opened(golden.VALUES, golden.SHARES)
            session.demanded = Demanded(golden.SIGNED_DEMAND, opened, 1)  # type: ignore[arg-type]
        self._table._open = {golden.SESSION: session}  # type: ignore[dict-item]
        return session


def _secret() -> np.ndarray:
    return np.stack([np.arange(1, N + 1, dtype=np.uint64) for _ in SENT_PRIMES])


def _prepare_attempt(_: object) -> Parse:
    authority = _Authority()
    public = parties.authority_sealing_key().public
    sealed = public.seal(Sealed.DEALING, _AUTHORITYS.encoded, *BOUND)

    def parse(data: bytes) -> None:
        """Step 1 with hostile parts, or a dealing that the issuer asserts, whatever it is."""
        template, submission, policy, asserted, dealt = unframe(data, 5)
        hidden, plain = sealed, _AUTHORITYS.encoded
        if dealt:
            plain = fit(dealt, DEALING_BYTES)
            hidden = public.seal(Sealed.DEALING, plain, *BOUND)
            if asserted:
                template, submission = both_assertions(authority_dealing_digest=digest_of(plain))
        request = golden.ATTEMPT.model_copy(
            update={
                "template_assertion": template[:SMALL],
                "submission_assertion": submission[:SMALL],
                "policy": policy[:_POLICY_BYTES],
                "sealed_dealing": hidden,
            }
        )
        session = authority.put(StepTaken.GRANTED)
        answer = AttemptAnswer.decode(authority.service.count(request, GATEWAY.public))
        promise(session.state is StepTaken.COUNTED and session.counted == 1, "not counted")
        kept = session.attempt
        promise(kept is not None, "an attempt was counted and not kept")
        assert kept is not None
        promise(kept.dealing.encoded == plain, "another dealing was kept")
        promise(len(answer.subject_handles) == 1, "another number of handles")
        stated = kept.template.message.authority_dealing_digest
        promise(digest_of(plain) == stated, "a dealing was kept that the issuer did not assert")
        _repeated(authority.service.count, request, answer.encode())

    return parse


def _repeated(step: Callable[[Any, VerifyKey], bytes], request: Any, answer: bytes) -> None:
    try:
        promise(step(request, GATEWAY.public) == answer, "a repetition got another answer")
    except SealmatchError:
        raise BrokenPromise("a repetition was refused") from None


def _attempts() -> list[bytes]:
    parts = golden.SIGNED_TEMPLATE.encoded, golden.SIGNED_SUBMISSION.encoded, golden.POLICY.encode()
    dealt = _AUTHORITYS.encoded
    return [frame(*parts, b"", b""), frame(*parts, b"yes", dealt), frame(*parts, b"", dealt)]


def _prepare_steps(_: object) -> Parse:
    authority = _Authority()
    steps: dict[bytes, Callable[[_Authority, bytes], str]] = {
        b"product": _take_product,
        b"shares": lambda given, message: _take_shares(given, message, falls=False),
        b"demand": lambda given, message: _take_shares(given, message, falls=True),
        b"report": _take_report,
    }

    def parse(data: bytes) -> str:
        which, message = unframe(data, 2)
        return steps.get(which, _take_product)(authority, message)

    return parse


def _take_product(authority: _Authority, message: bytes) -> str:
    request = ProductRequest.decode(message)
    session = authority.put(StepTaken.COUNTED)
    answer = authority.service.answer(request, GATEWAY.public)
    promise(repr(session.secret) == "SessionSecret(destroyed)", "a key that answered is held")
    promise(MaskedValues.decode(answer).session == golden.SESSION, "another session's values")
    _repeated(authority.service.answer, request, answer)
    return "values"


def _take_shares(authority: _Authority, message: bytes, *, falls: bool) -> str:
    request = SharesRequest.decode(message)
    session = authority.put(StepTaken.ANSWERED, falls=falls)
    answer = authority.service.decide(request, GATEWAY.public)
    response = DecisionResponse.decode(answer)
    _repeated(authority.service.decide, request, answer)
    if falls:
        promise(response.demand is not None, "the coin fell, and nothing was demanded")
        return "demand"
    promise(session.attempt is None and session.spent, "a dealing that decided is held")
    promise(response.decision is not None, "no decision")
    stated = cose.verify(response.decision or b"", Decision, AUTHORITY.public).message
    honest = golden.EVALUATED.model_dump(exclude={"evaluation_digest"})
    promise(honest.items() <= stated.model_dump().items(), "a decision about other inputs")
    return "decision"


def _take_report(authority: _Authority, message: bytes) -> str:
    request = AuditResult.decode(message)
    authority.put(StepTaken.DEMANDED)
    answer = authority.service.conclude(request, GATEWAY.public)
    promise(request.report == golden.SIGNED_REPORT.encoded, "another report was accepted")
    _repeated(authority.service.conclude, request, answer)
    decision = DecisionResponse.decode(answer).decision
    stated = cose.verify(decision or b"", Decision, AUTHORITY.public).message
    promise(Evaluated.of(stated) == golden.EVALUATED, "another evaluation was decided")
    return "decision"


def _steps() -> list[bytes]:
    shares = golden.MESSAGES["shares-request"][0].encode()
    return [
        frame(b"product", golden.MESSAGES["product-request"][0].encode()),
        *[frame(b"shares", shares), frame(b"demand", shares)] * 4,
        *[frame(b"report", golden.MESSAGES["audit-result"][0].encode())] * 8,
    ]


def _message_of_step(rng: Random, data: bytes) -> bytes:
    """Mostly the message; some shares are well-formed, and nobody's."""
    which, message = unframe(data, 2)
    if which in (b"shares", b"demand") and rng.random() < 0.3:
        values = tuple(rng.choice((0, T - 1, rng.randrange(T))) for _ in range(2))
        shares = rng.randrange(2), rng.randrange(2)
        message = SharesRequest(session=golden.SESSION, values=values, shares=shares).encode()
        return frame(which, message)
    return frame(which, trees.cbor(rng, message))


def targets() -> Sequence[Target]:
    """All targets of this module."""
    parts = trees.signed, trees.signed, trees.cbor, lambda _, data: data, while_given(dealing)
    return (
        target("attempt-check", _attempts, framed(*parts), _prepare_attempt, 60, bytewise=0.05),
        target("authority-steps", _steps, _message_of_step, _prepare_steps, 60, bytewise=0.05),
    )
