"""The template issuer: the ID reader at the counter, or an ID authority.

For seconds it sees the document's portrait and number. What leaves it is a ciphertext sealed to
the gateway and a signed assertion that contains neither.
"""
