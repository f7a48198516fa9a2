"""The console: who may look, for how long, and what is refused."""

from __future__ import annotations

import argparse
import base64
import hashlib
import re
import urllib.parse
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.console import cli
from gateway.console.access import MAX_SESSIONS, PER_NAME, WINDOW, Guesses, Sessions
from gateway.console.config import ConsoleSettings
from gateway.console.pages.layout import PAGES
from gateway.console.people import COST, People, Person
from gateway.host.keyfile import KeyFileError
from gateway.host.settings import BadConfiguration
from gateway.host.tls import TlsMisconfigured
from gateway.wire.errors import CallerMisuse, TooManyRequests
from tests.support.console import BASE, ORIGIN, Console, Shown
from tests.support.parties import NOW
from tests.support.sealed import CHEAP, PASSPHRASE, no_settings, passphrase_file

WRONG = "not the passphrase at all"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return Shown(tmp_path_factory.mktemp("deployment"))


@pytest.fixture
def console(shown: Shown, tmp_path: Path) -> Console:
    return Console(tmp_path, shown.url).add()


def test_without_a_session_no_page_is_shown(console: Console) -> None:
    for cookie in ("", "x" * 43):
        console.web.cookies = httpx.Cookies({"sealmatch-console": cookie})
        for path in PAGES:
            answer = console.web.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/login")
            assert answer.text == ""
    assert console.login().status_code == 303
    assert all(console.web.get(path).status_code == 200 for path in PAGES)


def test_a_wrong_passphrase_and_an_unknown_name_are_one_refusal(console: Console) -> None:
    wrong, unknown = console.login(passphrase=WRONG), console.login("nobody", WRONG)
    assert (wrong.status_code, unknown.status_code) == (403, 403)
    assert wrong.text == unknown.text
    assert "do not fit together" in wrong.text
    assert not console.web.cookies
    assert console.login("nobody", PASSPHRASE).status_code == 403


def test_a_session_s_cookie_is_the_browser_s_secret(console: Console) -> None:
    cookie = console.login().headers["set-cookie"]
    assert re.fullmatch(
        r"sealmatch-console=[\w-]{43}; HttpOnly; Path=/; SameSite=strict", cookie
    ), cookie


def test_off_loopback_the_cookie_is_secure_and_tls_is_required(
    shown: Shown, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"host": "192.0.2.7"}
    with pytest.raises(TlsMisconfigured, match="refusing plain HTTP"):
        Console(tmp_path, shown.url, **given)
    given |= {"tls_certificate": tmp_path / "c.pem", "tls_key": tmp_path / "k.pem"}
    cookie = Console(tmp_path, shown.url, **given).add().login().headers["set-cookie"]
    assert cookie.startswith("__Host-sealmatch-console=")
    assert cookie.endswith("; HttpOnly; Path=/; SameSite=strict; Secure")


ELSEWHERE = [
    {"origin": "https://elsewhere.example"},
    {"origin": "null"},
    {"origin": f"{BASE}.elsewhere.example"},
    {"sec-fetch-site": "cross-site", **ORIGIN},
    {"sec-fetch-site": "none", **ORIGIN},
]


def test_forms_of_other_sites_are_refused(console: Console) -> None:
    given = {"name": "ana", "passphrase": PASSPHRASE}
    for headers in ELSEWHERE:
        assert console.web.post("/login", data=given, headers=headers).status_code == 403
    assert console.login().status_code == 303
    for headers in ELSEWHERE:
        assert console.web.post("/logout", headers=headers).status_code == 400
    assert console.web.get("/").status_code == 200
    assert console.web.post("/logout", headers=ORIGIN).status_code == 303
    assert console.web.get("/").status_code == 303


def test_guesses_are_few_and_come_back_with_time(console: Console) -> None:
    console.add("ben")
    for _ in range(PER_NAME):
        assert console.login(passphrase=WRONG).status_code == 403
    assert console.login().status_code == 429, "the right one comes too late"
    assert console.login("ben").status_code == 303
    console.seconds += WINDOW + 1
    assert console.login().status_code == 303


