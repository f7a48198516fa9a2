"""``sealmatch demo``: watch a registration, and see what each party saw.

cli     the command
tables  the tables that it shows
"""
