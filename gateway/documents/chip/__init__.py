"""Electronic documents: the chip of a passport or card, read from its files (ICAO Doc 9303).

passive          twelve numbered steps from files to a number and a portrait, or a refusal
errors           those steps by name
elements         tags, lengths, and how long a file may be
security_object  EF.SOD: which hashes were signed
signed_data      one signer, its certificate, its attributes, its signature
master_list      lists of issuers that a State signed
extensions       which documents a State's key signs, and when
names            names of authorities, as States write them
certificates     document signers' certificates, and the list of their issuers (CSCA)
revocation       lists of certificates that their issuers took back
signatures       keys, hashes and signatures that are taken
curves           elliptic curves, by name or by all of their parameters
states           issuing States in zones and in certificates

Nothing here does I/O or decodes a picture. asn1crypto reads, cryptography verifies; what they raise
on hostile bytes ends here as a refusal.
"""
