"""Attackers who run the gateway, alone or with a device."""

import pytest

from gateway.lab.attack.deployment import Site
from tests.support.attacks import BY_THE_COUNTER, recovers_nothing, succeeds, successes

NAMES = ("malicious-gateway", "gateway-and-device")

pytestmark = [pytest.mark.processes, pytest.mark.slow]


@pytest.mark.parametrize("name", NAMES)
def test_with_all_defences_on_nothing_is_recovered(name: str, guarded: Site) -> None:
    recovers_nothing(guarded, name)


@pytest.mark.parametrize(("name", "defence", "what", "recovered"), successes(NAMES))
def test_without_its_defence_an_attack_succeeds(
    name: str, defence: str, what: str, recovered: str, guarded: Site, weakened: Site
) -> None:
    site = guarded if defence in BY_THE_COUNTER else weakened
    succeeds(site, name, defence, what, recovered)
