"""The trust list against whoever can write the authority's disk but not sign.

And against bad luck: two operators at once, a kill at every step, a full disk.
"""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.host import keystore
from gateway.host.keyfile import KeyFileError
from gateway.wire.admin import Concerned, next_action
from gateway.wire.errors import CallerMisuse
from keys import ceremony, enrolment
from keys.app import create_app
from keys.audits import AuditLedger
from keys.config import AuthoritySettings
from keys.custody import open_custody
from keys.trust import TrustList
from keys.trust_file import TrustListDamaged
from tests.support import parties
from tests.support.parties import AUTHORITY, DEVICE, GATEWAY, ISSUER, LocalSecrets
from tests.support.processes import PATIENCE
from tests.support.sealed import CHEAP, PASSPHRASE, sealed_authority
from tests.support.trusted import AT, SignedTrust, entry

MINE = parties.fixed_key("mine")
Content = dict[str, Any]


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keystore, "DEFAULT_COST", CHEAP)


@pytest.fixture
def settings(tmp_path: Path) -> AuthoritySettings:
    """An authority that enrolled a gateway, an issuer and two devices, and suspended one again."""
    found = sealed_authority(tmp_path, AUTHORITY.party)
    lost = parties.fixed_key("lost-device")
    first = [entry("gateway", GATEWAY), entry("issuer", ISSUER), entry("device", lost)]
    enrolment.enrol(found, first, AT)
    found.data_dir.joinpath("older").write_bytes(found.trust_file.read_bytes())
    enrolment.suspend(found, "device", lost.party, None, AT + 60)
    enrolment.enrol(found, [entry("device", DEVICE)], AT + 120)
    return found


def serving(settings: AuthoritySettings) -> None:
    """What ``serve`` does before it listens."""
    create_app(settings, lambda: AT, LocalSecrets())


def trust_of(settings: AuthoritySettings) -> TrustList:
    return enrolment.open_trust(settings, AT)


def edited(settings: AuthoritySettings, edit: Callable[[Content], object]) -> None:
    content = json.loads(settings.trust_file.read_bytes())
    edit(content)
    settings.trust_file.write_text(json.dumps(content))


def forged(content: Content, *enrolled: Concerned) -> None:
    """Appended in the right form, signed with a key of one's own in the authority's name."""
    signing = parties.stranger(AUTHORITY.party)
    for one in enrolled:
        before = base64.b64decode(content["history"][-1])
        action = next_action(before, "enrol", one, signing, AT + 300)
        content["history"].append(base64.b64encode(action).decode())


def mine(content: Content) -> None:
    content["parties"].append(entry("gateway", MINE).model_dump())


def signed_by_me(content: Content) -> None:
    mine(content)
    forged(content, Concerned.with_key("gateway", MINE.public))


def handed_to_me(content: Content) -> None:
    """The forger names itself the authority's next key, and signs as that."""
    me = parties.stranger(AUTHORITY.party)
    mine(content)
    content["parties"].append(
        {"kind": "authority", "party": AUTHORITY.party, "public_key": me.public.raw.hex()}
    )
    forged(
        content,
        Concerned.with_key("authority", me.public),
        Concerned.with_key("gateway", MINE.public),
    )


def other_key(content: Content) -> None:
    content["parties"][0]["public_key"] = MINE.public.raw.hex()


def bit_flipped(content: Content) -> None:
    action = bytearray(base64.b64decode(content["history"][2]))
    action[-1] ^= 1
    content["history"][2] = base64.b64encode(action).decode()


def swapped(content: Content) -> None:
    history = content["history"]
    history[1], history[2] = history[2], history[1]


def suspension_undone(content: Content) -> None:
    """The device that was lost is active again."""
    lost = {**entry("device", parties.fixed_key("lost-device")).model_dump()}
    content["parties"].append(lost)


