"""Mobile documents: a driving licence on a telephone, as a reader received it (ISO/IEC 18013-5).

authentication   thirteen numbered steps from a reader's files to a number and a portrait
errors           those steps by name
encoding         CBOR, bounded before anything is built of it
response         DeviceResponse: the document that the telephone returned
transcript       SessionTranscript: the session in which it did
security_object  the MSO: which digests the issuer signed, for which telephone, until when
signatures       COSE: signatures, MACs, and the keys that are taken
elements         from the elements that were returned to a document

Nothing here does I/O or decodes a picture. Certificates, lists of their issuers and lists of those
that were taken back are the chip's (``gateway.documents.chip``). ``cbor2`` reads, ``cryptography``
verifies; what they raise on hostile bytes ends here as a refusal.
"""
