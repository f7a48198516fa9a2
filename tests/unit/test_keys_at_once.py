"""Many requests for one key at once: one key, one answer."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from gateway.wire.errors import (
    Refused,
    SealmatchError,
    Unavailable,
)
from gateway.wire.polynomials import PaddedProduct
from tests.support.asking import (
    any_product_request,
    any_shares,
    ask_attempt,
    ask_values,
    counted,
)
from tests.support.parties import (
    GATEWAY,
    InProcessAuthority,
    any_product,
    session_key_request,
)
from tests.support.processes import PATIENCE


def all_at_once(works: list[Callable[[], object]]) -> list[object]:
    """Results or product errors of threads that start together."""
    barrier = threading.Barrier(len(works))
    results: list[object] = [None] * len(works)

    def run(i: int) -> None:
        barrier.wait()
        try:
            results[i] = works[i]()
        except SealmatchError as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    return results


def serve_all(serve: Callable[..., bytes], messages: list[Any]) -> list[object]:
    return all_at_once([lambda m=m: serve(m, GATEWAY.public) for m in messages])  # type: ignore[misc]


def assert_one_answer(results: list[object]) -> None:
    assert sum(isinstance(r, bytes) for r in results) == 1, results
    assert sum(isinstance(r, Refused) for r in results) == len(results) - 1


def test_eight_different_attempts_get_one_nonce_and_count_once(
    authority: InProcessAuthority,
) -> None:
    opened = authority.open()
    messages = [opened.attempt() for _ in range(8)]
    assert_one_answer(serve_all(authority.service.count, messages))
    assert counted(authority) == [None]


@pytest.mark.parametrize("what", ["product", "omega"])
def test_eight_different_products_get_one_answer(
    authority: InProcessAuthority, decryptions: list[PaddedProduct], what: str
) -> None:
    opened = authority.open()
    ask_attempt(opened)
    changes: list[dict[str, Any]] = [
        {"padded_product": any_product(10 + i)} if what == "product" else {"omega": 10 + i}
        for i in range(8)
    ]
    messages = [any_product_request(opened, **change) for change in changes]
    assert_one_answer(serve_all(authority.service.answer, messages))
    assert len(decryptions) == 1
    (late,) = serve_all(authority.service.decide, [any_shares(opened)])
    assert isinstance(late, Unavailable), "the others have ended the session"


def test_eight_different_pairs_of_shares_get_one_decision(authority: InProcessAuthority) -> None:
    opened = authority.open()
    ask_attempt(opened)
    ask_values(opened)
    messages = [any_shares(opened, values=(20 + i, 30 + i)) for i in range(8)]
    assert_one_answer(serve_all(authority.service.decide, messages))
    assert len(counted(authority)) == 1


def test_eight_threads_with_the_same_message_get_the_same_bytes(
    authority: InProcessAuthority, decryptions: list[PaddedProduct]
) -> None:
    """At every step: a gateway whose first request hangs repeats it."""
    opened, service = authority.open(), authority.service
    steps: list[tuple[Callable[..., bytes], Any]] = [
        (service.count, opened.attempt()),
        (service.answer, any_product_request(opened)),
        (service.decide, any_shares(opened)),
    ]
    for serve, message in steps:
        results = serve_all(serve, [message] * 8)
        assert all(isinstance(r, bytes) for r in results), results
        assert len(set(map(bytes, results))) == 1  # type: ignore[arg-type]
    assert len(decryptions) == 1
    assert len(counted(authority)) == 1


def test_eight_threads_that_open_one_session_get_one_key(authority: InProcessAuthority) -> None:
    """A gateway whose first request hangs repeats it: both must get the stored answer."""
    request = session_key_request()
    serve = authority.service.open_session
    results = all_at_once([lambda: serve(request, GATEWAY.public)] * 8)
    assert all(isinstance(r, bytes) for r in results), results
    assert len(set(map(bytes, results))) == 1  # type: ignore[arg-type]
