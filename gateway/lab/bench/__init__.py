"""``sealmatch bench``: what things cost, in CPU time that is booked to one party each.

cli      the command
he       one verification, beside the usual CKKS way
audit    one audit
log      the transparency log as it grows
vision   one video frame
booked   whose time it was
parties  all parties in one process
"""
