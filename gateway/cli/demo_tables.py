"""The demonstration's tables: what each party saw, and what is stored, with real bytes."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.local_servers import Directories
from gateway.cli.wiretap import Passage
from gateway.client.registration import Registration
from gateway.wire import cose
from gateway.wire.evaluation import BlindedRows, EncryptedBits, MaskedProduct
from gateway.wire.proof import Statement
from gateway.wire.submission import Submission, TemplateAssertion

GATEWAY_TABLES = (
    *("sessions", "records", "parties", "admin_actions", "outcome_counters"),
    "liveness_counters",
    *("log_head", "log_pending", "log_entries", "log_tiles", "log_checkpoints"),
)
"""All but the consent texts and the schema's version, which are about nobody."""
AUTHORITY_TABLES = {"caps.sqlite3": ("attempts",), "audits.sqlite3": ("demands",)}

_SHOWN_BYTES = 10
_WIDTHS = (10, 24, 9, 32)


@dataclass(frozen=True)
class Sight:
    """One thing that one party saw."""

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
    """One stored value: place, name, size, and how it begins."""

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
    """What each party saw of one registration, from the messages themselves."""
    submission, statement = result.submission, result.verified.statement.message
    bodies = {passage.path: passage for passage in passages}
    product = MaskedProduct.decode(bodies["/v1/masked-products"].request)
    bits = EncryptedBits.decode(bodies["/v1/masked-products"].answer)
    rows = BlindedRows.decode(bodies["/v1/blinded-rows"].request)
    assertion = cose.peek(product.template_assertion, TemplateAssertion)
    return [
        _bytes("issuer", "document portrait", portrait, "the chip's JPEG, for seconds"),
        Sight("issuer", "document number", None, "(not shown)", "never leaves the issuer"),
        _bytes("client", "live capture", live, "a JPEG, for seconds"),
        _bytes("client", "sealed template", submission.sealed_template, "cannot be opened here"),
        _bytes("gateway", "sealed template", submission.sealed_template, "opens to a ciphertext"),
        _bytes("gateway", "probe ciphertext", submission.probe, "cannot be decrypted here"),
        _bytes("gateway", "encrypted bits", bits.encrypted_bits, "cannot be decrypted here"),
        _bytes("gateway", "subject commitment", statement.subject_commitment, "hash with a salt"),
        _bytes("authority", "masked product", product.masked_product, "decrypts to uniform values"),
        _bytes("authority", "blinded rows", rows.blinded_rows, "decrypts to 0 or uniform values"),
        _bytes("authority", "subject inner value", assertion.subject_inner, "keyed hash"),
        Sight("authority", "outcome", None, result.outcome, "the one bit that it signs"),
        Sight("gateway", "outcome", None, result.outcome, "as signed by the authority"),
        *_auditor(submission, statement),
        _bytes("stranger", "receipt", result.receipt, "no number, nothing biometric"),
    ]


def _auditor(submission: Submission, statement: Statement) -> list[Sight]:
    """What the auditor saw of an audited registration: what the gateway did, and its seed."""
    if statement.audit is None:
        return []
    return [
        _bytes("auditor", "probe ciphertext", submission.probe, "cannot be decrypted here"),
        Sight("auditor", "template, seed", None, "(sealed to it)", "a ciphertext; 32 bytes"),
        _bytes("auditor", "report", statement.audit, "signed: the same bytes came out"),
    ]


def stored(directories: Directories) -> list[Stored]:
    """Every value that a server keeps on disk."""
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


def _begin(value: bytes) -> str:
    return value[:_SHOWN_BYTES].hex(" ") + (" .." if len(value) > _SHOWN_BYTES else "")


def _database(path: Path, tables: tuple[str, ...]) -> list[Stored]:
    """All rows of these tables."""
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
