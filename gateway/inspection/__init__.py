"""Checks that operators and regulators make of a deployment.

log_reader     follows the transparency log and remembers what it saw
reconcile      compares activations with receipts, at the carrier
known_answers  sessions whose outcome is known, to catch an authority that lies
lines          what an inspection says: lines with verdicts, and on what each rests
evidence       what it may look at, for reading only, and what goes into its bundle
checks         one module for each group of lines
leaks          search for known secrets in files, databases and memory; tests and attacks use it too
contents       what lies in cells, files and names that has no business there
profiles       what laws and guidelines ask for, as data, and what an inspection shows of it
assessment     a draft of an impact assessment, from settings, schedule, texts and register

It needs no server's code and no secret key. The commands are ``sealmatch inspect``, ``log``,
``reconcile`` and ``probe-authority``.
"""
