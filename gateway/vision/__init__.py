"""Image in, unit embedding out: model packs, decoding, detection, alignment, embedding.

Rule: photographs and vectors stay in memory. Nothing here writes them anywhere, and no error text
or ``repr`` shows them. Import the modules by name; importing this package loads no model runtime.
"""
