"""What operators and regulators hold against a deployment.

log_reader     a reader follows the transparency log and remembers what it saw
reconcile      activations beside receipts, at the carrier
known_answers  sessions whose outcome is known, to catch an authority that lies

Needs no server's code and no secret key. The commands are ``sealmatch log``, ``reconcile`` and
``probe-authority``.
"""
