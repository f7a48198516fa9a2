"""The key authority: another operator, host and account than the gateway.

It makes one homomorphic key pair per session, answers one decision with it, and destroys it. It
never holds a ciphertext of a probe or template, an image, a score or a document number.

authority  the only code that touches a secret key
sessions   one key per session: make, answer once, destroy
workers    session keys in processes that may die
audits     when an audit is demanded, and who leaves demands unanswered
caps       how often one may ask, kept across restarts
service    the checks around it: trust, assertions, session states, what is signed
trust      whose signatures count: gateways, issuers, devices
trust_file the list on disk, and the signed history that it follows from
enrolment  what the operator does to it
custody    the authority's own signing key, sealing key and peppers
vault      where they lie: a sealed file, or a token (token_vault)
ceremony   making, rotating and showing them
config     configuration from file and environment
app        HTTP
cli        ``sealmatch-authority``
"""
