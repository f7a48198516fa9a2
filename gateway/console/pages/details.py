"""Pages of details: retention, outcomes, log, register, inspection."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from gateway.console.figures import Figures, Rule
from gateway.console.flows import SERIES
from gateway.console.notices import notices
from gateway.console.pages.html import Html, el, joined
from gateway.console.pages.layout import View, block, document, facts, told
from gateway.console.pages.parts import (
    inspection,
    legend,
    run_basis,
    signed_basis,
    table,
    verdict_of,
    witnesses,
)
from gateway.console.pages.pictures import age_told, bar, flows_picture
from gateway.console.watch import Look

_NAMED: Final = ("witness", "auditor")
"""Organisations; everybody else's names are for their operator alone."""
_FINGERPRINT: Final = 16
"""Digits of a key's id that are shown."""


def details(view: View, look: Look) -> str:
    """The page of ``view.path``."""
    if look.figures is None:
        content: tuple[Html | None, ...] = (
            el("ul", (told(view, one) for one in notices(look)), class_="notices"),
        )
    else:
        content = tuple(_PAGES[view.path](view, look, look.figures))
    title = view.speech(f"page.{view.path.strip('/')}")
    as_of = view.speech("frame.as_of", moment=view.speech.moment(look.at))
    return document(
        view, title, el("div", el("h1", title), el("p", as_of, class_="as-of"), class_="lead"),
        el("div", content, class_="details"),
    )  # fmt: skip


def by_hand(view: View, *commands: str) -> Html:
    """How to see it without this page."""
    return el(
        "p",
        view.speech("frame.by_hand"),
        " ",
        joined(*(joined(el("code", one), " ") for one in commands)),
        class_="quiet",
    )


# Retention


def _retention(view: View, _: Look, figures: Figures) -> Iterator[Html]:
    speech = view.speech
    number = figures.schedule
    yield block(
        view,
        "rules",
        ("word",),
        el("p", speech("rules.built_in") if number is None
           else speech("rules.number", number=speech.number(number))),
        table(
            speech("block.rules"),
            [speech(f"rules.{one}") for one in ("kind", "rows", "days", "oldest", "purpose")],
            (_rule(view, figures, one) for one in figures.rules),
            stacked=True,
        ),
        by_hand(view, "sealmatch-gateway retention show", "sealmatch-gateway retention status"),
    )  # fmt: skip
    run = figures.run
    yield block(
        view,
        "reaper",
        (run_basis(run),),
        el("p", speech("reaper.never")) if run is None else facts(
            (speech("reaper.last"), speech.ago(figures.at - run.ended_at)),
            (speech("reaper.guard"), speech(f"guard.{run.guard}")),
        ),
        el("h3", speech("reaper.removed")),
        facts(*((speech.or_else(f"kind.{kind}", kind), speech.stock(count))
                for kind, count in figures.stocks.removed.items())),
        el("p", speech("erasures.alike"), class_="quiet"),
        by_hand(view, "sealmatch-gateway retention status", "sealmatch-gateway history"),
    )  # fmt: skip
    holds = figures.stocks.holds.items()
    yield block(
        view,
        "holds",
        ("seen",),
        facts(*((speech.or_else(f"hold.{one}", one), speech.cell(count)) for one, count in holds)),
        by_hand(view, "sealmatch-gateway hold list"),
    )


def _rule(view: View, figures: Figures, rule: Rule) -> tuple[Html | str, ...]:
    speech = view.speech
    clock = next((one for one in figures.clocks if one.kind == rule.kind), None)
    rows = figures.stocks.rows.get("entries" if rule.kind == "log" else rule.kind)
    if rule.days is not None:
        days = speech.days(rule.days)
    else:
        days = speech("rules.life" if rule.life else "rules.as_long")
    return (
        speech.or_else(f"kind.{rule.kind}", rule.kind),
        "" if rows is None else speech.stock(rows),
        days,
        "" if clock is None else joined(bar(clock), age_told(clock, speech)),
        joined(rule.purpose, el("br"), el("span", rule.basis, class_="quiet")),
    )


# Outcomes


def _outcomes(view: View, _: Look, figures: Figures) -> Iterator[Html]:
    speech, flows = view.speech, figures.flows
    days = (
        (speech.short_day(day), *(speech.short_cell(flows.cells[one][place]) for one in SERIES))
        for place, day in reversed(list(enumerate(flows.days)))
    )
    yield block(
        view,
        "outcomes",
        ("seen",),
        flows_picture(flows, speech),
        legend(view, flows),
        el("p", speech("flows.rounding"), class_="quiet"),
        table(
            speech("block.outcomes"),
            [speech("flows.day"), *(speech(f"series.{one}") for one in SERIES)],
            days,
        ),
        by_hand(view, "sealmatch-gateway outcomes"),
    )
    found = figures.attempts
    if found is None:
        yield block(view, "attempts", ("seen",), el("p", speech("attempts.few"), class_="quiet"))
        return
    reasons = (
        (speech.or_else(f"attempt.{name}", name), f"{share} %") for name, share in found.reasons
    )
    yield block(
        view,
        "attempts",
        ("seen",),
        el("p", speech.decimal(found.per_success), class_="figure"),
        el("p", speech("attempts.seconds", number=speech.number(found.seconds))),
        el("h3", speech("attempts.reasons")) if found.reasons else None,
        facts(*reasons) if found.reasons else None,
        by_hand(view, "sealmatch-gateway attempts"),
    )


