"""The work of ``sealmatch evaluate match``. Importing it loads models and OpenCV.

Vectors stay in memory, for this run alone. What is printed and written are counts and rates.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gateway.calibration.evidence import Listed, MatchEvidence, Pack
from gateway.cli.pack import FALSE_MATCH_RATE, gateway_settings, model_of
from gateway.host.clock import unix_time
from gateway.host.installed import version
from gateway.host.newfile import new_file
from gateway.lab.evaluation.match_measure import Measured, Settings, measure
from gateway.lab.evaluation.match_pairs import PairList, read_pairs
from gateway.lab.evaluation.match_pictures import Booth, Portrait, Progress, Taken, take
from gateway.lab.evaluation.match_report import as_text
from gateway.lab.evaluation.match_scores import GRID, Flags
from gateway.lab.evaluation.match_transactions import (
    Liveness,
    of_clips,
    of_counter,
    transactions,
)
from gateway.vision.errors import ModelPackUncalibrated
from gateway.vision.pack import ModelPack, default_pack_directory, load_pack, models_directory
from gateway.vision.pipeline import FacePipeline
from gateway.wire.errors import CallerMisuse

LEAST = "0.329"
"""A lane from a lower cosine on would be wider than the protocol allows."""


def run(options: argparse.Namespace) -> int:
    """Measure and print. Exit status 1 if an encrypted decision differs."""
    page = _page(options)
    liveness = of_clips() if options.attempts is None else of_counter(options.attempts)
    pack = load_pack(_directory(options.pack))
    settings = _settings(options, pack)
    pairs = read_pairs(options.pairs, options.root)
    booth = Booth(FacePipeline(pack), options.face, gated=not options.ungated)
    measured = _measured(options.portrait, booth, pack, settings, pairs)
    evidence = _evidence(booth, pack, pairs, measured, settings, liveness, options.portrait)
    if page is not None:
        with new_file(options.html) as file:
            file.write(page(evidence, measured))
    print(evidence.model_dump_json(by_alias=True) if options.json else as_text(evidence))
    return 1 if evidence.encrypted_mismatches else 0


def _page(options: argparse.Namespace) -> Callable[[MatchEvidence, Measured], bytes] | None:
    """How the report is made, if one is wanted; what stands against it is said beforehand."""
    if options.html is None:
        return None
    from gateway.lab.evaluation import match_html  # noqa: PLC0415  loads matplotlib

    if options.html.exists() or not options.html.parent.is_dir():
        options.parser.error(f"--html: {options.html.name} exists, or its directory does not")
    return match_html.page


def _directory(name: str | None) -> Path:
    """A pack's directory: named itself, or by its name among the packs that were fetched."""
    if name is None:
        return default_pack_directory()
    fetched = models_directory() / name
    return fetched if "/" not in name and fetched.is_dir() else Path(name)


def _settings(options: argparse.Namespace, pack: ModelPack) -> Settings:
    """The thresholds that the pack states, unless one is named.

    Raises:
        ModelPackUncalibrated: there is none; no threshold is ever guessed.
        CallerMisuse: the pack's is none that a policy can have.
    """
    try:
        own = gateway_settings(pack)
    except ModelPackUncalibrated:
        if options.threshold is None:
            raise
        own = {"threshold_cosine": options.threshold, "action_cosine": options.threshold}
    stated = [f"{one.cosine:.3f}" for one in pack.manifest.thresholds]
    shipped = options.threshold is None
    cosine = own["threshold_cosine"] if shipped else options.threshold
    if not LEAST <= cosine <= GRID[-1]:
        raise CallerMisuse(
            f"the threshold {cosine} lies outside {LEAST} to {GRID[-1]}, where the protocol has "
            "lanes and this evaluation has curves"
        )
    return Settings(
        cosine=cosine,
        action=min(cosine, own["action_cosine"]),
        others=tuple(one for one in stated if one in GRID),
        origin="pack" if shipped else "option",
        fmr=FALSE_MATCH_RATE if shipped else None,
        every=options.all_pairs,
        encrypted=options.encrypted,
        halves=options.halves,
        seed=options.seed,
    )


def _measured(
    portrait: Portrait | None, booth: Booth, pack: ModelPack, settings: Settings, pairs: PairList
) -> Measured:
    """Portraits are live pictures too where nothing is compressed: each is taken once."""
    every = np.ones(len(pairs.pictures), np.bool_)

    def taken(what: str, asked: Flags, portrait: Portrait | None = None) -> Taken:
        progress = Progress(what, int(asked.sum()))
        dimension = pack.manifest.dimension
        return take(
            pairs.pictures,
            asked,
            lambda path: booth.vector(path, portrait),
            dimension,
            progress.one,
        )

    if portrait is None:
        both = taken("photographs", every)
        return measure(pairs, both, both, settings, _told)
    first, second = (np.zeros(len(pairs.pictures), np.bool_) for _ in range(2))
    first[pairs.template] = second[pairs.probe] = True
    if settings.every or settings.halves:
        first, second = every, every
    compressed = taken("portraits", first, portrait)
    return measure(pairs, compressed, taken("live pictures", second), settings, _told)


def _told(what: str, of: int) -> Callable[[], None]:
    return Progress(what, of).one


def _evidence(
    booth: Booth,
    pack: ModelPack,
    pairs: PairList,
    measured: Measured,
    settings: Settings,
    liveness: Liveness,
    portrait: Portrait | None,
) -> MatchEvidence:
    decisions, model = measured.parts["decisions"], model_of(pack)
    point = next(one for one in measured.parts["curve"] if one.cosine == settings.cosine)
    strangers = point.all_strangers or decisions.fmr
    return MatchEvidence(
        product_version=version(),
        made_at=unix_time(),
        seed=settings.seed,
        pack=Pack(
            model_id=pack.model_id,
            digest=pack.digest.hex(),
            dimension=pack.manifest.dimension,
            quality=model.quality.outcome,
            quality_digest=model.quality.profile_digest.hex(),
        ),
        pairs=Listed(
            digest=pairs.digest.hex(),
            genuine=int(pairs.same.sum()),
            impostor=int((~pairs.same).sum()),
            photographs=len(pairs.pictures),
            subjects=pairs.subject_count,
            subjects_from=pairs.subjects_from,
            folds=0 if pairs.folds is None else int(pairs.folds.max()) + 1,
        ),
        portrait=None if portrait is None else str(portrait),
        face=booth.face if booth.gated else "middle",
        gated=booth.gated,
        transactions=transactions(liveness, decisions.frr.rate or 0.0, strangers.high),
        **measured.parts,
    )
