"""Builds HTML and SVG. A plain string is text and is escaped; only what is built here is markup.

So no name from a database, and no line of a bundle, can become an element.
"""

from collections.abc import Iterable
from html import escape
from typing import Final

_EMPTY: Final = frozenset({"meta", "link", "input", "br"})


class Html(str):
    """Markup: escaped already."""

    __slots__ = ()


def el(name: str, /, *children: "Html | str | Iterable[Html | str | None] | None",
       **attributes: object) -> Html:  # fmt: skip
    """An element.

    Args:
        children: strings are escaped, ``Html`` is not; None is left out.
        attributes: ``class_`` and ``aria_label`` stand for ``class`` and ``aria-label``. None and
            False are left out; True is an attribute without a value.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _EMPTY:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: "Html | str | Iterable[Html | str | None] | None") -> Html:
    """Elements and texts, one after the other."""
    return Html("".join(map(_child, children)))


def _child(child: "Html | str | Iterable[Html | str | None] | None") -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        return escape(child)
    return "".join(_child(one) for one in child)


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
