"""The fuzzing finds what is planted: a harness that never finds anything would prove nothing."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tests.fuzz import runner, steered
from tests.fuzz.__main__ import main
from tests.fuzz.mutations import MOST, frame, from_seeds, scramble, unframe
from tests.fuzz.registry import all_targets
from tests.fuzz.runner import Report, run
from tests.support.fuzzing import (
    CANARY,
    BrokenPromise,
    Target,
    examine,
    peak_megabytes,
    replay_command,
)

FATAL = b"!"
"""A parser is faulty where an input contains this."""


class Documented(Exception):
    pass


class Narrower(Documented):
    pass


def planted(fault: Callable[[bytes], object], **bounds: float) -> Target:
    """A parser that refuses letters and is faulty where it meets the fatal sign."""

    def parse(data: bytes) -> None:
        if FATAL in data:
            fault(data)
        if data[:1].isalpha():
            raise Documented

    def mutate(rng: object, seeds: object) -> bytes:
        made = from_seeds(scramble)(rng, seeds)[:300]  # type: ignore[arg-type]
        return made.replace(FATAL, b"?") + (FATAL if rng.random() < 0.1 else b"")  # type: ignore[attr-defined]

    return Target(
        "planted",
        lambda: [b"some letters", b"1234"],
        mutate,
        lambda _scratch: parse,
        (Documented,),
        **bounds,  # type: ignore[arg-type]
    )


def found_in(target: Target, inputs: int = 200) -> Report:
    return run(target, inputs, seed=1)


def test_a_sound_parser_is_left_alone() -> None:
    report = found_in(planted(lambda _data: None), 2000)
    assert report.findings == {}
    assert report.inputs == 2000
    assert report.outcomes["accepted"] + report.outcomes["Documented"] == 2000
    assert min(report.outcomes.values()) > 100


def test_an_undocumented_exception_is_found_and_its_input_made_small() -> None:
    def fault(_data: bytes) -> None:
        raise KeyError("version")

    report = found_in(planted(fault))
    (finding,) = report.findings.values()
    assert finding.kind.startswith("KeyError at ")
    assert finding.data == FATAL
    assert replay_command(finding).endswith("--target planted --replay 21")
    assert report.counts[finding.kind] > 5
    assert report.inputs == 200


def test_a_subclass_that_is_not_in_the_table_is_found() -> None:
    def fault(_data: bytes) -> None:
        raise Narrower

    (kind,) = found_in(planted(fault)).findings
    assert kind.startswith("Narrower")


def test_a_fault_that_needs_earlier_inputs_says_so() -> None:
    broken: list[bytes] = []

    def prepare(_scratch: Path) -> Callable[[bytes], None]:
        broken.clear()

        def parse(data: bytes) -> None:
            if broken:
                raise KeyError
            if FATAL in data:
                broken.append(data)

        return parse

    report = found_in(replace(planted(lambda _data: None), prepare=prepare))
    (finding,) = report.findings.values()
    assert "only after other inputs" in finding.detail
    assert report.outcomes["accepted"] > 100, "a broken parser was not replaced"


def test_a_loop_is_found_by_the_timer() -> None:
    def fault(_data: bytes) -> None:
        while True:
            pass

    report = found_in(planted(fault, seconds=0.1), 40)
    assert list(report.findings) == ["slow"]
    assert FATAL in report.findings["slow"].data
    assert report.inputs == 40


def test_a_hang_that_no_timer_ends_is_found_by_the_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in C code that never returns to the interpreter."""

    def fault(_data: bytes) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPROF])
        time.sleep(600)

    monkeypatch.setattr(runner, "HANG_SECONDS", 1.0)
    report = found_in(planted(fault, seconds=0.2), 20)
    assert list(report.findings) == ["hang"]
    assert report.findings["hang"].data.endswith(FATAL)
    assert report.inputs == 20


def test_a_crash_is_found_and_the_run_goes_on() -> None:
    def fault(_data: bytes) -> None:
        faulthandler.disable()  # pytest's; its report would look like a failure of this test
        os.kill(os.getpid(), signal.SIGSEGV)

    report = found_in(planted(fault), 60)
    assert list(report.findings) == [f"process ended with -{int(signal.SIGSEGV)}"]
    assert next(iter(report.findings.values())).data.endswith(FATAL)
    assert report.inputs == 60


