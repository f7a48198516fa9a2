"""``sealmatch attack``: the attackers of the threat model, against a live local deployment.

Each attacker has one module. It holds what the threat model says such an attacker holds, tries
what such an attacker would try, and reports what it recovered. If a defence is disabled, the attack
that it stops succeeds; this shows that the attack is a real one. Defences are disabled in
throw-away processes that this package starts; the servers have no switch.

cli                the command
catalogue          the attackers and the defences, by name
report             what was tried, how often, and what came of it
deployment         the servers under attack, as processes on loopback
counter            a registration counter whose every step an attacker may change
crooked_gateway    a gateway whose every message an attacker may choose
forging            probes that no honest client makes: any ring element as a phase
faces              unit embeddings of people who do not exist
thief_search       every place that both servers can write, and their memory
weakened           starts a server with one defence missing
workshops          evaluation workers with one defence missing
spying_authority   a key authority that keeps everything it sees
lying_authority    a key authority that departs from the protocol
phases             ring elements as exact integers, for whoever holds a secret key
trapdoor           a session key whose uniform half somebody chose
photograph         a photograph of the right person before the camera (``sealmatch evaluate``)

curious_authority, malicious_authority, authority_and_device, malicious_gateway,
gateway_and_device, lying_device, issuer_impostor, disk_thief, replayer, enumerator
                   the attackers

Nothing that serves requests imports this package.
"""
