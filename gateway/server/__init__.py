"""The gateway's server: runs at the carrier, can decrypt nothing.

config            settings
policy            the match policy that the settings describe
sessions          session states, and what is held in memory while a session is open
liveness          the challenge, and what counts as an answer to it
verification      the numbered steps between a submission and a record
evaluation        the homomorphic evaluation of one session, from one seed
authority_client  the key authority, as this gateway sees it
custody           its own keys
register          enrolled parties, and the signed record of changes
service           opening a session, taking a submission, telling an outcome
composition       all of this put together, as the settings say
answers           its answers in JSON
schemas           JSON schemas of the messages in CBOR
openapi           the interface, described for a carrier's developers
app               HTTP
cli               ``sealmatch-gateway``
"""
