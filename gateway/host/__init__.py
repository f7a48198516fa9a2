"""What our processes have in common: the servers, and in part the counter.

Nothing here is a message; those are in ``gateway.wire``, the only package of ours that is imported.

At the edge of the network:

application  one error table, no framework pages
health       whether a server can do its work, for supervisors
http         body limits, correlation, problem bodies
limits       what strangers and everybody together may hold
connections  whose connection makes room
protocol     HTTP/1.1 on one connection, bounded
traffic      work and bodies at a time
signed       who sent a request, and the route that serves it
cli          what the operator commands have in common
serving      running until Ctrl-C, ready line, operator's log
lifetime     what a server opens, starts and stops, in order
announced    how a server says that it listens
ending       what Ctrl-C and SIGTERM do to a command
holders      who listens on a port, for messages
tls          certificates; required off loopback

Configuration and secrets at rest and in memory:

settings     file and environment, every field documented
server_settings    the settings that all servers have
directories  private, and one process's at a time
keyfile      one secret per file, its owner's alone, whole or not at all
keystore     secrets sealed under a passphrase
sealed_keys  the operator's ceremonies on those
party_keys   what a party that signs keeps sealed
keyring      rotation with overlap
passphrase   where a passphrase comes from
memory       core dumps, locks, overwriting
watched      a file that is read again when it has changed
ledger       a small SQLite file whose units of work are durable or did not happen
shared_ledger  the same in PostgreSQL, for several instances
isolation    worker processes, for what touches a peer's words
python       how Python is started: without the current directory
clock        the present, in seconds
installed    the product's version, and what to install where a package is missing
crash        named points at which tests kill a process
"""