EDITS = [
    mine,
    signed_by_me,
    handed_to_me,
    other_key,
    bit_flipped,
    swapped,
    suspension_undone,
    lambda content: content["parties"].pop(),
    lambda content: content["parties"].reverse() or content["parties"].append(
        content["parties"][0]
    ),
    lambda content: content["history"].pop(0),
    lambda content: content["history"].pop(3),
    lambda content: content["history"].pop(),
    lambda content: content["history"].append(content["history"][0]),
    lambda content: content["history"].clear(),
    lambda content: content["history"].__setitem__(0, "not base64"),
    lambda content: content["history"].__setitem__(0, "aGVsbG8="),
]  # fmt: skip
NAMES = [
    "party-added", "signed-by-a-stranger", "handed-to-a-stranger", "key-exchanged", "bit-flipped",
    "reordered", "suspension-undone", "party-dropped", "party-twice", "first-dropped",
    "suspension-dropped", "end-cut", "repeated", "emptied", "not-base64", "no-action",
]  # fmt: skip


@pytest.mark.parametrize("edit", EDITS, ids=NAMES)
def test_who_edits_the_file_without_the_key_is_noticed(
    settings: AuthoritySettings, edit: Callable[[Content], object]
) -> None:
    running, whole = trust_of(settings), settings.trust_file.read_bytes()
    assert running.key("device", DEVICE.party) == DEVICE.public
    edited(settings, edit)
    altered = settings.trust_file.read_bytes()
    with pytest.raises(TrustListDamaged, match=r"^trust\.json: "):
        serving(settings)  # it does not start
    for _ in range(2):  # a running one trusts nobody at the next request
        with pytest.raises(TrustListDamaged):
            running.key("device", DEVICE.party)
        with pytest.raises(TrustListDamaged):
            running.gateway_by_key_id(GATEWAY.public.key_id)
    with pytest.raises(TrustListDamaged):  # and no operator's command makes it whole
        enrolment.enrol(settings, [entry("device", MINE)], AT + 400)
    assert settings.trust_file.read_bytes() == altered
    settings.trust_file.write_bytes(whole)
    serving(settings)
    assert running.key("device", DEVICE.party) == DEVICE.public


def test_an_older_version_put_back_is_noticed_while_the_server_runs(
    settings: AuthoritySettings,
) -> None:
    """Not at a start: the older file is genuine. The noted head tells (``history --contains``)."""
    running = trust_of(settings)
    noted = running.head()
    settings.trust_file.write_bytes(settings.data_dir.joinpath("older").read_bytes())
    with pytest.raises(TrustListDamaged, match="cut or rewritten since it was last read"):
        running.key("gateway", GATEWAY.party)
    restarted = trust_of(settings)
    assert restarted.key("device", "lost-device"), "what is not detected, said plainly"
    assert not restarted.holds(noted)
    assert restarted.holds(restarted.head())


def test_the_history_says_who_was_enrolled_and_suspended(settings: AuthoritySettings) -> None:
    actions = trust_of(settings).history()
    assert [(a.verb, a.kind, a.party, a.at - AT) for a in actions] == [
        ("enrol", "gateway", GATEWAY.party, 0),
        ("enrol", "issuer", ISSUER.party, 0),
        ("enrol", "device", "lost-device", 0),
        ("suspend", "device", "lost-device", 60),
        ("enrol", "device", DEVICE.party, 120),
    ]
    before = settings.trust_file.read_bytes()
    enrolment.enrol(settings, [entry("device", DEVICE)], AT + 200)
    assert settings.trust_file.read_bytes() == before, "nothing happened, nothing is recorded"


def test_without_the_passphrase_nobody_is_enrolled(
    settings: AuthoritySettings, tmp_path: Path
) -> None:
    before = settings.trust_file.read_bytes()
    without = settings.model_copy(update={"passphrase_file": tmp_path / "older"})
    without.passphrase_file.chmod(0o600)  # type: ignore[union-attr]
    with pytest.raises(KeyFileError):
        enrolment.enrol(without, [entry("device", MINE)], AT)
    assert settings.trust_file.read_bytes() == before


