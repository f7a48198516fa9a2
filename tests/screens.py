"""Every screen of the counter's page, to be looked at: ``python -m tests.screens DIRECTORY``.

Writes one PNG for each screen, language and size, and prints what axe-core finds, and which page is
wider than its screen. Nothing printed: nothing found. With ``--only NAMES`` (comma between them) it
is some of them.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.support.screens import COUNTER, LANGUAGES, TELEPHONE, built_screens


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.screens", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--only", default="", metavar="NAMES")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    found = 0
    with tempfile.TemporaryDirectory() as built, built_screens(Path(built)) as screens:
        wanted = options.only.split(",") if options.only else screens.names
        if unknown := sorted(set(wanted) - set(screens.names)):
            parser.error(f"no screen {', '.join(unknown)}; there are {', '.join(screens.names)}")
        for size in (TELEPHONE, COUNTER):
            screens.browser.screen(*size)
            for name in wanted:
                for language in LANGUAGES:
                    screens.visit(name, language, language)
                    picture = options.directory / f"{name}-{language}-{size[0]}.png"
                    picture.write_bytes(screens.browser.picture())
                    wide = screens.overflow()
                    faults = screens.findings() + ([f"{wide} pixels too wide"] if wide > 0 else [])
                    faults += [f"names an option: {words}" for words in screens.options()]
                    found += len(faults)
                    for fault in faults:
                        print(f"{picture.name}: {fault}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
