"""``sealmatch-authority check-config``: what is tried beside what all servers try."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

from gateway.host import checking
from gateway.host.checking import CannotTell, Check, host_checks
from gateway.host.clock import unix_time
from gateway.host.settings import BadConfiguration
from keys import enrolment
from keys.audits import AuditLedger
from keys.composition import require_auditor
from keys.config import AuthoritySettings
from keys.trust import TrustList
from keys.trust_file import KINDS


def checks(settings: AuthoritySettings) -> Iterator[Check]:
    """Everything that can be tried without a change."""
    yield from host_checks(settings, settings.data_dir)
    yield Check("keys", lambda: _with_trust(settings, lambda _: None))
    yield Check("trust list", lambda: _with_trust(settings, _counted))
    yield Check("audits", lambda: _with_trust(settings, partial(_audits, settings)))
    yield Check("unanswered audits", lambda: _unanswered(settings))
    yield Check("policies", lambda: _policies(settings))


def _with_trust(settings: AuthoritySettings, look: Callable[[TrustList], str | None]) -> str | None:
    in_token = settings.pkcs11_module is not None and settings.pkcs11_pin_file is not None
    if not in_token:
        checking.opened(settings, lambda: None)
    return look(enrolment.open_trust(settings, unix_time()))


def _counted(trust: TrustList) -> str:
    kinds = [one.kind for one in trust.parties()]
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in KINDS)
    if "gateway" not in kinds:
        raise BadConfiguration(f"no gateway is enrolled, so nobody is answered ({counted})")
    return counted


def _audits(settings: AuthoritySettings, trust: TrustList) -> str:
    require_auditor(settings, trust)
    return f"one in {settings.audit_one_in}" if settings.audit_one_in else "none are demanded"


def _unanswered(settings: AuthoritySettings) -> str:
    if settings.database_url is None:
        checking.require_file(settings.audits_file, "it is made at the start")
    limit = settings.audit_unanswered
    with closing(AuditLedger(settings.audits_place, limit, unix_time)) as ledger:
        over = [gateway for gateway, count in ledger.unanswered().items() if count >= limit]
    if over:
        raise BadConfiguration(f"{', '.join(over)} gets no decision: see audits list")
    return "no gateway is held up"


def _policies(settings: AuthoritySettings) -> str:
    if not settings.accepted_policies:
        raise CannotTell("any well-formed policy is accepted; pin the gateway's policyDigest")
    return f"{len(settings.accepted_policies)} pinned"
