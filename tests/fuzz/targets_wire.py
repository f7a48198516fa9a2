"""Messages, signatures and ciphertexts: what arrives in bodies and headers."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from random import Random
from typing import Any, Final
from unittest import mock

from gateway.he.session_key import ExpectedSession, verify_session_key
from gateway.proofs import openings
from gateway.proofs.trust import PinnedAuthority, PinnedGateway, TrustFile
from gateway.proofs.verify import verify_receipt
from gateway.server.liveness import assess
from gateway.server.policy import PolicyInForce
from gateway.server.sessions import OpenSession, Terms
from gateway.server.verification import Expected, ExpectedLiveness, check_submission
from gateway.wire import cbor, cose, requests
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import MalformedMessage
from gateway.wire.ids import digest_of
from gateway.wire.liveness import LivenessTranscript
from gateway.wire.message import Message
from gateway.wire.proof import Opening, Receipt
from gateway.wire.requests import (
    NonceMemory,
    host_of,
    sign_request,
    verify_request,
)
from gateway.wire.sealing import Sealed
from gateway.wire.submission import Submission
from tests.fuzz import trees
from tests.fuzz.making import stateless, target
from tests.fuzz.mutations import (
    Mutator,
    frame,
    framed,
    from_seeds,
    scramble,
    unframe,
    words_of,
)
from tests.support import parties
from tests.support.fuzzing import DOCUMENTED, BrokenPromise, Target
from tests.support.parties import AUTHORITY, DEVICE, GATEWAY, ISSUER, NOW
from tests.vectors import golden
from tests.wire import reference_cbor as reference

HOST: Final = "authority.example:8471"
PATH: Final = "/v1/session-keys"

_SIGNERS: Final[dict[str, SigningKey]] = {name: key for name, (key, _) in golden.SIGNED.items()}
_KINDS: Final[tuple[type[Message], ...]] = tuple(
    type(messages[0]) for messages in golden.MESSAGES.values()
)
_LARGE: Final = 64 * 1024


def promise(holds: bool, what: str) -> None:
    """Raise ``BrokenPromise`` unless it holds."""
    if not holds:
        raise BrokenPromise(what)


# --- CBOR and messages -----------------------------------------------------------------------


@cache
def _messages() -> tuple[bytes, ...]:
    return tuple(one.encode() for messages in golden.MESSAGES.values() for one in messages)


@cache
def _small_messages() -> tuple[bytes, ...]:
    return tuple(one for one in _messages() if len(one) < _LARGE)


@cache
def _cbor_seeds() -> tuple[bytes, ...]:
    """Messages, and shapes that no message has yet."""
    shapes: tuple[Any, ...] = (
        {1: 2}, {1: -8, 4: b"key", 16: "type"}, {23: 0, 24: 0, 2**32: [], 2**64 - 1: {}}, [[], {}],
        [1, [2, [3, [4, [5, [6, [7]]]]]]], {"a": {"a": {"a": {"a": {"a": None}}}}}, "é", b"", -1,
        -(2**63), True, None, {}, [],
    )  # fmt: skip
    return (*_small_messages(), *(reference.encode(shape) for shape in shapes))


def _parse_cbor(data: bytes) -> None:
    """The product's reader and the independent one accept the same bytes as the same value."""
    if len(data) > _LARGE:  # the independent reader copies the rest at every item
        cbor.decode(data)
        return
    try:
        value = cbor.decode(data)
    except MalformedMessage:
        try:
            reference.decode(data)
        except reference.NotDeterministic:
            raise MalformedMessage("both refuse") from None
        raise BrokenPromise("refused what the independent reader accepts") from None
    try:
        other = reference.decode(data)
    except reference.NotDeterministic as error:
        raise BrokenPromise(f"accepted what the independent reader refuses: {error}") from None
    promise(value == other, "read another value than the independent reader")
    promise(cbor.encode(value) == data, "a second encoding was accepted")  # tells true from 1


def _parse_message(kind: type[Message], data: bytes) -> None:
    promise(kind.decode(data).encode() == data, "a second encoding of a message was accepted")


