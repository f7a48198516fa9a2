"""The public-key side of the homomorphic encryption: nothing here can decrypt.

engine       SEAL behind a small interface; engine_tenseal, a second build; engines names them
layout       what SEAL loads and saves, written and read by us
ring         exact arithmetic on NTT words, and the two numbers of which a lane is made
frame        unit embedding -> signs, or small integers
encryption   vector -> probe or template ciphertext under a verified session key
session_key  the half of a key that nobody chooses; the authority's grant, verified
randomness   one seed -> every random value of an evaluation
product      the padded product, which says nothing unless the probe is well-formed
dcf          distributed comparison: [x < r] in two shares
interval     the private decision: dealing, shares, and the bit that they make
evaluation   the whole evaluation of one session: what an auditor repeats
transcript   the messages so far, as the randomness sees them
settings     which engine, and what its processes may use
"""
