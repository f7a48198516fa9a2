"""The commands, one module per audience.

main      ``sealmatch``: dispatch
serve     ``sealmatch-gateway``: the carrier's operator
up        ``sealmatch up``: both servers on one machine, for trying and testing
demo      ``sealmatch demo``: watch a registration
register  ``sealmatch register``: the counter
receipt   ``sealmatch receipt``: the subscriber, or a stranger
models    ``sealmatch models``: face model packs
attack    ``sealmatch attack``: the attackers of the threat model, against live servers
bench     ``sealmatch bench``: measurements
local     a local deployment of both servers as processes; its parties are in ``local_parties``
"""
