"""The demonstration's tables: what each party saw and what is stored, with real bytes."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gateway.client.registration import Registration
from gateway.lab.deployment.servers import Directories
from gateway.lab.deployment.wiretap import Passage
from gateway.wire import cose
from gateway.wire.evaluation import (
    AttemptAnswer,
    AttemptNonce,
    AttemptRequest,
    MaskedValues,
    ProductRequest,
    SharesRequest,
)
from gateway.wire.polynomials import NUMBER_BYTES, PaddedProduct
from gateway.wire.submission import TemplateAssertion

GATEWAY_TABLES = (
    *("sessions", "records", "parties", "admin_actions", "outcome_counters"),
    "liveness_counters",
    *("log_head", "log_pending", "log_entries", "log_tiles", "log_checkpoints"),
)
"""All tables except the consent texts and the schema's version, which concern nobody."""
AUTHORITY_TABLES = {"caps.sqlite3": ("attempts",), "audits.sqlite3": ("demands",)}

_SHOWN_BYTES = 10
_WIDTHS = (10, 24, 9, 32)


@dataclass(frozen=True)
class Sight:
    """One thing that one party saw. ``size`` is in bytes."""

    party: str
    what: str
    size: int | None
    shown: str
    meaning: str

    def as_json(self) -> dict[str, object]:
        return {
            "party": self.party,
            "what": self.what,
            "bytes": self.size,
            "begins": self.shown,
            "meaning": self.meaning,
        }


@dataclass(frozen=True)
class Stored:
    """One stored value: place, name, size in bytes, and how it begins."""

    place: str
    name: str
    size: int
    shown: str

    def as_json(self) -> dict[str, object]:
        return {
            "place": self.place,
            "name": self.name,
            "bytes": self.size,
            "begins": self.shown,
        }


def seen(
    portrait: bytes, live: bytes, result: Registration, passages: list[Passage]
) -> list[Sight]:
    """What each party saw of one registration, taken from the messages themselves."""
    return [
        *_counter(portrait, live, result),
        *_gateway(result),
        *_between(result, {passage.path: passage for passage in passages}),
        *_auditor(result),
        _bytes("stranger", "receipt", result.receipt, "no number, nothing biometric"),
    ]


def _counter(portrait: bytes, live: bytes, result: Registration) -> list[Sight]:
    """What issuer and client saw. Each sees one face: the portrait, and the live capture."""
    sent = result.submission
    return [
        _bytes("issuer", "document portrait", portrait, "the chip's JPEG, for seconds"),
        Sight("issuer", "document number", None, "(not shown)", "never leaves the issuer"),
        _bytes("client", "live capture", live, "a JPEG, for seconds"),
        _bytes(
            "client",
            "b of the public key",
            result.offer.public_key,
            "the rest all expand themselves",
        ),
        _bytes("client", "sealed template", sent.sealed_template, "cannot be opened here"),
    ]


def _gateway(result: Registration) -> list[Sight]:
    """What the gateway got from the counter."""
    sent, statement = result.submission, result.verified.statement.message
    return [
        _bytes(
            "gateway", "sealed template", sent.sealed_template, "opens to ciphertext and dealing"
        ),
        _bytes("gateway", "sealed probe", sent.sealed_probe, "opens to a ciphertext"),
        _bytes("gateway", "sealed dealing", sent.sealed_dealing, "cannot be opened here"),
        _bytes("gateway", "subject commitment", statement.subject_commitment, "hash with a salt"),
    ]


def _between(result: Registration, passed: dict[str, Passage]) -> list[Sight]:
    """What the servers told each other, in order."""
    attempt = AttemptRequest.decode(passed["/v1/attempts"].request)
    counted = AttemptAnswer.decode(passed["/v1/attempts"].answer)
    product = ProductRequest.decode(passed["/v1/padded-products"].request)
    masked = MaskedValues.decode(passed["/v1/padded-products"].answer).masked
    shares = SharesRequest.decode(passed["/v1/shares"].request)
    issued = cose.peek(attempt.template_assertion, TemplateAssertion)
    nonce = cose.peek(counted.nonce, AttemptNonce).nonce
    padded = product.padded_product
    head = PaddedProduct.decode(padded).head[0].to_bytes(NUMBER_BYTES, "little")
    return [
        _bytes("authority", "subject inner value", issued.subject_inner, "keyed hash"),
        _bytes("authority", "sealed dealing", attempt.sealed_dealing, "opens to its half of r"),
        _bytes("authority", "commitment to a seed", attempt.seed_commitment, "hash of 32 bytes"),
        _bytes("gateway", "nonce", nonce, "signed: the attempt is counted"),
        _bytes("authority", "padded product", padded, "decrypts to two uniform numbers"),
        _bytes("authority", "its first number", head, "score plus a one-time pad"),
        _numbers("authority", "omega", (product.omega,), "what the value is divided by"),
        _numbers("gateway", "m' of both lanes", masked, "still padded, plus half of r"),
        _numbers("authority", "m of both lanes", shares.values, "score plus r: uniform to either"),
        _numbers("authority", "gateway's shares", shares.shares, "half of the answer: a coin"),
        Sight("authority", "outcome", None, result.outcome, "the one bit that it signs"),
        Sight("gateway", "outcome", None, result.outcome, "as signed by the authority"),
    ]


