"""The template issuer: the ID reader at the counter, or an ID authority.

It sees the document's portrait and number for seconds. It gives out an encrypted template and two
dealings, each sealed to its recipient, a signed assertion, and a salt for the subscriber. None of
them contains portrait or number.
"""
