"""The operator's changes to trust list and audits. Each is signed and recorded, one at a time.

The keystore is opened under the directory's lock. So nobody signs with a key that a rotation is
replacing, and no two processes append to the same history. If the keys are in a token, the token
signs.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from gateway.host.cli import read_table
from gateway.host.keyfile import exclusive
from gateway.wire.admin import PartyKind, no_entry
from gateway.wire.cose import SigningKey
from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import PartyId
from keys.audits import AuditLedger
from keys.config import AuthoritySettings
from keys.custody import open_custody
from keys.trust import TrustList
from keys.trust_file import Enrolled


def enrol(
    settings: AuthoritySettings, parties: Sequence[Enrolled], now: int, *, overlap: bool = False
) -> None:
    """Enrol parties, all or none; those that are enrolled already are skipped.

    Raises:
        CallerMisuse: as ``TrustRecord.with_enrolled``.
        KeyFileError, TrustListDamaged: keys or list cannot be used.
    """
    with _editing(settings, now) as (trust, signing):
        trust.enrol(parties, signing, now, overlap=overlap)


def suspend(
    settings: AuthoritySettings, kind: PartyKind, party: PartyId, public_key: str | None, now: int
) -> None:
    """Suspend a party, or one key of it.

    Raises:
        CallerMisuse: it is not enrolled.
        KeyFileError, TrustListDamaged: keys or list cannot be used.
    """
    with _editing(settings, now) as (trust, signing):
        trust.suspend(kind, party, signing, now, public_key)


def clear_audits(
    settings: AuthoritySettings, gateway: PartyId, ledger: AuditLedger, now: int
) -> int:
    """Forget a gateway's unanswered demands; return how many. The act is recorded first.

    Raises:
        KeyFileError, TrustListDamaged: keys or list cannot be used.
        Unavailable: the storage failed; the demands may still be there.
    """
    if not ledger.unanswered().get(gateway):
        return 0
    with _editing(settings, now) as (trust, signing):
        if not ledger.unanswered().get(gateway):  # another operator was faster
            return 0
        trust.note_cleared_audits(gateway, signing, now)
        return ledger.clear(gateway)


def open_trust(settings: AuthoritySettings, now: int) -> TrustList:
    """The list, for reading.

    Raises:
        KeyFileError: the authority's keys do not open.
    """
    return TrustList(settings.trust_file, open_custody(settings, now).chain_keys)


def read_parties(file: Path) -> list[Enrolled]:
    """Read parties as ``list`` prints them: one a line, with white space between kind, name and
    key.

    Raises:
        CallerMisuse: a line is something else; the text names its number.
        OSError: unreadable.
    """
    parties = []
    for number, words in read_table(file):
        try:
            parties.append(party_of(*words))
        except (CallerMisuse, TypeError):
            what = f"{file.name}, line {number}: not a kind, a name and a key"
            raise CallerMisuse(what) from None
    return parties


def party_of(kind: str, party: str, public_key: str) -> Enrolled:
    """Check and build an entry. Raises ``CallerMisuse``, which names what is wrong."""
    values = {"kind": kind, "party": party, "public_key": public_key}
    if kind == "authority":
        raise CallerMisuse("the authority's own keys change by keys rotate signing")
    try:
        return Enrolled.model_validate(values)
    except ValidationError as error:
        raise no_entry(error) from None


@contextmanager
def _editing(settings: AuthoritySettings, now: int) -> Iterator[tuple[TrustList, SigningKey]]:
    with exclusive(settings.data_dir):
        own = open_custody(settings, now)
        yield TrustList(settings.trust_file, own.chain_keys), own.signing
