"""What signs in the frame cost in accuracy, and what a cheat gains by choosing them: text or JSON.

``python -m tests.measure_signs [--json]``, on the photographs of LFW at hand. Some minutes.

1. v = <p, T> against float cosines: match rates at equal false match rates, decisions changed.
2. The error of v, what an identical vector scores, whom the upper end refuses.
3. A wolf: the best fixed sign vector, tuned on half of the people and tried on the other half.
   Beside it the same search for a float vector with float cosines, which shows what signs add.
4. The gain of the best sign vector against one direction.

Embeddings stay in memory; only counts and rates are printed.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gateway.wire.policy import KAPPA, REPLAY_COSINE, LanePolicy
from tests.faces_data import Embeddings, Pair, all_lfw_pairs, pipeline
from tests.support import wolf
from tests.support.accuracy import (
    AllAgainstAll,
    Encoded,
    Floats,
    Scores,
    of_all,
    of_pairs,
)

THRESHOLDS = ("0.341", "0.419", "0.487")
FALSE_MATCH_RATES = (1e-2, 1e-3, 1e-4)
SPLITS = 10
WIDTHS = ((0.1,), (0.07,), (0.1, 0.05), (0.1, 0.05, 0.02))
"""How a wolf's count is smoothed, in cosines: wide counts what is general, narrow what was seen."""
STARTS = 20


def measure() -> dict[str, Any]:
    pairs = [pair for pair, _ in all_lfw_pairs()]
    photographs = sorted({path for (a, b, _) in pairs for path in (a, b)})
    encoded = embedded(photographs)
    say("comparing all with all ...")
    return {
        "pairs": len(pairs),
        "photographs": len(photographs),
        **of_accuracy(encoded, photographs, pairs),
        "identical": of_identical(encoded),
        "wolf": of_wolves(encoded, photographs),
        "gain": of_gain(),
    }


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def embedded(photographs: Sequence[Path]) -> Encoded:
    embeddings, vectors = Embeddings(pipeline()), []
    for number, photograph in enumerate(photographs):
        if number % 500 == 0:
            say(f"embedding: {number} of {len(photographs)} photographs ...")
        vectors.append(embeddings(photograph))
    return Encoded.of(vectors)


# --- accuracy ------------------------------------------------------------------------------------


def of_accuracy(
    encoded: Encoded, photographs: Sequence[Path], pairs: Sequence[Pair]
) -> dict[str, Any]:
    place = {path: number for number, path in enumerate(photographs)}
    listed = of_pairs(encoded, [(place[a], place[b]) for a, b, _ in pairs])
    same = np.array([pair[2] for pair in pairs])
    wide = of_all(encoded, photographs)
    return {
        "genuineComparisons": wide.genuine.values.size,
        "impostorComparisons": wide.impostor_count,
        "matchRates": [at_rate(wide, listed[same], fmr) for fmr in FALSE_MATCH_RATES],
        "thresholds": [at_threshold(wide, listed, same, tau) for tau in THRESHOLDS],
        "error": {
            "mean": float(listed.errors.mean()),
            "sd": float(listed.errors.std()),
            "worst": float(np.abs(listed.errors).max()),
        },
        "genuine": {
            "pairs": int(same.sum()),
            "largest": float(listed.values[same].max()) / KAPPA,
            "aboveUpperEnd": int((listed.values[same] / KAPPA > REPLAY_COSINE).sum()),
            "cosinesAbove": int((listed.cosines[same] > float(REPLAY_COSINE)).sum()),
        },
    }


def at_rate(wide: AllAgainstAll, genuine: Scores, fmr: float) -> dict[str, Any]:
    """Limits from every two photographs; matches among these and among the listed pairs."""
    by_cosine, by_signs = wide.true_match_rates(fmr)
    cosine, value = wide.limits(fmr)
    return {
        "fmr": fmr,
        "all": {"cosines": by_cosine, "signs": by_signs},
        "listed": {
            "cosines": float(np.mean(genuine.cosines > cosine)),
            "signs": float(np.mean(genuine.values > value)),
        },
    }


