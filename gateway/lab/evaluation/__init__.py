"""``sealmatch evaluate``: measurements against pictures and recordings that a person labelled.

cli               the command
match             faces told apart, on pairs of pictures: reads, measures, prints
match_*           its parts: pairs, pictures, scores, rates, intervals, counts, all against all,
                  the strongest probe, groups, encrypted pairs, transactions, report
probe_search      the search for a vector that many strangers accept
liveness          detectors on clips, photographs before the camera
liveness_labels   what a person saw in a clip
liveness_events   found, missed and false events
liveness_figures  the figures that are required, with intervals
quality           strangers with poor pictures that the gate lets match; calibration of the gate
degrad*, edits    poor pictures of every kind
video             frames of a file
tables            what is printed
"""
