"""``sealmatch counter``: set a counter up.

    init            draw the keys of device, issuer, agent and site into a new directory
    enrol-request   what the operators of gateway and authority enrol, for them to run
    consent         the text that a person is shown, as pinned
    show            the counter's names, public keys and fingerprints
    sweep           remove what it counted a day ago; for a timer, where days pass unused
    pin             write DIR/trust.json from what the operators hand over

Exit status: 0 done, 1 failure, 2 usage. Private keys stay in the directory. What is printed is
public.
"""

import argparse
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from gateway.cli.outputs import PUBLIC, about, read_bounded, reserve
from gateway.client import counter_keys
from gateway.client.consent import pinned_texts, to_be_read
from gateway.client.counter_keys import (
    AT_AUTHORITY,
    AT_GATEWAY,
    TRUST,
    CounterNames,
    EnrolledParty,
)
from gateway.client.liveness.prompts import LANGUAGES
from gateway.host.clock import unix_time
from gateway.host.fingerprint import fingerprint
from gateway.proofs import pinning
from gateway.proofs.consent import MAX_BYTES as CONSENT_BYTES
from gateway.proofs.consent import ConsentTexts
from gateway.proofs.trust import TrustFile

_SHOWN_BYTES: Final = 64 * 1024
KNOWN_TO_AUTHORITY: Final = ("device", "issuer")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    init = _verb(verbs, "init", run_init, "draw a counter's keys into a new directory")
    for name, text in (
        ("device", "enrolment name of the device"),
        ("issuer", "enrolment name of its document reader"),
        ("agent", "pseudonym of the person who works at it"),
        ("outlet", "pseudonym of the shop"),
    ):
        init.add_argument(f"--{name}", required=True, metavar="NAME", help=text)
    init.add_argument(
        "--supervisor",
        metavar="NAME",
        help="pseudonym of the other person who approves registrations without a face, and has a "
        "key of their own (sealmatch fallback new-key supervisor NAME)",
    )
    show = _verb(verbs, "show", run_show, "print names, public keys and fingerprints")
    show.add_argument("--json", action="store_true", help="print one JSON object")
    request = _verb(
        verbs, "enrol-request", run_request, "print the commands that the operators run"
    )
    request.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="also write gateway.enrol and authority.enrol there, for the operators' enrol-all",
    )
    _add_pin(verbs)
    _verb(verbs, "sweep", run_sweep, "remove what was counted a day ago")
    reading = "print what a person reads before the camera opens"
    consent = _verb(verbs, "consent", run_consent, reading)
    consent.add_argument("--language", choices=LANGUAGES, default="en", help="default: en")
    consent.add_argument("--guardian", action="store_true", help="as a minor's guardian reads it")


def _add_pin(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    pin = _verb(verbs, "pin", run_pin, "write DIR/trust.json from what the operators hand over")
    pin.add_argument(
        "--gateway", type=Path, required=True, metavar="FILE", help="its keys show, as printed"
    )
    pin.add_argument("--gateway-url", required=True, metavar="URL")
    pin.add_argument("--ca-file", metavar="FILE", help="CA of its certificate, relative to DIR")
    pin.add_argument(
        "--authority", type=Path, required=True, metavar="FILE", help="its keys show, as printed"
    )
    pin.add_argument("--authority-url", required=True, metavar="URL")
    pin.add_argument("--auditor", type=Path, metavar="FILE", help="its keys show, as printed")
    pin.add_argument(
        "--consent",
        type=Path,
        required=True,
        metavar="FILE",
        help="the gateway's consent export; it is copied into DIR",
    )


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: Any, text: str
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text, description=text)
    verb.add_argument(
        "--dir", type=Path, default=Path("counter"), metavar="DIR", help="default: counter"
    )
    verb.set_defaults(run=run)
    return verb


def run_init(options: argparse.Namespace) -> int:
    """Draw the keys, and print what is public."""
    names = CounterNames(
        options.device, options.issuer, options.agent, options.outlet, options.supervisor
    )
    counter_keys.create(options.dir, names)
    for line in _shown(counter_keys.parties(options.dir)):
        print(line)
    return 0


