"""The main page: everything at a glance, for a desk and for a wall."""

from collections.abc import Iterator

from gateway.console.figures import Clock, Figures
from gateway.console.notices import Notice, notices
from gateway.console.pages.html import Html, el, joined
from gateway.console.pages.layout import View, block, document, facts, told
from gateway.console.pages.parts import (
    inspection,
    legend,
    run_basis,
    scrub_next,
    signed_basis,
    verdict_of,
    witnesses,
)
from gateway.console.pages.pictures import age_told, bar, dial, flows_picture
from gateway.console.signed import Run
from gateway.console.watch import Look


def main_page(view: View, look: Look) -> str:
    """The page; without figures it says why there are none, and what to do."""
    speech, found = view.speech, notices(look)
    blocks = () if look.figures is None else _blocks(view, look, look.figures)
    return document(
        view,
        speech("page.main"),
        el(
            "div",
            el("h1", _headline(view, found), class_=_worst(found)),
            el("p", speech("frame.as_of", moment=speech.moment(look.at)), class_="as-of"),
            class_="lead",
        ),
        el("ul", (told(view, one) for one in found), class_="notices") if found else None,
        el("div", blocks, class_="blocks"),
    )


def _worst(found: list[Notice]) -> str:
    return next((one.level for one in found if one.level != "note"), "fine")


def _headline(view: View, found: list[Notice]) -> str:
    count = sum(one.level != "note" for one in found)
    if count == 0:
        return view.speech("headline.fine")
    if count == 1:
        return view.speech("headline.one")
    return view.speech("headline.some", number=view.speech.number(count))


def _blocks(view: View, look: Look, figures: Figures) -> Iterator[Html]:
    yield _kept(view, figures)
    yield _outcomes(view, figures)
    yield _log(view, figures)
    yield _reaper(view, look, figures)
    yield _holds(view, figures)
    yield _erasures(view, figures)
    yield _attempts(view, figures)
    yield _parties(view, figures)
    yield _keys(view, look, figures)
    yield _texts(view, figures)
    yield inspection(view, look, short=True)


# What is kept


def _kept(view: View, figures: Figures) -> Html:
    first, *others = figures.clocks
    rows = figures.stocks.rows
    speech = view.speech
    big = el(
        "div",
        dial(first, speech),
        el("p", el("b", speech(f"kind.{first.kind}")), " ", speech.stock(rows[first.kind])),
        class_="big",
    )
    consents = el(
        "li",
        el(
            "span",
            el("b", speech("kind.consents")),
            " ",
            el("span", speech("clock.as_records"), class_="quiet"),
        ),
        el("span", speech.stock(rows["consents"])),
    )
    rest = el("ul", (_clock(view, figures, one) for one in others), consents, class_="clocks")
    return block(
        view, "kept", ("seen",), el("div", big, rest, class_="clock"), more="/retention",
        class_="wide",
    )  # fmt: skip


def _clock(view: View, figures: Figures, clock: Clock) -> Html:
    speech, rows = view.speech, figures.stocks.rows
    count = el("span", speech.stock(rows[clock.kind])) if clock.kind in rows else None
    return el(
        "li",
        el("b", speech(f"kind.{clock.kind}")),
        count,
        bar(clock),
        el("p", age_told(clock, speech), class_="quiet"),
    )


# What happened


def _outcomes(view: View, figures: Figures) -> Html:
    speech = view.speech
    if figures.flows.empty:
        shown = el("p", speech("flows.none"), class_="quiet")
    else:
        shown = joined(flows_picture(figures.flows, speech), legend(view, figures.flows))
    return block(view, "outcomes", ("seen",), shown, more="/outcomes", class_="wide")


def _attempts(view: View, figures: Figures) -> Html:
    speech, found = view.speech, figures.attempts
    if found is None:
        return block(view, "attempts", ("seen",), el("p", speech("attempts.few"), class_="quiet"),
                     more="/outcomes")  # fmt: skip
    return block(
        view,
        "attempts",
        ("seen",),
        el("p", speech.decimal(found.per_success), class_="figure"),
        el("p", speech("attempts.seconds", number=speech.number(found.seconds))),
        more="/outcomes",
    )


