"""What is read from the gateway's database, rounded before anything else sees it.

``Stocks`` are counted once a day (``rounding``); the rest is looked at again and again.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gateway.calibration.proposal import cosine_text
from gateway.console.flows import Attempts, Flows, read_attempts, read_flows
from gateway.console.rounding import age, cell, stock
from gateway.console.signed import LogHead, Pinned, Run, read_log, read_run
from gateway.inspection.small_counts import LEAST
from gateway.proofs.approval import peek_policy
from gateway.retention.adoption import in_force
from gateway.retention.reaper import days_of
from gateway.retention.schedule import Adopted, AsLongAs, BadSchedule, Life, Period, draft
from gateway.store import consents, halts, policies, retention, schema
from gateway.store.reading import ReadingDatabase
from gateway.wire.admin import AdminAction
from gateway.wire.cose import peek
from gateway.wire.errors import SealmatchError, Unavailable
from gateway.wire.orders import HOLD_REASONS
from gateway.wire.retention import RunKind

DAY: Final = 86_400
CLOCKS: Final[tuple[RunKind, ...]] = ("records", "fallbacks", "withdrawals", "runs", "counters")
"""Kinds with a limit in days."""
_ABOUT_NOBODY: Final = frozenset({"runs", "counters"})
_ACTIONS: Final = 500
"""Of the operators' last actions, in which the last scrub is looked for."""


class OtherForm(SealmatchError):
    """The database has not the tables that this version reads."""


@dataclass(frozen=True)
class Stocks:
    """How much there is, as it is shown; counted once a day."""

    day: int
    rows: Mapping[str, int]
    """By table or kind, as ``rounding.stock`` shows it."""
    holds: Mapping[str, int]
    """By reason, as ``rounding.cell`` shows it."""
    removed: Mapping[str, int]
    """What the reaper removed so far, by kind."""


@dataclass(frozen=True)
class Clock:
    """One kind of row against its limit."""

    kind: RunKind
    limit: int
    """Days."""
    oldest: int | None
    """Age of the oldest row in days, in steps; None: there is none, or too few to tell."""
    overdue: bool
    """Rows are there a day after their time, and no law holds them."""


@dataclass(frozen=True)
class Rule:
    """What the schedule in force says of one kind, in the operator's words."""

    kind: str
    days: int | None
    """None: as long as something else, or for the deployment's life."""
    life: bool
    purpose: str
    basis: str


@dataclass(frozen=True)
class Parties:
    """Enrolled parties of one kind."""

    kind: str
    active: tuple[str, ...]
    suspended: int


@dataclass(frozen=True)
class Texts:
    """A version of the consent texts that is in force."""

    version: int
    days: int | None
    languages: tuple[str, ...]
    has_other_way: bool


@dataclass(frozen=True)
class Thresholds:
    """The match policy that two operators signed last. Its signatures are not checked here."""

    number: int
    cosines: tuple[str, ...]
    """From which the probe's lane accepts, and the actions'."""
    evidence: str
    """SHA-256 of the evaluation, in hexadecimal."""
    adopted_at: int


@dataclass(frozen=True)
class Figures:
    """One look at the database."""

    at: int
    stocks: Stocks
    clocks: tuple[Clock, ...]
    schedule: int | None
    """Number of the schedule in force; None: nobody adopted one."""
    schedule_readable: bool
    rules: tuple[Rule, ...]
    flows: Flows
    attempts: Attempts | None
    log: LogHead
    halted: int | None
    """Since when nothing is signed; None: it is."""
    run: Run | None
    began_at: int | None
    """When the first operator's action was signed."""
    scrubbed_at: int | None
    parties: tuple[Parties, ...]
    texts: tuple[Texts, ...]
    thresholds: Thresholds | None
    """None: nobody signed any, and those of the settings are used."""
    thresholds_readable: bool
    key: str | None
    """Id of the key that signed the operators' last action."""
    key_checked: bool | None
    """Whether that signature holds under the pinned key; None: no trust file."""

    @property
    def empty(self) -> bool:
        """Nothing that could be shown was registered yet."""
        kept = any(self.stocks.rows.values()) or any(one.oldest for one in self.clocks)
        return self.flows.empty and not kept


def read_figures(
    database: ReadingDatabase,
    now: int,
    retention_days: int,
    pinned: Pinned | None,
    before: Stocks | None,
) -> Figures:
    """Look once.

    Args:
        retention_days: of records, while no schedule was adopted.
        pinned: None: no signature is checked.
        before: stocks that were counted earlier; those of the same day are used again.

    Raises:
        Unavailable: the database does not answer.
        OtherForm: it is the database of another version, or of something else.
    """
    try:
        _require_form(database)
        return _read(database, now, retention_days, pinned, before)
    except (SQLAlchemyError, OSError):
        raise Unavailable("the database does not answer") from None


def _require_form(database: ReadingDatabase) -> None:
    found = set(sa.inspect(database.connection).get_table_names())
    if missing := schema.metadata.tables.keys() - found:
        raise OtherForm(f"{len(missing)} tables of this version are missing")


