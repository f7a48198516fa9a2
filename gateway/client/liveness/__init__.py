"""Liveness at the counter: frames in, a probe, an action vector and a transcript out.

sources   what --live names: photographs, recordings, cameras; frames, videos, sequences, camera and
          opencv serve it; nothing is written
measured  the types of a measured frame and of a detected action
runner    the challenge as a state machine over measurements; pure
counting  the moments of a count, and what answers them
capture   frames through meter, runner and embedder
diagnosis why an attempt failed, from its measurements alone
prompts   what the person reads, in three languages
options   what the command adds to it: its options
limits    what the counter's page shares: limits.json, texts.json
attempts  how many attempts were needed, in totals
"""
