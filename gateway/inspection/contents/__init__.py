"""What lies in cells, files, logs and names that has no business there.

The detectors are pure: bytes in, findings out. A finding says what kind of thing lies where, in
which encoding and how long it is, and never what it is.

blocks     a block of bytes, and what detectors need of it
magic      pictures, sound, video, models, core files, by the marks of their formats
vectors    vectors of floats, signs and small integers, in binary
printed    the same as text
entropy    long stretches that look random: ciphertexts
numbers    numbers of identity documents
messages   messages of the protocol, in logs
encodings  hexadecimal, base64, escapes, compression, archives: from a block to what it encodes
scanner    all detectors over an object of any size
shapes     what each column of the gateway's database holds
cells      every cell of a database
database   looks at cells
files      looks at files
names      looks at names
leftovers  core files, swap files, copies of editors
"""