def run_show(options: argparse.Namespace) -> int:
    """Look at all files of the counter, and print what is public."""
    own = counter_keys.parties(options.dir)
    if options.json:
        print(json.dumps([_as_json(party) for party in own]))
        return 0
    for line in _shown(own):
        print(line)
    return 0


def run_sweep(options: argparse.Namespace) -> int:
    """Remove what need not be remembered any more."""
    from gateway.client.counter import sweep_counter  # noqa: PLC0415  loads the HE engine

    path = options.dir / TRUST
    sweep_counter(path, TrustFile.read(path), unix_time())
    return 0


def run_request(options: argparse.Namespace) -> int:
    """Print, and write, what the operators enrol."""
    own = counter_keys.parties(options.dir)
    known = [party for party in own if party.kind in KNOWN_TO_AUTHORITY]
    for server, command, parties in (
        ("gateway", AT_GATEWAY, own),
        ("authority", AT_AUTHORITY, known),
    ):
        print(f"# for the operator of the {server}")
        for party in parties:
            print(f"{command} {shlex.join(party.words())}")
        if options.out is not None:
            with reserve(options.out / f"{server}.enrol", PUBLIC) as file:
                file.write("".join(f"{' '.join(one.words())}\n" for one in parties).encode())
    print("# compare by voice with what enrol prints")
    for line in _shown([party for party in own if party.public_key is not None]):
        print(f"# {line}")
    return 0


def run_pin(options: argparse.Namespace) -> int:
    """Write the counter's trust file, and a copy of the consent texts beside it."""
    own = counter_keys.described(options.dir)
    content = read_bounded(options.consent, CONSENT_BYTES)
    with about(options.consent):
        texts = ConsentTexts.decode(content)
    copy = f"consent-{texts.version}.json"
    trust = pinning.trust_file(
        pinning.Pinned(_shown_by(options.gateway), options.gateway_url, options.ca_file),
        pinning.Pinned(_shown_by(options.authority), options.authority_url),
        None if options.auditor is None else _shown_by(options.auditor),
        own.model_copy(update={"consent_file": copy, "consent_digest": texts.digest.hex()}),
    )
    with (
        reserve(options.dir / copy, PUBLIC) as consent,
        reserve(options.dir / TRUST, PUBLIC) as file,
    ):
        consent.write(texts.encode())
        file.write(trust.encode())
    for role, pinned in (("gateway", trust.gateways[0]), ("authority", trust.authorities[0])):
        print(f"{role}  {pinned.party}  {fingerprint(pinned.verify_key.raw)}")
    for operator in trust.operators:
        print(
            f"operator  {operator.party}  {fingerprint(operator.verify_key.raw)}  by the gateway's "
            "word: compare with the person"
        )
    print(f"consent  version {texts.version}, {', '.join(sorted(texts.texts))}")
    print(f"trust file  {options.dir / TRUST}")
    return 0


def run_consent(options: argparse.Namespace) -> int:
    """Print the pinned text, for a program that shows it itself."""
    path = options.dir / TRUST
    texts = pinned_texts(path, TrustFile.read(path))
    print(to_be_read(texts, options.language, guardian=options.guardian))
    return 0


def _shown_by(path: Path) -> pinning.Shown:
    """What a server's ``keys show`` printed into a file."""
    content = read_bounded(path, _SHOWN_BYTES)
    with about(path):
        return pinning.Shown.decode(content)


def _shown(parties: list[EnrolledParty]) -> Iterator[str]:
    for party in parties:
        key = "" if party.public_key is None else f"  {fingerprint(party.public_key)}"
        yield f"{party.kind:<7} {party.name}{key}"


def _as_json(party: EnrolledParty) -> dict[str, str]:
    shown = {"kind": party.kind, "name": party.name}
    if party.public_key is not None:
        shown |= {
            "publicKey": party.public_key.hex(),
            "fingerprint": fingerprint(party.public_key),
        }
    return shown