# The log


def _log(view: View, _: Look, figures: Figures) -> Iterator[Html]:
    speech, head = view.speech, figures.log
    quorum = {True: "log.quorum", False: "log.no_quorum", None: "log.quorum_unknown"}[head.quorum]
    state = (
        "log.halted"
        if figures.halted is not None
        else ("log.waiting" if head.waiting else "log.whole")
    )
    yield block(
        view,
        "log",
        (signed_basis(head.checked), "seen"),
        facts(
            (speech("log.name"), head.origin or "–"),
            (speech("log.entries"), speech.stock(figures.stocks.rows["entries"])),
            (speech("log.head"), speech(state if head.published else "log.unpublished")),
            (speech("log.signature"), speech(f"keys.{head.checked}".lower())),
            (speech("log.witnesses"), speech(quorum)),
        ),
        el("h3", speech("log.witnesses")),
        witnesses(view, head, figures.at),
        el("p", speech("log.explained"), class_="quiet"),
        by_hand(view, "sealmatch log check --trust trust.json"),
    )


# Parties, keys and texts


def _register(view: View, look: Look, figures: Figures) -> Iterator[Html]:
    speech = view.speech
    kinds = (
        (
            speech.or_else(f"party.{one.kind}", one.kind),
            speech.number(len(one.active)),
            speech.number(one.suspended),
            _names(view, one.kind, one.active),
        )
        for one in figures.parties
    )
    yield block(
        view,
        "parties",
        ("seen",),
        table(
            speech("block.parties"),
            [speech(f"parties.{one}") for one in ("kind", "active", "suspended", "names")],
            kinds,
            stacked=True,
        ),
        by_hand(view, "sealmatch-gateway list", "sealmatch-gateway history"),
    )
    yield _keys(view, look, figures)
    yield block(
        view,
        "texts",
        ("seen",),
        table(
            speech("block.texts"),
            [speech(f"texts.{one}") for one in ("number", "days", "languages", "other_way")],
            (
                (
                    speech.number(one.version),
                    speech("texts.no_days") if one.days is None else speech.days(one.days),
                    speech.listed(one.languages),
                    speech("texts.way" if one.has_other_way else "texts.no_way"),
                )
                for one in figures.texts
            ),
            stacked=True,
        ),
        by_hand(view, "sealmatch-gateway consent list"),
    )  # fmt: skip
    yield block(
        view,
        "policy",
        ("unchecked",),
        _policy(view, figures),
        by_hand(view, "sealmatch-gateway policy status", "sealmatch-gateway policy show"),
    )


def _policy(view: View, figures: Figures) -> Html:
    speech, found = view.speech, figures.thresholds
    if found is None:
        return el(
            "p", speech("policy.none" if figures.thresholds_readable else "policy.unreadable")
        )
    return facts(
        (speech("policy.number"), speech.number(found.number)),
        (speech("policy.since"), speech.moment(found.adopted_at)),
        (speech("policy.cosines"), " / ".join(found.cosines)),
        (speech("policy.evidence"), el("code", found.evidence[:_FINGERPRINT])),
    )


def _names(view: View, kind: str, names: tuple[str, ...]) -> str:
    if kind in _NAMED or view.sees_names:
        return view.speech.listed(names)
    return view.speech("parties.not_shown")


def _keys(view: View, look: Look, figures: Figures) -> Html:
    speech, pinned = view.speech, look.pinned
    rows: list[tuple[str, Html | str]] = [
        (speech("keys.gateway"), _key(figures.key)),
        (speech("keys.checked"), speech(f"keys.{figures.key_checked}".lower())),
    ]
    if pinned is not None:
        keys = [_key(one) for one in pinned.gateway_keys]
        rows.append((speech("keys.pinned"), joined(*_between(keys))))
        rows += [(f"{speech('keys.authority')} {n}", _key(one)) for n, one in pinned.authority_keys]
    rows.append((speech("keys.peppers"), verdict_of(view, look, "keys.peppers")))
    return block(
        view,
        "keys",
        (signed_basis(figures.key_checked), "bundle"),
        facts(*rows),
        el("p", speech("keys.explained"), class_="quiet"),
        by_hand(view, "sealmatch-gateway keys show", "sealmatch-authority keys show"),
    )


def _between(items: list[Html]) -> Iterator[Html | str]:
    for place, one in enumerate(items):
        yield one if place == 0 else joined(" ", one)


def _key(key_id: str | None) -> Html:
    return el("code", "–" if key_id is None else f"{key_id[:_FINGERPRINT]}…")


# The last inspection


def _inspection(view: View, look: Look, _: Figures) -> Iterator[Html]:
    yield inspection(view, look, short=False)
    yield by_hand(view, "sealmatch inspect verify BUNDLE --inspector-key HEX")


_PAGES: Final[Mapping[str, Callable[[View, Look, Figures], Iterator[Html]]]] = {
    "/retention": _retention,
    "/outcomes": _outcomes,
    "/log": _log,
    "/register": _register,
    "/inspection": _inspection,
}
