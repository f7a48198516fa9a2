"""The quality gate: which pictures are good enough for a cosine between two to mean anything.

Poor faces lie close together in an embedding (Deng et al., "Harnessing Unrecognizable Faces for
Improving Face Recognition", 2021): two strangers, both out of focus or both upside down, look like
one person. So no picture is embedded that does not pass, portrait or live, still or frame.
"""
