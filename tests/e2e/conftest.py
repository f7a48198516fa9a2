"""Many decisions on one device: the caps are lifted here, and tested where they are the subject."""

import os

os.environ.setdefault("SEALMATCH_AUTHORITY_DEVICE_DECISIONS", "100000")
os.environ.setdefault("SEALMATCH_AUTHORITY_SUBJECT_DECISIONS", "1000")
os.environ.setdefault("SEALMATCH_AUTHORITY_FAILURES_TO_LOCK", "1000")
os.environ.setdefault("SEALMATCH_GATEWAY_ACTIVATIONS_PER_SUBJECT", "1000")
