"""The console over HTTP: pages for people, and nothing that they can change.

    GET  /                        everything at a glance
    GET  /retention, /outcomes, /log, /register, /inspection
    GET  /login    POST /login    name and passphrase -> a session
    POST /logout
    GET  /health

With access by certificate there is no login: whoever connects has shown one (``host.tls``).
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.console.access import Guesses, Sessions
from gateway.console.config import ConsoleSettings
from gateway.console.language import LANGUAGES, Speech, chosen
from gateway.console.pages.details import details
from gateway.console.pages.layout import PAGES, View, policy
from gateway.console.pages.login import login_page, plain_page
from gateway.console.pages.main import main_page
from gateway.console.people import COST, People, Person
from gateway.console.watch import Look, Watch
from gateway.host.application import add_health, new_application
from gateway.host.clock import unix_time
from gateway.host.health import Health
from gateway.host.http import bounded_body
from gateway.wire.errors import BodyTooLarge, MalformedMessage, TooManyRequests, UnsupportedMedia

log = logging.getLogger("sealmatch.console")

FORM: Final = "application/x-www-form-urlencoded"
_MAX_FORM: Final = 4096
_AT_ONCE: Final = 2
"""Passphrases that are tried at a time; each takes 64 MiB."""
_WAITING: Final = 16
_MAX_TOKEN: Final = 64
_AWAY: Final = 503


def create_app(
    settings: ConsoleSettings,
    clock: Callable[[], int] = unix_time,
    monotonic: Callable[[], float] = time.monotonic,
) -> FastAPI:
    """The application that the settings describe.

    Raises:
        UnusableTrustFile: the settings name a trust file that cannot be read.
    """
    desk = _Desk(settings, clock, monotonic)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        log.info("%d people may look", len(desk.people.all()))
        yield

    app = new_application("Sealmatch console", "1", log, lifespan)

    async def shown(request: Request) -> Response:
        view = desk.view(request)
        if view.person is None:
            return _to(view, "/login")
        look = await run_in_threadpool(desk.watch.look)
        page = main_page if view.path == "/" else details
        return _html(await run_in_threadpool(page, view, look), _status(look))

    for path in PAGES:
        app.add_api_route(path, shown, methods=["GET"])

    @app.get("/login")
    async def form(request: Request) -> Response:
        view = desk.view(request)
        return _html(login_page(view)) if view.person is None else _to(view, "/")

    @app.post("/login")
    async def login(request: Request) -> Response:
        return await desk.login(request)

    @app.post("/logout")
    async def logout(request: Request) -> Response:
        _require_own_page(request)
        desk.sessions.end(desk.token(request))
        answer = _to(desk.view(request), "/login")
        answer.delete_cookie(desk.cookie, secure=desk.secure, httponly=True, samesite="strict")
        return answer

    @app.exception_handler(HTTPException)
    async def routing(request: Request, error: HTTPException) -> Response:
        view = desk.view(request)
        other = error.status_code == 405
        page = plain_page(view, "not_allowed" if other else "not_found")
        return _html(page, error.status_code, error.headers or {})

    for kind, status in ((MalformedMessage, 400), (BodyTooLarge, 413), (UnsupportedMedia, 415)):
        app.add_exception_handler(kind, _malformed(desk, status))
    add_health(app, "/health", Health({"database": desk.watch.check}, log))
    return app


def _malformed(desk: "_Desk", status: int) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, _: Exception) -> Response:
        return _html(plain_page(desk.view(request), "malformed"), status)

    return answer


class _Desk:
    """Who asks, and in which language."""

    def __init__(
        self,
        settings: ConsoleSettings,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._guesses = Guesses()
        self._trying = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self.watch = Watch(settings, clock, monotonic)
        self.people = People(settings.people_dir, settings.keystore_cost or COST)
        _ = self.people.decoy  # the first stranger must not wait longer than the next
        self.sessions = Sessions(settings.idle_minutes * 60, settings.session_hours * 3600)
        self.secure = settings.tls is not None
        self.cookie = "__Host-sealmatch-console" if self.secure else "sealmatch-console"

    def view(self, request: Request) -> View:
        """What this request asks to see, and who asks."""
        query = request.query_params
        named = next((one for one in LANGUAGES if one == query.get("lang")), None)
        speech = Speech(chosen(named, request.headers.get("accept-language", "")))
        by_certificate = self._settings.access == "certificate"
        return View(
            speech=speech,
            path=request.url.path if request.url.path in (*PAGES, "/login") else "/",
            named=named,
            person=Person("", self._settings.certificate_role)
            if by_certificate
            else self._person(request),
            by_certificate=by_certificate,
            wall=query.get("wall") == "1",
            scrub_hour=self._settings.scrub_hour,
        )

    def token(self, request: Request) -> str:
        return request.cookies.get(self.cookie, "")[:_MAX_TOKEN]

    def _person(self, request: Request) -> Person | None:
        """The person of this session, as long as the credential is there."""
        itself = request.query_params.get("again") == "1"
        token = self.token(request)
        person = self.sessions.find(token, self._monotonic(), idle=itself) if token else None
        if person is not None and self.people.find(person.name) != person:
            self.sessions.end(token)
            return None
        return person

    async def login(self, request: Request) -> Response:
        """Try a passphrase."""
        view = self.view(request)
        if view.by_certificate:
            return _to(view, "/")
        if not _is_own_page(request):
            return _html(login_page(view, "elsewhere"), 403)
        given = await _form(request)
        sender = request.client.host if request.client is not None else ""
        try:
            person = await self._try(given, sender)
        except TooManyRequests:
            log.warning("a login was turned away: too many guesses")
            return _html(login_page(view, "many"), 429, {"retry-after": "900"})
        if person is None:
            log.warning("a login failed: no such name, or a wrong passphrase")
            return _html(login_page(view, "wrong"), 403)
        log.info("%s signed in, as %s", person.name, person.role)
        self.sessions.end(self.token(request))
        answer = _to(view, "/")
        token = self.sessions.begin(person, self._monotonic())
        answer.set_cookie(
            self.cookie, token, path="/", secure=self.secure, httponly=True, samesite="strict"
        )
        return answer

    async def _try(self, given: "_Given", sender: str) -> Person | None:
        now = self._monotonic()
        self._guesses.admit(given.name, sender, now)
        if self._waiting >= _WAITING:
            raise TooManyRequests("too many people sign in at once")
        self._guesses.wrong(given.name, sender, now)
        self._waiting += 1
        try:
            async with self._trying:
                person = await run_in_threadpool(self.people.enter, given.name, given.passphrase)
        finally:
            self._waiting -= 1
        if person is not None:
            self._guesses.right(given.name, sender)
        return person


@dataclass(frozen=True)
class _Given:
    name: str
    passphrase: str


async def _form(request: Request) -> _Given:
    """Name and passphrase, and nothing else. Raises ``MalformedMessage``."""
    body = await bounded_body(request, FORM, _MAX_FORM)
    try:
        fields = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=4)
        (name,), (passphrase,) = fields["name"], fields["passphrase"]
    except (ValueError, KeyError):
        raise MalformedMessage("not the form of this page") from None
    return _Given(name.strip(), passphrase)


def _is_own_page(request: Request) -> bool:
    """Whether a form was sent from a page of this console, and not from another site's."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin", "")
    return urlsplit(origin).netloc == request.headers.get("host", "") != ""


def _require_own_page(request: Request) -> None:
    if not _is_own_page(request):
        raise MalformedMessage("sent from another site")


def _status(look: Look) -> int:
    return 200 if look.figures is not None else _AWAY


def _to(view: View, path: str) -> RedirectResponse:
    return RedirectResponse(view.href(path), 303, headers=dict(_HEADERS))


def _html(page: str, status: int = 200, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    all_of = {**_HEADERS, "content-security-policy": policy(), **(headers or {})}
    return HTMLResponse(page, status, headers=all_of)


_HEADERS: Final = {
    "referrer-policy": "same-origin",  # with no-referrer, browsers hide where a form comes from
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
