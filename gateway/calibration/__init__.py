"""From an evaluation to a match policy: what was measured, and the thresholds that follow.

It loads no numbers' library and needs no laboratory. ``sealmatch evaluate match`` writes evidence,
``sealmatch calibrate`` makes a proposal of it, and two operators sign that.
"""
