"""The leak search: it looks for secrets where they must not be.

canaries    planted secrets, in every form in which a leak would write them
matcher     many patterns at once, in any part of a large block of bytes
search      the places: files, databases, open descriptors, process memory
processes   a running process: its children and its memory
findings    what was found, and which findings are allowed

The product's own tests and attacks use it, and an inspector does in canary mode.
"""
