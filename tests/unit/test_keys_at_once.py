"""Many requests for one key at once: one key, one answer."""

import threading
from collections.abc import Callable

from gateway.wire.errors import (
    Refused,
    SealmatchError,
)
from gateway.wire.evaluation import DecisionResponse
from gateway.wire.ids import digest_of
from gateway.wire.polynomials import Ciphertext
from tests.support.asking import answer, ask, decision_of
from tests.support.parties import (
    GATEWAY,
    InProcessAuthority,
    any_product,
    any_rows,
    fixed_bytes,
    session_key_request,
)


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
        thread.join(30)
        assert not thread.is_alive()
    return results


def test_eight_threads_with_different_rows_get_one_decision(
    authority: InProcessAuthority, decryptions: list[Ciphertext]
) -> None:
    opened = authority.open()
    ask(opened)
    rows = [any_rows(10 + i) for i in range(8)]
    results = all_at_once([lambda r=r: answer(opened, r) for r in rows])  # type: ignore[misc]
    decided = [r for r in results if isinstance(r, DecisionResponse)]
    assert len(decided) == 1
    assert sum(isinstance(r, Refused) for r in results) == 7
    assert len(decryptions) == 2
    winner = next(i for i, r in enumerate(results) if isinstance(r, DecisionResponse))
    assert decision_of(decided[0]).blinded_rows_digest == digest_of(rows[winner])


def test_eight_threads_with_different_products_get_one_answer(
    authority: InProcessAuthority, decryptions: list[Ciphertext]
) -> None:
    opened = authority.open()
    messages = [
        opened.product(masked_product=any_product(), policy_digest=fixed_bytes(f"policy-{i}"))
        for i in range(8)
    ]
    serve = authority.service.encrypt_bits
    results = all_at_once([lambda m=m: serve(m, GATEWAY.public) for m in messages])  # type: ignore[misc]
    assert sum(isinstance(r, bytes) for r in results) == 1
    assert sum(isinstance(r, Refused) for r in results) == 7
    assert len(decryptions) == 1


def test_eight_threads_with_the_same_rows_get_the_same_bytes(
    authority: InProcessAuthority, decryptions: list[Ciphertext]
) -> None:
    opened = authority.open()
    ask(opened)
    results = all_at_once([lambda: answer(opened)] * 8)
    assert all(isinstance(r, DecisionResponse) for r in results)
    assert len({r.encode() for r in results if isinstance(r, DecisionResponse)}) == 1
    assert len(decryptions) == 2


def test_eight_threads_that_open_one_session_get_one_key(authority: InProcessAuthority) -> None:
    """A gateway whose first request hangs repeats it: both must get the stored answer."""
    request = session_key_request()
    serve = authority.service.open_session
    results = all_at_once([lambda: serve(request, GATEWAY.public)] * 8)
    assert all(isinstance(r, bytes) for r in results), results
    assert len(set(map(bytes, results))) == 1  # type: ignore[arg-type]
