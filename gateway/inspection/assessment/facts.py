"""What a draft is made of. What was not given is None, and becomes a blank of the draft.

Of the database only what names nobody is read: texts, schedules, and how many rows there are.
Numbers below ``SMALL`` are not told.
"""

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Final

import sqlalchemy as sa

from gateway.host.in_force import InForce, Setting, Value
from gateway.inspection import data_map
from gateway.inspection.data_map import DataMap
from gateway.proofs.approval import peek_policy
from gateway.retention.schedule import MAX_BYTES, RetentionSchedule
from gateway.store import consents, policies
from gateway.store.consents import StoredVersion
from gateway.store.reading import ReadingDatabase
from gateway.store.schema import match_policies, parties, records, retention_schedules
from gateway.wire.orders import PolicyOrder

SMALL: Final = 10
"""Smaller numbers of registrations are told as "fewer than 10"."""
MAX_SCHEDULE: Final = MAX_BYTES
"""Longest schedule."""
MEASURED_MODEL: Final = "faceplugin-0.0.1"
"""The face model that the published figures are of."""
_ROW: Final = re.compile(r"^\| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Settings:
    """A server's settings, with words for where a sentence comes from."""

    whose: str
    """``gateway's``."""
    in_force: InForce

    def __getitem__(self, name: str) -> Value:
        return self._of(name).value

    def is_set(self, name: str) -> bool:
        return self._of(name).is_set

    def source(self, *names: str) -> str:
        """What a sentence about these settings follows from."""
        told = (f"{name} ({self._of(name).origin})" for name in names)
        return f"{self.whose} settings: {', '.join(told)}"

    def _of(self, name: str) -> Setting:
        return self.in_force.settings.get(name) or Setting(None, "default", is_set=False)


@dataclass(frozen=True)
class Schedule:
    """The retention schedule, and where it is from."""

    content: RetentionSchedule
    source: str
    adopted: bool
    """Some schedule is in force. Otherwise the setting ``retention_days`` holds."""

    def beside(self, in_force: "Schedule | None") -> "Schedule":
        """This one, given as a file, where the database may have one in force."""
        if in_force is None:
            return self
        same = self.content == in_force.content
        source = in_force.source if same else f"{self.source}, not the one in force"
        return Schedule(self.content, source, adopted=True)


@dataclass(frozen=True)
class Register:
    """What the gateway's database tells without naming anybody."""

    consent_versions: tuple[StoredVersion, ...]
    parties: Mapping[str, tuple[int, int]]
    """Kind -> how many are active, how many suspended."""
    records: Mapping[str, int]
    """Kind -> how many are kept now."""
    policy: PolicyOrder | None = None
    """The match policy that two operators signed last; its signatures are another command's
    matter. None: nobody signed one."""

    @property
    def shown(self) -> tuple[StoredVersion, ...]:
        """Active versions that counters can show: with a period, and a way without a face."""
        return tuple(
            one
            for one in self.consent_versions
            if one.state == "active"
            and one.retention_days is not None
            and all(text.without_face for text in one.texts.values())
        )


@dataclass(frozen=True)
class Facts:
    """Everything that was given, and what the product itself publishes."""

    made_on: str
    product: str
    gateway: Settings | None
    authority: Settings | None
    schedule: Schedule | None
    register: Register | None
    data_map: DataMap
    figures: tuple[tuple[str, str, str], ...]
    """What was measured, the figure, how to repeat it."""
    inputs: tuple[tuple[str, str], ...]
    """Each file that was given, with its SHA-256."""


def read_database(url: str) -> tuple[Register, Schedule | None, str]:
    """Read what names nobody. None: no schedule was adopted yet. The last is the kind of database.

    Raises:
        Unavailable: the database does not answer, or has no such schema.
        BadSchedule: the schedule in force cannot be read.
    """
    with closing(ReadingDatabase(url)) as database:
        return _register(database), _schedule(database), database.dialect


def schedule_of(content: bytes, name: str) -> Schedule:
    """A schedule that was given as a file. Raises ``BadSchedule``."""
    return Schedule(RetentionSchedule.decode(content), f"retention schedule {name}", adopted=False)


def _register(database: ReadingDatabase) -> Register:
    total = sa.func.count().label("total")
    counted = sa.select(parties.c.kind, parties.c.state, total).group_by(
        parties.c.kind, parties.c.state
    )
    enrolled: dict[str, tuple[int, int]] = {}
    for row in database.rows(counted):
        active, suspended = enrolled.get(row.kind, (0, 0))
        if row.state == "active":
            active += row.total
        else:
            suspended += row.total
        enrolled[row.kind] = (active, suspended)
    of_kind = sa.select(records.c.kind, total).group_by(records.c.kind)
    kept = {row.kind: row.total for row in database.rows(of_kind)}
    versions = tuple(consents.versions(database.connection))
    return Register(versions, enrolled, kept, _policy(database))


def _policy(database: ReadingDatabase) -> PolicyOrder | None:
    if not sa.inspect(database.connection).has_table(match_policies.name):
        return None
    row = policies.last_policy(database.connection)
    return None if row is None else peek_policy(row.approval)


def _schedule(database: ReadingDatabase) -> Schedule | None:
    newest = retention_schedules.select().order_by(retention_schedules.c.number.desc()).limit(1)
    for row in database.rows(newest):
        content = RetentionSchedule.decode(bytes(row.content))
        return Schedule(content, f"retention schedule {row.number}, in force", adopted=True)
    return None


def published_figures() -> tuple[tuple[str, str, str], ...]:
    """The rows on accuracy of the product's page of figures."""
    page = (files("gateway") / "docs" / "FIGURES.md").read_text(encoding="utf-8")
    section = page.partition("\n## Accuracy\n")[2].partition("\n## ")[0]
    rows: list[tuple[str, str, str]] = _ROW.findall(section)
    return tuple(rows)


def published_map() -> DataMap:
    """The data map of this version."""
    return data_map.parse(data_map.published())


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return sha256(content).hexdigest()


def told(count: int) -> str:
    """A number of registrations, for a document that others read."""
    return f"fewer than {SMALL}" if 0 < count < SMALL else f"{count:,}"