def _read(
    database: ReadingDatabase,
    now: int,
    retention_days: int,
    pinned: Pinned | None,
    before: Stocks | None,
) -> Figures:
    connection, today = database.connection, now // DAY
    adopted, readable = _schedule(connection, retention_days)
    run = read_run(connection, pinned)
    fresh = before is not None and before.day == today
    stocks = before if fresh and before is not None else _stocks(connection, today, run)
    halted = halts.open_halt(connection)
    actions = _last_actions(connection)
    key, key_checked = _signer(actions, pinned)
    thresholds, thresholds_readable = _thresholds(connection)
    return Figures(
        at=now,
        stocks=stocks,
        clocks=tuple(_clock(connection, kind, adopted, now) for kind in CLOCKS),
        schedule=adopted.number,
        schedule_readable=readable,
        rules=tuple(_rules(adopted)),
        flows=read_flows(database, today),
        attempts=read_attempts(database, today),
        log=read_log(connection, pinned),
        halted=None if halted is None else halted.found_at,
        run=run,
        began_at=_first_action(connection),
        scrubbed_at=_scrubbed_at(actions),
        parties=tuple(_parties(connection)),
        texts=tuple(_texts(connection)),
        thresholds=thresholds,
        thresholds_readable=thresholds_readable,
        key=key,
        key_checked=key_checked,
    )


def _schedule(connection: sa.Connection, retention_days: int) -> tuple[Adopted, bool]:
    try:
        adopted = in_force(connection, retention_days)
        _ = adopted.schedule
    except BadSchedule:
        return Adopted(draft(retention_days)), False
    return adopted, True


def _thresholds(connection: sa.Connection) -> tuple[Thresholds | None, bool]:
    """The last one, and whether it can be read."""
    row = policies.last_policy(connection)
    if row is None:
        return None, True
    try:
        proposal = peek_policy(row.approval).proposal
    except SealmatchError:
        return None, False
    cosines = tuple(map(cosine_text, proposal.policy.lanes))
    return Thresholds(row.number, cosines, proposal.evidence.hex(), row.adopted_at), True


def _rules(adopted: Adopted) -> Iterator[Rule]:
    for kind, rule in adopted.schedule:
        if isinstance(rule, Period | Life | AsLongAs):
            days = rule.days if isinstance(rule, Period) else None
            yield Rule(kind, days, isinstance(rule, Life), rule.purpose, rule.legal_basis)


def _stocks(connection: sa.Connection, today: int, run: Run | None) -> Stocks:
    held = schema.records.c
    query = sa.select(held.kind, sa.func.count()).group_by(held.kind)
    kinds = {str(kind): int(count) for kind, count in connection.execute(query)}
    rows = {"records": kinds.get("decision", 0), "fallbacks": kinds.get("fallback", 0)}
    for table in (schema.consents, schema.withdrawals, schema.erasures):
        rows[table.name] = _count(connection, table)
    rows["entries"] = int(connection.execute(sa.select(schema.log_head.c.size)).scalar() or 0)
    reasons = sa.select(schema.holds.c.reason, sa.func.count()).group_by(schema.holds.c.reason)
    holds: Counter[str] = Counter(dict.fromkeys(HOLD_REASONS, 0))
    holds.update({str(reason)[:40]: int(count) for reason, count in connection.execute(reasons)})
    return Stocks(
        today,
        {name: stock(count) for name, count in rows.items()},
        {reason: cell(count) for reason, count in holds.items()},
        {} if run is None else {kind: stock(count) for kind, count in run.removed.items()},
    )


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _clock(connection: sa.Connection, kind: RunKind, adopted: Adopted, now: int) -> Clock:
    schedule = adopted.schedule
    limit = int(getattr(schedule, kind).days)
    standing = retention.standing(connection, kind, days_of(schedule, kind), now)
    late = retention.standing(connection, kind, days_of(schedule, kind), now - DAY)
    oldest = None
    told = standing.kept >= LEAST or kind in _ABOUT_NOBODY
    if standing.oldest is not None and told:
        oldest = age(max(0, limit * DAY - (standing.oldest - now)), limit)
    return Clock(kind, limit, oldest, late.due > 0)


# Operators' actions


def _last_actions(connection: sa.Connection) -> list[bytes]:
    """The newest first."""
    held = schema.admin_actions.c
    query = sa.select(held.action).order_by(held.number.desc()).limit(_ACTIONS)
    return [bytes(row.action) for row in connection.execute(query)]


def _first_action(connection: sa.Connection) -> int | None:
    held = schema.admin_actions.c
    row = connection.execute(sa.select(held.action).order_by(held.number).limit(1)).first()
    action = None if row is None else _peeked(bytes(row.action))
    return None if action is None else action.at


def _scrubbed_at(actions: list[bytes]) -> int | None:
    for one in actions:
        action = _peeked(one)
        if action is not None and action.verb == "scrub":
            return action.at
    return None


def _signer(actions: list[bytes], pinned: Pinned | None) -> tuple[str | None, bool | None]:
    if not actions:
        return None, None
    checked = None if pinned is None else pinned.signed(actions[0], AdminAction)
    return Pinned.signer(actions[0], AdminAction), checked


def _peeked(action: bytes) -> AdminAction | None:
    try:
        return peek(action, AdminAction)
    except SealmatchError:
        return None


# The register


def _parties(connection: sa.Connection) -> list[Parties]:
    held = schema.parties.c
    active: dict[str, list[str]] = {}
    suspended: Counter[str] = Counter()
    query = sa.select(held.kind, held.party, held.state).order_by(held.kind, held.party)
    for kind, party, state in connection.execute(query):
        active.setdefault(kind, [])
        if state == "active":
            active[kind].append(party)
        else:
            suspended[kind] += 1
    return [Parties(kind, tuple(names), suspended[kind]) for kind, names in active.items()]


def _texts(connection: sa.Connection) -> list[Texts]:
    return [
        Texts(
            one.version,
            one.retention_days,
            tuple(sorted(one.texts)),
            bool(one.texts) and all(text.without_face for text in one.texts.values()),
        )
        for one in consents.versions(connection)
        if one.state == "active"
    ]
