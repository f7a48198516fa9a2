"""``sealmatch bench faults``: faults while a deployment is under load.

cli         the command
experiments what goes wrong, by name
trial       one experiment: clients, the fault, what must hold afterwards, figures
supervisor  starts servers again that ended, as systemd does
strangers   a process that holds connections, headers and bodies
aftermath   what clients know against what the gateway has
"""
