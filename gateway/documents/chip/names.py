"""Names of authorities, compared as States write them.

Some write one name's parts in one order in one place and in another order in the next. A name only
finds a certificate; a signature then shows whether it was the right one. So the order is no matter.
"""

from asn1crypto import x509


def name_key(name: x509.Name) -> str:
    """Equal for names with the same parts, in whatever order."""
    return "\x1e".join(sorted(one.hashable for one in name.chosen))


def country_of(name: x509.Name) -> str:
    """Two letters, or empty."""
    told = name.native.get("country_name", "")
    return told.upper() if isinstance(told, str) and len(told) == 2 and told.isalpha() else ""
