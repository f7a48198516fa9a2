"""``sealmatch inspect profiles``: what laws and guidelines ask for, and which checks bear on it.

Without a name it lists the profiles that come with the product. With a name, or with a file of your
own (its name ends with .toml), it prints every line: the requirement, its source and how that was
read, the checks that bear on it, what rests on word, and what the product does not do. None of it
is legal advice. ``sealmatch inspect --profile NAME|FILE`` holds an inspection against it.
"""

import argparse
import json
from collections import Counter
from typing import TYPE_CHECKING, Final

from gateway.cli.outputs import to_a_reader
from gateway.inspection.profiles.form import NOT_ADVICE, Profile
from gateway.inspection.profiles.loading import load, shipped
from gateway.inspection.profiles.showing import profile_text

if TYPE_CHECKING:
    Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]

_KINDS: Final = ("official", "secondary", "press", "not-found")


def add(verbs: "Subcommands") -> None:
    """The verb ``profiles``."""
    parser = verbs.add_parser(
        "profiles",
        help="list the profiles of laws and guidelines, or show one",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", metavar="NAME|FILE", help="show this one")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List or show."""
    if options.name is None:
        found = [load(name) for name in shipped()]
        with to_a_reader():
            if options.json:
                print(json.dumps([_told(one) for one in found], indent=1, ensure_ascii=False))
            else:
                _list(found)
        return 0
    profile = load(options.name)
    with to_a_reader():
        if options.json:
            lines = [
                {"profile": one.profile, **one.line.model_dump(mode="json")}
                for one in profile.lines
            ]
            print(json.dumps({**_told(profile), "lines": lines}, indent=1, ensure_ascii=False))
        else:
            print(profile_text(profile), end="")
    return 0


def _list(found: list[Profile]) -> None:
    width = max(len(one.name) for one in found)
    for one in found:
        kinds = _sources(one)
        read = ", ".join(f"{kinds[kind]} {kind}" for kind in _KINDS if kinds[kind])
        print(f"{one.name:{width}}  {one.title} ({one.jurisdiction}, {one.version})")
        print(f"{'':{width}}  {len(one.lines)} lines; sources: {read}")
    print(
        f"\nThis is {NOT_ADVICE}. `sealmatch inspect profiles NAME` shows how each source was read."
    )


def _told(profile: Profile) -> dict[str, object]:
    return {
        "name": profile.name,
        "title": profile.title,
        "jurisdiction": profile.jurisdiction,
        "version": profile.version.isoformat(),
        "notice": profile.notice,
        "extends": list(profile.bases),
        "digest": profile.digest,
        "sources": dict(_sources(profile)),
    }


def _sources(profile: Profile) -> Counter[str]:
    return Counter(one.line.source_kind for one in profile.lines)
