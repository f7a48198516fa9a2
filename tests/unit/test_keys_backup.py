"""The authority's backup: what is missing comes back, and no restore lets anybody ask again."""

import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from gateway.host.archive import ArchiveReader, DamagedArchive
from gateway.host.directories import InUse, occupied
from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import SubjectHandle
from keys import backup, cli, composition, enrolment
from keys.audits import KEPT_SECONDS, AuditLedger
from keys.caps import DAY, HOUR, AttemptCaps
from keys.caps_mark import CapsLost, mark_of
from keys.caps_store import stored_attempts
from keys.config import AuthoritySettings
from keys.trust_file import Enrolled, TrustListDamaged
from tests.support.parties import Clock, refused
from tests.support.sealed import sealed_authority
from tests.support.site import killed_at

A = SubjectHandle(b"a" * 32)
NOW = 1_700_000_000
PARTS = ("trust.json", "audits.sqlite3", "caps.sqlite3")


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def settings(tmp_path: Path, clock: Clock) -> AuthoritySettings:
    """An authority that has enrolled, counted and demanded."""
    settings = sealed_authority(tmp_path / "authority", "authority.example")
    party = Enrolled(kind="gateway", party="gateway.example", public_key="ab" * 32)
    enrolment.enrol(settings, [party], NOW)
    with closing(AuditLedger(settings.audits_file, 3, clock)) as audits:
        audits.demand("gateway.example", NOW)
    admitted(settings, clock)
    clock.now += 2 * HOUR
    return settings


def admitted(settings: AuthoritySettings, clock: Clock) -> None:
    with closing(AttemptCaps(settings.caps_file, settings.caps, clock)) as caps:
        caps.admit([A], "device-1")


def made(settings: AuthoritySettings, out: Path, clock: Clock) -> Path:
    backup.make(settings, out, clock.now)
    return out


def lose(settings: AuthoritySettings, *, mark: bool = True) -> None:
    """All but the keys."""
    for name in (*PARTS, *(["caps.mark"] if mark else [])):
        (settings.data_dir / name).unlink()


def count(settings: AuthoritySettings, clock: Clock) -> int:
    AttemptCaps(settings.caps_file, settings.caps, clock).close()
    return len(stored_attempts(settings.caps_file))


def test_what_was_lost_comes_back_and_the_counters_are_closed_for_a_day(
    settings: AuthoritySettings, tmp_path: Path, clock: Clock
) -> None:
    file = made(settings, tmp_path / "backup", clock)
    assert file.stat().st_mode & 0o777 == 0o600
    keystore = (settings.data_dir / "keystore.sealed").read_bytes()
    assert keystore[-64:] not in file.read_bytes()
    clock.now += 3 * HOUR
    admitted(settings, clock)  # which the backup misses
    before = enrolment.open_trust(settings, clock.now)
    parties, history = before.parties(), before.history()
    lose(settings)
    clock.now += HOUR
    done = backup.restore(settings, file, clock.now)
    assert set(done.parts) == {"trust", "demands", "attempts"}
    assert done.closed_until == clock.now + DAY
    trust = enrolment.open_trust(settings, clock.now)
    assert trust.parties() == parties
    assert trust.history()[:-1] == history
    last = trust.history()[-1]
    assert (last.verb, last.kind, last.key_id) == ("restore", "caps", done.digest)
    with closing(AuditLedger(settings.audits_file, 3, clock)) as audits:
        assert audits.unanswered() == {"gateway.example": 1}
    assert count(settings, clock) == 1
    with closing(AttemptCaps(settings.caps_file, settings.caps, clock)) as caps:
        clock.now += DAY - 1
        with refused("closed until"):
            caps.admit([A], "device-1")
        clock.now += 1
        caps.admit([A], "device-1")


def test_a_later_copy_takes_the_place_of_closed_counters(
    settings: AuthoritySettings, tmp_path: Path, clock: Clock
) -> None:
    """One that misses nothing opens them, if the operator knows that the mark is the last one."""
    early = made(settings, tmp_path / "early", clock)
    admitted(settings, clock)
    clock.now += HOUR
    late = made(settings, tmp_path / "late", clock)
    lose(settings, mark=False)
    clock.now += HOUR
    mark = mark_of(settings.caps_file).read_bytes()
    done = backup.restore(settings, early, clock.now, mark_survived=True)
    assert done.closed_until is not None
    assert clock.now < done.closed_until < clock.now + DAY, "a day after the last attempt"
    assert count(settings, clock) == 1
    again = backup.restore(settings, late, clock.now, mark_survived=True)
    assert again.parts == ("attempts",)
    assert again.closed_until == 0
    assert count(settings, clock) == 2
    admitted(settings, clock)
    with pytest.raises(CallerMisuse, match="nothing is missing"):
        backup.restore(settings, early, clock.now)
    assert mark_of(settings.caps_file).read_bytes() != mark
    # The control: without that word, a mark that may be a copy opens nothing.
    lose(settings, mark=False)
    assert backup.restore(settings, late, clock.now).closed_until == clock.now + DAY
    mark_of(settings.caps_file).unlink()
    with pytest.raises(CallerMisuse, match="no mark here"):
        backup.restore(settings, late, clock.now, mark_survived=True)


