"""The messages of a session so far, as the randomness sees them (protocol, section 7).

A digest over the messages before each evaluation, large bodies by their SHA-256: grant (which
names the public key by digest), policy, both assertions (which name probe, template, evidence and
consent), then for the rows the masked product and the encrypted bits. Two answers of the
authority to one question thus never meet the same randomness.
"""

from gateway.wire import cbor
from gateway.wire.ids import Digest, digest_of

_LABEL = "sealmatch/transcript/1"


def before_product(
    grant: bytes, policy_digest: Digest, template_assertion: bytes, submission_assertion: bytes
) -> Digest:
    """Transcript of the masked product."""
    return digest_of(
        cbor.encode([_LABEL, grant, policy_digest, template_assertion, submission_assertion])
    )


def before_rows(product_transcript: Digest, masked_product: Digest, bits: Digest) -> Digest:
    """Transcript of the comparison rows."""
    return digest_of(cbor.encode([_LABEL, product_transcript, masked_product, bits]))
