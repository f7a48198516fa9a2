"""``sealmatch bench load``: what a deployment carries, with real processes and real HTTP.

cli         the command
run         one run: servers, generators and what watches them
deployment  servers with many enrolled counters
generator   a counter's process: verifications, each under its own key
line        the HTTP connection of a generated counter, which counts and times
arrivals    when verifications begin
figures     what was done, and what it amounts to
photographs pairs that are embedded beforehand
database    transactions, and the database's own processes
sweep       latency against rate, and its picture
scaling     one core against two
tables      what is printed
"""
