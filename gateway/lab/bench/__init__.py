"""``sealmatch bench``: what things cost. CPU time is booked to the party that spends it.

cli      the command
he       one verification, beside the usual CKKS way
audit    one audit
faults   faults while it is under load
load     what a deployment of real processes carries
log      the transparency log as it grows
retention  keeping, erasing and inspecting records
vision   one video frame
booked   the parties' code, with its CPU time booked
parties  all parties in one process
"""
