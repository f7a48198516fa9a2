"""An audit shows a third server ciphertexts and a seed; nothing of them stays there.

Every evaluation here is audited: the auditor opens the sealed template, repeats the evaluation, and
keeps nothing but what its docstring says. Searched are its files and its memory, and the gateway's,
which held all of it twice.
"""

import time
from pathlib import Path

import pytest

from gateway.he.frame import probe_signs, template_values
from gateway.inspection.leaks import canaries
from gateway.inspection.leaks.canaries import Canary
from gateway.inspection.leaks.search import LeakSearch
from gateway.lab.attack.counter import Counter
from gateway.lab.attack.deployment import Ground, Site
from gateway.lab.attack.faces import another_picture, face
from gateway.proofs.verify import verify_receipt
from gateway.wire.polynomials import FRESH_BYTES, Ciphertext
from gateway.wire.sealing import Sealed
from gateway.wire.subject import Subject
from tests.support.leaks import SEARCHED_AT_LEAST, new_number, of_other_tests

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.cold]

AUTHORITY, AUDITOR, GATEWAY = range(3)
PEOPLE = 2


def audited(ground: Ground, counter: Counter, number: str) -> list[Canary]:
    """One registration; what an auditor was shown of it, and what it never is."""
    portrait = face(f"audited {number}")
    live = another_picture(portrait, 0.7, f"audited live {number}")
    opened = counter.open()
    issued = counter.issue(opened, portrait, Subject.of("passport", number))
    probe = counter.probe(opened, live)
    answer = counter.submit(opened, issued, probe)
    assert answer.outcome == "MATCH"
    assert verify_receipt(answer.receipt, counter.trust).audited
    _, sealing = ground.gateway_keys()
    grant = opened.key.grant.message
    opened_template = sealing.open(
        Sealed.TEMPLATE, issued.sealed_template, grant.session, grant.key_id
    )
    template, dealing = opened_template[:FRESH_BYTES], opened_template[FRESH_BYTES:]
    return [
        *canaries.document_number("number", "passport", number),
        canaries.embedding("portrait", portrait),
        canaries.embedding("live", live),
        canaries.integers("live, signs", probe_signs(live)),
        canaries.integers("portrait, integers", template_values(portrait)),
        canaries.body("sealed template", issued.sealed_template),
        canaries.body("dealing", dealing),
        *canaries.polynomials("template", Ciphertext.decode(template)),
        *canaries.polynomials("probe", Ciphertext.decode(probe)),
    ]


def test_an_auditor_keeps_nothing_of_what_it_is_shown(tmp_path: Path) -> None:
    started = time.time() - 1
    with Site(tmp_path / "site") as site:
        ground = site.ground(audit_one_in=1, inspectable="true")
        with Counter(ground) as counter:
            wanted = [
                canary for _ in range(PEOPLE) for canary in audited(ground, counter, new_number())
            ]
        search = LeakSearch(wanted)
        places = ground.directories
        files = search.directories([places.auditor, places.gateway, places.authority])
        others = [places.root.parent, *of_other_tests(places.root)]
        files += search.temporary_files(started, without=others)
        assert {Path(place).name for place, _ in files.searched} >= {"server.log", "parties.json"}
        files.require_nothing()
        for index, name in ((AUDITOR, "auditor"), (GATEWAY, "gateway"), (AUTHORITY, "authority")):
            memory = search.process(ground.servers[index].process.pid, name)
            assert memory.bytes_searched > SEARCHED_AT_LEAST
            memory.require_nothing()
        own = LeakSearch([canaries.text("name", ground.trust.auditors[0].party)])
        assert own.process(ground.servers[AUDITOR].process.pid, "auditor").findings
