"""``sealmatch bench capacity``: what a carrier's registrations need.

cli        the command
figures    what the sums rest on
sums       the sums
load.json  the load run of the reference machine: ``sealmatch bench load --database URL --json``
"""
