"""The messages of a session so far, as the randomness sees them (protocol, sections 6 and 7).

The transcript is a digest over the grant (which names the public key), the policy, both assertions,
both ciphertexts and the authority's nonce. The nonce is drawn after all the others are fixed. So
nobody, not even the gateway, knows a value of the evaluation while a probe can still be chosen.
"""

from gateway.wire import cbor
from gateway.wire.ids import Digest, Nonce, digest_of

_LABEL = "sealmatch/transcript/2"


def transcript_digest(
    grant: bytes,
    policy: Digest,
    template_assertion: bytes,
    submission_assertion: bytes,
    template: Digest,
    probe: Digest,
    nonce: Nonce,
) -> Digest:
    """What every stream of the evaluation depends on, beside the seed."""
    messages = [grant, policy, template_assertion, submission_assertion, template, probe, nonce]
    return digest_of(cbor.encode([_LABEL, *messages]))
