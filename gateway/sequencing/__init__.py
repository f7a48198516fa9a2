"""How the gateway's log grows and is read: the storage side of ``gateway.translog``.

sequencer    entries get their places, the tree is fixed, signed, published
witnesses    their cosignatures
reading      published checkpoints, tiles and proofs
announced    what this process has just published
publication  from a record to its receipt
"""
