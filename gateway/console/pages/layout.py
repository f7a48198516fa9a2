"""The frame of every page: head, header with its links, footer; and the blocks that pages are made
of. The policy admits this style and nothing else: no script, no picture from elsewhere, no frame.
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal
from urllib.parse import quote, urlencode

from gateway.console.language import LANGUAGES, NAMES, TAGS, Language, Speech
from gateway.console.notices import Level, Notice
from gateway.console.pages.html import Html, el, joined
from gateway.console.people import Person

PAGES: Final = ("/", "/retention", "/outcomes", "/log", "/register", "/inspection")
REFRESH_SECONDS: Final = 300

Basis = Literal["seen", "signed", "unchecked", "word", "bundle"]

_MARK: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="14" '
    'fill="#14523a"/><circle cx="16" cy="16" r="9" fill="none" stroke="#fff" stroke-width="2.5" '
    'stroke-dasharray="45 12" transform="rotate(-90 16 16)"/><circle cx="16" cy="16" r="2.5" '
    'fill="#fff"/></svg>'
)
_SIGNS: Final[dict[Level, str]] = {"alarm": "!", "warning": "!", "note": "i"}


@dataclass(frozen=True)
class View:
    """Who looks at what, in which language."""

    speech: Speech
    path: str
    named: Language | None = None
    """The language that was chosen; links keep it."""
    person: Person | None = None
    by_certificate: bool = False
    wall: bool = False
    """The page fetches itself anew now and then."""
    scrub_hour: int | None = None
    """As the settings say."""

    @property
    def sees_names(self) -> bool:
        """Names of counters and people are their operator's business."""
        return self.person is not None and self.person.role == "operator"

    def href(self, path: str, **query: str) -> str:
        if self.named is not None:
            query = {"lang": self.named} | query
        return path + (f"?{urlencode(query)}" if query else "")


@cache
def style() -> str:
    return (files("gateway.console") / "console.css").read_text(encoding="utf-8")


@cache
def policy() -> str:
    """The content security policy of every page."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


def document(view: View, title: str, *main: Html | None) -> str:
    """A whole page."""
    speech = view.speech
    refresh = f"{REFRESH_SECONDS}; url={view.href(view.path, wall='1', again='1')}"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", http_equiv="refresh", content=refresh) if view.wall else None,
        el("title", f"{title} · Sealmatch"),
        el("link", rel="icon", href="data:image/svg+xml," + quote(_MARK)),
        el("style", Html(style())),
    )
    body = el(
        "body",
        el("a", speech("frame.skip"), class_="skip", href="#main"),
        _header(view),
        el("main", *main, id="main", tabindex="-1"),
        _footer(view),
        class_="wall" if view.wall else None,
    )
    return f"<!doctype html>\n{el('html', head, body, lang=TAGS[speech.language])}\n"


def _header(view: View) -> Html:
    brand = joined(Html(_MARK.replace("<svg ", '<svg aria-hidden="true" ')), el("b", "Sealmatch"))
    return el(
        "header",
        el("a", brand, el("span", view.speech("frame.console")), class_="brand",
           href=view.href("/")) if view.person else el("p", brand, class_="brand"),
        el("nav", el("ul", _links(view)), aria_label=view.speech("frame.pages"))
        if view.person
        else None,
        el("nav", el("ul", _languages(view)), class_="languages",
           aria_label=view.speech("frame.languages")),
        _who(view),
    )  # fmt: skip


def _links(view: View) -> Iterator[Html]:
    for path in PAGES:
        current = "page" if path == view.path else None
        name = view.speech(f"page.{path.strip('/') or 'main'}")
        yield el("li", el("a", name, href=view.href(path), aria_current=current))


def _languages(view: View) -> Iterator[Html]:
    for one in LANGUAGES:
        current = "true" if one == view.speech.language else None
        href = f"{view.path}?{urlencode({'lang': one})}"
        link = el("a", NAMES[one], href=href, lang=TAGS[one], hreflang=TAGS[one],
                  aria_current=current)  # fmt: skip
        yield el("li", link)


def _who(view: View) -> Html | None:
    if view.person is None:
        return None
    role = view.speech(f"role.{view.person.role}")
    if view.by_certificate:
        return el("p", view.speech("frame.certificate", role=role), class_="who")
    leave = el("button", view.speech("frame.leave"), type="submit")
    return el(
        "form",
        el("span", el("b", view.person.name), " ", role),
        leave,
        class_="who",
        method="post",
        action=view.href("/logout"),
    )


def _footer(view: View) -> Html:
    speech = view.speech
    if view.person is None:
        return el("footer", el("p", speech("frame.about")))
    other = view.href(view.path) if view.wall else view.href(view.path, wall="1")
    return el(
        "footer",
        el("p", speech("frame.about"), " ", speech("frame.rounded")),
        el("p", el("a", speech("frame.still" if view.wall else "frame.wall"), href=other)),
    )


def block(
    view: View,
    name: str,
    bases: tuple[Basis, ...],
    *content: Html | None,
    more: str | None = None,
    class_: str = "",
) -> Html:
    """One block: its title, what it shows, and on what that rests.

    Args:
        name: of its title, ``block.NAME``.
        more: path of the page with its details.
    """
    title: Html | str = view.speech(f"block.{name}")
    if more is not None:
        title = el("a", title, href=view.href(more))
    rests = view.speech.listed(view.speech(f"basis.{one}") for one in bases)
    return el(
        "section",
        el("h2", title, id=f"{name}-title"),
        *content,
        el("p", el("span", view.speech("basis.rests"), class_="hidden"), rests, class_="basis"),
        id=name,
        class_=f"block {class_}".strip(),
        aria_labelledby=f"{name}-title",
    )


def facts(*rows: tuple[str, Html | str] | None) -> Html:
    """Names and values."""
    given = (row for row in rows if row is not None)
    shown = (el("div", el("dt", name), el("dd", value)) for name, value in given)
    return el("dl", shown, class_="facts")


def told(view: View, notice: Notice) -> Html:
    """One notice: what it is, and what to do."""
    speech = view.speech
    values: dict[str, object] = {}
    for name, value in notice.values.items():
        if name == "kinds" and isinstance(value, tuple):
            values[name] = speech.listed(speech.or_else(f"kind.{one}", one) for one in value)
        elif isinstance(value, int):
            values[name] = speech.moment(value)
    return el(
        "li",
        el("span", _SIGNS[notice.level], class_="sign", aria_hidden="true"),
        el("p", el("span", speech(f"level.{notice.level}"), class_="hidden"),
           el("b", speech(f"notice.{notice.key}", **values)), " ",
           speech(f"notice.{notice.key}_do")),
        class_=notice.level,
    )  # fmt: skip