def _auditor(result: Registration) -> list[Sight]:
    """What the auditor saw of an audited registration: the gateway's inputs and its seed."""
    audit = result.verified.statement.message.audit
    if audit is None:
        return []
    return [
        Sight("auditor", "probe, template, seed", None, "(sealed to it)", "ciphertexts; 32 bytes"),
        Sight("auditor", "gateway's dealing", None, "(sealed to it)", "without the other half"),
        Sight("auditor", "nonce, m'", None, "(as above)", "what the authority answered"),
        _bytes("auditor", "report", audit, "signed: the same bytes came out"),
    ]


def stored(directories: Directories) -> list[Stored]:
    """Every value that the servers keep on disk, and every file."""
    gateway, authority = directories.gateway, directories.authority
    found = _database(gateway / "gateway.sqlite3", GATEWAY_TABLES)
    for name, tables in AUTHORITY_TABLES.items():
        found += _database(authority / name, tables)
    places = {"gateway": gateway, "authority": authority, "auditor": directories.auditor}
    for place, directory in places.items():
        for path in sorted(directory.iterdir() if directory.exists() else ()):
            if path.is_file() and ".sqlite3" not in path.name:
                shown = "(sealed)" if path.suffix == ".sealed" else "(readable)"
                found.append(Stored(f"{place} file", path.name, path.stat().st_size, shown))
    return found


def sight_table(sights: list[Sight]) -> str:
    lines = [_row("party", "saw", "bytes", "begins with", "which is")]
    lines.append("-" * len(lines[0].ljust(sum(_WIDTHS) + 34)))
    for sight in sights:
        size = "" if sight.size is None else f"{sight.size:,}"
        lines.append(_row(sight.party, sight.what, size, sight.shown, sight.meaning))
    return "\n".join(lines)


def stored_table(items: list[Stored]) -> str:
    lines = [f"{'where':<28} {'what':<24} {'bytes':>7}  value begins with"]
    lines.append(f"{'-' * 28} {'-' * 24} {'-' * 7}  {'-' * 32}")
    for item in items:
        lines.append(f"{item.place:<28} {item.name:<24} {item.size:>7,}  {item.shown}")
    return "\n".join(lines)


def _row(party: str, what: str, size: str, shown: str, meaning: str) -> str:
    a, b, c, d = _WIDTHS
    return f"{party:<{a}} {what:<{b}} {size:>{c}}  {shown:<{d}} {meaning}"


def _bytes(party: str, what: str, value: bytes, meaning: str) -> Sight:
    return Sight(party, what, len(value), _begin(value), meaning)


def _numbers(party: str, what: str, values: tuple[int, ...], meaning: str) -> Sight:
    return Sight(party, what, None, ", ".join(map(str, values)), meaning)


def _begin(value: bytes) -> str:
    return value[:_SHOWN_BYTES].hex(" ") + (" .." if len(value) > _SHOWN_BYTES else "")


def _database(path: Path, tables: tuple[str, ...]) -> list[Stored]:
    """Every value in all rows of these tables."""
    found = []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        for table in tables:
            rows = connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608  constants
            for number, row in enumerate(rows, start=1):
                found += [_value(f"{table} row {number}", name, row[name]) for name in row.keys()]  # noqa: SIM118  a Row iterates values
    return found


def _value(place: str, name: str, value: object) -> Stored:
    if isinstance(value, bytes):
        return Stored(place, name, len(value), _begin(value))
    text = "-" if value is None else str(value)
    return Stored(place, name, 0 if value is None else len(text), text)