def at_threshold(wide: AllAgainstAll, listed: Scores, same: Any, tau: str) -> dict[str, Any]:
    changed, accepted = listed.changed(tau), listed.accepted(tau)
    return {
        "cosine": tau,
        "changed": int(changed.sum()),
        "genuineLost": int((changed & same & ~accepted).sum()),
        "genuineGained": int((changed & same & accepted).sum()),
        "impostorsGained": int((changed & ~same & accepted).sum()),
        "listedTmr": float(np.mean(accepted[same])),
        "listedFalseMatches": int((accepted & ~same).sum()),
        "allTmr": float(np.mean(wide.genuine.accepted(tau))),
        "allFmr": int(wide.impostors.accepted(tau).sum()) / wide.impostor_count,
        "allFmrOfCosines": int((wide.impostors.cosines >= np.float32(tau)).sum())
        / wide.impostor_count,
    }


def of_identical(encoded: Encoded) -> dict[str, Any]:
    own = np.einsum("ij,ij->i", encoded.templates, encoded.signs) / KAPPA
    return {
        "mean": float(own.mean()),
        "sd": float(own.std()),
        "least": float(own.min()),
        "most": float(own.max()),
        "refused": int((own > REPLAY_COSINE).sum()),
        "vectors": own.size,
    }


# --- wolves --------------------------------------------------------------------------------------


def of_wolves(encoded: Encoded, photographs: Sequence[Path]) -> dict[str, Any]:
    """One photograph a person, people split in halves; each half is learnt from once."""
    first = {path.parent.name: number for number, path in reversed(list(enumerate(photographs)))}
    people = np.array(sorted(first.values()))
    found: dict[str, dict[str, list[tuple[float, float]]]] = {tau: {} for tau in THRESHOLDS}
    for number, (seen, met) in enumerate(halves(people)):
        say(f"wolves: {number} of {2 * SPLITS} halves ...")
        for tau in THRESHOLDS:
            for kind, rates in wolves(encoded, seen, met, tau):
                found[tau].setdefault(kind, []).append(rates)
    return {
        "people": len(people),
        "halves": 2 * SPLITS,
        "rates": {
            tau: {
                kind: {"seen": float(np.mean(rates, 0)[0]), "met": float(np.mean(rates, 0)[1])}
                for kind, rates in kinds.items()
            }
            for tau, kinds in found.items()
        },
    }