def _message_target(kind: type[Message]) -> Target:
    encoded = tuple(m.encode() for ms in golden.MESSAGES.values() for m in ms if type(m) is kind)
    name = cose.media_type(kind).removeprefix("application/vnd.sealmatch.").removesuffix("+cbor")
    return Target(
        f"message-{name}",
        lambda: encoded,
        from_seeds(trees.cbor),
        stateless(partial(_parse_message, kind)),
        DOCUMENTED["message"],
        weight=24 if len(encoded[0]) > _LARGE else 60,
    )


# --- signed objects --------------------------------------------------------------------------


@cache
def _signed() -> tuple[bytes, ...]:
    return tuple(signed.encoded for _, signed in golden.SIGNED.values())


def _parse_cose(data: bytes, *, check: bool) -> None:
    """As every type that is signed; the first byte of the input picks which."""
    name = tuple(_SIGNERS)[(data[0] if data else 0) % len(_SIGNERS)]
    key, kind = _SIGNERS[name].public, type(golden.SIGNED[name][1].message)
    if check:
        signed = cose.verify(data[1:], kind, key)
        promise(signed.encoded == data[1:], "other bytes were returned than were verified")
    else:
        promise(isinstance(cose.peek(data[1:], kind), kind), "a message of another type")


def _cose_seeds() -> list[bytes]:
    return [bytes((at,)) + encoded for at, encoded in enumerate(_signed())]


def _behind_a_byte(rng: Random, data: bytes) -> bytes:
    first = data[:1] if rng.random() < 0.95 else rng.randbytes(1)
    return first + trees.signed(rng, data[1:])


# --- the session key, as client and issuer check it ------------------------------------------


def _parse_session_key(data: bytes) -> None:
    grant, key = unframe(data, 2)
    verify_session_key(
        grant,
        key or golden.HALF.encoded,  # left out by most seeds: it is long
        ExpectedSession(
            authority_key=AUTHORITY.public,
            gateway=GATEWAY.party,
            device=DEVICE.party,
            issuer=ISSUER.party,
            client_nonce=parties.NONCE,
        ),
        NOW,
    )


def _session_key_seeds() -> list[bytes]:
    grant = golden.SIGNED_GRANT.encoded
    return [*[frame(grant, b"")] * 20, frame(grant, golden.HALF.encoded)]


# --- the gateway's checks of a submission ----------------------------------------------------


@cache
def _submission() -> tuple[Submission, bytes]:
    public, bound = parties.sealing_key().public, (golden.SESSION, golden.KEY.key_id)
    plain = golden.FRESH.encoded + golden.DEALINGS[0].encoded
    given = {
        **golden._SUBMIT,
        "sealed_template": public.seal(Sealed.TEMPLATE, plain, *bound),
        "sealed_probe": public.seal(Sealed.PROBE, golden.FRESH.encoded, *bound),
    }
    submission = Submission(**given, liveness_evidence=None)
    return submission, submission.consent.encode()


def _submission_seeds() -> list[bytes]:
    submission, consent = _submission()
    parts = (submission.template_assertion, submission.submission_assertion, consent)
    return [frame(*parts, b"", b"")]


def _parse_submission(data: bytes) -> None:
    """Steps 1 to 9 on a submission whose parts are hostile; empty parts are the honest ones."""
    honest, _ = _submission()
    template, assertion, consent, sealed, probe = unframe(data, 5)
    submission = honest.model_copy(
        update={
            "template_assertion": template,
            "submission_assertion": assertion,
            "consent": type(honest.consent).decode(consent[: 16 * 1024]),
            "sealed_template": sealed or honest.sealed_template,
            "sealed_probe": probe or honest.sealed_probe,
        }
    )
    checked = check_submission(submission, expected(), parties.sealing_key(), NOW)
    promise(checked.dealing == golden.DEALINGS[0], "another dealing was taken")


@cache
def expected() -> Expected:
    return Expected(
        session=OpenSession(
            golden.SIGNED_GRANT,
            golden.KEY,
            PolicyInForce(golden.POLICY),
            Terms(ISSUER.public, "sim-activation", 1, None, NOW),
        ),
        authority_key=AUTHORITY.public,
        device_key=DEVICE.public,
        issuer_key=ISSUER.public,
        purpose="sim-activation",
        consent_text_version=1,
        policy=golden.POLICY,
        quality="required",
        liveness=ExpectedLiveness(None, NOW),
        check_limit=lambda handles: None,
    )


