"""One file, one fault: each vector is an honest message with a single thing wrong.

Bytes are made by the independent writer, so that a fault is exactly what its name says. Every
vector carries the honest bytes that it came from: they must be accepted, or the fault would prove
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.wire import notation
from tests.wire.reference_cbor import encode, encode_map, head

Map = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    name: str
    message: str
    """Class that reads it; ``signed NAME`` for a COSE_Sign1 over one."""
    what: str
    faulty: bytes
    honest: bytes
    raises: str = "MalformedMessage"


def documents(maps: dict[str, Map], signed_grant: bytes) -> dict[str, Map]:
    """The vectors by name, from honest messages as maps and one honest signed object."""
    found: dict[str, Map] = {}
    for fault in (
        *_encoding(maps["session-request"]),
        *_types(maps["session-request"], maps["consent-record"]),
        *_bounds(maps),
        *_policies(maps["match-policy"]),
        *_signed(signed_grant),
        *_sizes(maps["session-request"]),
    ):
        if fault.name in found:
            raise AssertionError(f"two faults are named {fault.name}")
        found[fault.name] = {
            "fault": fault.what,
            "message": fault.message,
            "raises": fault.raises,
            "faulty": _bytes(fault.faulty),
            "honest": {"$hex": fault.honest.hex()},
        }
    return found


def _bytes(data: bytes) -> Map:
    if len(data) < 8 * notation.LONG:
        return {"$hex": data.hex()}
    filler = data.rstrip(b"\0")
    return {"$hex": filler.hex(), "thenZeros": len(data) - len(filler)}


def _entries(value: Map, **replaced: bytes) -> list[tuple[bytes, bytes]]:
    """Encoded keys and values in order; ``replaced`` gives the encodings of some values."""
    return sorted(
        (encode(key), replaced[key] if key in replaced else encode(item))
        for key, item in value.items()
    )


def _with(value: Map, **replaced: bytes) -> bytes:
    unknown = replaced.keys() - value.keys()
    if unknown:
        raise AssertionError(f"no such field: {unknown}")
    return encode_map(_entries(value, **replaced))


def _encoding(request: Map) -> Iterator[Fault]:
    """Second encodings of a valid value, and what is not CBOR of our set at all."""
    honest = encode(request)
    entries = _entries(request)
    body = honest[1:]

    def fault(name: str, what: str, faulty: bytes) -> Fault:
        return Fault(name, "SessionRequest", what, faulty, honest)

    device = request["device"].encode()
    nonce = request["clientNonce"]
    yield fault("integer-not-shortest", "version 1 in two bytes", _with(request, version=b"\x18\1"))
    yield fault(
        "integer-in-nine-bytes",
        "version 1 in nine bytes",
        _with(request, version=b"\x1b" + bytes(7) + b"\1"),
    )
    yield fault(
        "text-length-not-shortest",
        "length of a text in two bytes",
        _with(request, device=b"\x78" + bytes((len(device),)) + device),
    )
    yield fault(
        "bytes-length-not-shortest",
        "length of a byte string in three bytes",
        _with(request, clientNonce=b"\x59\0\x20" + nonce),
    )
    yield fault(
        "map-length-not-shortest",
        "number of entries in two bytes",
        b"\xb8" + bytes((len(entries),)) + body,
    )
    yield fault(
        "keys-unsorted",
        "the last two keys swapped",
        encode_map([*entries[:-2], entries[-1], entries[-2]], ordered=False),
    )
    yield fault(
        "keys-in-alphabetical-order",
        "keys sorted as texts, not as encodings",
        encode_map([(encode(k), encode(request[k])) for k in sorted(request)], ordered=False),
    )
    yield fault(
        "key-twice",
        "one key twice with the same value",
        encode_map([*entries, entries[-1]], ordered=False),
    )
    yield fault(
        "key-twice-other-value",
        "one key twice with another value",
        encode_map([*entries, (encode("version"), b"\x02")]),
    )
    yield fault("map-indefinite", "map of indefinite length", b"\xbf" + body + b"\xff")
    yield fault(
        "text-indefinite",
        "text of indefinite length",
        _with(request, device=b"\x7f" + encode(request["device"]) + b"\xff"),
    )
    yield fault(
        "bytes-indefinite",
        "byte string of indefinite length",
        _with(request, clientNonce=b"\x5f" + encode(nonce) + b"\xff"),
    )
    yield fault("trailing-byte", "a zero after the message", honest + b"\0")
    yield fault("two-messages", "the message twice", honest + honest)
    yield fault("truncated", "the last byte is missing", honest[:-1])
    yield fault("empty", "no byte at all", b"")
    yield fault("reserved-length", "additional information 28", b"\xbc" + body)
    yield fault(
        "entries-announced-not-there",
        "one entry more than there is",
        head(5, len(entries) + 1) + body,
    )
    yield fault("huge-map-announced", "2^32 - 1 entries announced", b"\xba\xff\xff\xff\xff" + body)
    yield fault("tag-around-message", "self-described CBOR, tag 55799", b"\xd9\xd9\xf7" + honest)
    yield fault(
        "tag-on-field",
        "encoded-CBOR tag 24 on a byte string",
        _with(request, clientNonce=b"\xd8\x18" + encode(nonce)),
    )
    yield fault(
        "integer-as-bignum", "version 1 as tag 2 over 01", _with(request, version=b"\xc2\x41\x01")
    )
    yield fault(
        "shared-reference",
        "tags 28 and 29 instead of a repeated value",
        _with(request, device=b"\xd8\x1c" + encode(request["device"]), issuer=b"\xd8\x1d\x00"),
    )
    yield fault("undefined", "undefined where a text belongs", _with(request, purpose=b"\xf7"))
    yield fault("simple-value", "simple value 32", _with(request, purpose=b"\xf8\x20"))
    yield fault(
        "text-not-utf8", "a text with the byte ff", _with(request, device=head(3, 3) + b"a\xffb")
    )
    yield fault(
        "nested-too-deep",
        "a field of nine arrays in one another",
        _with(request, purpose=b"\x81" * 9 + b"\0"),
    )
    yield fault(
        "nested-very-deep",
        "a field of 15000 arrays in one another",
        _with(request, purpose=b"\x81" * 15000 + b"\0"),
    )


def _types(request: Map, consent: Map) -> Iterator[Fault]:
    """Well-formed CBOR that is not this message."""
    honest = encode(request)

    def fault(name: str, what: str, faulty: bytes) -> Fault:
        return Fault(name, "SessionRequest", what, faulty, honest)

    def without(*names: str) -> Map:
        return {key: item for key, item in request.items() if key not in names}

    version = "consentTextVersion"
    yield fault(
        "unknown-key", "a key that the message does not have", encode(request | {"note": "x"})
    )
    yield fault("missing-key", "no device", encode(without("device")))
    yield fault("missing-version", "no version", encode(without("version")))
    yield fault("wrong-version", "version 2", encode(request | {"version": 2}))
    yield fault("version-zero", "version 0", encode(request | {"version": 0}))
    yield fault("version-true", "true is not 1", encode(request | {"version": True}))
    yield fault("version-text", "version as text", encode(request | {"version": "1"}))
    yield fault("bool-for-integer", "true for a number", encode(request | {version: True}))
    yield fault(
        "float-for-integer",
        "1.0 in half precision for 1",
        _with(request, **{version: b"\xf9\x3c\x00"}),
    )
    yield fault(
        "float-double",
        "1.0 in double precision for 1",
        _with(request, **{version: b"\xfb\x3f\xf0" + bytes(6)}),
    )
    yield fault("text-for-integer", "a numeral as text", encode(request | {version: "1"}))
    yield fault("null-for-integer", "null for a number", encode(request | {version: None}))
    yield fault("null-for-text", "null for a text", encode(request | {"device": None}))
    yield fault(
        "bytes-for-text", "a byte string for a text", encode(request | {"device": b"device-17"})
    )
    yield fault(
        "text-for-bytes", "32 letters for 32 bytes", encode(request | {"clientNonce": "n" * 32})
    )
    yield fault(
        "array-for-bytes",
        "32 integers for 32 bytes",
        encode(request | {"clientNonce": list(request["clientNonce"])}),
    )
    yield fault("array-for-message", "an array of the values", encode(list(request.values())))
    yield fault("integer-for-message", "the integer 1", encode(1))
    yield fault("integer-keys", "keys 1, 2, 3", encode(dict(enumerate(request.values(), 1))))
    yield fault(
        "bytes-key",
        "one key as a byte string",
        encode_map([*_entries(without("device")), (encode(b"device"), encode(request["device"]))]),
    )
    yield fault(
        "key-in-snake-case",
        "client_nonce for clientNonce",
        encode(without("clientNonce") | {"client_nonce": request["clientNonce"]}),
    )
    yield fault("other-message", "a valid message of another kind", encode(consent))


def _bounds(maps: dict[str, Map]) -> Iterator[Fault]:
    """Values of the right type outside their bounds."""
    for name, kind, message, field, value, what in (
        ("text-too-long", "SessionRequest", "session-request", "device", "d" * 64, "64 letters"),
        ("text-empty", "SessionRequest", "session-request", "device", "", "no letter"),
        ("party-upper-case", "SessionRequest", "session-request", "device", "Device", "upper case"),
        ("party-newline", "SessionRequest", "session-request", "device", "d\n", "a final newline"),
        ("party-nul", "SessionRequest", "session-request", "device", "d\0", "a NUL"),
        ("party-not-ascii", "SessionRequest", "session-request", "device", "dé", "a letter é"),
        ("party-leading-dot", "SessionRequest", "session-request", "device", ".d", "a dot first"),
        ("purpose-digit", "SessionRequest", "session-request", "purpose", "sim4", "a digit"),
        ("consent-version-zero", "SessionRequest", "session-request", "consentTextVersion", 0, "0"),
        ("consent-version-2-31", "SessionRequest", "session-request", "consentTextVersion", 2**31,
         "2^31"),
        ("digest-31-bytes", "TemplateAssertion", "template-assertion", "templateDigest", bytes(31),
         "31 bytes"),
        ("digest-33-bytes", "TemplateAssertion", "template-assertion", "templateDigest", bytes(33),
         "33 bytes"),
        ("session-15-bytes", "SessionGrant", "session-grant", "session", bytes(15), "15 bytes"),
        ("time-negative", "SessionGrant", "session-grant", "expiresAt", -1, "-1"),
        ("time-2-40", "SessionGrant", "session-grant", "expiresAt", 2**40, "2^40"),
        ("time-64-bits", "SessionGrant", "session-grant", "expiresAt", 2**64 - 1, "2^64 - 1"),
        ("document-type-unknown", "TemplateAssertion", "template-assertion", "documentType",
         "library-card", "a document that no number belongs to"),
        ("portrait-source-unknown", "TemplateAssertion", "template-assertion", "portraitSource",
         "verified", "no word of how"),
        ("language-upper-case", "ConsentRecord", "consent-record", "language", "DE", "upper case"),
        ("outcome-unknown", "Decision", "decision", "outcome", "MAYBE", "a third outcome"),
        ("quality-failed", "FaceQuality", "face-quality", "outcome", "failed",
         "nothing was embedded"),
        ("quality-no-version", "FaceQuality", "face-quality", "measures",
         "face-quality", "no number"),
        ("lanes-zero", "Decision", "decision", "lanes", 0, "no lane"),
        ("lanes-three", "Decision", "decision", "lanes", 3, "three lanes"),
        ("masked-value-t", "MaskedValues", "masked-values", "masked", [0, 133857281], "t"),
        ("masked-value-negative", "MaskedValues", "masked-values", "masked", [-1, 0], "-1"),
        ("masked-value-text", "MaskedValues", "masked-values", "masked", ["1", 0], "a numeral"),
        ("masked-value-true", "MaskedValues", "masked-values", "masked", [True, 0], "true"),
        ("masked-one-lane", "MaskedValues", "masked-values", "masked", [0], "one lane"),
        ("masked-three-lanes", "MaskedValues", "masked-values", "masked", [0, 0, 0], "three lanes"),
        ("value-t", "SharesRequest", "shares-request", "values", [133857281, 0], "t"),
        ("share-two", "SharesRequest", "shares-request", "shares", [0, 2], "no bit"),
        ("share-true", "SharesRequest", "shares-request", "shares", [True, 0], "true is not 1"),
        ("shares-one-lane", "SharesRequest", "shares-request", "shares", [1], "one lane"),
        ("nonce-31-bytes", "AttemptNonce", "attempt-nonce", "nonce", bytes(31), "31 bytes"),
        ("handles-none", "AttemptAnswer", "attempt-answer", "subjectHandles", [], "no handle"),
        ("handles-three", "AttemptAnswer", "attempt-answer", "subjectHandles", [bytes(32)] * 3,
         "three handles"),
        ("kind-unknown", "Statement", "statement", "kind", "erasure", "a kind not known yet"),
        ("time-within-minute", "Statement", "statement", "decidedAtMinute", 1_700_000_041,
         "a time that is not cut to the minute"),
        ("liveness-unknown", "LivenessResult", "liveness-result", "outcome", "failed",
         "an outcome that leaves no statement"),
        ("exclusion-named-twice", "SessionRequest", "session-request", "exclusions",
         [{"version": 1, "kind": "blink", "reason": "cannot-perform"},
          {"version": 1, "kind": "blink", "reason": "cannot-be-seen"}], "blink twice"),
        ("exclusion-reason-unknown", "Exclusion", "exclusion", "reason", "stroke",
         "a reason that would name an illness"),
        ("challenge-repeats", "Challenge", "challenge", "actions", ["blink", "blink", "turn-left"],
         "blink after blink"),
        ("challenge-asks-excluded", "Challenge", "challenge", "actions",
         ["blink", "open-mouth", "blink"], "open-mouth, which is excluded"),
        ("challenge-seven-actions", "Challenge", "challenge", "actions",
         ["blink", "turn-left"] * 3 + ["blink"], "seven actions"),
        ("challenge-without-end", "Challenge", "challenge", "limitMs", 60_001, "60001"),
        ("challenge-count-without-moments", "Challenge", "challenge", "actions",
         ["blink", "count"], "a count of no numbers"),
        ("counting-three-numbers", "Counting", "counting", "moments", [1000, 3000, 5000],
         "three numbers"),
        ("counting-ten-numbers", "Counting", "counting", "moments",
         list(range(1000, 21_000, 2000)), "ten numbers"),
        ("counting-no-time-to-answer", "Counting", "counting", "moments",
         [1000, 2199, 5000, 8000], "1199 ms for an answer within 1200"),
        ("counting-backwards", "Counting", "counting", "moments", [1000, 3000, 2000, 5000],
         "moments that fall"),
        ("trace-ten-openings", "ActionTrace", "action-trace", "openings", [1000] * 10,
         "ten openings"),
        ("challenge-unknown-action", "Challenge", "challenge", "actions", ["smile"], "smile"),
        ("trace-level-float", "ActionTrace", "action-trace", "reach", True, "true"),
        ("trace-level-301", "ActionTrace", "action-trace", "reach", 301, "301 hundredths"),
        ("transcript-odd-intervals", "LivenessTranscript", "liveness-transcript", "intervals",
         bytes(5), "two intervals and a half"),
        ("transcript-too-many-frames", "LivenessTranscript", "liveness-transcript", "intervals",
         bytes(3600), "1801 frames"),
        ("transcript-negative-passive", "LivenessTranscript", "liveness-transcript", "passive",
         -1, "-1"),
        ("totals-reason-twice", "AttemptTotals", "attempt-totals", "reasons",
         [{"version": 1, "reason": "wrong-action", "count": 1}] * 2, "one reason twice"),
        ("totals-no-attempt", "AttemptTotals", "attempt-totals", "attempts", 0, "no attempt"),
        ("signed-bytes-empty", "Receipt", "receipt", "statement", b"", "no bytes"),
        ("signed-bytes-too-long", "Receipt", "receipt", "statement", bytes(16385), "16385 bytes"),
        ("salt-16-bytes", "Opening", "opening", "subjectSalt", bytes(16), "16 bytes"),
        ("reference-129", "Opening", "opening", "activationReference", "1" * 129, "129 digits"),
        ("activation-salt-16-bytes", "ActivationOpening", "activation-opening", "activationSalt",
         bytes(16), "16 bytes"),
        ("liveness-digest-false", "SubmissionAssertion", "submission-assertion",
         "livenessEvidenceDigest", False, "false is not null"),
    ):  # fmt: skip
        honest = maps[message]
        if field not in honest:
            raise AssertionError(f"{kind} has no {field}")
        yield Fault(name, kind, f"{field}: {what}", encode(honest | {field: value}), encode(honest))


def _policies(policy: Map) -> Iterator[Fault]:
    """Policies that no gateway may offer."""
    honest = encode(policy)
    lane = policy["lanes"][0]

    def fault(name: str, what: str, lanes: list[Map]) -> Fault:
        return Fault(
            f"policy-{name}", "MatchPolicy", what, encode(policy | {"lanes": lanes}), honest
        )

    yield fault("no-lane", "nothing to accept", [])
    yield fault("one-lane", "the actions' lane is missing", [lane])
    yield fault("three-lanes", "one lane more than there are", [lane] * 3)
    yield fault("lo-above-hi", "an empty interval", [lane, lane | {"lo": lane["hi"] + 1}])
    yield fault(
        "interval-too-wide",
        "2^12 + 1 values are accepted",
        [lane, lane | {"lo": 1, "hi": 2**12 + 1}],
    )
    yield fault("lo-zero", "lo = 0", [lane, lane | {"lo": 0, "hi": 10}])
    yield fault(
        "hi-half-of-t",
        "hi = t / 2",
        [lane, lane | {"lo": 133857281 // 2 - 5, "hi": 133857281 // 2}],
    )
    yield fault("weights", "weights of the first version", [lane, lane | {"ks": 76, "kn": 16}])
    yield fault("lane-version-2", "a lane of version 2", [lane, lane | {"version": 2}])
    yield fault("lane-unknown-key", "a lane with another key", [lane, lane | {"note": 1}])


def _signed(grant: bytes) -> Iterator[Fault]:
    """COSE_Sign1 objects of another form (RFC 9052 allows most of them; we do not)."""
    protected_end = 2 + 2 + grant[3]
    protected, payload = grant[2:protected_end], grant[protected_end + 1 : -66]
    signature = grant[-66:]

    def fault(name: str, what: str, faulty: bytes) -> Fault:
        return Fault(f"signed-{name}", "signed SessionGrant", what, faulty, grant)

    def parts(*items: bytes) -> bytes:
        return b"\xd2" + head(4, len(items)) + b"".join(items)

    if parts(protected, b"\xa0", payload, signature) != grant:
        raise AssertionError("the honest object is not cut right")
    yield fault("untagged", "no tag 18", grant[1:])
    yield fault("tag-98", "COSE_Sign's tag", b"\xd8\x62" + grant[1:])
    yield fault("tag-in-two-bytes", "tag 18 in two bytes", b"\xd8\x12" + grant[1:])
    yield fault(
        "unprotected-kid",
        "a kid in the unprotected header",
        parts(protected, b"\xa1\x04\x41\x00", payload, signature),
    )
    yield fault(
        "detached-payload", "null for the payload", parts(protected, b"\xa0", b"\xf6", signature)
    )
    yield fault("three-parts", "no signature", parts(protected, b"\xa0", payload))
    yield fault("five-parts", "a fifth part", parts(protected, b"\xa0", payload, signature, b"\0"))
    yield fault(
        "short-signature",
        "63 bytes",
        parts(protected, b"\xa0", payload, head(2, 63) + signature[2:-1]),
    )
    yield fault("trailing-byte", "a zero after the object", grant + b"\0")
    yield fault(
        "array-indefinite", "an array of indefinite length", b"\xd2\x9f" + grant[2:] + b"\xff"
    )
    yield fault(
        "unprotected-array",
        "an empty array for the empty map",
        parts(protected, b"\x80", payload, signature),
    )
    yield fault("empty", "no byte at all", b"")
    yield fault(
        "payload-trailing-byte",
        "a zero after the payload's map",
        parts(protected, b"\xa0", _longer(payload), signature),
    )
    yield fault("too-long", "16385 bytes", grant + bytes(16385 - len(grant)))


def _longer(byte_string: bytes) -> bytes:
    size = 1 if byte_string[0] == 0x58 else 2
    content = byte_string[1 + size :] + b"\0"
    return encode(content)


def _sizes(request: Map) -> Iterator[Fault]:
    honest = encode(request)
    yield Fault(
        "too-large",
        "SessionRequest",
        "16385 bytes; refused before anything is read",
        honest + bytes(16385 - len(honest)),
        honest,
        raises="BodyTooLarge",
    )
