"""Opens a counter for the browser: its issuer, its reader, its line to the gateway, its page."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.client.consent import pinned_texts
from gateway.client.counter import TIMEOUT_SECONDS, counter_issuer, counter_mismatches
from gateway.client.document_reader import reading_rules
from gateway.client.transport import gateway_transport
from gateway.documents.policy import DocumentPolicy
from gateway.host.clock import unix_time
from gateway.issuer.issuer import Model
from gateway.kiosk.app import Kiosk
from gateway.kiosk.desk import Desk, Rules
from gateway.kiosk.forwarder import Forwarder
from gateway.kiosk.pending import FOLDER, PendingFolder
from gateway.kiosk.public import Choices, public_settings
from gateway.kiosk.reader import DocumentFolder
from gateway.kiosk.release import Page
from gateway.proofs.trust import CounterFiles, TrustFile, UnusableTrustFile
from gateway.vision.pack import ModelPack
from gateway.vision.pipeline import FacePipeline
from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import PartyId

PAGE_DEVICE: Final = "-page"
"""Behind the name of the counter's device: the page's key is in the browser, so the page is another
device than the one whose key lies in the directory."""
LONGEST_NAME: Final = 63


@dataclass(frozen=True)
class Place:
    """Where the counter's files are, and where documents come from."""

    trust_path: Path
    trust: TrustFile
    documents: Path
    """The reader's folder."""
    remove: bool = False
    """Whether a picture goes once it was read."""
    device: PartyId | None = None
    """Under which the page's key is enrolled; None: the counter's device with ``PAGE_DEVICE``."""

    @property
    def counter(self) -> CounterFiles:
        """Raises ``UnusableTrustFile``: it names no counter."""
        if self.trust.counter is None:
            raise UnusableTrustFile("the trust file names no enrolled counter to register with")
        return self.trust.counter

    @property
    def page_device(self) -> PartyId:
        if self.device is not None:
            return self.device
        return self.counter.device[: LONGEST_NAME - len(PAGE_DEVICE)] + PAGE_DEVICE


def open_kiosk(
    place: Place,
    page: Page,
    pack: ModelPack,
    model: Model,
    port: int,
    choices: Choices,
    clock: Callable[[], int] = unix_time,
) -> Kiosk:
    """Everything that the process serves; the models are loaded here.

    Raises:
        UnusableTrustFile, KeyFileError, Unavailable: as ``gateway.client.counter``.
        UnusableDirectory, OSError: what the page keeps of submissions cannot be kept.
        TlsMisconfigured: the CA of the gateway's certificate cannot be used.
        ModelPackError: the pack cannot be used.
    """
    trust, counter = place.trust, place.counter
    consent = pinned_texts(place.trust_path, trust)
    desk = Desk(
        DocumentFolder(
            place.documents,
            reading_rules(place.trust_path, trust),
            remove=place.remove,
        ),
        FacePipeline(pack),
        counter_issuer(place.trust_path, trust, model),
        counter_mismatches(place.trust_path, trust),
        Rules(_policy(counter), counter.guardian_below_age, place.page_device),
        clock,
    )
    transport = gateway_transport(place.trust_path, trust, TIMEOUT_SECONDS)
    return Kiosk(
        page=page,
        pack=pack,
        settings=public_settings(
            trust, counter, place.page_device, consent, pack, model, page.release, choices
        ),
        desk=desk,
        forwarder=Forwarder(transport, trust.gateways[0].url),
        pending=PendingFolder(place.trust_path.parent / FOLDER, clock),
        port=port,
    )


def _policy(counter: CounterFiles) -> DocumentPolicy:
    try:
        return DocumentPolicy(counter.documents, counter.expired_grace_days)
    except CallerMisuse as error:
        raise UnusableTrustFile(f"counter.documents: {error}") from None
