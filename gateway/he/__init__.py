"""Public-key side of the homomorphic encryption: nothing here can decrypt.

engine       SEAL through ``tenseal.sealapi`` behind a small interface
quantise     unit vector -> integers of squared length near 10000
encryption   vector -> probe or template ciphertext under a verified session key
session_key  the authority's grant, verified before anything is encrypted
randomness   one seed -> every random value of an evaluation
product      the masked, scale-proof score
interval     the rows of the private interval test
blinding     re-randomisation and flooding of what goes to the authority
evaluation   all of it for one session: what an auditor repeats
transcript   the messages so far, as the randomness sees them
"""
