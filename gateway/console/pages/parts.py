"""Parts that stand on the main page and on a page of details."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from gateway.console.figures import Figures
from gateway.console.flows import SERIES, Flows
from gateway.console.pages.html import Html, el, joined
from gateway.console.pages.layout import Basis, View, block, facts
from gateway.console.signed import LogHead, Run, Witness
from gateway.console.visit import Signature, Unreadable, Visit
from gateway.console.watch import Look
from gateway.inspection.lines import Line, Verdict

_DAY, _HOUR = 86_400, 3600
_SHORT: Final = 4
"""Open lines on the main page."""
_BASES: Final[Mapping[Signature, Basis]] = {
    "verified": "signed", "wrong": "unchecked", "unchecked": "unchecked", "unsigned": "word",
}  # fmt: skip


def signed_basis(checked: bool | None) -> Basis:
    """On what a signed object rests here."""
    return "signed" if checked else "unchecked"


def run_basis(run: Run | None) -> Basis:
    return "seen" if run is None else signed_basis(run.checked)


def legend(view: View, flows: Flows) -> Html:
    """Colours, names and sums of what is shown."""
    speech = view.speech
    items = (
        el(
            "li",
            el("span", class_=f"swatch {one}", aria_hidden="true"),
            f"{speech(f'series.{one}')} ",
            el("b", speech.cell(flows.at_least(one))),
        )
        for one in SERIES
    )
    return el("ul", items, class_="legend")


def witnesses(view: View, head: LogHead, now: int) -> Html:
    """Who cosigned the newest published head, and how long ago."""
    speech = view.speech
    if not head.witnesses:
        return el("p", speech("log.no_witness"), class_="quiet")
    return el("ul", (_witness(view, one, now) for one in _merged(head)), class_="marked")


def _merged(head: LogHead) -> list[Witness]:
    """A witness with two keys is one."""
    found: dict[str, Witness] = {}
    for one in head.witnesses:
        before = found.get(one.name, one)
        times = [at for at in (before.cosigned_at, one.cosigned_at) if at is not None]
        found[one.name] = Witness(
            one.name, max(times, default=None), before.cosigned and one.cosigned
        )
    return list(found.values())


def _witness(view: View, one: Witness, now: int) -> Html:
    speech = view.speech
    if one.cosigned_at is not None and one.cosigned:
        when = speech.ago(now - one.cosigned_at)
    else:
        when = speech("log.unchecked" if one.cosigned else "log.not_cosigned")
    return el("li", el("b", one.name), " ", when, class_="done" if one.cosigned else "failed")


def scrub_next(view: View, look: Look, figures: Figures) -> str:
    """When the bytes of deleted rows are removed next, as the settings say."""
    hour = view.scrub_hour
    if hour is None:
        return view.speech("reaper.by_hand")
    day, second = divmod(look.at, _DAY)
    scrubbed = figures.scrubbed_at
    done = scrubbed is not None and scrubbed // _DAY == day
    if not done and second >= hour * _HOUR:
        return view.speech("reaper.due")
    return view.speech.moment((day + done) * _DAY + hour * _HOUR)


# The last inspection


def inspection(view: View, look: Look, *, short: bool) -> Html:
    """Date, verdicts, signature and open lines."""
    speech, visit = view.speech, look.visit
    more = "/inspection" if short else None
    if not isinstance(visit, Visit):
        reason = visit.reason if isinstance(visit, Unreadable) else ""
        told = speech("visit.unreadable", reason=reason) if reason else speech("visit.none")
        return block(view, "inspection", ("seen",), el("p", told, class_="quiet"), more=more)
    rows = facts(
        (speech("visit.date"), speech.moment(visit.made_at)),
        (speech("visit.signature"), speech(f"signature.{visit.signature}")),
    )
    return block(
        view,
        "inspection",
        (_BASES[visit.signature],),
        rows,
        _tally(view, visit),
        open_lines(view, visit, _SHORT if short else None),
        more=more,
    )


def _tally(view: View, visit: Visit) -> Html:
    return el(
        "ul",
        (
            el("li", el("b", view.speech.number(visit.counts[one])), " ",
               view.speech(f"verdict.{one.name}"), class_=one.name.lower())
            for one in Verdict
        ),
        class_="tally",
    )  # fmt: skip


def open_lines(view: View, visit: Visit, most: int | None) -> Html:
    """Violated lines first. The rule stands in the bundle, in English."""
    speech = view.speech
    if not visit.open_lines:
        return el("p", speech("visit.no_open"), class_="quiet")
    found = sorted(visit.open_lines, key=lambda one: one.verdict is not Verdict.VIOLATED)
    shown = el("ul", (_line(view, one) for one in found[:most]), class_="marked lines")
    left = len(found) - len(found[:most])
    rest = el("p", speech("visit.more", number=speech.number(left)), class_="quiet")
    return joined(shown, rest if left else None)


def _line(view: View, line: Line) -> Html:
    violated = line.verdict is Verdict.VIOLATED
    return el(
        "li",
        el("span", line.title, lang="en"),
        el("span", f" ({line.check}) ", class_="quiet"),
        el("b", view.speech(f"line.{line.verdict.name}")),
        class_="failed" if violated else "unseen",
    )


def verdict_of(view: View, look: Look, check: str) -> str:
    """What the last inspection said of a check."""
    visit = look.visit
    if isinstance(visit, Visit):
        for one in visit.keys:
            if one.check == check:
                verdict = view.speech(f"line.{one.verdict.name}")
                return view.speech(
                    "visit.said", verdict=verdict, date=view.speech.date(visit.made_at)
                )
    return view.speech("keys.unseen")


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[Html | str]],
    *,
    stacked: bool = False,
) -> Html:
    """A table; the first cell of a row names it.

    Args:
        stacked: on a narrow screen each row is a list, with the heads as names. Otherwise the
            table scrolls for itself there. The roles say that it is a table all the same.
    """
    head = el("tr", (el("th", one, scope="col", role="columnheader") for one in heads), role="row")
    body = (
        el("tr", el("th", first, scope="row", role="rowheader"), _cells(heads, others), role="row")
        for first, *others in rows
    )
    shown = el(
        "table",
        el("caption", caption),
        el("thead", head, role="rowgroup"),
        el("tbody", body, role="rowgroup"),
        role="table",
        class_="stacked" if stacked else None,
    )
    return el("div", shown, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _cells(heads: Sequence[str], cells: Iterable[Html | str]) -> Iterator[Html]:
    for head, one in zip(heads[1:], cells, strict=True):
        yield el("td", el("div", one), role="cell", data_head=head if one else None)
