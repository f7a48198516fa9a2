"""Checks that operators and regulators make of a deployment.

log_reader     follows the transparency log and remembers what it saw
reconcile      compares activations with receipts, at the carrier
known_answers  sessions whose outcome is known, to catch an authority that lies

It needs no server's code and no secret key. The commands are ``sealmatch log``, ``reconcile`` and
``probe-authority``.
"""
