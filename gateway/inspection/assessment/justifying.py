"""Sections on why it is needed, what people are told, and how well it decides."""

from collections.abc import Iterator
from typing import Final

from gateway.calibration.proposal import cosine_text, rate_text
from gateway.inspection.assessment.describing import DATA_MAP, NO_DATABASE, NO_SETTINGS
from gateway.inspection.assessment.document import Blank, Part, Said, Section, Table
from gateway.inspection.assessment.facts import (
    MEASURED_MODEL,
    Facts,
    Register,
    Settings,
    told,
)
from gateway.wire.orders import PolicyOrder

_DEFAULT_THRESHOLDS: Final = {"threshold_cosine": "0.419", "action_cosine": "0.341"}
"""What the published figures are of."""


def justified(facts: Facts) -> tuple[Section, ...]:
    """The sections that say why, on which words, and with which errors."""
    return (
        Section(
            "Why it is needed, and what other way there is",
            "GDPR 35(7)(b); PIPL 28 and 56 (1); Measures 4, 9 (1) and 10",
            tuple(_necessity(facts)),
        ),
        Section(
            "What people are told and agree to",
            "GDPR 7, 9(2)(a) and 13; PIPL 17 and 29 to 31; Measures 5 to 7",
            tuple(_told(facts)),
        ),
        Section(
            "How well it decides",
            "GDPR 5(1)(d) and 22; PIPL 8 and 24",
            tuple(_deciding(facts)),
        ),
    )


def _necessity(facts: Facts) -> Iterator[Part]:
    yield Blank(
        "Which law asks for the check, and what it asks for. Why a face comparison is needed for "
        "it, and why something that touches people less will not do."
    )
    yield from _other_way(facts.register)
    settings = facts.gateway
    if settings is not None and settings["liveness"] == "off":
        yield Said("Nobody is asked to move.", settings.source("liveness"))
    elif settings is None:
        yield Blank(f"What happens to people who cannot do the liveness actions ({NO_SETTINGS}).")
    elif settings["liveness_if_impossible"] == "refuse":
        yield Said(
            "Who cannot do enough of the liveness actions is left with the way without a face.",
            settings.source("liveness_if_impossible"),
        )
    else:
        yield Said(
            "Who cannot do enough of the liveness actions is registered without them, and the "
            "record says so.",
            settings.source("liveness_if_impossible"),
        )
    if facts.register is not None:
        count = facts.register.records.get("fallback", 0)
        yield Said(
            f"Registrations without a face among the records kept now: {told(count)}.",
            "the gateway's database",
        )
    yield Blank(
        "Where, by whom and when the way without a face is offered, and that it takes no longer, "
        "costs no more and leads to the same service."
    )


def _other_way(register: Register | None) -> Iterator[Part]:
    if register is None:
        yield Blank(f"What people are told about the way without a face ({NO_DATABASE}).")
        return
    ways = [
        Said(
            f"People are told of the other way: {text.without_face}",
            f"consent texts, version {version.version}, {language}",
        )
        for version in register.shown
        for language, text in sorted(version.texts.items())
    ]
    if not ways:
        yield Said(
            "No consent text that is in use names a way without a face.",
            "consent texts in the gateway's database",
            look=True,
        )
    yield from ways


def _told(facts: Facts) -> Iterator[Part]:
    if facts.register is None:
        yield Blank(f"Which consent texts are in use, in which languages ({NO_DATABASE}).")
    else:
        for version in facts.register.shown:
            yield Said(
                f"Version {version.version} is in use in {', '.join(sorted(version.texts))}, and "
                f"tells people {version.retention_days} days.",
                "consent texts in the gateway's database",
            )
            for language, text in sorted(version.texts.items()):
                yield Said(
                    f"It says: {text.text}", f"consent texts, version {version.version}, {language}"
                )
        if not facts.register.shown:
            yield Said(
                "No consent text that counters can show is in use.",
                "consent texts in the gateway's database",
                look=True,
            )
    yield Said(
        "Each record names the version that was shown, and whether the person or a guardian "
        "agreed.",
        DATA_MAP,
    )
    yield Blank(
        "How the consent is kept apart from the contract and from other consents, how it stays "
        "free, and how it is withdrawn as easily as it is given."
    )
    yield Blank(
        "The rules for children: from which age they agree alone, how the age is found out, how a "
        "guardian is recognised."
    )
    yield Blank(
        "Where people find the rest: the controller, recipients, rights, the authority to complain "
        "to; why the check is needed and what it means for them; forms for people with "
        "disabilities."
    )


