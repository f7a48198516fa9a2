"""The auditor: every step fails alone, nothing but the demanded evaluation is countersigned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.auditor.register import Enrolled
from gateway.auditor.repetition import (
    RepetitionWorkers,
    arguments_of,
    make_tenseal_workshop,
    repeat_here,
)
from gateway.auditor.service import ATTEMPTS, AuditorService, DemandMemory
from gateway.he.engine import DEFAULT_ENGINE
from gateway.he.randomness import seed_commitment
from gateway.host.isolation import WorkerLimits
from gateway.wire import cose
from gateway.wire.audit import (
    AuditDemand,
    AuditReport,
    AuditRequest,
    AuditResponse,
    AuditSecret,
    Evaluated,
)
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import MalformedMessage, Refused, Unavailable
from gateway.wire.evaluation import AttemptNonce, Decision
from gateway.wire.ids import Digest, Nonce, digest_of
from gateway.wire.policy import MAX_WIDTH, LanePolicy
from gateway.wire.polynomials import FRESH_BYTES, Ciphertext, SessionKeyHalf
from gateway.wire.profile import T
from gateway.wire.sealing import SealingPrivateKey
from gateway.wire.session import SessionGrant
from gateway.wire.submission import SubmissionAssertion, TemplateAssertion
from tests.support.parties import fixed_bytes, fixed_dealings, fixed_key, refused, stranger
from tests.support.samples import MODEL, pair
from tests.support.world import ALL_AUDITED, World

STRANGER = fixed_key("stranger")


class Case:
    """One honest audit request of a real session, to be changed in one place."""

    def __init__(self, world: World) -> None:
        self.world = world
        assert world.register(*pair(0.7)).outcome == "MATCH"
        (body,) = world.audited
        self.request = AuditRequest.decode(body)
        self.demand = cose.peek(self.request.demand, AuditDemand)
        self.gateway = world.auditor_register.gateway_by_key_id(
            world.service._identity.signing.public.key_id
        )
        assert self.gateway is not None
        self.auditing = world.auditing

    def audit(
        self, request: AuditRequest | None = None, sender: VerifyKey | None = None, **auditing: Any
    ) -> AuditReport:
        service = AuditorService(
            self.world.auditor_key, replace(self.auditing, **auditing), self.world.clock
        )
        answer = service.audit(request or self.request, sender or self.gateway)
        report = AuditResponse.decode(answer).report
        return cose.verify(report, AuditReport, self.world.auditor_key.public).message

    def but(self, **changes: Any) -> AuditRequest:
        return self.request.model_copy(update=changes)

    def demanding(self, key: SigningKey | None = None, **changes: Any) -> AuditRequest:
        """A demand over other values, really signed; the secret is sealed for it."""
        outer: dict[str, Any] = {n: changes.pop(n) for n in ("expires_at", "nonce") if n in changes}
        evaluated = self.demand.evaluated.model_copy(update=changes)
        demand = self.demand.model_copy(update={"evaluated": evaluated, **outer})
        signed = cose.sign(demand, key or self.world.authority_key)
        return self.but(demand=signed.encoded, sealed_secret=self.resealed(signed.digest))

    def secret(self) -> bytes:
        digest = cose.Signed(self.demand, self.request.demand).digest
        return self.world.auditor_sealing.open_for_audit(self.request.sealed_secret, digest)

    def resealed(self, demand: Any, secret: bytes | None = None) -> bytes:
        public = self.world.auditor_sealing.public
        return public.seal_for_audit(bytearray(secret or self.secret()), demand)

    def with_secret(self, **parts: bytes) -> AuditRequest:
        """Another template, probe, dealing or seed in what is sealed; all else as it was."""
        digest = cose.Signed(self.demand, self.request.demand).digest
        return self.but(sealed_secret=self.resealed(digest, self.secret_but(**parts)))

    def secret_but(self, **parts: bytes) -> bytes:
        return joined(replace(self.parts, **parts))

    @property
    def parts(self) -> AuditSecret:
        return AuditSecret.split(self.secret())

    @property
    def nonce(self) -> Nonce:
        return cose.peek(self.request.nonce, AttemptNonce).nonce


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    world = World(tmp_path_factory.mktemp("auditor"), audits=ALL_AUDITED)
    return Case(world)


def joined(parts: AuditSecret) -> bytes:
    return parts.template + parts.probe + parts.dealing + bytes(parts.seed)


def other_words(ciphertext: bytes, kind: Any = Ciphertext) -> bytes:
    """A canonical encoding that differs in one word."""
    words = kind.decode(ciphertext).words.copy()
    words[0, 0, 0] ^= 1
    return bytes(kind(words).encoded)


# --- the honest way ------------------------------------------------------------------------------


def test_an_honest_evaluation_is_countersigned(case: Case) -> None:
    report = case.audit()
    assert report.auditor == "auditor"
    assert report.evaluated_digest == case.demand.evaluated.digest
    assert report.demand_digest == cose.Signed(case.demand, case.request.demand).digest
    assert report.assertions_verified


def test_the_same_request_gives_the_same_bytes(case: Case) -> None:
    service = AuditorService(case.world.auditor_key, case.auditing, case.world.clock)
    assert service.audit(case.request, case.gateway) == service.audit(case.request, case.gateway)


def test_repeated_in_a_worker_process(case: Case) -> None:
    """The real workers, and the same digest; what they refuse comes back as a refusal."""
    workers = RepetitionWorkers(1, WorkerLimits(4 * 2**30, 30), DEFAULT_ENGINE)
    workers.start()
    try:
        assert case.audit(repeat=workers.repeat) == case.audit()
        for part in ("template", "probe"):
            junk = case.secret_but(**{part: b"\xff" * FRESH_BYTES})
            with pytest.raises(MalformedMessage):
                workers.repeat(case.request, junk, case.nonce)
    finally:
        workers.stop()


def test_an_auditor_with_another_build_of_seal_finds_the_same(case: Case) -> None:
    workshop = make_tenseal_workshop()

    def repeat(request: AuditRequest, secret: bytes, nonce: Nonce) -> Digest:
        return Digest(workshop.repeat(*arguments_of(request, secret, nonce)))

    assert case.audit(repeat=repeat) == case.audit()


def test_an_auditor_without_a_list_of_counters_says_so(case: Case) -> None:
    case.world.auditor_register.suspend("device", "device")
    try:
        with refused("device device is not enrolled"):
            case.audit()
        report = case.audit(verify_assertions=False)
        assert not report.assertions_verified
    finally:
        device = case.world.counter.device
        case.world.auditor_register.enrol(
            Enrolled(kind="device", party="device", public_key=device.public.raw.hex())
        )


# --- each step alone -----------------------------------------------------------------------------

Change = Callable[[Case], AuditRequest]


def signed_again(case: Case, kind: Any, encoded: bytes, key: SigningKey, **changes: Any) -> bytes:
    message = cose.peek(encoded, kind).model_copy(update=changes)
    return cose.sign(message, key).encoded


def renonced(case: Case, key: SigningKey | None = None, **changes: Any) -> bytes:
    signer = key or case.world.authority_key
    return signed_again(case, AttemptNonce, case.request.nonce, signer, **changes)


def lax(case: Case) -> Any:
    """A policy with the widest windows that one can have."""
    rules = case.world.policy.lanes
    lanes = tuple(LanePolicy(lo=rule.hi - MAX_WIDTH + 1, hi=rule.hi) for rule in rules)
    return case.world.policy.model_copy(update={"lanes": lanes})


def forged(case: Case, name: str, kind: Any, key: SigningKey, **changes: Any) -> AuditRequest:
    """Another assertion, which the demand names."""
    encoded = signed_again(case, kind, getattr(case.request, name), key, **changes)
    request = case.demanding(**{f"{name}_digest": cose.Signed(case.demand, encoded).digest})
    return request.model_copy(update={name: encoded})


def with_parts(case: Case, request: AuditRequest, **parts: bytes) -> AuditRequest:
    """Another part of the secret, sealed for the demand of a request."""
    digest = digest_of(request.demand)
    return request.model_copy(
        update={"sealed_secret": case.resealed(digest, case.secret_but(**parts))}
    )


def reseeded(case: Case, seed: bytes) -> AuditRequest:
    """What a gateway gets that committed to one seed and used another."""
    committed = seed_commitment(case.demand.evaluated.session, seed)
    return with_parts(case, case.demanding(seed_commitment=committed), seed=seed)


def redealt(case: Case) -> AuditRequest:
    """What a gateway gets that used another dealing, with an issuer that asserts it afterwards.

    The submission assertion names the template assertion, so it is made again as well.
    """
    dealing = fixed_dealings("other")[0]
    return reasserted(case, {"gateway_dealing_digest": dealing.digest}, {}, dealing=dealing.encoded)


def reprobed(case: Case) -> AuditRequest:
    """The same with a device that asserts another probe afterwards."""
    probe = other_words(case.parts.probe)
    return reasserted(case, {}, {"probe_digest": digest_of(probe)}, probe=probe)


def reasserted(
    case: Case, issued: dict[str, Any], made: dict[str, Any], **parts: bytes
) -> AuditRequest:
    counter, given = case.world.counter, case.request
    template = signed_again(
        case, TemplateAssertion, given.template_assertion, counter.issuer, **issued
    )
    submission = signed_again(
        case,
        SubmissionAssertion,
        given.submission_assertion,
        counter.device,
        template_assertion_digest=digest_of(template),
        **made,
    )
    request = case.demanding(
        template_assertion_digest=digest_of(template),
        submission_assertion_digest=digest_of(submission),
        **made,
    )
    sent = with_parts(case, request, **parts)
    return sent.model_copy(
        update={"template_assertion": template, "submission_assertion": submission}
    )


FAULTS: dict[str, tuple[Change, str]] = {
    # 1: the demand
    "1 demand by a stranger": (
        lambda c: c.demanding(stranger("authority")),
        "not signed by authority's key",
    ),
    "1 demand by an unknown authority": (
        lambda c: c.demanding(STRANGER, authority="stranger"),
        "authority stranger is not enrolled",
    ),
    "1 demand for another gateway": (lambda c: c.demanding(gateway="other"), "gateway is not"),
    "1 another profile": (lambda c: c.demanding(profile="bgv8192-1"), "profile is not"),
    "1 expired": (lambda c: c.demanding(expires_at=c.world.clock() - 60), "expiry is not"),
    "1 for ever": (lambda c: c.demanding(expires_at=2**39), "expiry is not"),
    # 2: the grant
    "2 grant by a stranger": (
        lambda c: c.but(
            grant=signed_again(c, SessionGrant, c.request.grant, stranger("authority"))
        ),
        "SessionGrant: not signed",
    ),
    "2 grant of another session": (
        lambda c: c.but(
            grant=signed_again(
                c,
                SessionGrant,
                c.request.grant,
                c.world.authority_key,
                session=fixed_bytes("s", 16),
            )
        ),
        "grant: session",
    ),
    "2 another session demanded": (
        lambda c: c.demanding(session=fixed_bytes("s", 16)),
        "grant: session",
    ),
    "2 another device demanded": (lambda c: c.demanding(device="other"), "grant: device"),
    "2 another issuer demanded": (lambda c: c.demanding(issuer="other"), "grant: issuer"),
    "2 another key demanded": (lambda c: c.demanding(key_id=fixed_bytes("k")), "grant: key_id"),
    "2 grant with another nonce": (
        lambda c: c.but(
            grant=signed_again(
                c,
                SessionGrant,
                c.request.grant,
                c.world.authority_key,
                gateway_nonce=fixed_bytes("n"),
            )
        ),
        "public key is not",
    ),
    # 3: the public key
    "3 another public key": (
        lambda c: c.but(public_key=other_words(c.request.public_key, SessionKeyHalf)),
        "public key is not",
    ),
    # 4: the policy
    "4 a laxer policy": (
        lambda c: c.but(policy=lax(c).encode()),
        "policy is not the demanded one",
    ),
    "4 fewer lanes": (lambda c: c.demanding(lanes=1), "lanes is not"),
    "4 another model": (lambda c: c.demanding(model_digest=fixed_bytes("m")), "policy's model"),
    # 5: the assertions
    "5 another template assertion": (
        lambda c: c.but(template_assertion=c.request.submission_assertion),
        "template assertion is not",
    ),
    "5 another submission assertion of the same device": (
        lambda c: c.but(
            submission_assertion=signed_again(
                c,
                SubmissionAssertion,
                c.request.submission_assertion,
                c.world.counter.device,
                agent="another",
            )
        ),
        "submission assertion is not",
    ),
    "5 template assertion by a stranger": (
        lambda c: forged(c, "template_assertion", TemplateAssertion, stranger("issuer")),
        "TemplateAssertion: not signed",
    ),
    "5 submission assertion by a stranger": (
        lambda c: forged(c, "submission_assertion", SubmissionAssertion, stranger("device")),
        "SubmissionAssertion: not signed",
    ),
    # 6, 7: what they say
    "6 template assertion of another session": (
        lambda c: forged(
            c, "template_assertion", TemplateAssertion, c.world.issuer._key, session=b"s" * 16
        ),
        "assertions: session",
    ),
    "6 submission assertion for another key": (
        lambda c: forged(
            c, "submission_assertion", SubmissionAssertion, c.world.counter.device, key_id=b"k" * 32
        ),
        "assertions: key",
    ),
    "6 another probe demanded": (
        lambda c: c.demanding(probe_digest=fixed_bytes("p")),
        "asserted probe",
    ),
    "6 another template demanded": (
        lambda c: c.demanding(template_digest=fixed_bytes("t")),
        "asserted template",
    ),
    # 7: the nonce
    "7 nonce by a stranger": (
        lambda c: c.but(nonce=renonced(c, stranger("authority"))),
        "AttemptNonce: not signed",
    ),
    "7 nonce by the gateway": (
        lambda c: c.but(nonce=renonced(c, c.world.service._identity.signing)),
        "AttemptNonce: not signed",
    ),
    "7 nonce of another session": (
        lambda c: c.but(nonce=renonced(c, session=fixed_bytes("s", 16))),
        "nonce is not",
    ),
    # 8, 9: the secret
    "8 sealed to somebody else": (
        lambda c: c.but(
            sealed_secret=SealingPrivateKey.generate().public.seal_for_audit(
                bytearray(c.secret()), cose.Signed(c.demand, c.request.demand).digest
            )
        ),
        "does not open",
    ),
    "8 sealed for another demand": (
        lambda c: c.but(sealed_secret=c.resealed(fixed_bytes("demand"))),
        "does not open",
    ),
    "8 another template": (
        lambda c: c.with_secret(template=other_words(c.parts.template)),
        "template is not",
    ),
    "8 another probe": (lambda c: c.with_secret(probe=other_words(c.parts.probe)), "probe is not"),
    "8 template and probe swapped": (
        lambda c: c.with_secret(template=c.parts.probe, probe=c.parts.template),
        "template is not",
    ),
    "8 another dealing": (
        lambda c: c.with_secret(dealing=fixed_dealings("other")[0].encoded),
        "dealing is not",
    ),
    "8 the authority's dealing": (
        lambda c: c.with_secret(dealing=fixed_dealings("other")[1].encoded),
        "dealing is not",
    ),
    "9 another seed": (lambda c: c.with_secret(seed=fixed_bytes("seed")), "seed is not"),
    # 10: what comes out
    "10 another evaluation demanded": (
        lambda c: c.demanding(evaluation_digest=fixed_bytes("e")),
        "evaluation is not",
    ),
    "10 another nonce, truly signed": (
        lambda c: c.but(nonce=renonced(c, nonce=fixed_bytes("n"))),
        "evaluation is not",
    ),
    "10 another m' of the probe's lane": (
        lambda c: c.but(masked=((c.request.masked[0] + 1) % T, c.request.masked[1])),
        "evaluation is not",
    ),
    "10 another m' of the actions' lane": (
        lambda c: c.but(masked=(c.request.masked[0], (c.request.masked[1] + 1) % T)),
        "evaluation is not",
    ),
    "10 lanes of m' swapped": (
        lambda c: c.but(masked=c.request.masked[::-1]),
        "evaluation is not",
    ),
    "10 another seed, committed to": (
        lambda c: reseeded(c, fixed_bytes("seed")),
        "evaluation is not",
    ),
    "10 another policy, demanded": (
        lambda c: c.demanding(policy_digest=lax(c).digest).model_copy(
            update={"policy": lax(c).encode()}
        ),
        "evaluation is not",
    ),
    "10 another dealing, asserted": (redealt, "evaluation is not"),
    "10 another probe, asserted": (reprobed, "evaluation is not"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_one_fault_is_refused(case: Case, name: str) -> None:
    change, detail = FAULTS[name]
    with refused(detail):
        case.audit(change(case))


def test_every_value_of_the_demand_is_held_against_something(case: Case) -> None:
    """Nothing that is countersigned is taken on the gateway's word."""
    for name, value in case.demand.evaluated.model_dump(exclude={"version"}).items():
        wrong: Any = f"x{value}" if isinstance(value, str) else 1 if name == "lanes" else None
        if wrong is None:
            wrong = bytes(len(value))
        key = STRANGER if name == "authority" else None
        with pytest.raises(Refused):
            case.audit(case.demanding(key, **{name: wrong}))


