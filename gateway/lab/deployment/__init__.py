"""A deployment on one machine, for trying, demonstrating, attacking and testing.

cli       ``sealmatch up``
local     who is started and enrolled in which order
parties   what each party has: keys, settings, its operator's commands
servers   one server process: where it keeps what, how it starts and ends
attached  a server ends with the process that started it
wiretap   an observer on the line between gateway and authority
"""