def test_an_address_has_its_guesses_over_all_names() -> None:
    guesses = Guesses()
    for number in range(30):
        guesses.admit(f"name-{number}", "192.0.2.1", 0)
        guesses.wrong(f"name-{number}", "192.0.2.1", 0)
    with pytest.raises(TooManyRequests):
        guesses.admit("another", "192.0.2.1", 1)
    guesses.admit("another", "192.0.2.2", 1)


def test_whoever_knows_the_passphrase_gives_no_guess_to_others() -> None:
    guesses = Guesses()
    for _ in range(100):
        guesses.admit("ana", "192.0.2.1", 0)
        guesses.wrong("ana", "192.0.2.1", 0)
        guesses.right("ana", "192.0.2.1")


def test_a_session_ends_when_nobody_uses_it_and_after_its_hours(console: Console) -> None:
    idle, longest = 15 * 60, 10 * 3600

    def is_open() -> bool:
        return console.web.get("/login").headers.get("location") == "/"

    console.login()
    for _ in range(longest // (idle - 1)):
        console.seconds += idle - 1
        assert is_open()
    console.seconds += idle - 1
    assert not is_open(), "its hours are over"
    console.login()
    console.seconds += idle + 1
    assert not is_open()


def test_a_page_that_renews_itself_is_no_use_of_a_session(console: Console) -> None:
    console.login()
    assert 'http-equiv="refresh"' in console.web.get("/?wall=1").text
    assert 'http-equiv="refresh"' not in console.web.get("/").text
    for _ in range(3):
        console.seconds += 299
        assert console.web.get("/?wall=1&again=1").status_code == 200
    console.seconds += 10
    assert console.web.get("/?wall=1&again=1").status_code == 303


def test_a_credential_that_is_removed_ends_its_sessions(console: Console) -> None:
    console.login()
    assert console.web.get("/").status_code == 200
    console.people.remove("ana")
    assert console.web.get("/").status_code == 303
    with pytest.raises(CallerMisuse, match="nobody has the name ana"):
        console.people.remove("ana")


def test_sessions_are_bounded() -> None:
    sessions, person = Sessions(60, 600), Person("ana", "operator")
    first = sessions.begin(person, 0)
    tokens = [sessions.begin(person, 0) for _ in range(MAX_SESSIONS)]
    assert sessions.find(first, 0) is None
    assert sessions.find(tokens[0], 0) == person


def test_a_role_is_sealed_with_the_name(console: Console) -> None:
    file = next(console.settings.people_dir.iterdir())
    file.rename(file.with_name("ana.operator.sealed"))
    with pytest.raises(KeyFileError, match="was renamed"):
        console.people.enter("ana", PASSPHRASE)
    assert console.login().status_code == 500
    assert not console.web.cookies


def test_a_credential_costs_a_guess_and_is_its_owner_s(tmp_path: Path) -> None:
    assert (COST.memory_kib, COST.iterations) >= (64 * 1024, 3)
    people = People(tmp_path / "people", CHEAP)
    people.add("ana", "operator", passphrase_file(tmp_path), NOW)
    (file,) = (tmp_path / "people").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert PASSPHRASE.encode() not in file.read_bytes()
    with pytest.raises(KeyFileError, match="exists already"):
        people.add("ana", "operator", tmp_path / "passphrase", NOW)
    with pytest.raises(KeyFileError, match="at least 12 bytes"):
        people.add("ben", "operator", passphrase_file(tmp_path, "short", "short"), NOW)
    for bad in ("../ben", "Ben", "", "b/n"):
        with pytest.raises(ValueError, match="name"):
            people.add(bad, "operator", tmp_path / "passphrase", NOW)
    assert people.all() == [Person("ana", "operator")]
    for odd in ("../people/ana", "ana.operator", "", "a\0", "*"):
        assert people.enter(odd, PASSPHRASE) is None


def test_by_certificate_nobody_signs_in(shown: Shown, tmp_path: Path) -> None:
    files = {"tls_certificate": tmp_path / "c.pem", "tls_key": tmp_path / "k.pem"}
    given = {**files, "access": "certificate", "tls_client_ca": tmp_path / "ca.pem"}
    console = Console(tmp_path, shown.url, **given)
    assert "By certificate, regulator" in console.text("/")
    assert console.settings.tls is not None
    assert console.settings.tls.client_ca == tmp_path / "ca.pem", "whoever connects has shown one"
    assert console.login().headers["location"] == "/"
    with pytest.raises(BadConfiguration):
        ConsoleSettings.read(
            None,
            {
                "SEALMATCH_CONSOLE_DATA_DIR": ".",
                "SEALMATCH_CONSOLE_DATABASE_URL": shown.url,
                "SEALMATCH_CONSOLE_ACCESS": "certificate",
            },
        )


def test_pages_take_no_other_method(console: Console) -> None:
    console.login()
    for method in ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        for path in PAGES:
            answer = console.web.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


def test_what_is_not_there_and_what_is_no_form_get_a_page(console: Console) -> None:
    assert console.web.get("/records").status_code == 404
    assert "There is no such page" in console.web.get("/openapi.json").text
    form = {"content-type": "application/x-www-form-urlencoded", **ORIGIN}
    for body in (b"", b"name=ana", b"name=a&name=b&passphrase=c", b"\xff\xfe", b"%%%&&"):
        assert console.web.post("/login", content=body, headers=form).status_code == 400
    assert console.web.post("/login", content=b"x" * 5000, headers=form).status_code == 413
    assert console.web.post("/login", content=b"{}", headers=ORIGIN).status_code == 415


def test_every_answer_forbids_scripts_caches_and_frames(console: Console) -> None:
    console.login()
    for path in (*PAGES, "/none"):
        answer = console.web.get(path)
        policy = answer.headers["content-security-policy"]
        style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in policy
        for part in ("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
            assert part in policy
        assert "unsafe" not in policy
        assert "script" not in policy + answer.text
        assert not re.search(r'<[^>]+ (style|on\w+)="', answer.text)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-frame-options"] == "DENY"


def test_supervisors_ask_for_health_without_a_session(console: Console, tmp_path: Path) -> None:
    assert console.web.get("/health").json() == {"status": "ok"}
    broken = Console(tmp_path, f"sqlite:///{tmp_path / 'none.sqlite3'}")
    assert broken.web.get("/health").status_code == 503


def test_people_are_added_listed_and_removed_by_command(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    no_settings(monkeypatch)
    monkeypatch.setenv("SEALMATCH_CONSOLE_KEYSTORE_MIB", str(CHEAP.memory_kib // 1024))
    monkeypatch.setattr("gateway.host.memory.protect", lambda *_, **__: None)
    parser = argparse.ArgumentParser()
    cli.configure(parser)
    file = str(passphrase_file(tmp_path))

    def run(*words: str) -> tuple[int, str]:
        base = ["--data-dir", str(tmp_path / "console"), "--database-url", shown.url]
        options = parser.parse_args([*base, *words])
        return options.run(options), capsys.readouterr().out

    added = ("add", "ana", "--role", "regulator", "--person-passphrase-file", file)
    assert run(*added) == (0, "ana\tregulator\n")
    assert (tmp_path / "console").stat().st_mode & 0o077 == 0
    assert run("list") == (0, "ana\tregulator\n")
    status, told = run("check-config")
    assert "right   people: ana (regulator)" in told
    assert "right   database: it can be read" in told
    assert "unknown trust_file" in told
    assert "passphrase" not in told
    assert status == 0, told
    assert run("remove", "ana") == (0, "")
    assert "WRONG   people: nobody may look" in run("check-config")[1]


def test_a_language_stays_through_a_login(console: Console) -> None:
    assert console.web.get("/?lang=zh").headers["location"] == "/login?lang=zh"
    form = console.web.get("/login?lang=zh").text
    assert 'action="/login?lang=zh"' in form
    given = {"name": "ana", "passphrase": PASSPHRASE}
    answer = console.web.post("/login?lang=zh", data=given, headers=ORIGIN)
    assert answer.headers["location"] == "/?lang=zh"
    page = console.web.get("/?lang=zh").text
    assert urllib.parse.quote("/retention?lang=zh", safe="/?=") in page
