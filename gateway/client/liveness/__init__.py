"""Liveness at the counter: frames in, a probe, an action vector and a transcript out.

sources   photographs, video files, image sequences, cameras; nothing is written
measured  what a frame's measurement and an action look like here
runner    the challenge as a state machine over measurements; pure
capture   frames through meter, runner and embedder
prompts   what the person reads, in three languages
attempts  how often it took, in totals
"""
