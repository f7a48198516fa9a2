"""The auditor: repeats an evaluation that the key authority wants to have checked (section 10).

It runs where neither gateway nor authority has a say: at a regulator, or at anyone whom both have
enrolled. It holds no key that decrypts a ciphertext. It sees ciphertexts and one seed, signs that
the same bytes came out, and keeps nothing of what it saw.

verification  the numbered steps between a request and a report
repetition    the repeated evaluation, in processes that may die
register      whose signatures count: authorities, gateways, issuers, devices
service       a request in, a report out; how often one may ask
custody       its own signing and sealing key
composition   builds all of this from the settings
config, app   settings, HTTP
cli           ``sealmatch-auditor``, also ``sealmatch auditor``

It needs the same packages as the key authority, and none that reads an image or a database.
"""
