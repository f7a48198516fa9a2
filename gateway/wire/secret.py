"""Secrets that crossed a boundary, or are about to: whoever holds one overwrites it.

A seed, a dealing or an opened secret lies in a ``bytearray``, which can be overwritten in place;
copies that a library makes cannot be reached (``gateway.host.memory`` says what is done there).
"""


def wipe(buffer: bytearray) -> None:
    """Overwrite a buffer in place with zeros."""
    buffer[:] = bytes(len(buffer))
