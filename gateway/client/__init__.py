"""The registration client: capture, probe, submission, receipt check.

counter         an enrolled counter, from the trust file that names its keys
gateway_client  requests to the gateway
answers         what came back: the gateway's own answer, something else's, or nothing
agreement       what is compared before anybody's word is believed
registration    one registration from a portrait's embedding and a live capture to a checked receipt
pictures        photographs of all kinds; those with dangerous decoders in a process of their own
transport       connections to the pinned gateway
pending         what is kept until the outcome is known
mismatches      the counter's own mismatches, to explain a lock
liveness        frames in; a probe, an action vector and a transcript out
"""
