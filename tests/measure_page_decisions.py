"""Decisions of the counter's page against the Python client's, on the same pictures:
``python -m tests.measure_page_decisions [PAIRS]``.

Pairs of ``SEALMATCH_FACES``, half of one person, half of two: the document's portrait is embedded
by the issuer, the live picture by the page's own code and by the Python client's. Both then
register, encrypted, at the same servers (``tests/support/world.py``). A quarter of the pairs are
those of a larger sample whose cosine is nearest to the threshold, where a difference would show.

Printed are the decisions, whose differ, and how the two clients' quantised vectors differ: the
positions of 4096 signs, and the exact score. Nothing is written.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gateway.he.frame import probe_signs, template_values
from gateway.vision.images import decode_image
from gateway.vision.pack import default_pack_directory, load_pack
from gateway.vision.pipeline import FacePipeline
from gateway.wire.policy import KAPPA, LanePolicy
from tests.faces_data import Embeddings, Pair, lfw_pairs
from tests.measure_page_vision import verdict
from tests.support.page_client import Page, page_of
from tests.support.page_vision import PageVision, page_vision
from tests.support.samples import Vector, plain_decision
from tests.support.world import World

SEARCHED = 4
"""So many times as many pairs are searched for those near the threshold."""


def chosen(count: int, seed: int, embeddings: Embeddings, threshold: float) -> list[Pair]:
    """A quarter nearest to the threshold, the rest in their order; half of one person."""
    sample = lfw_pairs(SEARCHED * count, seed)
    near = sorted(sample, key=lambda pair: abs(embeddings.cosine(pair) - threshold))[: count // 4]
    taken = list(near)
    for same in (True, False):
        missing = count // 2 - sum(pair[2] == same for pair in near)
        rest = [pair for pair in sample if pair[2] == same and pair not in near]
        taken += rest[: max(missing, 0)]
    return taken[:count]


@dataclass
class Agreement:
    """What one run found."""

    policy_lane: LanePolicy
    pairs: int = 0
    genuine: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    other_refusals: list[tuple[str, str]] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    by_both: list[tuple[str, str, str]] = field(default_factory=list)
    """Where not all are equal: of the integers, of the Python client, of the page."""
    flips: list[int] = field(default_factory=list)
    heights: list[int] = field(default_factory=list)
    """The template's integer, without its sign, at each sign that differs."""
    moved: list[int] = field(default_factory=list)
    margins: list[int] = field(default_factory=list)
    """How far a score lies from the nearer end of the accepted interval."""

    def vectors(self, template: Vector, ours: Vector, theirs: Vector) -> None:
        """Compare what is encrypted."""
        integers = template_values(template)
        mine, other = probe_signs(ours), probe_signs(theirs)
        differ = mine != other
        self.flips.append(int(differ.sum()))
        self.heights += np.abs(integers[differ]).tolist()
        score = int(mine @ integers)
        self.moved.append(abs(int(other @ integers) - score))
        lane = self.policy_lane
        self.margins.append(min(abs(score - lane.lo), abs(score - lane.hi)))

    def report(self) -> Iterator[str]:
        yield (
            f"{self.pairs} pairs, {self.genuine} of one person; {sum(self.refusals.values())} live "
            f"pictures refused by both alike {dict(self.refusals) or ''}; "
            f"refused otherwise: {self.other_refusals or 'none'}"
        )
        yield f"decisions of both: {dict(self.outcomes)}; different: {self.by_both or 'none'}"
        signs = 4096 * len(self.flips)
        yield (
            f"signs that differ: {sum(self.flips)} of {signs} ({sum(self.flips) / signs:.1g}), in "
            f"{np.count_nonzero(self.flips)} of {len(self.flips)} pictures, at most "
            f"{max(self.flips)} in one; the template's integer there {Counter(self.heights)}"
        )
        most = max(self.moved)
        yield (
            f"scores move by at most {most} ({most / KAPPA:.1g} in the cosine); the nearest score "
            f"lies {min(self.margins)} from an end of the accepted interval; "
            f"{sum(margin <= most for margin in self.margins)} within what a score moves"
        )


def compare(
    pairs: Sequence[Pair], world: World, clients: Page, page: PageVision, vision: FacePipeline
) -> Agreement:
    """Each pair through both clients."""
    found = Agreement(world.policy.lanes[0])
    for portrait, live, same in pairs:
        _, template = verdict(vision, decode_image(portrait.read_bytes()))
        if template is None:
            continue  # the issuer refuses the document, whoever the client is
        found.pairs += 1
        found.genuine += same
        image = decode_image(live.read_bytes())
        said, ours = verdict(vision, image)
        answer = page("embed", image)
        if said != answer["what"]:
            found.other_refusals.append((said, answer["what"]))
        elif ours is None:
            found.refusals[said] += 1
        else:
            theirs = np.array(answer["vector"], np.float32)
            found.vectors(template, ours, theirs)
            expected = plain_decision(world.policy, template, ours)
            mine = world.register(template, ours).outcome
            other = clients.register(template, theirs)["outcome"]
            if not expected == mine == other:
                found.by_both.append((expected, mine, other))
            else:
                found.outcomes[mine] += 1
    return found


def main() -> None:
    """Compare and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("pairs", type=int, nargs="?", default=200)
    options.add_argument("--seed", type=int, default=1)
    wanted = options.parse_args()
    pack = load_pack(default_pack_directory())
    vision = FacePipeline(pack)
    with (
        tempfile.TemporaryDirectory() as made,
        World(Path(made), max_sessions=10**6) as world,
        page_of(world) as clients,
        page_vision(pack) as page,
    ):
        threshold = world.policy.lanes[0].lo / KAPPA
        pairs = chosen(wanted.pairs, wanted.seed, Embeddings(vision), float(threshold))
        print("\n".join(compare(pairs, world, clients, page, vision).report()))


if __name__ == "__main__":
    main()
