"""The registration client: capture, probe, submission, receipt check.

gateway_client  the gateway, as a client sees it
registration    one registration from two embeddings to a checked receipt
"""
