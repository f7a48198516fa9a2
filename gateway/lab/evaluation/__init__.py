"""``sealmatch evaluate``: measurements against recordings that a person labelled.

cli               the command
liveness          its work: detectors on clips, photographs before the camera
liveness_labels   what a person saw in a clip
liveness_events   found, missed and false events
liveness_figures  the figures that are required, with intervals
video             frames of a file
tables            what is printed
"""
