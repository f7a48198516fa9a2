"""Verifies a bundle: offline, with the published tool alone.

1. The file is a bundle, and every file in it is the one that the manifest names.
2. The inspector's signature, where a key is given to check it with.
3. The data map in it is the published one.
4. Every line that rests on proof comes out again, word for word.
5. What the report says of profiles follows from its lines and from the profiles in the bundle.

What rests on access or on the operator's word cannot be repeated from a file. It is counted, and
said.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gateway.inspection.bundle import Bundle
from gateway.inspection.data_map import published
from gateway.inspection.evidence import Evidence
from gateway.inspection.found_schema import DATA_MAP
from gateway.inspection.inspection import examined
from gateway.inspection.lines import Basis, Check, Line, Progress, shown_name
from gateway.inspection.profiles import repeating
from gateway.wire.cose import VerifyKey
from gateway.wire.errors import MalformedMessage, Refused


@dataclass(frozen=True)
class Verification:
    """What became of a bundle."""

    lines: tuple[Line, ...]
    """The report's."""
    repeated: int
    """Lines that came out again, word for word."""
    differs: tuple[str, ...]
    """What does not agree; empty: the bundle says what follows from it."""
    signed_by: str | None
    """Id of the key whose signature holds, in hexadecimal; None: none was checked."""

    @property
    def agrees(self) -> bool:
        return not self.differs

    def resting_on(self, basis: Basis) -> int:
        """How many lines of the report rest on this."""
        return sum(one.basis is basis for one in self.lines)


def verify_bundle(
    bundle: Bundle, checks: Iterable[Check], key: VerifyKey | None, progress: Progress
) -> Verification:
    """Repeat what can be repeated.

    Args:
        bundle: its form and manifest were checked when it was read (step 1).
        key: the inspector's; None: the signature is not checked.

    Raises:
        MalformedMessage: the report is no report.
    """
    differs, signed_by = [], None
    if key is not None:
        try:
            bundle.require_signed_by(key)
            signed_by = key.key_id.hex()
        except (Refused, MalformedMessage) as error:
            differs.append(f"signature: {getattr(error, 'detail', error)}")
    carried = bundle.read(DATA_MAP.name)
    if carried is not None and carried != published():
        differs.append("the data map is not the one that this version of the tool publishes")
    lines = bundle.lines
    if not bundle.sums_up:
        differs.append("the report sums up other lines than it has")
    if not bundle.same_origin:
        differs.append("the report is of another time or version than the manifest")
    listed = tuple(checks)
    again = _repeated(bundle, listed, progress)
    differs += _left_out(lines, listed)
    proven = [one for one in lines if one.basis is Basis.PROVEN]
    differs += _differences(proven, again)
    differs += repeating.differences(bundle.profiles, lines, bundle.read, tuple(bundle.exhibits))
    repeated = sum(a == b for a, b in zip(proven, again, strict=False))
    return Verification(lines, repeated, tuple(differs), signed_by)


def _repeated(bundle: Bundle, checks: Iterable[Check], progress: Progress) -> list[Line]:
    """The proven lines, from the exhibits alone."""
    evidence = Evidence(now=bundle.made_at, bundle=bundle.exhibits, missing=bundle.missing)
    found: list[Line] = []
    for check in checks:
        if check.basis is Basis.PROVEN:
            progress.begin(f"{check.id}: {check.title}")
            found += [
                one for one in examined(check, evidence, progress) if one.basis is Basis.PROVEN
            ]
    return found


def _left_out(lines: Sequence[Line], checks: Iterable[Check]) -> Iterator[str]:
    """What nobody can repeat must be in the report all the same, at least a line of each check."""
    asked = Counter(one.id for one in checks if one.basis is not Basis.PROVEN)
    told = Counter(one.check for one in lines if one.basis is not Basis.PROVEN)
    for check in sorted(asked):
        if told[check] < asked[check]:
            yield f"{check} has fewer lines than there are checks of it"


def _differences(stated: Sequence[Line], again: Sequence[Line]) -> Iterator[str]:
    """What the report says otherwise than what follows; a report that hides a line differs too."""
    if [one.check for one in stated] != [one.check for one in again]:
        yield (
            f"the report has {len(stated)} proven lines, and {len(again)} follow from the bundle, "
            "or others: it was made by another version, or edited"
        )
        return
    for one, other in zip(stated, again, strict=True):
        if one == other:
            continue
        name = f"{one.check} ({shown_name(one.title)})"
        if one.verdict is not other.verdict:
            yield f"{name} says {one.verdict}, and what follows is {other.verdict}: " + "; ".join(
                other.found
            )
        else:
            yield f"{name} says something else than what follows, with the same verdict"
