"""A deployment on one machine, for trying, demonstrating, attacking and testing.

cli       ``sealmatch up``
local     starts and enrols the parties, in order
parties   what each party has: keys, settings, its operator's commands
servers   one server process: where it keeps what, how it starts and ends
attached  lets a server end with the process that started it
interrupts  Ctrl-C and SIGTERM: an orderly end, which a second one hastens
processes CPU time and memory of processes
postgres  a throw-away PostgreSQL server, and its standby
wiretap   an observer on the line to a server
"""