def _parse_liveness(data: bytes) -> None:
    """Step 7: a hostile transcript against a challenge; what passes answers it in order."""
    transcript = LivenessTranscript.decode(data)
    checked = assess(golden.CHALLENGE, transcript, parties.MODEL_DIGEST, 60_000)
    promise(checked.result.outcome == "passed", "a transcript was taken and not said to pass")
    kinds = tuple(one.kind for one in transcript.actions)
    promise(kinds == golden.CHALLENGE.actions, "other actions passed than were asked for")
    promise(list(transcript.frame_times) == sorted(set(transcript.frame_times)), "time stood still")


# --- signed requests -------------------------------------------------------------------------

_HEAD_BYTES: Final = 16 * 1024
"""Both servers refuse a longer head of a request (``gateway.host.serving``)."""
_HEADER_WORDS: Final = (
    b"sealmatch=", b"sig1=", b"SEALMATCH=", b'("@method" "@authority" "@path" "content-digest")',
    b'"@path"', b'"@authority"', HOST.encode(), b"localhost", b":80",
    b'"@query-param";name="a"', b'"@target-uri"', b'"@status"', b'"content-digest";sf', b'"x";bs',
    b'"content-digest";key="sha-256"', b'"content-digest";req', b'"@signature-params"', b'"host"',
    b";created=", b";created=1700000000", b";created=-999999999999999", b";created=1.5",
    b";created=999999999999999", b";created=@1700000000", b";expires=0", b";expires=99999999999",
    b";keyid=", b';keyid="zz"', b';keyid=""', b';keyid="\\""', b";keyid=:AA==:", b';nonce=""',
    b';nonce="' + b"0" * 64 + b'"', b";nonce=1", b';alg="ed25519"', b';alg="rsa-v1_5-sha256"',
    b';tag="sealmatch"', b";tag=sealmatch", b";tag", b";x=?1", b";x=*a", b":AAAA:", b":", b"::",
    b":=:", b"?0", b'%"f%c3%bc"', b"@99999999999999", b"1.1234", b"-", b"()", b"(", b")", b",",
    b", ", b";", b"=", b'"', b"\\", b"\t", b" ", b"\r\n ", b"\x00", b"\xff", b"\xc3\xa9", b"*",
    b"sha-256=", b"sha-512=", b"sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
    b"md5=:AA==:",
    b"sha-256=1", b"sha-256=()", b"unixsum=", b"sealmatch=(), ", b"a=1, ", b"a;", b"a=(1 2);",
    b"?", b"#", b"/", b"//", b"%2F", b"@", b"[", b"..",
)  # fmt: skip


def header_words() -> tuple[bytes, ...]:
    """Words of signature headers, for every target that reads headers."""
    return _HEADER_WORDS


def request_parts(body: bytes) -> tuple[bytes, bytes, bytes]:
    """Content-Digest, Signature-Input and Signature of an honest request."""
    with mock.patch.object(requests, "new_nonce", return_value=parties.fixed_bytes("nonce")):
        made = sign_request("POST", HOST, PATH, body, GATEWAY, NOW)
    headers = {name.lower(): value for name, value in made.items()}
    names = ("content-digest", "signature-input", "signature")
    return tuple(headers[name].encode() for name in names)  # type: ignore[return-value]


@cache
def _request_seeds() -> tuple[bytes, ...]:
    return tuple(
        frame(*request_parts(body), HOST.encode(), PATH.encode(), body)
        for body in (b"", b"body", golden.MESSAGES["session-key-request"][0].encode())
    )


def _parse_request(data: bytes) -> None:
    """Headers as a server hands them on: bounded latin-1 texts, present where not empty."""
    *parts, body = unframe(data, 6)
    digest, given, signature, host, path = (part[:_HEAD_BYTES] for part in parts)
    headers = {"content-digest": digest, "signature-input": given, "signature": signature}
    headers["host"] = host
    text = {name: value.decode("latin-1") for name, value in headers.items() if value}
    own = frozenset({HOST, "localhost"})
    sender = verify_request(
        "POST", path.decode("latin-1"), text, body, own, find_gateway, NonceMemory(), NOW
    )
    honest = [unframe(seed, 6) for seed in _request_seeds()]
    same = [(one[4], one[5]) for one in honest]
    meant = host_of(f"http://{host.decode()}")
    promise(meant == HOST, "a request for another host was accepted")
    promise(sender == GATEWAY.public, "another sender was found")
    promise((path, body) in same, "an altered path or body was accepted")
    promise(base64.b64encode(digest_of(body)) in digest, "another digest than the body's")


