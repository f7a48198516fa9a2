"""Sections on risks, people's rights, and what the operator decides.

What limits a risk is told as far as it is configured, and so is what a configuration leaves open.
How likely and how grave a risk is for people, no program can say.
"""

from collections.abc import Callable, Iterator
from typing import Final

from gateway.inspection.assessment.describing import DATA_MAP
from gateway.inspection.assessment.document import Blank, Heading, Part, Said, Section
from gateway.inspection.assessment.facts import Facts

_MODEL: Final = "product (gateway/docs/THREAT_MODEL.md)"


def weighed(facts: Facts) -> tuple[Section, ...]:
    """The sections that weigh the processing."""
    return (
        Section(
            "Risks for people, and what limits them",
            "GDPR 32, 35(7)(c) and (d); PIPL 56 (2) and (3); Measures 9 (2) to (4) and 14",
            tuple(_risks(facts)),
        ),
        Section(
            "People's rights",
            "GDPR 12 to 22; PIPL 44 to 50; Measures 6",
            tuple(_rights()),
        ),
        Section(
            "Filing, advice, conclusion",
            "GDPR 35(2), 35(9), 35(11) and 36; PIPL 56; Measures 9 and 15",
            tuple(_conclusion()),
        ),
    )


def _risks(facts: Facts) -> Iterator[Part]:
    told: tuple[tuple[str, Callable[[Facts], Iterator[Said]]], ...] = (
        ("Somebody steals what the servers keep", _theft),
        ("A server's operator is curious, or lies", _operators),
        ("A counter's device or agent lies", _counters),
        ("A stranger is accepted: a line in somebody else's name", _accepted),
        ("The right person is refused", _refused),
        ("Records are used to follow people", _followed),
        ("Records are altered, or vanish", _altered),
    )
    for title, limits in told:
        yield Heading(title)
        yield from limits(facts)
        yield Blank("How likely and how grave this is for people, what else is done, what is left.")
    yield Heading("Everything around the product")
    yield Blank(
        "Access of staff, training, confidentiality; patches, intrusion detection and backups of "
        "the hosts; who acts in an incident, and in what time authority and people are told."
    )


def _theft(facts: Facts) -> Iterator[Said]:
    yield Said(
        "What lies on disk is keyed hashes, proofs and public keys, nothing biometric.", DATA_MAP
    )
    settings = facts.gateway
    if settings is None:
        return
    kind = "PostgreSQL" if settings.is_set("database_url") else "SQLite, in the data directory"
    yield Said(f"The database is {kind}.", settings.source("database_url"))
    locking = {
        "require": "Memory is locked, so that it never reaches the swap device.",
        "try": "Memory is locked where the system lets it, with a warning otherwise.",
    }
    mode = settings["lock_memory"]
    yield Said(
        locking.get(str(mode), "Memory may reach the swap device."),
        settings.source("lock_memory"),
        look=mode not in locking,
    )
    if settings["inspectable"]:
        yield Said(
            "The server's memory can be read by its own account: meant for leak searches alone.",
            settings.source("inspectable"),
            look=True,
        )


def _operators(facts: Facts) -> Iterator[Said]:
    yield Said(
        "Each server alone learns one or two bits of a session, proven. Both together can decrypt "
        "what is in flight; nothing in the product stops that.",
        _MODEL,
    )
    settings, authority = facts.gateway, facts.authority
    audited = settings is None or settings.is_set("auditor_url")
    if settings is not None and not audited:
        yield Said(
            "There is no auditor: a gateway that evaluates something else is not found out.",
            settings.source("auditor_url"),
            look=True,
        )
    if authority is not None:
        one_in = authority["audit_one_in"]
        told = (
            f"The key authority demands an audit of one evaluation in {one_in}"
            if one_in
            else "The key authority never demands an audit"
        )
        ends = ", and these fail without an auditor" if one_in and not audited else ""
        yield Said(
            f"{told}{ends}.", authority.source("audit_one_in"), look=not (one_in and audited)
        )
        if not authority["policies"]:
            yield Said(
                "The key authority decides by any match policy that a gateway names.",
                authority.source("policies"),
                look=True,
            )


