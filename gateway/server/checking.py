"""``sealmatch-gateway check-config``: what is tried beside what all servers try."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gateway.host import checking
from gateway.host.checking import CannotTell, Check, host_checks
from gateway.host.clock import unix_time
from gateway.host.settings import BadConfiguration
from gateway.retention.adoption import in_force
from gateway.server import consent, custody, peers, register
from gateway.server.config import GatewaySettings
from gateway.server.policy import Policies, default_policy
from gateway.store import consents, parties, policies
from gateway.store.database import Database, newest_version
from gateway.store.schema import match_policies
from gateway.translog.policy import TrustPolicy
from gateway.wire.errors import CallerMisuse, Unavailable

_SESSION_KEYS, _AUDITS = "/v1/session-keys", "/v1/audits"


def checks(settings: GatewaySettings) -> Iterator[Check]:
    """Everything that can be tried without a change. A peer gets two questions that change
    nothing."""
    yield from host_checks(settings, settings.data_dir)
    yield Check("keys", lambda: checking.opened(settings, lambda: custody.read_keys(settings)))
    yield Check("match policy", lambda: _policy(settings))
    yield Check("liveness", lambda: f"{settings.liveness_policy.mode}")
    yield Check("log_witnesses", lambda: _witnesses(settings))
    yield Check("database", lambda: _database(settings))
    yield Check("consent texts", lambda: _consent(settings))
    yield Check("consent texts are as signed", lambda: _as_signed(settings))
    yield Check("auditor", lambda: "set" if settings.auditor else "none")
    yield Check("authority", lambda: _authority(settings))
    yield Check("authority knows this gateway", lambda: _known(settings, _SESSION_KEYS))
    if settings.auditor_url is not None:
        yield Check("auditor knows this gateway", lambda: _known(settings, _AUDITS))


def _policy(settings: GatewaySettings) -> str:
    """The policy in force. What the gateway would not start with, fails here too."""
    default = f"digest {default_policy(settings).digest.hex()}, signed by nobody"
    if not _is_adopted(settings):
        if settings.require_signed_policy:
            raise BadConfiguration("require_signed_policy is set, and no match policy is signed")
        return default
    checking.opened(settings, lambda: None)
    held = custody.read_keys(settings)
    with _reading(settings) as connection:
        approval = Policies(settings, held.chain_keys).found(connection)
    if approval is None:
        return default
    return f"digest {approval.policy.digest.hex()}, signed, number {approval.order.number}"


def _is_adopted(settings: GatewaySettings) -> bool:
    """Whether the database, if there is one, holds a match policy."""
    try:
        with _reading(settings) as connection:
            there = sa.inspect(connection).has_table(match_policies.name)
            return there and policies.last_policy(connection) is not None
    except CannotTell:
        return False


def _witnesses(settings: GatewaySettings) -> str:
    if settings.log_witnesses is None:
        return "none"
    return f"{len(TrustPolicy.parse(settings.log_witnesses.read_bytes()).witnesses)}"


def _authority(settings: GatewaySettings) -> str:
    with peers.transport_to(settings.authority_tls) as client:
        told = [peers.audits_demanded(client, url) for url in settings.authority_urls]
    if len(set(told)) > 1:
        raise BadConfiguration("some instances of the key authority demand audits, others do not")
    demanded = told[0]
    if demanded and settings.auditor is None:
        raise BadConfiguration(peers.NO_AUDITOR)
    if demanded is None:
        return "well; does not say whether it demands audits"
    return f"well; demands {'audits' if demanded else 'no audits'}"


def _known(settings: GatewaySettings, path: str) -> None:
    checking.opened(settings, lambda: None)
    key, _ = custody.open_keys(settings)
    audits = path == _AUDITS
    urls = [settings.auditor_url or ""] if audits else settings.authority_urls
    with peers.transport_to(settings.auditor_tls if audits else settings.authority_tls) as client:
        for url in urls:
            peers.require_known(client, url, path, key, unix_time())


def _database(settings: GatewaySettings) -> str:
    with _reading(settings) as connection:
        version = _version(connection)
    newest = newest_version()
    return f"schema {version}" if version == newest else f"schema {version}; migrated at the start"


def _consent(settings: GatewaySettings) -> str:
    with _reading(settings) as connection:
        if _version(connection) != newest_version():
            raise CannotTell("the database is migrated at the start")
        active = [one for one in consents.versions(connection) if one.state == "active"]
        days = in_force(connection, settings.retention_days).schedule.records.days
    shown, short = [], []
    for one in active:
        try:
            texts = consent.exported(one)
        except CallerMisuse:
            continue
        shown.append(one.version)
        if texts.retention_days < days:
            short.append(str(one.version))
    if short:
        raise BadConfiguration(
            f"version {', '.join(short)} says a shorter period than {days} days: add another "
            "version, and retire it"
        )
    if not shown:
        raise BadConfiguration(
            "no version says for how long records are kept and how to register without a face: "
            "consent draft, consent add"
        )
    return f"version {', '.join(map(str, shown))}"


def _as_signed(settings: GatewaySettings) -> None:
    checking.opened(settings, lambda: None)
    keys = custody.read_keys(settings).chain_keys
    with _reading(settings) as connection:
        if _version(connection) != newest_version():
            raise CannotTell("the database is migrated at the start")
        actions = register.checked(parties.list_admin_actions(connection), keys)
        for one in consents.versions(connection):
            consent.require_as_signed(one, actions)


def _version(connection: sa.Connection) -> str:
    if not sa.inspect(connection).has_table("alembic_version"):
        raise CannotTell("it has no schema yet: that is made at the start")
    return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar())


@contextmanager
def _reading(settings: GatewaySettings) -> Iterator[sa.Connection]:
    """A connection for reading. An SQLite file is not even opened for writing."""
    url = sa.make_url(settings.database)
    if url.get_backend_name() != "sqlite":
        with closing(Database(settings.database)) as database, database.transaction() as connection:
            yield connection
        return
    path = Path(url.database or "")
    checking.require_file(path, "it is made at the start")
    # Without a journal nobody has it open. Then no lock is needed, and no file appears beside it.
    alone = not path.with_name(f"{path.name}-wal").exists()
    uri = f"{path.absolute().as_uri()}?{'immutable=1' if alone else 'mode=ro'}"
    engine = sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True))
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise Unavailable(f"it cannot be read: {type(error).__name__}") from None
    finally:
        engine.dispose()
