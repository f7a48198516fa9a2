"""``sealmatch-auditor check-config``: what is tried beside what all servers try."""

from collections.abc import Iterator

from gateway.auditor import custody
from gateway.auditor.config import AuditorSettings
from gateway.auditor.register import KINDS, Register
from gateway.host import checking
from gateway.host.checking import CannotTell, Check, host_checks
from gateway.host.settings import BadConfiguration


def checks(settings: AuditorSettings) -> Iterator[Check]:
    """Everything that can be tried without a change."""
    yield from host_checks(settings, settings.data_dir)
    yield Check("keys", lambda: checking.opened(settings, lambda: custody.read_keys(settings)))
    yield Check("parties", lambda: _parties(settings))
    yield Check("policies", lambda: _policies(settings))


def _parties(settings: AuditorSettings) -> str:
    kinds = [one.kind for one in Register(settings.register_file).parties()]
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in KINDS)
    needed = ("authority", "gateway", *(("issuer", "device") * settings.verify_assertions))
    missing = [kind for kind in needed if kind not in kinds]
    if missing:
        raise BadConfiguration(f"no {', no '.join(missing)} is enrolled ({counted})")
    return counted


def _policies(settings: AuditorSettings) -> str:
    if not settings.accepted_policies:
        raise CannotTell("any well-formed policy is accepted; pin the gateway's policyDigest")
    return f"{len(settings.accepted_policies)} pinned"
