"""What remains of a verification, and how a stranger checks it offline (protocol, section 10).

statement  the gateway's signed statement around the authority's decision
trust      what a verifier pins; pinning makes it, consent is the text that it pins by digest;
           edited is what these files that people edit have in common
openings   what shows that a receipt is about a document, or about a number or order
verify     the numbered checks of a receipt; findings says what each may come to
requirements  what a verifier requires of a receipt that is valid
transparent, checker, printable   a receipt for other tools, for a browser, and on paper
wordings   the words on paper, in each language; those of the browser stand in page/
"""