@pytest.mark.parametrize(
    "point", ["trust-list-restored", "caps-mark-written", "caps-made", "secret-file-written"]
)
def test_a_restore_that_is_killed_is_ended_by_giving_it_again(
    point: str, settings: AuthoritySettings, tmp_path: Path, clock: Clock
) -> None:
    """In between the authority does not start on counters, or starts on closed ones."""
    file = made(settings, tmp_path / "backup", clock)
    lose(settings)
    assert killed_at(point, lambda: backup.restore(settings, file, clock.now))
    with pytest.raises(CapsLost):
        AttemptCaps(settings.caps_file, settings.caps, clock)
    assert backup.restore(settings, file, clock.now).closed_until == clock.now + DAY
    assert enrolment.open_trust(settings, clock.now).parties()
    assert count(settings, clock) == 1


def test_a_backup_of_another_authority_or_a_damaged_one_is_refused(
    settings: AuthoritySettings, tmp_path: Path, clock: Clock
) -> None:
    file = made(settings, tmp_path / "backup", clock)
    other = sealed_authority(tmp_path / "other", "other.example")
    with pytest.raises(CallerMisuse, match=r"a backup of authority\.example"):
        backup.restore(other, file, clock.now)
    namesake = sealed_authority(tmp_path / "namesake", "authority.example")
    with pytest.raises(TrustListDamaged):  # signed with other keys
        backup.restore(namesake, file, clock.now)
    assert not namesake.trust_file.exists()
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    lose(settings)
    with pytest.raises(DamagedArchive):
        backup.restore(settings, file, clock.now)
    with occupied(settings.data_dir, "authority"), pytest.raises(InUse):
        backup.restore(settings, file, clock.now)
    assert not {*PARTS, "caps.mark"} & set(os.listdir(settings.data_dir))


def test_an_authority_does_not_start_without_its_counters(
    settings: AuthoritySettings, clock: Clock
) -> None:
    composition.compose(settings, clock)  # the control
    settings.caps_file.unlink()
    with pytest.raises(CapsLost, match="--caps-lost"):
        composition.compose(settings, clock)
    until = backup.close_lost(settings, clock.now)
    assert until == clock.now + DAY
    composition.compose(settings, clock)
    with refused("closed until"):
        admitted(settings, clock)
    last = enrolment.open_trust(settings, clock.now).history()[-1]
    assert (last.verb, last.kind, last.party) == ("close", "caps", "authority.example")
    with pytest.raises(CallerMisuse, match="without --caps-lost"):
        backup.close_lost(settings, clock.now)


def test_counters_of_an_earlier_version_get_their_mark(
    settings: AuthoritySettings, clock: Clock
) -> None:
    mark_of(settings.caps_file).unlink()
    with closing(AttemptCapsWithoutStanding(settings)):
        pass
    with closing(AttemptCaps(settings.caps_file, settings.caps, clock)) as caps:
        caps.admit([A], "device-1")
    mark_of(settings.caps_file).unlink()
    with pytest.raises(CapsLost):  # from now on it belongs to them
        AttemptCaps(settings.caps_file, settings.caps, clock)


class AttemptCapsWithoutStanding:
    """Counters as they were made before there was a mark."""

    def __init__(self, settings: AuthoritySettings) -> None:
        import sqlite3

        with closing(sqlite3.connect(settings.caps_file)) as connection:
            connection.execute("DROP TABLE standing")
            connection.commit()

    def close(self) -> None:
        """Closed already."""


def test_old_demands_go_and_younger_ones_stay(tmp_path: Path, clock: Clock) -> None:
    with closing(AuditLedger(tmp_path / "audits.sqlite3", 3, clock)) as audits:
        audits.demand("gateway-of-somebody", clock.now)
        clock.now += KEPT_SECONDS - 1
        audits.demand("another", clock.now)
        audits.sweep()
        assert audits.unanswered() == {"gateway-of-somebody": 1, "another": 1}
        clock.now += 1
        audits.sweep()
        assert audits.unanswered() == {"another": 1}
    assert b"gateway-of-somebody" not in (tmp_path / "audits.sqlite3").read_bytes()


def test_an_operator_backs_up_and_restores_by_command(
    settings: AuthoritySettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("data_dir", "passphrase_file", "party"):
        monkeypatch.setenv(f"SEALMATCH_AUTHORITY_{name.upper()}", str(getattr(settings, name)))

    monkeypatch.setenv("SEALMATCH_AUTHORITY_AUDIT_ONE_IN", "0")
    monkeypatch.setenv("SEALMATCH_AUTHORITY_PORT", "0")

    def run(*arguments: str) -> int:
        return cli.main(list(arguments))

    file = str(tmp_path / "backup")
    assert run("backup", file) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == {"attempts": 1, "demands": 1, "trust": 1}
    with Path(file).open("rb") as opened:
        assert ArchiveReader(opened, backup.BACKUP).verify()[1].hex() == told["sha256"]
    assert run("restore", file) == 1
    assert "nothing is missing" in capsys.readouterr().err
    lose(settings)
    assert run("serve") == 1
    assert "caps.sqlite3 is missing" in capsys.readouterr().err
    assert run("restore", file) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["restored"] == ["trust", "demands", "attempts"]
    assert "every attempt is refused until" in said.err
    assert run("history") == 0
    assert f"restore\tcaps\tauthority.example\t{told['sha256']}" in capsys.readouterr().out
    (settings.data_dir / "keystore.sealed").unlink()
    assert run("restore", file) == 1
    assert "bring the authority's own keys back first" in capsys.readouterr().err
