"""Adding and retiring a consent text are signed, logged actions, and a text that changed is
noticed."""

import pytest
import sqlalchemy as sa

from gateway.server import consent, register
from gateway.server.consent import NotAsSigned
from gateway.store import consents, parties
from gateway.store.database import Database
from gateway.store.schema import consent_texts, consent_versions, log_pending
from gateway.wire.admin import AdminAction, ChainKeys, Concerned, next_action, verify_chain
from gateway.wire.cose import SigningKey
from gateway.wire.errors import MalformedMessage, Refused, SessionConflict
from gateway.wire.ids import KeyId, digest_of

GATEWAY = SigningKey.generate("gateway")
KEYS = ChainKeys((GATEWAY.public,))
TEXTS = consent.draft(2, 180)


@pytest.fixture
def database(database: Database) -> Database:
    consent.add(database, TEXTS, 180, GATEWAY, 1000)
    return database


def change(database: Database, *statements: sa.Executable) -> None:
    """What somebody does who writes the database and has no key."""
    with database.writing() as connection:
        for one in statements:
            connection.execute(one)


def stored(database: Database, version: int) -> consents.StoredVersion:
    (one,) = (one for one in consent.listed(database) if one.version == version)
    return one


def test_both_acts_are_signed_entries_of_the_log_that_name_the_file(database: Database) -> None:
    file_of_counters = consent.export(database, 2, register.history(database, KEYS)).encode()
    for version in (2, 1, 2):  # the last one changes nothing
        consent.retire(database, version, GATEWAY, 2000 + version)
    actions = register.history(database, KEYS)
    assert [(one.verb, one.kind, one.party, one.key_id, one.at) for one in actions] == [
        ("add", "consent-text", "2", digest_of(file_of_counters), 1000),
        ("retire", "consent-text", "2", digest_of(file_of_counters), 2002),
        ("retire", "consent-text", "1", None, 2001),
    ]
    assert digest_of(file_of_counters) == TEXTS.digest
    assert actions[0].line().endswith(f"add\tconsent-text\t2\t{TEXTS.digest.hex()}")
    with database.transaction() as connection:
        queued = connection.execute(sa.select(log_pending.c.entry, log_pending.c.kind)).all()
        signed = parties.list_admin_actions(connection)
    assert [(bytes(one.entry), one.kind) for one in queued] == [
        (digest_of(one), "admin") for one in signed
    ]


def test_what_is_not_done_is_not_signed(database: Database) -> None:
    before = register.history(database, KEYS)
    with pytest.raises(SessionConflict):
        consent.add(database, TEXTS, 180, GATEWAY, 3000)
    with pytest.raises(SessionConflict):
        consent.retire(database, 9, GATEWAY, 3000)
    assert register.history(database, KEYS) == before
    register.enrol(database, [register.Entry("agent", "a", None)], GATEWAY, 3000)
    assert [one.verb for one in register.history(database, KEYS)] == ["add", "enrol"], "one chain"


SECOND = consent_texts.c.text_version == 2
REPLACED: dict[str, tuple[sa.Executable, ...]] = {
    "a word": (consent_texts.update().where(SECOND).values(text="Another text."),),
    "the other way": (consent_texts.update().where(SECOND).values(without_face="None."),),
    "a language more": (
        consent_texts.insert().values(text_version=2, language="fr", text="x", without_face="y"),
    ),
    "a language less": (consent_texts.delete().where(SECOND, consent_texts.c.language == "es"),),
    "the period": (
        consent_versions.update()
        .where(consent_versions.c.text_version == 2)
        .values(retention_days=30),
    ),
    "no way at all": (consent_texts.update().where(SECOND).values(without_face=None),),
    "a version that nobody added": (
        consent_versions.insert().values(text_version=3, retention_days=30, state="active"),
        consent_texts.insert().values(text_version=3, language="en", text="x", without_face="y"),
    ),
    "the delivered one, made showable": (
        consent_versions.update()
        .where(consent_versions.c.text_version == 1)
        .values(retention_days=30),
        consent_texts.update().where(consent_texts.c.text_version == 1).values(without_face="y"),
    ),
}


@pytest.mark.parametrize("what", REPLACED)
def test_a_text_that_was_replaced_is_noticed(database: Database, what: str) -> None:
    actions = register.history(database, KEYS)
    for one in consent.listed(database):
        consent.require_as_signed(one, actions)  # the control
    change(database, *REPLACED[what])
    wrong = []
    for one in consent.listed(database):
        try:
            consent.require_as_signed(one, actions)
        except NotAsSigned:
            wrong.append(one.version)
    expected = 3 if "nobody" in what else 1 if "delivered" in what else 2
    assert wrong == [expected]
    with pytest.raises(NotAsSigned, match=f"version {expected}"):
        consent.export(database, expected, actions)


def test_a_retired_text_that_is_active_again_is_noticed(database: Database) -> None:
    consent.retire(database, 2, GATEWAY, 2000)
    actions = register.history(database, KEYS)
    consent.require_as_signed(stored(database, 2), actions)
    change(database, consent_versions.update().values(state="active"))
    with pytest.raises(NotAsSigned, match="was retired"):
        consent.require_as_signed(stored(database, 2), actions)
    consent.retire(database, 2, GATEWAY, 2001)
    consent.require_as_signed(stored(database, 2), register.history(database, KEYS))


def test_another_text_with_an_action_of_ones_own_breaks_the_chain(database: Database) -> None:
    thief = SigningKey.generate("gateway")
    with database.transaction() as connection:
        (genuine,) = parties.list_admin_actions(connection)
    about = Concerned.text(2, digest_of(b"another"))
    for forged in (
        [next_action(None, "add", about, thief, 1000)],
        [genuine, next_action(genuine, "add", about, thief, 1001)],
    ):
        with pytest.raises(Refused):
            register.checked(forged, KEYS)


def test_what_is_done_to_parties_is_not_done_to_texts() -> None:
    digest = KeyId(digest_of(b"file"))
    good = next_action(None, "add", Concerned("consent-text", "2", digest), GATEWAY, 1)
    assert verify_chain([good], KEYS).actions[0].verb == "add"
    for verb, kind, party, key in (
        ("enrol", "consent-text", "2", digest),
        ("suspend", "consent-text", "2", digest),
        ("clear-audits", "consent-text", "2", None),
        ("add", "device", "2", digest),
        ("retire", "outlet", "2", None),
        ("add", "consent-text", "2", None),
        ("add", "consent-text", "02", digest),
        ("add", "consent-text", "two", digest),
    ):
        given = {"server": "gateway", "verb": verb, "kind": kind, "party": party, "keyId": key}
        with pytest.raises(MalformedMessage):
            AdminAction.from_map({**given, "at": 1, "previous": bytes(32), "version": 1})
