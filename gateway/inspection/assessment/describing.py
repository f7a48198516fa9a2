"""Sections on what is done, by whom, what is kept, and for how long."""

from collections.abc import Iterator
from typing import Final

from gateway.inspection.assessment.document import Blank, Part, Said, Section, Table
from gateway.inspection.assessment.facts import (
    Facts,
    Register,
    Schedule,
    Settings,
    told,
)
from gateway.inspection.data_map import GATEWAY
from gateway.retention.schedule import AsLongAs, Life, Period

DATA_MAP: Final = "data map of this version (gateway/inspection/data_map.toml)"
_PROTOCOL: Final = "product (gateway/docs/PROTOCOL.md)"
NO_SETTINGS: Final = "give the draft the settings in force: sealmatch-gateway settings"
NO_DATABASE: Final = "give the draft the gateway's database"


def described(facts: Facts) -> tuple[Section, ...]:
    """The sections that describe the processing."""
    return (
        Section(
            "What is done, with whom, and by whom",
            "GDPR 35(7)(a); PIPL 56 (1); Measures 9 (1)",
            tuple(_processing(facts)),
        ),
        Section(
            "What is kept, and for how long",
            "GDPR 5(1)(c), 5(1)(e) and 35(7)(a); PIPL 19 and 47; Measures 8",
            tuple(_kept(facts)),
        ),
    )


def _processing(facts: Facts) -> Iterator[Part]:
    yield Blank(
        "Who is responsible (name, address, contact), who the data protection officer or the "
        "person in charge of personal information is, and for which services this assessment is "
        "made."
    )
    yield Said(
        "A person at a counter is compared with the portrait in one identity document. There is no "
        "gallery and no search.",
        _PROTOCOL,
    )
    yield Said(
        "Pictures and vectors stay on the counter's device. Encrypted numbers made of them go to "
        "the gateway for one session; gateway and key authority together decide one bit, and "
        "neither learns a face, a vector or a score.",
        _PROTOCOL,
    )
    yield from _who(facts.gateway)
    yield Blank(
        "Which organisations run gateway, key authority, auditor and witnesses, that they are "
        "different ones, in which countries, and under which contracts (processor or joint "
        "controller). The protection ends where gateway and key authority work together."
    )
    yield from _parties(facts.register)
    yield Blank(
        "Who the people are (customers, their ages, people who need help), how many registrations "
        "are expected in a year, and at how many counters."
    )
    yield Blank(
        "Where the documents' portraits come from: a chip or a telephone, whose signatures are "
        "checked, or a scan."
    )


def _who(settings: Settings | None) -> Iterator[Part]:
    if settings is None:
        yield Blank(f"Names of gateway, key authority and auditor ({NO_SETTINGS}).")
        return
    yield Said(
        f"The gateway is {settings['party']}. Its key authority is {settings['authority_party']}.",
        settings.source("party", "authority_party"),
    )
    if settings.is_set("auditor_url"):
        yield Said(
            f"The auditor {settings['auditor_party']} repeats some evaluations, when the key "
            "authority demands it.",
            settings.source("auditor_party", "auditor_url"),
        )


def _parties(register: Register | None) -> Iterator[Part]:
    if register is None:
        yield Blank(f"How many devices, readers, agents and outlets take part ({NO_DATABASE}).")
        return
    rows = tuple(
        (kind, str(active), str(suspended))
        for kind, (active, suspended) in sorted(register.parties.items())
    )
    if rows:
        yield Table(("enrolled", "active", "suspended"), rows, "the gateway's register")
    else:
        yield Said("Nobody is enrolled yet.", "the gateway's register")


def _kept(facts: Facts) -> Iterator[Part]:
    named, nameless = [], []
    for database, tables in facts.data_map.items():
        for one in tables.values():
            whole = one.name if database == GATEWAY else f"{one.name} (authority, {database})"
            if one.about.startswith("nobody"):
                nameless.append(whole)
            else:
                named.append((whole, ", ".join(one.columns), one.about, one.kept))
    yield Said(
        "By the published data map the databases of gateway and key authority have these tables "
        "and columns about people or parties. Whether they keep to it, an inspection says.",
        DATA_MAP,
    )
    yield Table(("table", "columns", "about", "how long"), tuple(named), DATA_MAP)
    yield Said(
        f"Further tables are about nobody: {', '.join(nameless)}. There are no others.", DATA_MAP
    )
    yield Said(
        "No picture, vector, ciphertext, score, name or document number is in any of them.",
        DATA_MAP,
    )
    if facts.register is not None:
        for kind, count in sorted(facts.register.records.items()):
            yield Said(f"Records kept now, {kind}: {told(count)}.", "the gateway's database")
    yield from _periods(facts.schedule)
    yield from _agreeing(facts)
    yield Blank(
        "What is kept outside: receipts and openings at the counter and in the order system, "
        "backups, operators' logs, other software on the counters. For how long, and who deletes "
        "it."
    )


def _periods(schedule: Schedule | None) -> Iterator[Part]:
    if schedule is None:
        yield Blank(
            "For how long each kind of record is kept, for which purpose and on which legal basis "
            "(give the draft the retention schedule)."
        )
        return
    rows = []
    for kind in type(schedule.content).model_fields:
        rule = getattr(schedule.content, kind)
        match rule:
            case Period():
                period = f"{rule.days} days"
            case Life():
                period = "life"
            case AsLongAs():
                period = "as the protocol has it"
            case _:
                continue
        rows.append((kind, period, rule.purpose, rule.legal_basis))
    yield Table(("kind", "how long", "purpose", "legal basis"), tuple(rows), schedule.source)


def _agreeing(facts: Facts) -> Iterator[Part]:
    """Whether schedule, setting and what people are told fit each other."""
    schedule, settings, register = facts.schedule, facts.gateway, facts.register
    said = None if settings is None else settings["retention_days"]
    holds = settings is not None and said is not None and not (schedule and schedule.adopted)
    if settings is not None and holds:
        differs = schedule is not None and schedule.content.records.days != said
        yield Said(
            f"Until a schedule is adopted, a record expires after {said} days"
            f"{', which is not what the schedule says' if differs else ''}.",
            settings.source("retention_days"),
            look=differs,
        )
    if schedule is None:
        return
    days = schedule.content.records.days
    for version in register.shown if register is not None else ():
        if (version.retention_days or 0) < days:
            yield Said(
                f"Version {version.version} of the consent texts promises "
                f"{version.retention_days} days, and the schedule keeps records for {days}.",
                f"consent texts; {schedule.source}",
                look=True,
            )
