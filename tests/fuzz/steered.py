"""The same mutations, steered by hypothesis (which shrinks) or by atheris (which seeks coverage).

Hypothesis draws every choice that a mutation makes. Atheris instruments the product's modules and
keeps inputs that reach new code; it mutates them with the target's own mutator. It is optional:
``pip install atheris``.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FunctionType
from typing import Final

import hypothesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.support.fuzzing import Finding, Parse, Target, examine, replay_command

_INSTRUMENTED: Final = (
    "gateway.wire",
    "gateway.proofs",
    "gateway.vision",
    "gateway.client",
    "gateway.server",
    "gateway.translog",
    "keys.",
    "http_sf",
    "http_message_signatures",
    "tomllib",
    "tarfile",
)
"""Modules whose functions tell atheris which inputs reach new code."""


class Found(Exception):
    """Carries a finding through hypothesis' shrinking."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"{finding.detail}\n{replay_command(finding)}")
        self.finding = finding


def hostile(target: Target) -> st.SearchStrategy[bytes]:
    """Inputs of a target, every choice drawn by hypothesis."""
    seeds = target.seeds()
    return st.randoms(use_true_random=False).map(lambda rng: target.mutate(rng, seeds))


def with_hypothesis(
    target: Target, parse: Parse, inputs: int, number: int, known: Container[str] = ()
) -> Finding | None:
    """Let hypothesis search and shrink; the same number gives the same search.

    Args:
        known: kinds of findings that are not looked for again.
    """
    costly: list[Finding] = []  # shrinking would repeat the cost a thousand times

    @seed(number)
    @settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        verbosity=hypothesis.Verbosity.quiet,
    )
    @given(hostile(target))
    def search(data: bytes) -> None:
        finding = examine(target, parse, data).finding
        if finding is None or finding.kind in known:
            return
        if finding.kind in ("slow", "memory"):
            costly.append(finding)
            return
        raise Found(finding)

    try:
        search()
    except Found as found:
        return found.finding
    return costly[0] if costly else None


def have_atheris() -> bool:
    return importlib.util.find_spec("atheris") is not None


def with_atheris(target: Target, inputs: int, number: int) -> None:
    """Run libFuzzer on one target; ends the process with its status.

    A finding is printed with the command that replays it, and ends the run.
    """
    import atheris

    _instrument(atheris.instrument_func)
    seeds = target.seeds()
    with _corpus(target) as corpus, tempfile.TemporaryDirectory() as scratch:
        parse = target.prepare(Path(scratch))

        def one(data: bytes) -> None:
            finding = examine(target, parse, data).finding
            if finding is not None:
                print(f"FINDING {finding.kind}: {finding.detail}", flush=True)
                print(replay_command(finding), flush=True)
                raise Found(finding)

        def mutate(data: bytes, most: int, chosen: int) -> bytes:
            rng = Random(chosen)
            made = target.mutate(rng, [data] if data and rng.random() < 0.8 else seeds)
            return made[:most]

        atheris.Setup(
            [
                "tests.fuzz",
                f"-runs={inputs}",
                f"-seed={number}",
                "-max_len=1100000",
                "-rss_limit_mb=4096",
                f"-timeout={int(4 * target.seconds)}",
                f"-artifact_prefix={scratch}/",
                "-print_final_stats=1",
                str(corpus),
            ],
            one,
            custom_mutator=mutate,
        )
        atheris.Fuzz()


@contextmanager
def _corpus(target: Target) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sealmatch-corpus-") as directory:
        for number, data in enumerate(dict.fromkeys(target.seeds())):
            (Path(directory) / f"{number:03}").write_bytes(data)
        yield Path(directory)


def _instrument(instrument: Callable[[FunctionType], object]) -> None:
    """Instrument the functions of the product and of the pure Python parsers that it uses."""
    for name, module in list(sys.modules.items()):
        if not name.startswith(_INSTRUMENTED):
            continue
        holders = [module, *(v for v in vars(module).values() if isinstance(v, type))]
        for holder in holders:
            for value in list(vars(holder).values()):
                function = getattr(value, "__func__", value)
                if isinstance(function, FunctionType) and function.__module__ == name:
                    instrument(function)
