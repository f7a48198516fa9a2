"""A witness of transparency logs (C2SP ``tlog-witness``): small enough for a regulator to run.

It sees checkpoints, never an entry: only how many entries there are, and one hash over all. It
holds two signing keys of its own. For each log that its operator named, it remembers the largest
tree that it has cosigned. It imports ``gateway.wire``, ``gateway.host`` and ``gateway.translog``
only, and runs in the base installation.

config    settings
custody   key ceremony: init, show
logs      which logs it cosigns for
memory    what it has cosigned, on disk before anybody learns of it
rate      how often one sender may ask
service   the rules of ``gateway.translog.witnessing`` between memory and keys
app       HTTP
cli       commands
"""
