"""The gateway's own keys.

One signs statements and requests. One opens sealed templates and probes. Others sign the log's
checkpoints. All of them lie in a sealed keystore. A running server unseals them once, at its start,
and keeps no passphrase. ``gateway.host.keyring`` rotates the signing key.
"""

from pathlib import Path
from secrets import token_bytes
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from gateway.host.keyfile import KeyFileError
from gateway.host.keyring import HeldKey, SigningRing
from gateway.host.keystore import KeystoreClosed, open_keystore
from gateway.host.party_keys import PartyKeystore, RecipientKeys
from gateway.host.settings import BadConfiguration
from gateway.server.config import GatewaySettings
from gateway.translog.algorithms import SEED_BYTES
from gateway.translog.note import Kind, NoteSigner
from gateway.translog.policy import NO_QUORUM, TrustedLog, TrustPolicy
from gateway.wire.admin import ChainKeys
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import BodyTooLarge, CallerMisuse, MalformedMessage
from gateway.wire.ids import UnixTime
from gateway.wire.message import Message
from gateway.wire.sealing import SealingPrivateKey

LogAlgorithm = Literal["ed25519", "ml-dsa-44"]
_LOG_KINDS: Final = {"ed25519": Kind.ED25519, "ml-dsa-44": Kind.COSIGNATURE_ML_DSA_44}
MAX_LOG_KEYS: Final = 4


class LogKey(Message):
    """One of the keys that sign the log's checkpoints."""

    algorithm: LogAlgorithm
    seed: Annotated[bytes, Field(min_length=SEED_BYTES, max_length=SEED_BYTES)] = Field(repr=False)
    drawn_at: UnixTime

    @classmethod
    def draw(cls, algorithm: LogAlgorithm, now: int) -> "LogKey":
        return cls(algorithm=algorithm, seed=token_bytes(SEED_BYTES), drawn_at=now)

    def signer(self, origin: str) -> NoteSigner:
        """The signer for the log ``origin``. Raises ``MalformedMessage`` for a bad origin."""
        return NoteSigner.from_seed(origin, _LOG_KINDS[self.algorithm], self.seed)


class KeysWithoutLog(RecipientKeys):
    """The content of a keystore from before there was a log."""


class GatewayKeys(RecipientKeys):
    """What the gateway's keystore holds."""

    log: Annotated[tuple[LogKey, ...], Field(max_length=MAX_LOG_KEYS, strict=False)]
    """All of them sign every checkpoint. The gateways of one database share them."""

    @property
    def chain_keys(self) -> ChainKeys:
        """Keys that verify the register's history: the current, staged and former signing keys."""
        ring = self.signing
        held = (ring.current, *(() if ring.next is None else (ring.next,)))
        public = (*(key.public for key in held), *ring.old_public)
        return ChainKeys(tuple(VerifyKey(self.party, raw) for raw in public))

    def log_signers(self, origin: str) -> list[NoteSigner]:
        """A signer for each of the log's keys.

        Raises:
            KeyFileError: there are none yet.
        """
        if not self.log:
            raise KeyFileError("there is no log key yet: sealmatch-gateway keys add-log")
        return [key.signer(origin) for key in self.log]


def open_keys(settings: GatewaySettings) -> tuple[SigningKey, SealingPrivateKey]:
    """The keys that sign and unseal.

    Raises:
        KeyFileError: as ``read_keys``.
    """
    keys = read_keys(settings)
    return keys.signing_key, keys.sealing_key


def initialise(settings: GatewaySettings, now: int) -> GatewayKeys:
    """Draw signing key, sealing key and the first key of the log into a new keystore.

    Raises:
        KeyFileError: there is a keystore already, or no passphrase.
    """

    def draw() -> GatewayKeys:
        return GatewayKeys(
            party=settings.party,
            signing=SigningRing(current=HeldKey.draw(now)),
            sealing=SealingPrivateKey.generate().raw,
            log=(LogKey.draw("ed25519", now),),
        )

    return keystore(settings).create(draw)


def add_log_key(settings: GatewaySettings, algorithm: LogAlgorithm, now: int) -> GatewayKeys:
    """Draw a further key that signs the log's checkpoints.

    Raises:
        CallerMisuse: the log has ``MAX_LOG_KEYS`` keys already.
        KeyFileError: as ``read_keys``.
    """

    def add(keys: GatewayKeys) -> GatewayKeys:
        if len(keys.log) >= MAX_LOG_KEYS:
            raise CallerMisuse(f"a log has {MAX_LOG_KEYS} keys at most")
        return keys.model_copy(update={"log": (*keys.log, LogKey.draw(algorithm, now))})

    return keystore(settings).change(add)


def replace_log_keys(settings: GatewaySettings, now: int) -> GatewayKeys:
    """Draw new keys for another log, of the same kinds. Nothing can be signed for the old one any
    more: its private keys are gone with the old file.

    Raises:
        KeyFileError: as ``read_keys``.
    """

    def replace(keys: GatewayKeys) -> GatewayKeys:
        drawn = tuple(LogKey.draw(key.algorithm, now) for key in keys.log)
        return keys.model_copy(update={"log": drawn})

    return keystore(settings).change(replace)


def read_keys(settings: GatewaySettings) -> GatewayKeys:
    """Open the keystore and return what it holds.

    Raises:
        KeyFileError: the keystore is missing, is another party's or does not open; or there is no
            passphrase.
    """
    return keystore(settings).read()


def log_policy(keys: GatewayKeys, origin: str, witnesses: Path | None) -> TrustPolicy:
    """The trust policy for this log: its keys, and the witnesses with their quorum.

    Args:
        witnesses: a C2SP ``tlog-policy`` that lists them; None: no witnesses.

    Raises:
        BadConfiguration: the file cannot be read, or is not such a policy.
    """
    logs = tuple(TrustedLog(key.signer(origin).key) for key in keys.log)
    if witnesses is None:
        return TrustPolicy(logs, (), (), NO_QUORUM)
    try:
        given = TrustPolicy.parse(witnesses.read_bytes())
    except (OSError, MalformedMessage, BodyTooLarge) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadConfiguration(f"{witnesses}: {reason}") from None
    return TrustPolicy(logs, given.witnesses, given.groups, given.quorum)


def describe(keys: GatewayKeys, policy: TrustPolicy) -> dict[str, Any]:
    """The gateway's public keys and the log's trust policy, for everyone to pin."""
    return {**keys.describe(), "logPolicy": bytes(policy).decode().splitlines()}


def keystore(settings: GatewaySettings) -> PartyKeystore[GatewayKeys]:
    """The gateway's keystore, for ceremonies."""

    def opened(path: Path, passphrase: bytearray) -> GatewayKeys:
        return _opened(path, passphrase).owned_by(settings.party)

    return PartyKeystore(settings.data_dir, settings, opened)


def _opened(path: Path, passphrase: bytearray) -> GatewayKeys:
    try:
        return open_keystore(path, GatewayKeys, passphrase)
    except KeystoreClosed:
        old = open_keystore(path, KeysWithoutLog, passphrase)
        return GatewayKeys(party=old.party, signing=old.signing, sealing=old.sealing, log=())