def test_a_policy_that_the_auditor_does_not_accept(case: Case) -> None:
    own = case.world.policy.digest.hex()
    assert case.audit(policies=frozenset({own, "ab" * 32}))
    with refused("accepted policy"):
        case.audit(policies=frozenset({"ab" * 32}))


def test_a_stranger_gets_nothing_countersigned(case: Case) -> None:
    with refused("gateway is not"):
        case.audit(sender=STRANGER.public)


def test_another_curve_of_the_same_request_is_malformed(case: Case) -> None:
    for changes in ({"demand": b"\xd2"}, {"grant": b"junk"}, {"policy": b"\xa0"}):
        with pytest.raises((MalformedMessage, Refused)):
            case.audit(case.but(**changes))


def test_evaluated_is_the_decision_without_its_outcome(case: Case) -> None:
    assert set(Decision.model_fields) - set(Evaluated.model_fields) == {"outcome"}
    assert set(Evaluated.model_fields) <= set(Decision.model_fields)
    assert MODEL.digest == case.demand.evaluated.model_digest


# --- how often -----------------------------------------------------------------------------------


def test_the_seed_is_overwritten_whatever_the_checks_find(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[bytearray] = []
    faulty = case.with_secret(template=other_words(case.parts.template))
    split = AuditSecret.split

    def seen(secret: bytes) -> AuditSecret:
        parts = split(secret)
        seeds.append(parts.seed)
        assert any(parts.seed)
        return parts

    monkeypatch.setattr(AuditSecret, "split", seen)
    with refused("template is not"):
        case.audit(faulty)
    assert case.audit()
    assert len(seeds) >= 2
    assert not any(any(seed) for seed in seeds)


def test_a_demand_is_repeated_a_few_times_only(case: Case) -> None:
    """Work costs an authority's signature."""
    runs = 0

    def repeat(*given: Any) -> Any:
        nonlocal runs
        runs += 1
        return repeat_here(*given)

    auditing = replace(case.auditing, repeat=repeat)
    service = AuditorService(case.world.auditor_key, auditing, case.world.clock)
    for _ in range(ATTEMPTS):
        service.audit(case.request, case.gateway)
    with refused("answered often enough"):
        service.audit(case.request, case.gateway)
    assert runs == ATTEMPTS


def test_demands_are_remembered_until_they_expire_and_not_without_bound() -> None:
    memory = DemandMemory(limit=2)
    for name in (b"a" * 32, b"b" * 32):
        memory.use(name, 100, 0)  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        memory.use(b"c" * 32, 100, 0)  # type: ignore[arg-type]
    memory.use(b"c" * 32, 200, 100)  # type: ignore[arg-type]
    assert len(memory._seen) == 1
