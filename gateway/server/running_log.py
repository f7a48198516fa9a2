"""The gateway's log while its server runs: sequencer, witnesses, readers, receipts."""

from collections.abc import Callable

import httpx

from gateway.sequencing.guard import DatabaseGuard, Mark
from gateway.sequencing.publication import Publication, SequencerThread
from gateway.sequencing.reading import PublishedLog
from gateway.sequencing.sequencer import Sequencer
from gateway.sequencing.witnesses import WitnessClient
from gateway.server.config import GatewaySettings
from gateway.server.custody import GatewayKeys, log_policy
from gateway.store.database import Database
from gateway.store.election import election_of


class RunningLog:
    """One log as its settings describe it."""

    def __init__(
        self,
        settings: GatewaySettings,
        held: GatewayKeys,
        database: Database,
        transport: httpx.Client,
        clock: Callable[[], int],
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            transport: HTTP client for the witnesses.

        Raises:
            KeyFileError: the keystore holds no log key.
            BadConfiguration: the witnesses' file cannot be read or is malformed.
        """
        self.published = PublishedLog(database)
        self._witnesses = WitnessClient(
            log_policy(held, settings.origin, settings.log_witnesses),
            transport,
            self.published.consistency,
            settings.witness_seconds,
        )
        signers = held.log_signers(settings.origin)
        sequencer = Sequencer(
            database,
            election_of(database, settings.data_dir),
            signers,
            self._witnesses,
            clock,
            guard=DatabaseGuard(
                database,
                Mark(settings.data_dir),
                [signer.key for signer in signers],
                self._witnesses,
                clock,
            ),
        )
        self._thread = SequencerThread(sequencer, settings.log_batch_seconds)
        self.publication = Publication(
            database, self._thread, settings.log_wait_seconds, announced=sequencer.announced
        )

    def check_witnesses(self) -> None:
        """Raise ``Unavailable`` if too few witnesses cosigned last."""
        self._witnesses.check()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._thread.stop()

    def close(self) -> None:
        """Stop asking witnesses."""
        self._witnesses.close()