def _deciding(facts: Facts) -> Iterator[Part]:
    settings = facts.gateway
    if settings is None:
        yield Blank(f"Face model, thresholds, liveness check and picture quality ({NO_SETTINGS}).")
    else:
        yield from _policy(settings, None if facts.register is None else facts.register.policy)
    yield Table(
        ("measured", "figure", "how to repeat it"),
        facts.figures,
        "product (gateway/docs/FIGURES.md), for its default model and thresholds",
    )
    yield Blank(
        "Error rates of the deployed model and thresholds with the carrier's own counters, "
        "documents and customers, and by groups of people (age, sex, origin). The product's "
        "figures are of photographs from the internet, and not by groups."
    )
    if facts.authority is not None:
        yield _caps(facts.authority)
    yield Blank(
        "What somebody can do who is wrongly refused: who looks again, in what time, and with "
        "which power to decide otherwise."
    )


def _policy(settings: Settings, signed: PolicyOrder | None) -> Iterator[Part]:
    if signed is not None:
        yield from _signed(signed)
    else:
        yield from _unsigned(settings)
    quality = settings["face_quality"]
    yield Said(
        "Poor pictures are refused before they are compared."
        if quality == "required"
        else "Pictures without a calibrated quality gate are accepted. Strangers in poor pictures "
        "match more often.",
        settings.source("face_quality"),
        look=quality != "required",
    )


def _signed(order: PolicyOrder) -> Iterator[Part]:
    proposal = order.proposal
    source = f"match policy {order.number} in the database (sealmatch-gateway policy show)"
    faces, actions = map(cosine_text, proposal.policy.lanes)
    yield Said(
        f"The face model is {proposal.policy.model_id}. A pair is accepted from cosine {faces}, "
        f"and moving pictures from {actions}. Two operators signed these thresholds.",
        source,
    )
    bounds = proposal.rates[0]
    yield Said(
        f"They rest on an evaluation of {proposal.measured_on} (SHA-256 "
        f"{proposal.evidence.hex()}). At most {rate_text(bounds.strangers)} of strangers are "
        f"accepted, and the strongest probe found by at most {rate_text(bounds.probe)} of people "
        "(95 % bounds); "
        f"{rate_text(bounds.genuine_lost)} of genuine pairs are refused.",
        source,
    )
    yield Said(
        "The figures below are the product's own, of its default thresholds.", source, look=True
    )


def _unsigned(settings: Settings) -> Iterator[Part]:
    yield Said(
        f"The face model is {settings['model_id']}. A pair is accepted from cosine "
        f"{settings['threshold_cosine']}, and moving pictures from {settings['action_cosine']}.",
        settings.source("model_id", "threshold_cosine", "action_cosine"),
    )
    yield Said("Nobody signed these thresholds.", "product: the policy is unsigned-default")
    changed = [name for name, value in _DEFAULT_THRESHOLDS.items() if settings[name] != value]
    if settings["model_id"] != MEASURED_MODEL:
        changed.insert(0, "model_id")
    if changed:
        yield Said(
            "The figures below are not of this configuration: they are of the default model and "
            "the default thresholds.",
            settings.source(*changed),
            look=True,
        )
    yield _liveness(settings)


def _liveness(settings: Settings) -> Said:
    match settings["liveness"]:
        case "required":
            return Said(
                f"A living person must do {settings['liveness_actions']} actions in "
                f"{settings['liveness_seconds']} seconds.",
                settings.source("liveness", "liveness_actions", "liveness_seconds"),
            )
        case "optional":
            text = "A still photograph will do as the live picture, and the record says so."
        case _:
            text = "Nothing checks that the live picture is of a living person."
    return Said(text, settings.source("liveness"), look=True)


def _caps(authority: Settings) -> Said:
    names = ("subject_decisions", "device_decisions", "failures_to_lock", "lock_seconds")
    decisions, device, failures, seconds = (authority[name] for name in names)
    return Said(
        f"A document gets {decisions} decisions in 24 hours and a device {device} in an hour. "
        f"After {failures} mismatches in a row a document is locked for {seconds} seconds.",
        authority.source(*names),
    )
