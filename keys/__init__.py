"""The key authority. Its operator, host and account are others than the gateway's.

It makes one homomorphic key pair per session, answers one decision with it, and destroys it. It
never holds a ciphertext of a probe or template, an image, a score or a document number.

authority  the only code that touches a secret key
sessions   one key per session: make, answer once, destroy
workers    session keys in processes that may die
audits     when an audit is demanded, and who leaves demands unanswered
caps       how often one may ask, kept across restarts
caps_store where the counters lie, and their mark (caps_mark)
places     in a file, or in a database that several instances share
service    the checks around it: trust, assertions, session states, what is signed
trust      whose signatures count: gateways, issuers, devices, auditors
trust_file the list on disk, and the signed history that it follows from
enrolment  the operator's changes to the list, signed and recorded
custody    the authority's own signing key, sealing key and peppers
vault      where they lie: a sealed file, or a token (token_vault)
ceremony   making, rotating and showing them
composition  builds all of this from the settings
config     configuration from file and environment
app        HTTP
cli        ``sealmatch-authority``
"""