def _counters(facts: Facts) -> Iterator[Said]:
    yield Said(
        "The device sees the live face and the reader the portrait. Both are trusted, enrolled by "
        "key, and can be suspended.",
        _MODEL,
    )
    if facts.authority is not None:
        yield Said(
            f"A device gets {facts.authority['device_decisions']} decisions in an hour.",
            facts.authority.source("device_decisions"),
        )


def _accepted(facts: Facts) -> Iterator[Said]:
    settings = facts.gateway
    if settings is None:
        return
    yield Said(
        f"A document has at most {settings['activations_per_subject']} live activations.",
        settings.source("activations_per_subject"),
    )
    yield Said(
        "The single-frame check of liveness is "
        f"{'required' if settings['liveness_passive'] == 'require' else 'no condition'}; it is "
        "weak.",
        settings.source("liveness_passive"),
    )


def _refused(facts: Facts) -> Iterator[Said]:
    if facts.authority is not None:
        yield Said(
            f"After {facts.authority['failures_to_lock']} mismatches in a row a document is locked "
            f"for {facts.authority['lock_seconds']} seconds, whoever holds it.",
            facts.authority.source("failures_to_lock", "lock_seconds"),
        )
    yield Said(
        "Another way without a face can be recorded, signed by agent and supervisor.", DATA_MAP
    )


def _followed(facts: Facts) -> Iterator[Said]:
    yield Said(
        "A document's handle is keyed by the authority's pepper and differs from carrier to "
        "carrier. Who has the database alone can test no guess.",
        DATA_MAP,
    )
    settings, authority = facts.gateway, facts.authority
    if settings is not None:
        public = settings["log_read"] == "public"
        yield Said(
            "Anybody may read the log: its times tell how shops sell, and nobody's name."
            if public
            else "Only enrolled witnesses and auditors read the log.",
            settings.source("log_read"),
            look=public,
        )
    if authority is not None and facts.schedule is not None:
        overlap, days = authority["pepper_overlap_days"], facts.schedule.content.records.days
        if isinstance(overlap, int) and overlap < days:
            yield Said(
                f"The previous pepper serves for {overlap} days, and records stay for {days}: "
                "limits and requests miss the older ones.",
                f"{authority.source('pepper_overlap_days')}; {facts.schedule.source}",
                look=True,
            )


def _altered(facts: Facts) -> Iterator[Said]:
    yield Said(
        "Each decision, action of an operator and erasure is an entry of an append-only log.",
        _MODEL,
    )
    settings = facts.gateway
    if settings is None:
        return
    witnessed = settings.is_set("log_witnesses")
    yield Said(
        "Witnesses cosign the log before it is published."
        if witnessed
        else "No witness cosigns the log: two histories for two readers would not be noticed.",
        settings.source("log_witnesses"),
        look=not witnessed,
    )


def _rights() -> Iterator[Part]:
    yield Said(
        "With the opening that comes with the receipt, a person gets a copy of everything kept "
        "under the document, the number of lines on it, and has a record erased or a consent "
        "withdrawn. The gateway learns nothing else from the opening.",
        "product (gateway/docs/DATA_MAP.md)",
    )
    yield Said(
        "Without it, two operators together can erase a record; the act is signed and logged.",
        "product (gateway/docs/DATA_MAP.md)",
    )
    yield Blank(
        "Where and how people ask, how they are recognised without an opening, in what time they "
        "are answered, and who answers."
    )
    yield Blank("On which grounds a record may be held back from erasure, and who decides it.")
    yield Blank("How a person contests a decision, and gets a human being to look at it.")


def _conclusion() -> Iterator[Part]:
    yield Said("By its data map this deployment stores the face information of nobody.", DATA_MAP)
    yield Blank(
        "How many people's face information the operator's other systems store, and whether this "
        "was filed (China: from 100,000 people on, within 30 working days)."
    )
    yield Blank("Data that leave the country: which, to whom, under which safeguards.")
    yield Blank("The advice of the data protection officer, and what became of it.")
    yield Blank("The views of the people concerned, or why they were not asked.")
    yield Blank(
        "The conclusion: whether the remaining risks are acceptable, and whether the authority has "
        "to be consulted before the processing begins."
    )
    yield Blank(
        "Who decided, on which day; when the assessment is made again (after a change of purpose, "
        "way or model, or a grave incident); where it is kept, for three years at least in China."
    )
