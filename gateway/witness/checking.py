"""``sealmatch-witness check-config``: what is tried beside what all servers try."""

from collections.abc import Iterator

from gateway.host import checking
from gateway.host.checking import Check, host_checks
from gateway.host.settings import BadConfiguration
from gateway.witness import custody
from gateway.witness.config import WitnessSettings
from gateway.witness.logs import KnownLogs


def checks(settings: WitnessSettings) -> Iterator[Check]:
    """Everything that can be tried without a change."""
    yield from host_checks(settings, settings.data_dir)
    yield Check("keys", lambda: checking.opened(settings, lambda: custody.read_keys(settings)))
    yield Check("memory", lambda: _memory(settings))
    yield Check("known logs", lambda: _logs(settings))


def _memory(settings: WitnessSettings) -> str:
    if not settings.memory_file.exists():
        raise BadConfiguration("what was cosigned is not there: never start without it")
    return settings.memory_file.name


def _logs(settings: WitnessSettings) -> str:
    known = len(KnownLogs(settings.logs_file).policy().logs)
    if not known:
        raise BadConfiguration("no log is known, so nothing is cosigned: add-log")
    return str(known)
