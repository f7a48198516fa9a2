"""``check-config``: what a server's settings say is tried, line by line, and nothing is changed.

A line is ``right``, ``WRONG`` with the reason, or ``unknown`` where trying would change something
or is not possible here. Exit status 1 if anything is wrong.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from gateway.host.keyfile import read_private
from gateway.host.keystore import PASSPHRASE_CREDENTIAL
from gateway.host.server_settings import HostSettings, ObservedSettings, ServerSettings
from gateway.host.serving import CannotListen, bind
from gateway.host.settings import BadConfiguration, Settings
from gateway.host.tracing import require_telemetry
from gateway.wire.errors import Refused, SealmatchError

Verdict = Literal["right", "WRONG", "unknown"]

_CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
_MAX_PASSPHRASE: Final = 1024


class CannotTell(SealmatchError):
    """Trying it would change something, or is not possible here."""


@dataclass(frozen=True)
class Check:
    """One thing to try. ``attempt`` returns what it found, or raises what is wrong."""

    what: str
    attempt: Callable[[], object]


@dataclass(frozen=True)
class Finding:
    """What came of a check."""

    verdict: Verdict
    what: str
    detail: str

    def __str__(self) -> str:
        return f"{self.verdict:<7} {self.what}" + (f": {self.detail}" if self.detail else "")


def findings(checks: Iterable[Check]) -> Iterator[Finding]:
    """Try one after the other."""
    for check in checks:
        try:
            found = check.attempt()
        except CannotTell as error:
            yield Finding("unknown", check.what, str(error))
        except Refused as error:
            yield Finding("WRONG", check.what, error.detail)
        except (SealmatchError, ValueError) as error:
            yield Finding("WRONG", check.what, str(error))
        except OSError as error:
            yield Finding("WRONG", check.what, f"{error.filename or ''} {error.strerror}".strip())
        else:
            yield Finding("right", check.what, "" if found is None else str(found))


def report(checks: Iterable[Check]) -> int:
    """Print the findings as they come; exit status 1 if anything is wrong."""
    wrong = False
    for finding in findings(checks):
        print(finding, flush=True)
        wrong |= finding.verdict == "WRONG"
    return int(wrong)


def host_checks(settings: HostSettings, directory: Path) -> Iterator[Check]:
    """What every server's settings say."""
    yield Check("settings", lambda: _no_misspelt_variable(type(settings)))
    yield Check("data_dir", lambda: _private_directory(directory))
    yield Check("passphrase", lambda: _passphrase(settings))
    yield Check("TLS", lambda: _tls(settings))
    yield Check("address", lambda: _address(settings))
    if isinstance(settings, ObservedSettings):
        yield from _observation_checks(settings)
    if isinstance(settings, ServerSettings):
        yield Check("public_urls", lambda: _public_hosts(settings))


def _observation_checks(settings: ObservedSettings) -> Iterator[Check]:
    if settings.metrics_port is not None:
        yield Check("metrics", lambda: _metrics(settings))
    if settings.otlp_endpoint:
        yield Check("traces", lambda: require_telemetry(settings.otlp_endpoint))


def opened(settings: HostSettings, open_keys: Callable[[], object]) -> None:
    """Open the server's keys where that asks nobody. Raises ``CannotTell`` where it would."""
    if _source(settings) is None:
        raise CannotTell("a passphrase is asked for at the start")
    open_keys()


def require_file(path: Path, otherwise: str) -> str:
    """A file's name. Raises ``CannotTell`` where it does not exist yet."""
    if not path.exists():
        raise CannotTell(f"{path.name} does not exist yet: {otherwise}")
    return path.name


def _no_misspelt_variable(kind: type[Settings], environment: Mapping[str, str] = os.environ) -> str:
    """An unknown variable is passed over when settings are read; here it is named."""
    prefix = f"{kind.prefix}_".upper()
    known = {f"{prefix}{name}".upper() for name in kind.model_fields}
    unknown = sorted(name for name in environment if name.startswith(prefix) and name not in known)
    if unknown:
        raise BadConfiguration(f"no setting of this server: {', '.join(unknown)}")
    return "every field is known and has its form"


def _private_directory(path: Path) -> str:
    if not path.exists():
        raise BadConfiguration(f"{path.name} does not exist: keys init makes it")
    if not path.is_dir():
        raise BadConfiguration(f"{path.name} is no directory")
    status = path.stat()
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise BadConfiguration(f"{path.name} is open to others; set its mode to 0700")
    if not os.access(path, os.W_OK | os.X_OK):
        raise BadConfiguration(f"{path.name} is not writable for this account")
    return "private"


def _source(settings: HostSettings) -> Path | None:
    """The file from which the passphrase comes; None: it is asked for."""
    if settings.passphrase_file is not None:
        return settings.passphrase_file
    directory = os.environ.get(_CREDENTIALS)
    if directory is not None and (Path(directory) / PASSPHRASE_CREDENTIAL).exists():
        return Path(directory) / PASSPHRASE_CREDENTIAL
    return None


def _passphrase(settings: HostSettings) -> str:
    source = _source(settings)
    if source is None:
        raise CannotTell("no file and no credential: it is asked for at the start")
    own = settings.passphrase_file is not None
    content = read_private(source, _MAX_PASSPHRASE, check_mode=own)
    empty = not content.strip()
    content[:] = bytes(len(content))
    if empty:
        raise BadConfiguration(f"{source.name} is empty")
    return f"from {source.name}"


def _tls(settings: HostSettings) -> str:
    tls = settings.tls
    if tls is None:
        return "none, on loopback"
    tls.context()
    return "certificate and key fit"


def _address(settings: HostSettings) -> str:
    return _free(settings.host, settings.port)


def _metrics(settings: ObservedSettings) -> str:
    if (tls := settings.metrics_tls) is not None:
        tls.context()
    return _free(settings.metrics_host, settings.metrics_port or 0)


def _free(host: str, port: int) -> str:
    if port == 0:
        return "the system chooses a port"
    try:
        bind(host, port).close()
    except CannotListen as error:
        raise CannotTell(f"{error}: does this server run already?") from None
    return f"{host}:{port} is free"


def _public_hosts(settings: ServerSettings) -> str:
    hosts = sorted(settings.public_hosts)
    return ", ".join(hosts) if hosts else "not set: the address on which it listens counts"
