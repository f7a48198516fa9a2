"""The registration client: capture, probe, submission, receipt check.

gateway_client  the gateway, as a client sees it
registration    one registration from a portrait's embedding and a live capture to a checked receipt
liveness        frames in; a probe, an action vector and a transcript out
"""
