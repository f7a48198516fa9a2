"""Everything that crosses a trust boundary, and nothing else.

A module here turns bytes into a frozen type, or a frozen type into the only bytes that encode it.
It performs no I/O, holds no state, and imports no other package of ours, so that the key
authority, the gateway and a client in another language read the same rules.

profile      the pinned numbers of ``bgv8192-1``
polynomials  canonical encoding of ciphertexts and session public keys
cbor         deterministic CBOR (RFC 8949, section 4.2)
message      strict, bounded, versioned message types
ids          identifiers and digests as types
cose         signed objects: COSE_Sign1 (RFC 9052) with Ed25519
sealing      the template ciphertext, sealed to the gateway: HPKE (RFC 9180)
subject      document numbers, commitments and openings
session, submission, evaluation, proof, policy, trust    the messages
errors       one tree of exceptions, one table to HTTP
http         body limits, correlation, problem bodies
"""
