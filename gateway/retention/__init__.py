"""What is kept for how long, and its removal (protocol, sections 10 and 12).

schedule   the file that says how long each kind of record is kept, why, and on which basis
holds      what must not be removed for now, and the end of that
"""
