"""Profiles in a bundle: their files are exhibits, so a second person comes to the same judgements.

What a judgement follows from are the report's lines. Whether these are true, the bundle's other
checks say, as far as a file can.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.inspection.lines import Line
from gateway.inspection.profiles.evaluation import evaluate
from gateway.inspection.profiles.form import Profile
from gateway.inspection.profiles.loading import BadProfile, of_contents
from gateway.wire.errors import CallerMisuse

FOLDER: Final = "profiles/"
WHAT: Final = "a profile that the inspection was held against; data from outside, nothing personal"


def exhibits_of(profiles: Sequence[Profile]) -> dict[str, bytes]:
    """The profiles' files, by their names in a bundle.

    Raises:
        CallerMisuse: two different files have the same name.
    """
    found: dict[str, bytes] = {}
    for profile in profiles:
        for name, content in zip((profile.name, *profile.bases), profile.files, strict=True):
            if found.setdefault(_file(name), content) != content:
                raise CallerMisuse(f"there are two different profiles of the name {name}")
    return found


def differences(
    stated: Any, lines: Sequence[Line], read: Callable[[str], bytes | None], carried: Sequence[str]
) -> Iterator[str]:
    """What a report says of profiles otherwise than what follows from its lines.

    Args:
        stated: the report's ``profiles``; None: it has none.
        lines: the report's.
        read: an exhibit of the bundle by its name.
        carried: names of all exhibits.
    """
    reports = stated if isinstance(stated, list) else [] if stated is None else [stated]
    used: set[str] = set()
    for one in reports:
        try:
            names = _names(one)
            again = _again(names, lines, read)
        except (BadProfile, KeyError, TypeError) as error:
            why = str(error) if isinstance(error, BadProfile) else "it is malformed"
            yield f"a profile of the report cannot be repeated: {why}"
            continue
        used.update(map(_file, names))
        if again != one:
            yield f"profile {names[0]} says something else than what follows from the lines"
    for name in carried:
        if name.startswith(FOLDER) and name not in used:
            yield f"{name[:80]} is in the bundle, and the report says nothing of it"


def _again(
    names: Sequence[str], lines: Sequence[Line], read: Callable[[str], bytes | None]
) -> Mapping[str, object]:
    contents = []
    for name in names:
        content = read(_file(name))
        if content is None:
            raise BadProfile(f"the bundle has no {_file(name)}")
        contents.append(content)
    return evaluate(of_contents(contents), lines).as_json()


def _names(report: Any) -> list[str]:
    """The profile's name and those of its bases. They are looked up and never used as paths."""
    names = [report["name"], *report["extends"]]
    if not all(isinstance(one, str) and one.isprintable() and len(one) <= 30 for one in names):
        raise TypeError
    return names


def _file(name: str) -> str:
    return f"{FOLDER}{name}.toml"
