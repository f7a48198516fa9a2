"""``GET /kiosk.json``: everything public that the page needs to know of this counter.

It comes from the counter's own files. So whom the page trusts is decided here, and not by whoever
answers as the gateway. Nothing in it is secret, and nothing is about a person. The page reads it as
``page/src/kiosk/settings.ts`` says; both change together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.client.consent import KEPT, TO_GUARDIAN
from gateway.client.counter_keys import AT_AUTHORITY, AT_GATEWAY
from gateway.client.liveness.prompts import LANGUAGES, Language
from gateway.client.registration import SIM_ACTIVATION
from gateway.client.without_face import OFFER
from gateway.documents.kinds import KINDS
from gateway.issuer.issuer import Model
from gateway.kiosk.release import Release
from gateway.proofs.checker import pins
from gateway.proofs.consent import ConsentTexts
from gateway.proofs.fallback import FALLBACK_STEPS
from gateway.proofs.trust import CounterFiles, TrustFile
from gateway.proofs.verify import STEPS
from gateway.vision.pack import ModelPack
from gateway.wire.ids import DOCUMENT_TYPES, PartyId
from gateway.wire.profile import PROFILE
from gateway.wire.requests import host_of

ANY: Final = "any"


@dataclass(frozen=True)
class Choices:
    """What a shop chooses when it starts the process."""

    language: Language = "en"
    preview: bool = True
    """Whether the person sees the camera's picture."""
    attempts: int = 3
    """How often a person may try."""


def public_settings(
    trust: TrustFile,
    counter: CounterFiles,
    device: PartyId,
    consent: ConsentTexts,
    pack: ModelPack,
    model: Model,
    release: Release,
    choices: Choices,
) -> Mapping[str, Any]:
    """The settings, as JSON takes them."""
    gateway, authority = trust.gateways[0], trust.authorities[0]
    return {
        "version": 1,
        "release": release.digest.hex(),
        "language": choices.language,
        "profile": PROFILE,
        "purpose": SIM_ACTIVATION,
        "device": device,
        "issuer": counter.issuer,
        "agent": counter.agent,
        "outlet": counter.outlet,
        "enrol": [AT_GATEWAY, AT_AUTHORITY],
        "gateway": {
            "party": gateway.party,
            "host": host_of(gateway.url),
            "url": gateway.url,
            "publicKeys": _keys(trust.gateways, gateway.party),
            "sealingKey": gateway.sealing_key,
        },
        "authority": {
            "party": authority.party,
            "publicKeys": _keys(trust.authorities, authority.party),
        },
        "pins": pins(trust),
        "steps": STEPS,
        "fallbackSteps": FALLBACK_STEPS,
        "documentTypes": list(DOCUMENT_TYPES),
        "documents": _documents(counter),
        "guardianBelowAge": counter.guardian_below_age,
        "model": _model(pack, model),
        "consent": _consent(consent),
        "withoutFace": dict(OFFER),
        "live": {
            "attempts": choices.attempts,
            "preview": choices.preview,
        },
    }


def _keys(pinned: Any, party: PartyId) -> list[str]:
    return [one.public_key for one in pinned if one.party == party]


def _documents(counter: CounterFiles) -> list[dict[str, str]]:
    accepted: Mapping[str, str] = counter.documents or dict.fromkeys(KINDS, ANY)
    return [
        {"kind": name, "documentType": KINDS[name].document_type, "reading": reading}
        for name, reading in accepted.items()
        if name in KINDS
    ]


def _model(pack: ModelPack, model: Model) -> dict[str, Any]:
    manifest, quality = pack.manifest, model.quality
    return {
        "id": model.model_id,
        "digest": model.digest.hex(),
        "recipe": manifest.recipe,
        "embedder": manifest.embedder,
        "dimension": manifest.dimension,
        "files": [
            {"name": name, "bytes": pin.bytes, "sha256": pin.sha256}
            for name, pin in sorted(manifest.files.items())
        ],
        "quality": {
            "outcome": quality.outcome,
            "measures": quality.measures,
            "profileDigest": quality.profile_digest.hex(),
        },
        "profile": pack.quality.model_dump(mode="json", exclude_none=True),
    }


def _consent(consent: ConsentTexts) -> dict[str, Any]:
    texts = {
        language: {
            "text": consent.texts[language].text,
            "withoutFace": consent.texts[language].without_face,
            "kept": KEPT[language].format(consent.retention_days),
            "toGuardian": TO_GUARDIAN[language],
        }
        for language in LANGUAGES
        if language in consent.texts
    }
    return {
        "version": consent.version,
        "digest": consent.digest.hex(),
        "retentionDays": consent.retention_days,
        "texts": texts,
    }
