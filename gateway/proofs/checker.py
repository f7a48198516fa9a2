"""A receipt check without installing anything: one static HTML file with the pinned keys inside.

A subscriber opens it in a browser, drops the receipt on it and reads the verdict. Its content
security policy admits its own script and style by their hashes and nothing else: the page can reach
no network. It does the checks of ``gateway.proofs.verify``, by the same numbers, and says what it
found in every language of ``LANGUAGES``. An opening that is given to it stays in it.
"""

import base64
import hashlib
import json
from importlib.resources import files
from string import Template
from typing import Any

from gateway.proofs.fallback import FALLBACK_STEPS
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import STEPS
from gateway.translog.note import NoteKey
from gateway.translog.policy import TrustPolicy
from gateway.wire.ids import DOCUMENT_TYPES

LANGUAGES = ("en", "zh", "es")
_TEXTS = tuple(f"text-{language}.js" for language in LANGUAGES)
_CHECKS = (
    "encoding.js",
    "signatures.js",
    "log.js",
    "verify.js",
    "policy.js",
    "fallback.js",
    "openings.js",
)
_SCRIPTS = (*_CHECKS, *_TEXTS, "page.js")


def checker_page(trust: TrustFile) -> str:
    """The page, for one trust file: public keys and names only."""
    script = "".join(map(_part, _SCRIPTS))
    style = _part("page.css")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return Template(_part("page.html")).substitute(
        policy=policy, style=style, script=script, trust=_embedded(trust)
    )


def _part(name: str) -> str:
    return (files("gateway.proofs") / "page" / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _embedded(trust: TrustFile) -> str:
    """The pins as JSON that no ``</script>`` can leave."""
    embedded = {
        "trust": pins(trust),
        "steps": STEPS,
        "fallbackSteps": FALLBACK_STEPS,
        "documents": DOCUMENT_TYPES,
    }
    return json.dumps(embedded).replace("<", "\\u003c")


def pins(trust: TrustFile) -> dict[str, Any]:
    """What a page's script checks a receipt with: public keys and names, as JSON takes them."""

    def parties(pinned: Any) -> list[dict[str, str]]:
        return [{"party": one.party, "publicKey": one.public_key} for one in pinned]

    return {
        "gateways": parties(trust.gateways),
        "authorities": parties(trust.authorities),
        "auditors": parties(trust.auditors),
        "supervisors": parties(trust.supervisors),
        "policies": trust.policies,
        "operators": parties(trust.operators),
        "approvals": [base64.b64decode(one).hex() for one in trust.policy_approvals],
        "log": None if trust.log is None else _log(trust.log),
    }


def _log(policy: TrustPolicy) -> dict[str, Any]:
    def key(one: NoteKey) -> dict[str, Any]:
        named = {"name": one.name, "keyId": one.key_id.hex()}
        return {**named, "kind": one.kind, "public": one.public.hex()}

    return {
        "logs": [key(log.key) for log in policy.logs],
        "witnesses": [{"name": one.name, "key": key(one.key)} for one in policy.witnesses],
        "groups": [
            {"name": g.name, "threshold": g.threshold, "members": g.members} for g in policy.groups
        ],
        "quorum": policy.quorum,
    }
