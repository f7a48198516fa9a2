"""The laboratory: it attacks, measures and demonstrates the product, and serves nobody.

deployment  all servers of a deployment as processes on one machine (``sealmatch up``)
attack      the attackers of the threat model, against such a deployment
evaluation  measurements against labelled recordings
bench       CPU and bytes of a verification, an audit, the log, a video frame
demo        watch a registration
intervals   exact confidence intervals of counts

Nothing that serves imports this package. ``gateway.main`` knows its commands by name, and says so
if they are not installed. Only ``bench`` and ``attack`` run the key authority's code (``keys``) in
a process of their own.
"""
