"""What lies in cells, files, logs and names that has no business there.

The detectors are pure: bytes in, findings out. A finding says what kind of thing lies where, in
which encoding and how long it is, and never what it is.
"""
