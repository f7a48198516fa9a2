"""Identity documents as the counter reads them: kinds, check digits, machine-readable zones.

What is known here stays at the counter. The servers see one coarse type (``gateway.wire.ids``),
and the subject that is hashed is that type with the number's normal form (``gateway.wire.number``).
So a new kind of document, or a stricter format, changes no message and no old subject.

check_digits  three published schemes: ICAO 9303, ISO 7064 MOD 11-2, the Hong Kong identity card
kinds         what a number looks like on each kind of document, with the source of the rule
mrz           ICAO Doc 9303 machine-readable zones, TD1, TD2 and TD3, with all check digits
chip          what a document's chip holds, and whether the issuing State signed it
mobile        what a telephone showed of a document, and whether its authority signed it
reading       from what was typed or read to a document: kind, subject, date of expiry
policy        what a counter accepts, and for how long after its expiry
encodings     from a file's bytes to its text

Nothing here does I/O or asks a clock: bytes, text and today's date are passed in. Numbers, names
and dates are never part of an error. A format that is not certain is not claimed: the kinds that
have no published rule take what the wire takes.
"""