def halves(people: Any) -> Iterator[tuple[Any, Any]]:
    draw = np.random.default_rng(1)
    for _ in range(SPLITS):
        order = draw.permutation(people)
        yield order[: len(order) // 2], order[len(order) // 2 :]
        yield order[len(order) // 2 :], order[: len(order) // 2]


def wolves(
    encoded: Encoded, seen: Any, met: Any, tau: str
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Kind of vector, and the shares of those seen and of those met who accept it."""
    lowest, draw = LanePolicy.for_cosine(tau).lo, np.random.default_rng(2)
    known, others = (wolf.Herd(encoded.templates[half], lowest) for half in (seen, met))
    honest = encoded.signs[seen]
    by_seen, by_met = (herd.accepting(honest) - (herd is known) for herd in (known, others))
    yield "honest strangers", (by_seen.mean() / (len(seen) - 1), by_met.mean() / len(met))
    best = int(np.argmax(by_seen))
    yield "best photograph", (by_seen[best] / len(seen), by_met[best] / len(met))
    mean = wolf.signs_of(known.templates.sum(axis=0))
    searched = {"mean direction": mean}
    for widths in WIDTHS:
        searched[f"signs, smoothed {named(widths)}"] = wolf.ascend(known, mean, widths, draw)
    for kind, signs in searched.items():
        yield kind, (known.share(signs), others.share(signs))
    yield from float_wolves(encoded.vectors[seen], encoded.vectors[met], float(tau))


def float_wolves(seen: Floats, met: Floats, tau: float) -> Iterator[tuple[str, Any]]:
    for widths in WIDTHS:
        direction = wolf.ascend_direction(seen, tau, widths)
        shares = tuple(float(np.mean(half @ direction >= tau)) for half in (seen, met))
        yield f"float vector, smoothed {named(widths)}", shares


def named(widths: tuple[float, ...]) -> str:
    return ", ".join(f"{width:g}" for width in widths)


def of_gain() -> dict[str, Any]:
    say("the best sign vector against one direction ...")
    frame, draw = wolf.frame_matrix(), np.random.default_rng(3)
    honest = [
        wolf.gain(frame, wolf.signs_of(frame @ draw.normal(size=frame.shape[1])))
        for _ in range(200)
    ]
    return {
        "honest": float(np.mean(honest)),
        "best": wolf.best_gain(frame, draw, STARTS),
        "starts": STARTS,
        "bound": wolf.PROVEN_GAIN,
    }


# --- printed -------------------------------------------------------------------------------------


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json: bool = parser.parse_args().json
    figures = measure()
    print(json.dumps(figures) if as_json else "\n".join(lines(figures)))
    return 0


def lines(figures: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{figures['pairs']} pairs; {figures['photographs']} photographs, all against all: "
        f"{figures['genuineComparisons']} genuine and {figures['impostorComparisons']} impostor "
        "comparisons, either photograph as template"
    )
    for rate in figures["matchRates"]:
        for which in ("all", "listed"):
            cosines, signs = (100 * rate[which][kind] for kind in ("cosines", "signs"))
            yield (
                f"FMR {rate['fmr']:.0e}, genuine {which}: TMR by cosines {cosines:.2f} %, "
                f"by signs {signs:.2f} % ({signs - cosines:+.2f})"
            )
    for at in figures["thresholds"]:
        yield (
            f"cosine {at['cosine']}: signs change {at['changed']} of {figures['pairs']} decisions "
            f"({at['genuineLost']} genuine lost, {at['genuineGained']} gained, "
            f"{at['impostorsGained']} impostors let in)"
        )
        yield (
            f"  pairs: TMR {100 * at['listedTmr']:.2f} %, {at['listedFalseMatches']} false matches;"
            f" all: TMR {100 * at['allTmr']:.2f} %, FMR {at['allFmr']:.2e} "
            f"(cosines {at['allFmrOfCosines']:.2e})"
        )
    error, genuine, own = figures["error"], figures["genuine"], figures["identical"]
    yield (
        f"error in the cosine: mean {error['mean']:.4f}, SD {error['sd']:.4f}, "
        f"worst {error['worst']:.4f}"
    )
    yield (
        f"identical vector: {own['mean']:.3f} +- {own['sd']:.3f}, {own['least']:.3f} to "
        f"{own['most']:.3f}; {own['refused']} of {own['vectors']} above {float(REPLAY_COSINE)}"
    )
    yield (
        f"genuine pairs: largest {genuine['largest']:.3f}; {genuine['aboveUpperEnd']} of "
        f"{genuine['pairs']} above {float(REPLAY_COSINE)} (by cosines {genuine['cosinesAbove']})"
    )
    herd = figures["wolf"]
    yield f"wolves: {herd['people']} people, mean of {herd['halves']} halves; accepted by"
    for tau, kinds in herd["rates"].items():
        for kind, rates in kinds.items():
            yield (
                f"  {tau} {kind:<38} those seen {rates['seen']:.1e}, those met {rates['met']:.1e}"
            )
    gain = figures["gain"]
    yield (
        f"gain against one direction: honest {gain['honest']:.3f}, best of {gain['starts']} "
        f"climbs {gain['best']:.3f}, proven at most {gain['bound']:.4f}"
    )


if __name__ == "__main__":
    sys.exit(main())
