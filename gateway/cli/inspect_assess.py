"""``sealmatch inspect assess``: a draft of an impact assessment, from the live configuration.

GDPR article 35, the Chinese law (PIPL articles 55 and 56) and the Measures for face recognition ask
for an assessment before the first registration. This writes down what follows from the settings,
the retention schedule, the consent texts, the register and the published data map and figures. Each
sentence names what it follows from. What only the operator knows is marked TO BE WRITTEN, and what
weakens the deployment, or does not fit something else, is marked LOOK AT THIS. It is a draft, and
not legal advice.

    sealmatch-gateway --config gateway.toml settings > gateway.settings.json
    sealmatch-gateway --config gateway.toml settings > gateway.json
    sealmatch-authority --config authority.toml settings > authority.json   # its operator
    sealmatch inspect assess --settings gateway.json --authority-settings authority.json \
        --retention retention.toml --gateway-database URL --out draft.md --html draft.html

What is not given becomes a blank. The database is only read, and only what names nobody.
"""

import argparse
import datetime
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.cli.outputs import PUBLIC, about, read_bounded, reserve, to_a_reader
from gateway.host.clock import unix_time
from gateway.host.in_force import MAX_BYTES, InForce
from gateway.host.installed import version
from gateway.inspection.assessment import facts
from gateway.inspection.assessment.drafting import draft
from gateway.inspection.assessment.facts import Facts, Register, Schedule, Settings
from gateway.inspection.assessment.html import as_html
from gateway.inspection.assessment.markdown import as_markdown
from gateway.wire.errors import CallerMisuse

if TYPE_CHECKING:
    Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]

_SERVERS: Final = {"settings": "sealmatch-gateway", "authority_settings": "sealmatch-authority"}


def add(verbs: "Subcommands") -> None:
    """The verb ``assess``."""
    parser = verbs.add_parser(
        "assess",
        help="draft an impact assessment from the configuration",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--settings", type=Path, metavar="FILE", help="what `sealmatch-gateway settings` prints"
    )
    parser.add_argument(
        "--authority-settings",
        type=Path,
        metavar="FILE",
        help="what `sealmatch-authority settings` prints",
    )
    parser.add_argument(
        "--retention",
        type=Path,
        metavar="FILE",
        help="the retention schedule (default: the one in force in the database)",
    )
    # The command above this verb has the same option: without SUPPRESS its value would be lost.
    parser.add_argument(
        "--gateway-database", metavar="URL", default=argparse.SUPPRESS, help="read only"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="write Markdown there, and print nothing",
    )
    parser.add_argument(
        "--html", type=Path, metavar="FILE", default=argparse.SUPPRESS, help="write HTML there"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Draft, and write or print."""
    outputs = {name: getattr(options, name, None) for name in ("out", "html")}
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(reserve(path, PUBLIC))
            for name, path in outputs.items()
            if path is not None
        }
        document = draft(_facts(options))
        if "out" in files:
            files["out"].write(as_markdown(document).encode())
        if "html" in files:
            files["html"].write(as_html(document).encode())
    print(f"a draft with {document.summary}; not legal advice", file=sys.stderr)
    if not files:
        with to_a_reader():
            print(as_markdown(document), end="")
    return 0


def _facts(options: argparse.Namespace) -> Facts:
    """What was given. Raises ``UnusableFile`` and what the database raises."""
    inputs: list[tuple[str, str]] = []
    gateway, authority = (_settings(options, name, inputs) for name in _SERVERS)
    schedule = None if options.retention is None else _schedule(options.retention, inputs)
    register: Register | None = None
    url = getattr(options, "gateway_database", None)
    if url is not None:
        register, in_force, kind = facts.read_database(url)
        inputs.append((f"the gateway's database ({kind})", "read, no file"))
        schedule = in_force if schedule is None else schedule.beside(in_force)
    return Facts(
        made_on=datetime.datetime.fromtimestamp(unix_time(), datetime.UTC).date().isoformat(),
        product=version(),
        gateway=gateway,
        authority=authority,
        schedule=schedule,
        register=register,
        data_map=facts.published_map(),
        figures=facts.published_figures(),
        inputs=tuple(inputs),
    )


def _settings(
    options: argparse.Namespace, name: str, inputs: list[tuple[str, str]]
) -> Settings | None:
    path: Path | None = getattr(options, name)
    if path is None:
        return None
    content = read_bounded(path, MAX_BYTES)
    with about(path):
        read = InForce.decode(content)
        if read.server != _SERVERS[name]:
            raise CallerMisuse(f"these are not the settings of {_SERVERS[name]}")
    inputs.append((path.name, facts.digest(content)))
    return Settings("gateway's" if name == "settings" else "key authority's", read)


def _schedule(path: Path, inputs: list[tuple[str, str]]) -> Schedule:
    content = read_bounded(path, facts.MAX_SCHEDULE)
    with about(path):
        schedule = facts.schedule_of(content, path.name)
    inputs.append((path.name, facts.digest(content)))
    return schedule