# The log, and removal


def _log(view: View, figures: Figures) -> Html:
    speech, head = view.speech, figures.log
    entries = speech.stock(figures.stocks.rows["entries"])
    return block(
        view,
        "log",
        (signed_basis(head.checked), "seen"),
        facts(
            (speech("log.name"), head.origin or "–"),
            (speech("log.entries"), entries),
            (speech("log.head"), _head(view, figures)),
        ),
        witnesses(view, head, figures.at),
        more="/log",
    )


def _head(view: View, figures: Figures) -> str:
    if figures.halted is not None:
        return view.speech("log.halted")
    if not figures.log.published:
        return view.speech("log.unpublished")
    return view.speech("log.waiting" if figures.log.waiting else "log.whole")


def _reaper(view: View, look: Look, figures: Figures) -> Html:
    speech, run = view.speech, figures.run
    scrubbed = figures.scrubbed_at
    return block(
        view,
        "reaper",
        (run_basis(run), "word"),
        facts(
            (speech("reaper.last"), _last(view, figures, run)),
            None if run is None else (speech("reaper.guard"), speech(f"guard.{run.guard}")),
            (speech("reaper.removed"), _removed(view, figures)),
            (
                speech("reaper.scrubbed"),
                speech("reaper.never") if scrubbed is None else speech.ago(figures.at - scrubbed),
            ),
            (speech("reaper.next"), scrub_next(view, look, figures)),
        ),
        more="/retention",
    )


def _last(view: View, figures: Figures, run: Run | None) -> str:
    return (
        view.speech("reaper.never") if run is None else view.speech.ago(figures.at - run.ended_at)
    )


def _removed(view: View, figures: Figures) -> str:
    speech, removed = view.speech, figures.stocks.removed
    return speech.listed(
        f"{speech(f'kind.{kind}')} {speech.stock(removed.get(kind, 0))}"
        for kind in ("records", "fallbacks")
    )


def _erasures(view: View, figures: Figures) -> Html:
    speech, rows = view.speech, figures.stocks.rows
    return block(
        view,
        "erasures",
        ("seen",),
        facts(
            (speech("erasures.erased"), speech.stock(rows["erasures"])),
            (speech("erasures.withdrawn"), speech.stock(rows["withdrawals"])),
        ),
        more="/retention",
    )


def _holds(view: View, figures: Figures) -> Html:
    speech = view.speech
    rows = (
        (speech.or_else(f"hold.{reason}", reason), speech.cell(count))
        for reason, count in figures.stocks.holds.items()
    )
    return block(view, "holds", ("seen",), facts(*rows), more="/retention")


# Who, with which keys and texts


def _parties(view: View, figures: Figures) -> Html:
    speech = view.speech
    rows = (
        (speech.or_else(f"party.{one.kind}", one.kind), speech.number(len(one.active)))
        for one in figures.parties
    )
    shown = facts(*rows) if figures.parties else el("p", speech("parties.none"), class_="quiet")
    return block(view, "parties", ("seen",), shown, more="/register")


def _keys(view: View, look: Look, figures: Figures) -> Html:
    speech = view.speech
    checked = speech(f"keys.{figures.key_checked}".lower())
    return block(
        view,
        "keys",
        (signed_basis(figures.key_checked), "bundle"),
        facts(
            (speech("keys.gateway"), checked if figures.key else "–"),
            (speech("keys.peppers"), verdict_of(view, look, "keys.peppers")),
        ),
        more="/register",
    )


def _texts(view: View, figures: Figures) -> Html:
    speech = view.speech
    if not figures.texts:
        shown = el("p", speech("texts.none"), class_="quiet")
    else:
        shown = facts(*(_text(view, one.version, one.days, one.languages) for one in figures.texts))
    return block(view, "texts", ("seen",), shown, more="/register")


def _text(
    view: View, version: int, days: int | None, languages: tuple[str, ...]
) -> tuple[str, str]:
    speech = view.speech
    told_days = speech("texts.no_days") if days is None else speech.days(days)
    return speech("texts.version", number=version), speech.listed((told_days, *languages))
