"""A deployment for the console to show, without servers, and the console over it in one process."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from pathlib import Path
from random import Random
from typing import Any

import httpx
import sqlalchemy as sa
from fastapi import FastAPI

from gateway.console.app import create_app
from gateway.console.config import ConsoleSettings, Role
from gateway.console.people import People
from gateway.inspection.bundle import make_bundle, report_of
from gateway.inspection.checks import ALL
from gateway.inspection.inspection import inspect
from gateway.inspection.lines import Progress
from gateway.retention.adoption import adopt
from gateway.retention.reaper import Reaper
from gateway.retention.schedule import draft
from gateway.sequencing.sequencer import Alone
from gateway.server import register
from gateway.store import schema
from tests.support.inspected import DAY, Inspected
from tests.support.kept import keep, made
from tests.support.parties import GATEWAY, NOW, Clock, fixed_key
from tests.support.sealed import CHEAP, PASSPHRASE, passphrase_file

INSPECTOR = fixed_key("inspector")
TODAY = NOW // DAY
BASE = "https://console.example"
ORIGIN = {"origin": BASE}

Cells = dict[tuple[int, str], int]
"""By days ago and outcome."""


class Shown(Inspected):
    """A deployment with a history, made by the gateway's own code but for the daily totals."""

    def fill(self, cells: Cells | None = None, records: int = 130) -> Shown:
        with self.database() as database:
            adopt(database, draft(180), GATEWAY, NOW - 40 * DAY)
            ages = [place * 176 // max(1, records) for place in range(records)]
            keep(database, [made(NOW - age * DAY, NOW + (180 - age) * DAY) for age in ages])
            entries = [register.Entry("witness", "one.example", fixed_key("one").public.raw)]
            entries += [register.Entry("outlet", f"outlet-{n}", None) for n in range(10, 34)]
            register.enrol(database, entries, GATEWAY, NOW - 30 * DAY)
            Reaper(database, Alone(), GATEWAY, 180, Clock(NOW - 3 * 3600)).run()
            Reaper(database, Alone(), GATEWAY, 180, Clock(NOW - 3 * 3600)).scrub()
        self.count(cells if cells is not None else busy())
        self.publish()
        return self

    def count(self, cells: Cells) -> None:
        """Daily totals, as a gateway counts them over weeks; with liveness checks to match."""
        rows = [
            {"day": TODAY - ago, "outcome": outcome, "count": count}
            for (ago, outcome), count in cells.items()
        ]
        with self.database() as database, database.writing() as connection:
            connection.execute(schema.outcome_counters.delete())
            connection.execute(schema.outcome_counters.insert(), rows)
            connection.execute(schema.liveness_counters.delete())
            for ago in range(1, 31):
                checks = cells.get((ago, "MATCH"), 0)
                measures = {"passed": checks, "attempts": checks * 13 // 10, "seconds": checks * 9}
                measures |= {"time-ran-out": checks // 5, "face-lost": checks // 10}
                connection.execute(
                    schema.liveness_counters.insert(),
                    [
                        {"day": TODAY - ago, "measure": name, "total": total}
                        for name, total in measures.items()
                    ],
                )

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything in the database."""
        with self.database() as database, database.transaction() as connection:
            return {
                table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr)
                for table in schema.metadata.sorted_tables
            }

    def hold(self, count: int, reason: str) -> None:
        rows = [
            {
                "hold_id": secrets.token_bytes(16),
                "record_id": secrets.token_bytes(16),
                "reason": reason,
                "until": NOW + 90 * DAY,
                "hold": b"",
            }
            for _ in range(count)
        ]
        with self.database() as database, database.writing() as connection:
            connection.execute(schema.holds.insert(), rows)

    def bundle(self) -> Path:
        """An inspection of it, signed."""
        path = self.directory / "bundle.tar"
        with self.evidence(now=NOW - 6 * DAY) as evidence:
            lines = inspect(evidence, ALL, Progress())
            path.write_bytes(make_bundle(report_of(lines, NOW, "1", {}), evidence, INSPECTOR))
        return path


def busy(seed: int = 11) -> Cells:
    """A month of a middling carrier."""
    random, found = Random(seed), {}
    for ago in range(1, 40):
        weekend = 0.55 if (TODAY - ago) % 7 in (2, 3) else 1.0
        found[ago, "MATCH"] = int(random.randint(180, 260) * weekend)
        found[ago, "NO_MATCH"] = random.randint(4, 22)
        found[ago, "EXPIRED"] = random.randint(6, 24)
        found[ago, "FAILED"] = random.randint(0, 6)
        found[ago, "FALLBACK"] = random.randint(2, 24)
    return found


class Web:
    """Requests to an application without a network; cookies are kept as a browser keeps them."""

    def __init__(self, app: FastAPI, base: str) -> None:
        self.cookies = httpx.Cookies()
        self._transport = httpx.ASGITransport(app)
        self._base = base

    def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=self._transport, base_url=self._base, cookies=self.cookies
            ) as client:
                answer = await client.request(method, path, **given)
                self.cookies = client.cookies
                return answer

        return asyncio.run(send())

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.request("GET", path, **given)

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self.request("POST", path, **given)


class Console:
    """The console over a database, and one browser in front of it."""

    def __init__(self, directory: Path, url: str, **given: Any) -> None:
        self.directory = directory / f"console-{secrets.token_hex(4)}"
        self.directory.mkdir(mode=0o700)
        self.clock = Clock(NOW)
        self.seconds = 0.0
        self.settings = ConsoleSettings(
            data_dir=self.directory,
            database_url=url,
            keystore_mib=CHEAP.memory_kib // 1024,
            fresh_seconds=1,
            **given,
        )
        self.people = People(self.settings.people_dir, CHEAP)
        self.app = create_app(self.settings, self.clock, lambda: self.seconds)
        self.web = Web(self.app, BASE)

    def add(self, name: str = "ana", role: Role = "regulator") -> Console:
        """Somebody who may look."""
        file = passphrase_file(self.directory, name=f"passphrase-{name}")
        self.people.add(name, role, file, NOW)
        return self

    def login(self, name: str = "ana", passphrase: str = PASSPHRASE, **headers: str) -> Any:
        given = {"name": name, "passphrase": passphrase}
        return self.web.post("/login", data=given, headers=ORIGIN | headers)

    def entered(self, name: str = "ana", role: Role = "regulator") -> Console:
        self.add(name, role)
        assert self.login(name).status_code == 303
        return self

    def text(self, path: str = "/", language: str = "en") -> str:
        """A page, looked up anew."""
        self.seconds += 2
        return self.again(path, language)

    def again(self, path: str, language: str = "en") -> str:
        """A page, perhaps of the last look."""
        answer = self.web.get(path, headers={"accept-language": language})
        assert answer.status_code == 200, answer.text
        return str(answer.text)


def digest(path: Path, *endings: str) -> bytes:
    """Of a file and of what SQLite may put beside it, or of the endings that are named."""
    beside = [Path(f"{path}{end}") for end in endings or ("", "-wal", "-shm", "-journal")]
    content = b"".join(one.name.encode() + one.read_bytes() for one in beside if one.exists())
    return hashlib.sha256(content).digest()
