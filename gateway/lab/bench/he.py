"""``sealmatch bench he``: what one verification costs, beside the usual CKKS way in the same run.

Process CPU time is measured from bytes in to bytes out: codec, key making, randomness, digests,
request and object signatures, sealing. All parties run in this process, and each millisecond is
booked to exactly one of them, so nothing hides in a pool or a peer. Storage, log and request
signatures are booked apart and are not in the total. The CKKS way is that of the package
``cipherface``: N = 8192, [60, 40, 40, 60], Galois keys, ciphertext dot product, decryption of the
score.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from gateway.host.memory import keep_heap
from gateway.lab.bench.booked import CpuBook
from gateway.lab.bench.parties import InProcessDeployment, unit_pair

_MEBI = 2**20
_COSINE = 0.6
_APART = ("storage", "log", "requests")
"""Booked apart: this is no work on ciphertexts, and a batch of entries shares the log's."""


def add_parser(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    he = kinds.add_parser(
        "he",
        help="CPU of one verification, per party and stage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    he.add_argument("--runs", type=_positive, default=15, metavar="N", help="default 15")
    he.add_argument("--json", action="store_true", help="print one JSON object")
    he.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure and print."""
    ours: dict[str, list[float]] = {}
    theirs: dict[str, list[float]] = {}
    totals: list[float] = []
    rng = np.random.default_rng(1)
    keep_heap()  # as the servers do
    ckks = Ckks()
    with tempfile.TemporaryDirectory() as directory:
        deployment = InProcessDeployment(Path(directory))
        for done in range(-1, options.runs):  # the first is a warm-up and not counted
            probe, template = unit_pair(rng, _COSINE)
            book = deployment.verify(template, probe)
            reference = ckks.verify(template, probe)
            if done >= 0:
                stages = book.milliseconds
                totals.append(sum(v for k, v in stages.items() if not k.startswith(_APART)))
                _collect(ours, stages)
                _collect(theirs, reference.milliseconds)
            _progress(done + 1, options.runs)
        deployment.close()
    result = _result(_medians(ours), statistics.median(totals), _medians(theirs), ckks)
    print(json.dumps(result, indent=2) if options.json else _table(result))
    return 0


class Ckks:
    """The usual way: one long-lived context, and the score is decrypted."""

    def __init__(self) -> None:
        import tenseal  # noqa: PLC0415  only here

        self._tenseal = tenseal
        context = tenseal.context(
            tenseal.SCHEME_TYPE.CKKS,
            poly_modulus_degree=8192,
            coeff_mod_bit_sizes=[60, 40, 40, 60],
            n_threads=1,
        )
        context.generate_galois_keys()
        context.global_scale = 2**40
        self._context = context
        self._cloud = tenseal.context_from(context.serialize(save_secret_key=False))
        self.public_context_bytes = len(context.serialize(save_secret_key=False))

    def verify(self, template: np.ndarray, probe: np.ndarray) -> CpuBook:
        """Encrypt both, match under encryption, decrypt the score."""
        book = CpuBook()
        with book.stage("encrypt"):
            left = self._tenseal.ckks_vector(self._context, template.tolist()).serialize()
            right = self._tenseal.ckks_vector(self._context, probe.tolist()).serialize()
        with book.stage("match"):
            a = self._tenseal.ckks_vector_from(self._cloud, left)
            b = self._tenseal.ckks_vector_from(self._cloud, right)
            score = a.dot(b).serialize()
            found = self._tenseal.ckks_vector_from(self._context, score).decrypt()[0]
        if abs(found - float(template @ probe)) > 1e-3:
            raise RuntimeError("the CKKS reference computed a wrong score")
        return book


def _result(
    ours: dict[str, float], total: float, theirs: dict[str, float], ckks: Ckks
) -> dict[str, Any]:
    parties: dict[str, float] = {}
    for stage, value in ours.items():
        party = stage.partition(".")[0]
        parties[party] = round(parties.get(party, 0.0) + value, 2)
    apart = {name: parties.pop(name, 0.0) for name in _APART}
    return {
        "sealmatch": {
            "totalMs": round(total, 2),
            "stagesMs": {k: v for k, v in ours.items() if not k.startswith(_APART)},
            "partiesMs": parties,
            **{f"{name}Ms": spent for name, spent in apart.items()},
        },
        "ckks": {
            "matchMs": theirs["match"],
            "encryptMs": theirs["encrypt"],
            "publicContextBytes": ckks.public_context_bytes,
        },
        "ratio": round(total / theirs["match"], 3),
        "ratioWhole": round(total / (theirs["match"] + theirs["encrypt"]), 3),
    }


def _table(result: dict[str, Any]) -> str:
    ours, theirs = result["sealmatch"], result["ckks"]
    lines = ["CPU of one verification, median", ""]
    lines += [f"  {stage:<32} {value:8.2f} ms" for stage, value in ours["stagesMs"].items()]
    lines += [
        f"  {'total':<32} {ours['totalMs']:8.2f} ms",
        "",
        *(f"  {f'({name}, not in the total)':<32} {ours[f'{name}Ms']:8.2f} ms" for name in _APART),
        "",
        f"  {'CKKS match, score revealed':<32} {theirs['matchMs']:8.2f} ms",
        f"  {'CKKS public context':<32} {theirs['publicContextBytes'] / _MEBI:8.1f} MiB",
        f"  {'CKKS, both encryptions':<32} {theirs['encryptMs']:8.2f} ms",
        f"  {'ratio to the CKKS match':<32} {result['ratio']:8.2f}",
        f"  {'ratio to CKKS as a whole':<32} {result['ratioWhole']:8.2f}",
    ]
    return "\n".join(lines)


def _collect(into: dict[str, list[float]], values: dict[str, float]) -> None:
    for stage, value in values.items():
        into.setdefault(stage, []).append(value)


def _medians(values: dict[str, list[float]]) -> dict[str, float]:
    return {stage: round(statistics.median(runs), 2) for stage, runs in values.items()}


def _progress(done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done}/{of}", end="\n" if done == of else "", file=sys.stderr, flush=True)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least one run")
    return value
