"""The auditor: repeats an evaluation that the key authority wants to have checked (section 10).

It runs where neither gateway nor authority has a say: at a regulator's, or at anyone's whom both
have enrolled. It holds no key that decrypts, sees ciphertexts and one seed, signs that the same
bytes came out, and keeps nothing of what it saw.

verification  the numbered steps between a request and a report
repetition    the evaluation itself, in processes that may die
register      whose signatures count: authorities, gateways, issuers, devices
service       a request in, a report out; how often one may ask
custody       its own signing and sealing key
config, app   settings, HTTP
cli           ``sealmatch-auditor``, also ``sealmatch auditor``

It needs what the key authority needs, and nothing that reads an image or a database.
"""
