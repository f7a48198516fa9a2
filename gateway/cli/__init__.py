"""Users' commands, one module each; ``gateway.main`` finds them and loads the one that is chosen.

register  ``sealmatch register``: the counter; live, consenting, pack, pending, portrait, subject
          and outputs serve it
fallback  ``sealmatch fallback``: registrations without a face, which two people sign; fallback_keys
          has their keys, fallback_report the words of their receipts
kiosk     ``sealmatch kiosk``: the counter in a browser (``gateway.kiosk``)
counter   ``sealmatch counter``: sets a counter up: keys, enrolment, trust file
csca      ``sealmatch csca``: authorities whose documents' chips are verified
attempts  ``sealmatch attempts``: the counter's own totals of liveness checks
receipt   ``sealmatch receipt``: the subscriber, or a stranger; its verbs are in receipt_verify
          (whose words are in receipt_report), receipt_fetch and receipt_erased
rights    ``sealmatch subject``: a subscriber's copy, lines, erasure and withdrawal; rights_report
          words the copy. (Module subject is about documents: which one a command names)
log       ``sealmatch log``: a regulator, or any enrolled reader; log_http serves it
inspect   ``sealmatch inspect``: an inspector; inspect_report prints what it found; further verbs
          are in inspect_profiles and inspect_assess
reconcile ``sealmatch reconcile``: the carrier's reviser
probe_authority  ``sealmatch probe-authority``: registrations with known answers
models    ``sealmatch models``: face model packs
devca     ``sealmatch dev-ca``: certificates for development

Servers have commands of their own (``gateway.server.cli``, ``gateway.auditor.cli``,
``gateway.witness.cli``, ``gateway.console.cli``, ``keys.cli``), the laboratory has its own
(``gateway.lab``). What is here parses arguments, calls one package, prints. Each module has
``configure(parser)``.
"""

MATCH, FAILURE, NO_MATCH, INCONCLUSIVE, REFUSED, NOT_VALID = 0, 1, 3, 4, 5, 6
"""Exit statuses that several commands have. Wrong usage is 2, argparse's own."""
WITHOUT_FACE = 7
"""Not 0: whoever activates on a match must not take a registration without a face for one."""
