"""The gateway's server. It runs at the carrier and can decrypt nothing.

config            settings
policy            the match policy that the settings describe
sessions          session states, and what is held in memory while a session is open
liveness          the challenge, and what counts as an answer to it
verification      the numbered steps between a submission and a record
evaluation        the homomorphic evaluation of one session, from one seed
audit             handing an evaluation to the auditor when the authority demands it
authority_client  requests to the key authority and to the auditor
authorities       which instance of the authority a session belongs to
peer_transport    connections to both, kept and bounded
custody           the gateway's own keys
register          enrolled parties, and the signed record of changes
operators         which of the people count who sign orders and holds
orders            what two of them order, and what one of them holds, done once
recording         what a decision leaves behind, in one transaction
service           opens a session, takes a submission, reports an outcome
running_log       the transparency log while the server runs
composition       builds all of this from the settings
answers           the answers in JSON
schemas           JSON schemas of the messages in CBOR
openapi           the interface, described for a carrier's developers
app, log_routes   HTTP
cli               ``sealmatch-gateway``
"""