def find_gateway(key_id: bytes) -> VerifyKey | None:
    return GATEWAY.public if key_id == GATEWAY.public.key_id else None


# --- receipts --------------------------------------------------------------------------------


@cache
def trust() -> TrustFile:
    """What a verifier of the golden receipts pins."""
    return TrustFile(
        gateways=[
            PinnedGateway(
                party=GATEWAY.party,
                url="https://gateway.example",
                public_key=GATEWAY.public.raw.hex(),
                sealing_key=parties.sealing_key().public.raw.hex(),
            )
        ],
        authorities=[
            PinnedAuthority(
                party=AUTHORITY.party,
                url="https://authority.example",
                public_key=AUTHORITY.public.raw.hex(),
                sealing_key=parties.authority_sealing_key().public.raw.hex(),
            )
        ],
        policies=[golden.POLICY.digest.hex()],
    )


def _receipts() -> list[bytes]:
    return [one.encode() for one in golden.MESSAGES["receipt"]]


def _parse_receipt(data: bytes) -> None:
    verify_receipt(data, trust())


def _parse_opening(data: bytes) -> None:
    """An opening beside a receipt: an honest receipt unless the input brings its own."""
    encoded, receipt = unframe(data, 2)
    check = partial(verify_receipt, receipt or _receipts()[0], trust())
    opening = openings.activation_opening(encoded)
    if isinstance(opening, Opening):
        check(opening, parties.SUBJECT)
    check(activation=openings.OwnActivation(golden.ACTIVATION, opening))


def _opening_seeds() -> list[bytes]:
    both = [golden.MESSAGES[name][0].encode() for name in ("opening", "activation-opening")]
    alone = [frame(opening, b"") for opening in both] * 3
    return [*alone, *(frame(opening, _receipt_message().encode()) for opening in both)]


def _receipt_message() -> Receipt:
    message = golden.MESSAGES["receipt"][0]
    assert isinstance(message, Receipt)
    return message


def _or_scrambled(mutate: Mutator) -> Mutator:
    """A part that may be empty is left so half of the time."""
    return lambda rng, data: mutate(rng, data) if data or rng.random() < 0.1 else data


def targets() -> Sequence[Target]:
    """All targets of this module."""
    words = words_of(*_HEADER_WORDS)
    cbor = target("cbor", _cbor_seeds, trees.cbor, stateless(_parse_cbor), 300)
    verify, peek = (stateless(partial(_parse_cose, check=check)) for check in (True, False))

    return (
        # Objects of Python take 60 times the bytes of an empty list; messages bound the length.
        replace(cbor, megabytes=160),
        *map(_message_target, _KINDS),
        target("cose-verify", _cose_seeds, _behind_a_byte, verify, 150),
        target("cose-peek", _cose_seeds, _behind_a_byte, peek, 60),
        target(
            "session-key",
            _session_key_seeds,
            framed(trees.signed, _or_scrambled(scramble)),
            stateless(_parse_session_key),
            30,
        ),
        target(
            "submission-check",
            _submission_seeds,
            framed(
                trees.signed,
                trees.signed,
                trees.cbor,
                _or_scrambled(scramble),
                _or_scrambled(scramble),
            ),
            stateless(_parse_submission),
            20,
        ),
        target(
            "liveness-check",
            lambda: (golden.TRANSCRIPT.encode(),),
            trees.cbor,
            stateless(_parse_liveness),
            60,
        ),
        target(
            "request-signature",
            _request_seeds,
            framed(words, words, words, words, words, scramble),
            stateless(_parse_request),
            200,
        ),
        target("receipt", _receipts, trees.cbor, stateless(_parse_receipt), 400),
        target(
            "opening",
            _opening_seeds,
            framed(trees.cbor, _or_scrambled(trees.cbor)),
            stateless(_parse_opening),
            60,
        ),
    )
