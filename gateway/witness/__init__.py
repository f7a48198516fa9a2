"""A witness of transparency logs (C2SP ``tlog-witness``): small enough for a regulator to run.

It sees checkpoints, never an entry: how many there are, and one hash over all. It holds two signing
keys of its own, and for each log that its operator named the largest tree it has cosigned. It
imports ``gateway.wire``, ``gateway.host`` and ``gateway.translog`` only, and runs in the base
installation.

config    settings
custody   key ceremony: init, show
logs      which logs it cosigns for
memory    what it has cosigned, on disk before anybody learns of it
rate      how often one sender may ask
service   the rules of ``gateway.translog.witnessing`` between memory and keys
app       HTTP
cli       commands
"""