def test_several_are_enrolled_all_or_none(settings: AuthoritySettings, tmp_path: Path) -> None:
    file, before = tmp_path / "devices", trust_of(settings).parties()
    devices = [entry("device", parties.fixed_key(f"shop-{i}")) for i in range(40)]
    lines = [f"{one.kind}\t{one.party}\t{one.public_key}" for one in devices]
    taken = entry("device", parties.stranger(DEVICE.party))
    for bad in ("device shop-41", f"authority shop-41 {'ab' * 32}", "device UPPER " + "ab" * 32):
        file.write_text("\n".join([*lines, "", bad]))
        with pytest.raises(CallerMisuse, match="devices, line 42"):
            enrolment.read_parties(file)
    with pytest.raises(CallerMisuse, match="another key"):
        enrolment.enrol(settings, [*devices, taken], AT)
    assert trust_of(settings).parties() == before
    file.write_text("\n".join(lines))
    enrolment.enrol(settings, enrolment.read_parties(file), AT)
    assert trust_of(settings).parties() == [*before, *devices]


# --- the authority's own key changes ---------------------------------------------------------


def rotated(settings: AuthoritySettings) -> None:
    ceremony.stage_signing_key(settings, AT)
    ceremony.activate_signing_key(settings, AT)


def test_the_history_passes_to_the_next_key(settings: AuthoritySettings) -> None:
    running, old = trust_of(settings), open_custody(settings, AT).signing
    assert running.key("device", DEVICE.party)
    for turn in range(10):  # more often than the keystore remembers keys
        rotated(settings)
        enrolment.enrol(settings, [entry("device", parties.fixed_key(f"d-{turn}"))], AT)
        if not turn:  # still running with the old key, until it is started again
            assert running.key("device", "d-0")
    serving(settings)
    assert len(trust_of(settings).history()) == 5 + 10 * 3
    assert {one.kind for one in trust_of(settings).parties()} == {"gateway", "issuer", "device"}
    thief = SignedTrust(settings.trust_file, old)
    with pytest.raises(TrustListDamaged):
        thief.add("gateway", MINE)


def test_a_thief_of_an_old_key_cannot_put_a_history_of_its_own_in_place(
    settings: AuthoritySettings,
) -> None:
    old = open_custody(settings, AT).signing
    rotated(settings)
    settings.trust_file.unlink()
    SignedTrust(settings.trust_file, old).add("gateway", MINE)
    with pytest.raises(TrustListDamaged, match="not signed by a key in force"):
        serving(settings)


def test_a_crash_in_the_middle_of_a_rotation_is_finished_by_the_next_try(
    settings: AuthoritySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two files: the history has passed to the next key, the keystore has not."""
    ceremony.stage_signing_key(settings, AT)
    with monkeypatch.context() as patch:
        patch.setattr("keys.vault.replace_keystore", crash)
        with pytest.raises(KeyboardInterrupt):
            ceremony.activate_signing_key(settings, AT)
    serving(settings)
    with pytest.raises(CallerMisuse, match="activate"):
        enrolment.enrol(settings, [entry("device", MINE)], AT)
    ceremony.activate_signing_key(settings, AT)
    enrolment.enrol(settings, [entry("device", MINE)], AT)
    assert [a.kind for a in trust_of(settings).history()[5:]] == ["authority"] * 2 + ["device"]


def crash(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_broken_list_keeps_the_key_from_being_changed(settings: AuthoritySettings) -> None:
    ceremony.stage_signing_key(settings, AT)
    edited(settings, mine)
    before = open_custody(settings, AT).signing.public
    with pytest.raises(TrustListDamaged):
        ceremony.activate_signing_key(settings, AT)
    assert open_custody(settings, AT).signing.public == before


# --- bad luck --------------------------------------------------------------------------------

ENROL = """
import os, resource, signal, sys
from pathlib import Path
from keys import enrolment
from keys.config import AuthoritySettings
from gateway.host import keyfile

directory, party, steps, limit = sys.argv[1:]
settings = AuthoritySettings(
    data_dir=Path(directory), party="authority.example",
    passphrase_file=Path(directory) / "passphrase",
)
left = int(steps)

def dying(call):
    def instead(*given, **named):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*given, **named)
    return instead

