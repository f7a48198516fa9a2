"""One authority in several instances: who is asked for a session, and what if one is away.

And what a malicious gateway gains by speaking with several of them at once: nothing.
"""

import secrets
from collections import Counter
from collections.abc import Callable

import httpx
import pytest

from gateway.server import authority_client
from gateway.server.authorities import FAILED_SECONDS, Authorities, new_key
from gateway.server.authority_client import AuthorityClient, NoAnswer
from gateway.wire.errors import Refused, Unavailable
from gateway.wire.ids import SessionId, new_session_id
from gateway.wire.session import SessionKeyRequest
from tests.support.parties import GATEWAY, NOW, Clock, refused, session_key_request
from tests.vectors import golden

ANSWER = golden.MESSAGES["session-key-response"][0].encode()


class Instances:
    """Three instances behind a transport; some are away."""

    def __init__(self, count: int = 3) -> None:
        self.away: dict[str, Callable[[], httpx.Response]] = {}
        self.asked: list[str] = []
        self.clock = Clock(0)
        client = httpx.Client(transport=httpx.MockTransport(self._serve))
        clients = [
            AuthorityClient(client, f"http://authority-{i}", GATEWAY, lambda: NOW)
            for i in range(count)
        ]
        self.authorities = Authorities(clients, self.clock)

    def _serve(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.host[-1])
        if request.url.host in self.away:
            return self.away[request.url.host]()
        known = request.url.path == "/v1/session-keys"
        return httpx.Response(200, content=ANSWER if known else b"none of ours")

    def new(self, draw: Callable[[], SessionId] = new_session_id) -> SessionId:
        request, _ = new_key(self.authorities, draw, request_for)
        return request.session


def request_for(session: SessionId) -> SessionKeyRequest:
    return session_key_request(session=session)


def unreachable() -> httpx.Response:
    raise httpx.ConnectError("no route")


def full() -> httpx.Response:
    return httpx.Response(503)


@pytest.fixture
def instances(monkeypatch: pytest.MonkeyPatch) -> Instances:
    monkeypatch.setattr(authority_client, "PAUSE_SECONDS", 0)
    return Instances()


def test_a_session_is_asked_for_at_its_own_instance_alone(instances: Instances) -> None:
    ask = instances.authorities
    steps: list[tuple[Callable[..., object], str]] = [
        (ask.attempt, "attempt-request"),
        (ask.masked_values, "product-request"),
        (ask.decision, "shares-request"),
        (ask.audited_decision, "audit-result"),
    ]
    for second in (*range(9), 254, 255):
        session = secrets.token_bytes(1) + bytes([second]) + secrets.token_bytes(14)
        step, name = steps[second % 4]
        with refused("malformed"):
            step(golden.MESSAGES[name][0].model_copy(update={"session": session}))
        assert instances.asked.pop() == str(second % 3)
    assert instances.asked == []


def test_new_sessions_are_shared_out_and_keep_their_first_byte(instances: Instances) -> None:
    drawn = [instances.new(lambda: SessionId(b"\x2a" + secrets.token_bytes(15))) for _ in range(40)]
    assert {session[0] for session in drawn} == {0x2A}
    assert len(set(drawn)) == 40
    assert instances.asked == [str(session[1] % 3) for session in drawn]
    led = {instances.authorities.leading(new_session_id())[1] % 3 for _ in range(90)}
    assert led == {0, 1, 2}  # each is missed with (2/3)^90


@pytest.mark.parametrize("away", [unreachable, full])
def test_new_sessions_go_elsewhere_while_an_instance_is_away(
    instances: Instances, away: Callable[[], httpx.Response]
) -> None:
    instances.away["authority-1"] = away
    while instances.authorities.answering()[1]:
        instances.new()
    assert instances.asked.count("1") == 1, "asked once, and given up for a while"
    sessions = [instances.new() for _ in range(60)]
    assert {session[1] % 3 for session in sessions} == {0, 2}  # one is missed with 2^-59
    instances.away.clear()
    instances.clock.now += FAILED_SECONDS
    assert instances.authorities.answering() == [True] * 3
    led = {instances.authorities.leading(new_session_id())[1] % 3 for _ in range(90)}
    assert led == {0, 1, 2}


def test_a_session_that_has_begun_is_never_asked_for_elsewhere(instances: Instances) -> None:
    instances.away["authority-1"] = unreachable
    attempt = golden.MESSAGES["attempt-request"][0].model_copy(
        update={"session": bytes([0, 1] * 8)}
    )
    with pytest.raises(Unavailable):
        instances.authorities.attempt(attempt)
    assert set(instances.asked) == {"1"}


def test_where_all_are_away_each_is_asked_and_the_last_one_thrice(instances: Instances) -> None:
    instances.away = {f"authority-{i}": unreachable for i in range(3)}
    with pytest.raises(NoAnswer):
        instances.new()
    assert sorted(Counter(instances.asked).values()) == [1, 1, 3]
    assert instances.authorities.answering() == [False] * 3
    instances.away.clear()
    instances.new()  # at any of them, at once


def test_a_refusal_is_an_answer(instances: Instances) -> None:
    instances.away = {f"authority-{i}": lambda: httpx.Response(403) for i in range(3)}
    with pytest.raises(Refused):
        instances.new()
    assert len(instances.asked) == 1
    assert instances.authorities.answering() == [True] * 3
