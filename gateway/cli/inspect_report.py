"""How ``sealmatch inspect`` prints lines, and what became of a bundle."""

import json
import sys
import textwrap
from collections.abc import Sequence
from typing import Final

from gateway.inspection.bundle import Bundle
from gateway.inspection.inspection import sentences
from gateway.inspection.lines import Basis, Line, Verdict
from gateway.inspection.verification import Verification

_MARKS: Final = {
    Verdict.PASSED: "ok     ",
    Verdict.VIOLATED: "FAIL   ",
    Verdict.NOTHING: "nothing",
    Verdict.NO_ACCESS: "no view",
}
_BASES: Final = {
    Basis.PROVEN: "proven by the bundle",
    Basis.SEEN: "seen by the inspector",
    Basis.WORD: "the operator's word",
}
_WIDTH: Final = 100


def print_lines(lines: Sequence[Line]) -> None:
    """One paragraph to a line; the last three sentences sum up."""
    for line in lines:
        print(f"{_MARKS[line.verdict]} {line.check}: {line.title}")
        for text in _details(line):
            print(textwrap.fill(text, _WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 10))
    print()
    for sentence in sentences(lines):
        print(sentence)


def _details(line: Line) -> Sequence[str]:
    against = f", against {line.limit}" if line.limit else ""
    examined = [f"{line.count:,} {line.examined}{against}; {_BASES[line.basis]}"]
    repeat = [f"by hand: {line.repeat}"] if line.verdict is Verdict.VIOLATED else []
    found = [f"! {one}" for one in line.found]
    return [*(examined if line.examined else []), *found, *line.notes, *repeat]


def print_verification(bundle: Bundle, found: Verification, *, as_json: bool) -> None:
    """What was repeated, what differs, and what rests on something else than the bundle."""
    if as_json:
        print(json.dumps(_as_json(bundle, found)))
        return
    for one in found.differs:
        print(f"DIFFERS  {one}")
    print(f"manifest: SHA-256 {bundle.manifest_digest.hex()}")
    print(_signature(bundle, found))
    proven = found.resting_on(Basis.PROVEN)
    seen, word = found.resting_on(Basis.SEEN), found.resting_on(Basis.WORD)
    print(f"{found.repeated} of {proven} proven lines were repeated with the same result.")
    print(
        f"{seen} lines rest on the inspector's access and {word} on the operator's word: nobody "
        "can repeat them from a file. That the exhibits were read from this deployment rests on "
        "the inspector as well."
    )
    violated = sum(one.verdict is Verdict.VIOLATED for one in found.lines)
    print(f"The report states {violated} violated lines of {len(found.lines)}.")
    if not found.agrees:
        print("The bundle does NOT say what follows from it.", file=sys.stderr)


def _signature(bundle: Bundle, found: Verification) -> str:
    if found.signed_by is not None:
        return f"signed by the key with the id {found.signed_by}"
    if not bundle.signed:
        return "The bundle is not signed: anybody may have made it."
    return "The bundle is signed; by whom was NOT checked: give --inspector-key."


def _as_json(bundle: Bundle, found: Verification) -> dict[str, object]:
    return {
        "agrees": found.agrees,
        "manifest": bundle.manifest_digest.hex(),
        "signed": bundle.signed,
        "signedBy": found.signed_by,
        "differs": list(found.differs),
        "repeated": found.repeated,
        "lines": {basis.name: found.resting_on(basis) for basis in Basis},
        "sentences": list(sentences(found.lines)),
    }
