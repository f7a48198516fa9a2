"""Attackers with what the servers have on their disks and in their memory."""

import json
import time

import pytest

from gateway.he.frame import template_values
from gateway.inspection.leaks.findings import LeakReport as Findings
from gateway.lab.attack import thief_search
from gateway.lab.attack.counter import Counter
from gateway.lab.attack.deployment import Site
from gateway.lab.attack.disk_thief import _registered
from gateway.lab.attack.report import AttackReport
from gateway.lab.attack.spying_authority import authority_secrets
from tests.support.attacks import BY_THE_COUNTER, recovers_nothing, succeeds, successes

NAMES = ("disk-thief",)

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.cold]


@pytest.mark.parametrize("name", NAMES)
def test_with_all_defences_on_nothing_is_recovered(name: str, guarded: Site) -> None:
    recovers_nothing(guarded, name)


@pytest.mark.parametrize(("name", "defence", "what", "recovered"), successes(NAMES))
def test_without_its_defence_an_attack_succeeds(
    name: str, defence: str, what: str, recovered: str, guarded: Site, weakened: Site
) -> None:
    site = guarded if defence in BY_THE_COUNTER else weakened
    succeeds(site, name, defence, what, recovered)


def test_a_thief_who_finds_something_says_so(
    guarded: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Positive control: what leaky servers would leave, one form of each kind.

    That the search finds every form in every place: ``unit/test_leaksearch.py`` and
    ``e2e/test_leak_search.py``.
    """
    monkeypatch.setattr(thief_search, "_memory", lambda *_: Findings())  # it leaks to a file
    report = AttackReport("disk-thief", "", None)
    ground = guarded.ground(inspectable="true")
    with Counter(ground) as counter:
        person = _registered(counter, "XKW7112345")
    leaked = [
        person.number,
        json.dumps(template_values(person.portrait).tolist()),
        person.sealed_template.hex(),
        person.dealings[1].encoded.hex(),
        authority_secrets(ground.authority_environment)["pepper"].hex(),
    ]
    leak = ground.directories.gateway / "leak"
    leak.write_text("\n".join(leaked))
    thief_search.look_everywhere(ground, [person], time.time(), report, lambda _: None)
    leak.unlink()
    found = {a.what for a in report.attempts if a.successes}
    kinds = ("document number", "face", "ciphertext", "dealing", "key")
    assert found == {f"find a {kind} in a file" for kind in kinds}
