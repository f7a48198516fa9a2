"""Signing in, and pages that say that something is not there."""

from typing import Literal

from gateway.console.pages.html import el
from gateway.console.pages.layout import View, document
from gateway.console.people import MAX_PASSPHRASE

Trouble = Literal["wrong", "many", "elsewhere"]


def login_page(view: View, trouble: Trouble | None = None) -> str:
    """The form. It asks for a name and a passphrase, and says what went wrong."""
    speech = view.speech
    wrong = el("p", speech(f"login.{trouble}"), role="alert", class_="alarm") if trouble else None
    form = el(
        "form",
        el("label", speech("login.name"), for_="name"),
        el("input", id="name", name="name", type="text", autocomplete="username", required=True,
           maxlength=63, autocapitalize="none", spellcheck="false"),
        el("label", speech("login.passphrase"), for_="passphrase"),
        el("input", id="passphrase", name="passphrase", type="password", required=True,
           autocomplete="current-password", maxlength=MAX_PASSPHRASE),
        el("button", speech("login.enter"), type="submit"),
        method="post",
        action=view.href("/login"),
    )  # fmt: skip
    return document(
        view,
        speech("login.title"),
        el("div", el("h1", speech("login.title")), wrong, form,
           el("p", speech("login.advice"), class_="quiet"), class_="card"),
    )  # fmt: skip


def plain_page(view: View, key: Literal["not_found", "not_allowed", "malformed"]) -> str:
    """One sentence, and the way back."""
    speech = view.speech
    return document(
        view,
        speech(f"plain.{key}"),
        el("div", el("h1", speech(f"plain.{key}")),
           el("p", el("a", speech("page.main"), href=view.href("/"))), class_="card"),
    )  # fmt: skip
