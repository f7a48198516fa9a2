"""What remains of a verification, and how a stranger checks it offline (protocol, section 10).

statement  the gateway's signed statement around the authority's decision
trust      what a verifier pins
verify     the numbered checks of a receipt
transparent, checker, printable   a receipt for other tools, for a browser, and on paper
"""