def test_memory_that_one_input_takes_is_found() -> None:
    def fault(_data: bytes) -> None:
        """A hundred more than this process ever held, whatever other tests left in it."""
        before, held = peak_megabytes(), []
        while peak_megabytes() < before + 100:
            held.append(bytearray(b"x") * 2**24)

    assert list(found_in(planted(fault, megabytes=32), 40).findings) == ["memory"]


def test_objects_that_stay_are_found() -> None:
    kept: list[bytes] = []
    report = found_in(planted(lambda _data: kept.append(bytes(4000))), 3000)
    assert list(report.findings) == ["leak"]
    assert "bytes stay for every input" in report.findings["leak"].detail


def test_memory_that_stays_outside_python_is_found() -> None:
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p

    def fault(_data: bytes) -> None:
        ctypes.memset(library.malloc(ctypes.c_size_t(1_000_000)), 1, 1_000_000)

    report = found_in(planted(fault), 1000)
    assert list(report.findings) == ["leak"]
    assert "resident" in report.findings["leak"].detail


def test_an_error_text_that_repeats_the_input_is_found() -> None:
    def fault(_data: bytes) -> None:
        raise Documented(f"unknown key {CANARY}")

    assert list(found_in(planted(fault)).findings) == ["Documented repeats the input"]


def test_a_broken_promise_is_found() -> None:
    def fault(_data: bytes) -> None:
        raise BrokenPromise("two encodings")

    assert list(found_in(planted(fault)).findings) == ["promise: two encodings"]


def test_hypothesis_finds_and_shrinks(tmp_path: Path) -> None:
    def fault(_data: bytes) -> None:
        raise KeyError

    target = planted(fault)
    finding = steered.with_hypothesis(target, target.prepare(tmp_path), 200, 1)
    assert finding is not None
    assert finding.kind.startswith("KeyError")
    assert len(finding.data) < 20
    again = steered.with_hypothesis(target, target.prepare(tmp_path), 200, 1)
    assert again is not None
    assert again.data == finding.data
    assert steered.with_hypothesis(target, target.prepare(tmp_path), 200, 1, {finding.kind}) is None


def test_the_verdict_of_one_input() -> None:
    target = planted(lambda _data: None)
    parse = target.prepare(Path())
    assert examine(target, parse, b"1").outcome == "accepted"
    assert examine(target, parse, b"a").outcome == "Documented"


@pytest.mark.parametrize("name", sorted(all_targets()))
def test_a_mutator_takes_what_earlier_ones_left(name: str) -> None:
    """Altered again and again, cut off or too long: a mutator that fails ends the campaign."""
    target, rng = all_targets()[name], Random(name)
    seeds = target.seeds()
    for number in range(60):
        data = rng.choice(seeds)
        if number % 4 == 0:
            data = data[: rng.randrange(len(data) + 1)]
        if number % 4 == 1:
            data += rng.randbytes(rng.choice((1, 64, 100_000)))
        for _ in range(6):
            data = target.mutate(rng, [data])
            assert len(data) <= MOST


def test_parts_survive_framing() -> None:
    assert unframe(frame(b"a", b"", b"ccc"), 3) == [b"a", b"", b"ccc"]
    assert unframe(b"", 2) == [b"", b""]
    assert unframe(b"\xff\xff\xff\xffabc", 2) == [b"abc", b""]


@pytest.mark.parametrize(("given", "outcome"), [("f97e00", "MalformedMessage"), ("00", "accepted")])
def test_an_input_is_replayed(capsys: pytest.CaptureFixture[str], given: str, outcome: str) -> None:
    assert main(["--target", "cbor", "--replay", given]) == 0
    assert capsys.readouterr().out.startswith(outcome)


def test_an_input_is_replayed_from_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "input").write_bytes(b"\0")
    assert main(["--target", "cbor", "--replay", f"@{tmp_path / 'input'}"]) == 0
    assert capsys.readouterr().out.startswith("accepted")


def test_an_unknown_target_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--target", "no-such-parser"])
    assert ended.value.code == 2
    assert "no-such-parser" in capsys.readouterr().err