if left:
    for owner, name in ((os, "fsync"), (os, "link"), (Path, "replace"), (Path, "unlink"),
                        (keyfile.tempfile, "mkstemp")):
        setattr(owner, name, dying(getattr(owner, name)))
if limit != "0":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit),) * 2)
device = enrolment.party_of("device", party, os.urandom(32).hex())
enrolment.enrol(settings, [device], 1_763_760_000)
"""


def enrolling(
    settings: AuthoritySettings, party: str, *, dies_at: int = 0, room: int = 0
) -> "subprocess.Popen[str]":
    given = [str(settings.data_dir), party, str(dies_at), str(room)]
    return subprocess.Popen(
        [sys.executable, "-c", ENROL, *given], stderr=subprocess.PIPE, text=True, env=os.environ
    )


def test_operators_who_enrol_at_once_lose_nothing(settings: AuthoritySettings) -> None:
    started = [enrolling(settings, f"d-{i}") for i in range(6)]
    for process in started:
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
    enrolled = {one.party for one in trust_of(settings).parties()}
    assert {f"d-{i}" for i in range(6)} < enrolled
    assert len(trust_of(settings).history()) == 5 + 6


def test_killed_at_any_step_the_list_is_the_old_one_or_the_new_one(
    settings: AuthoritySettings,
) -> None:
    ended, step = None, 0
    while ended != 0:
        step += 1
        before = trust_of(settings).parties()
        process = enrolling(settings, f"d-{step}", dies_at=step)
        process.communicate(timeout=PATIENCE)
        ended = process.returncode
        assert ended in (0, -signal.SIGKILL)
        after = trust_of(settings).parties()
        assert [one.party for one in after[len(before) :]] in ([], [f"d-{step}"])
        assert after[: len(before)] == before
    assert step >= 4, "it died at several steps"
    enrolment.enrol(settings, [entry("device", MINE)], AT)
    assert not [p.name for p in settings.data_dir.iterdir() if p.name.startswith(".")]


def test_a_full_disk_leaves_the_old_list_and_no_litter(settings: AuthoritySettings) -> None:
    before = settings.trust_file.read_bytes()
    names = sorted(p.name for p in settings.data_dir.iterdir())
    process = enrolling(settings, "d-1", room=len(before) // 2)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "OSError" in said
    assert PASSPHRASE not in said
    assert settings.trust_file.read_bytes() == before
    assert sorted(p.name for p in settings.data_dir.iterdir()) == names
    enrolment.enrol(settings, [entry("device", MINE)], AT)


def test_forgotten_demands_are_in_the_history_and_enrol_nobody(settings: AuthoritySettings) -> None:
    ledger = AuditLedger(settings.audits_file, settings.audit_unanswered, lambda: AT + 100)
    ledger.demand(GATEWAY.party, AT + 10)
    ledger.demand(GATEWAY.party, AT + 200)
    before = list(trust_of(settings).parties())
    assert enrolment.clear_audits(settings, ISSUER.party, ledger, AT + 100) == 0
    assert enrolment.clear_audits(settings, GATEWAY.party, ledger, AT + 100) == 1
    assert enrolment.clear_audits(settings, GATEWAY.party, ledger, AT + 100) == 0
    trust = trust_of(settings)
    assert list(trust.parties()) == before
    lines = [action.line().split("\t")[1:4] for action in trust.history()]
    assert lines[-1] == ["clear-audits", "gateway", GATEWAY.party]
    assert len(lines) == 6
    assert trust.gateway_by_key_id(GATEWAY.public.key_id) == GATEWAY.public
    noted = trust.head()
    edited(settings, lambda content: content["history"].pop())
    serving(settings)  # that it was cut off is seen by who noted the head
    assert not trust_of(settings).holds(noted)
