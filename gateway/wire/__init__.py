"""Everything that crosses a trust boundary, and nothing else.

A module here turns bytes into a frozen type, or a frozen type into the only bytes that encode it.
It performs no I/O and holds no state. It imports no other package of ours, so
that the key authority, the gateway and a client in another language read the same rules.

profile      the pinned numbers of ``bgv8192-2``
polynomials  canonical encoding of ciphertexts, session keys and padded products
dealing      what the issuer deals to the two servers for one decision
cbor         deterministic CBOR (RFC 8949, section 4.2)
message      strict, bounded, versioned message types
ids          identifiers and digests as types
cose         signed objects: COSE_Sign1 (RFC 9052) with Ed25519
sealing      templates, probes, dealings, audited secrets to their recipients: HPKE (RFC 9180)
number       the normal form of a document number
subject      document numbers, commitments and openings
session, submission, liveness, evaluation, audit, proof, policy    the messages
requests     signed requests between parties: RFC 9421
admin        what operators do, signed and chained
errors       one tree of exceptions, one table to HTTP
secret       overwriting what must not stay
"""
