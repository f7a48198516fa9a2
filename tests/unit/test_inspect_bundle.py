"""The bundle: a second person repeats it offline; whatever is altered in it is named."""

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.inspection.bundle import (
    EVIDENCE,
    MANIFEST,
    REPORT,
    SIGNATURE,
    Bundle,
    make_bundle,
    pack,
    read_bundle,
    report_of,
    unpack,
)
from gateway.inspection.checks import ALL
from gateway.inspection.exhibits import encoded
from gateway.inspection.inspection import inspect
from gateway.inspection.lines import Basis, Line, Progress, Verdict
from gateway.inspection.verification import Verification, verify_bundle
from gateway.wire.cose import SigningKey
from gateway.wire.errors import MalformedMessage, Refused
from tests.support.inspected import Inspected, violated
from tests.support.parties import fixed_key

INSPECTOR = fixed_key("inspector")
SHORT = [one for one in ALL if one.basis is Basis.PROVEN or not one.id.startswith("contents.")]
"""Without the checks that search files: nothing of them is in a bundle but their lines."""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Inspected:
    made = Inspected(tmp_path_factory.mktemp("deployment"))
    made.register(7)
    made.publish()
    return made


def bundle_of(deployment: Inspected, key: SigningKey | None = INSPECTOR, **given: Any) -> bytes:
    with deployment.evidence(**given) as evidence:
        lines = inspect(evidence, SHORT, Progress())
        return make_bundle(report_of(lines, evidence.now, "1", {}), evidence, key)


@pytest.fixture(scope="module")
def bundle(deployment: Inspected) -> bytes:
    return bundle_of(deployment)


def verified(content: bytes, key: SigningKey | None = INSPECTOR) -> Verification:
    public = None if key is None else key.public
    return verify_bundle(read_bundle(content), SHORT, public, Progress())


def test_a_second_person_repeats_every_proven_line(bundle: bytes) -> None:
    found = verified(bundle)
    assert found.differs == ()
    assert found.repeated == found.resting_on(Basis.PROVEN) >= 15
    assert found.signed_by == INSPECTOR.public.key_id.hex()
    assert found.resting_on(Basis.SEEN) >= 8


def test_the_same_inspection_gives_the_same_bytes(deployment: Inspected, bundle: bytes) -> None:
    assert bundle_of(deployment) == bundle


def test_other_tools_open_it(bundle: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(bundle)) as archive:
        names = archive.getnames()
        files = {name: archive.extractfile(name) for name in names}
        held = {name: file.read() for name, file in files.items() if file is not None}
        manifest = json.loads(held[MANIFEST])
        for name, said in manifest["files"].items():
            content = held[name]
            assert hashlib.sha256(content).hexdigest() == said["sha256"]
            assert said["what"]
    assert set(names) == {*manifest["files"], MANIFEST, SIGNATURE}


def test_nothing_about_a_person_is_in_it(deployment: Inspected, bundle: bytes) -> None:
    """No statement, handle, commitment or record id, in no usual form. The control is in the
    database."""
    with deployment.database() as database, database.transaction() as connection:
        from gateway.store.records import all_records

        rows = all_records(connection)
    held = (deployment.gateway / "gateway.sqlite3").read_bytes()
    assert len(rows) == 7
    for row in rows:
        secrets: Any = (row.record_id, row.subject_handle, row.activation_commitment, row.statement)
        assert all(secret in held for secret in secrets[:3])
        for secret in secrets:
            for form in (secret, secret.hex().encode(), base64.b64encode(secret)[:-4]):
                assert form[:48] not in bundle
    assert b"outlet-3" in bundle, "pseudonyms of the register are in it"


# What is altered is named


def altered(content: bytes, change: Callable[[dict[str, bytes]], Any], *, honest: bool) -> bytes:
    """``honest``: the manifest is made anew, as whoever has no key can do."""
    files = unpack(content)
    change(files)
    if honest:
        manifest = json.loads(files[MANIFEST])
        manifest["files"] = {
            name: {
                "sha256": hashlib.sha256(held).hexdigest(),
                "bytes": len(held),
                "what": "",
            }
            for name, held in files.items()
            if name not in (MANIFEST, SIGNATURE)
        }
        files[MANIFEST] = encoded(manifest)
    return pack(files)


def in_report(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, bytes]], None]:
    def apply(files: dict[str, bytes]) -> None:
        report = json.loads(files[REPORT])
        change(report)
        files[REPORT] = encoded(report)

    return apply


def whitewashed(report: dict[str, Any]) -> None:
    line = next(one for one in report["lines"] if one["check"] == "parties.enrolled")
    line |= {"verdict": "PASSED", "found": [], "notes": []}


def test_a_report_that_hides_a_violation_differs(deployment: Inspected, tmp_path: Path) -> None:
    copy = Inspected.copied(deployment, tmp_path)
    copy.execute(
        "INSERT INTO parties (kind, party, state) VALUES ('outlet', 'outlet-66', 'active')"
    )
    content = bundle_of(copy)
    honest = verified(content)
    assert honest.agrees
    assert any(one.verdict is Verdict.VIOLATED for one in honest.lines)
    found = verified(altered(content, in_report(whitewashed), honest=True))
    assert "signature: the signature is over another bundle" in found.differs
    assert any(
        "parties.enrolled" in one and "what follows is violated: outlet outlet-66" in one
        for one in found.differs
    )


ALTERED: dict[str, tuple[Callable[[dict[str, bytes]], Any], str]] = {
    "entry": (
        lambda f: f.update({EVIDENCE + "log/entries": bytes(len(f[EVIDENCE + "log/entries"]))}),
        "log.entries",
    ),
    "schema": (
        lambda f: f.update(
            {EVIDENCE + "schema.json": f[EVIDENCE + "schema.json"].replace(b"VARCHAR(63)", b"TEXT")}
        ),
        "data-map.columns",
    ),
    "map": (
        lambda f: f.update({EVIDENCE + "data_map.toml": f[EVIDENCE + "data_map.toml"] + b"\n"}),
        "the data map is not the one",
    ),
    "actions": (
        lambda f: f.update(
            {EVIDENCE + "actions": b"\n".join(f[EVIDENCE + "actions"].splitlines()[:-3]) + b"\n"}
        ),
        "parties.enrolled",
    ),
    "evidence-dropped": (lambda f: f.pop(EVIDENCE + "actions"), "what follows is no access"),
    "line-dropped": (
        in_report(lambda r: r["lines"].pop(0)), "the report has",
    ),
    "line-in-disguise": (
        in_report(lambda r: r["lines"][0].update(basis="SEEN")), "the report has",
    ),
    "line-dropped-that-nobody-repeats": (
        in_report(
            lambda r: r["lines"].remove(
                next(one for one in r["lines"] if one["check"] == "counts.erasures"
                     and one["basis"] == "SEEN")
            )
        ),
        "counts.erasures has fewer lines",
    ),
    "time": (in_report(lambda r: r.update(madeAt=r["madeAt"] + 1)), "another time or version"),
    "summary": (in_report(lambda r: r["summary"].update(VIOLATED=1)), "sums up other lines"),
    "sentences": (in_report(lambda r: r["sentences"].pop()), "sums up other lines"),
    "counters": (
        lambda f: f.update({EVIDENCE + "counters.json": b'{"outcomes": {}, "liveness": {}}\n'}),
        "outcomes.attempts",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERED)
def test_what_is_altered_with_a_new_manifest_is_named(name: str, bundle: bytes) -> None:
    change, says = ALTERED[name]
    content = altered(bundle, change, honest=True)
    found = verified(content, None)
    assert any(says in one for one in found.differs), found.differs
    with_key = verified(content)
    assert "signature: the signature is over another bundle" in with_key.differs


def test_strangers_signatures_do_not_count(bundle: bytes, deployment: Inspected) -> None:
    assert verified(bundle, fixed_key("stranger")).differs[0].startswith("signature: ")
    unsigned = bundle_of(deployment, None)
    assert verified(unsigned).differs == ("signature: the bundle is not signed",)
    assert verified(unsigned, None).agrees
    garbage = altered(bundle, lambda f: f.update({SIGNATURE: b"x"}), honest=False)
    assert verified(garbage).differs[0].startswith("signature: ")


def test_the_manifest_names_what_differs(bundle: bytes) -> None:
    def damage(files: dict[str, bytes]) -> None:
        files[EVIDENCE + "log/entries"] = files[EVIDENCE + "log/entries"][:-1] + b"\0"

    with pytest.raises(MalformedMessage, match="evidence/log/entries is not the file"):
        read_bundle(altered(bundle, damage, honest=False))
    with pytest.raises(MalformedMessage, match=r"evidence/more.json is not in the manifest"):
        read_bundle(
            altered(bundle, lambda f: f.update({EVIDENCE + "more.json": b""}), honest=False)
        )
    with pytest.raises(MalformedMessage, match="evidence/actions of the manifest is missing"):
        read_bundle(altered(bundle, lambda f: f.pop(EVIDENCE + "actions"), honest=False))


def test_every_byte_counts(bundle: bytes) -> None:
    """Whatever bit is turned, the bundle is refused or says that it differs. So nothing hides
    between its files, and no header has a second form."""
    end = len(bundle)
    places = {*range(0, 600, 7), *range(end - 1100, end, 13), *range(0, end, 4999)}
    for place in sorted(places):
        turned = bytearray(bundle)
        turned[place] ^= 1
        with pytest.raises((MalformedMessage, Refused)):
            # Only the signature itself is in no manifest.
            read_bundle(bytes(turned)).require_signed_by(INSPECTOR.public)


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    made = tarfile.TarInfo(name)
    made.size, made.type = size, kind
    return made.tobuf(tarfile.USTAR_FORMAT)


HOSTILE = {
    "empty": b"",
    "zip": b"PK\3\4" + bytes(2000),
    "gzip": b"\x1f\x8b\x08" + bytes(2000),
    "upwards": header("../../etc/passwd", 0) + bytes(1024),
    "absolute": header("/etc/passwd", 0) + bytes(1024),
    "huge": header("report.json", 2**33 - 1) + bytes(1024),
    "beyond": header("report.json", 10**6) + bytes(1024),
    "link": header("report.json", 0, tarfile.SYMTYPE) + bytes(1024),
    "twice": pack({"a.json": b"1"})[:1024] * 2 + bytes(1024),
    "headers": b"".join(pack({f"a{n:05}.json": b""})[:512] for n in range(1200)) + bytes(1024),
    "nothing": pack({}),
    "no-report": pack({MANIFEST: b"{}"}),
    "no-json": pack({MANIFEST: b"{", REPORT: b"{}"}),
    "deep-json": pack({MANIFEST: b"[" * 100_000, REPORT: b"{}"}),
    "list": pack({MANIFEST: b"[]", REPORT: b"{}"}),
    "other-version": pack({MANIFEST: b'{"version": 2}', REPORT: b"{}"}),
    "true": pack({MANIFEST: b'{"version": true}', REPORT: b"{}"}),
    "files": pack({MANIFEST: b'{"version":1,"madeAt":1,"tool":"1","files":[1]}', REPORT: b"{}"}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_no_bundles(name: str) -> None:
    with pytest.raises(MalformedMessage):
        read_bundle(HOSTILE[name])


@pytest.mark.parametrize(
    "lines", [None, 1, "x", [1], [{}], [{"check": 1}], [[]], [{"check": "x", "count": 10**999}]]
)
def test_a_report_without_lines_is_no_report(bundle: bytes, lines: object) -> None:
    content = altered(bundle, in_report(lambda r: r.update(lines=lines)), honest=True)
    with pytest.raises(MalformedMessage):
        verified(content)


def test_truncated_bundles_are_refused(bundle: bytes) -> None:
    for length in range(0, len(bundle), 1711):
        with pytest.raises(MalformedMessage):
            read_bundle(bundle[:length])


def test_lines_survive_their_report(bundle: bytes) -> None:
    lines = read_bundle(bundle).lines
    assert tuple(map(Line.of_json, [one.as_json() for one in lines])) == lines
    with pytest.raises(MalformedMessage):
        Line.of_json(lines[0].as_json() | {"verdict": "PASSED", "count": 0})


# The last visit


def since(content: bytes) -> Bundle:
    return read_bundle(content)


@pytest.fixture
def copy(deployment: Inspected, tmp_path: Path) -> Inspected:
    return Inspected.copied(deployment, tmp_path)


def test_a_later_visit_holds_everything_against_the_earlier_one(
    bundle: bytes, copy: Inspected
) -> None:
    copy.register(3)
    copy.publish()
    lines = copy.inspect(since_given=since(bundle))
    assert violated(lines) == {}
    visit = {one.title: one for one in lines if one.check == "log.visit"}
    assert [one.verdict for one in visit.values()] == [
        *(Verdict.PASSED, Verdict.PASSED, Verdict.NOTHING, Verdict.PASSED)
    ]
    later = bundle_of(copy, since_given=since(bundle))
    assert verified(later).agrees, "the later bundle alone is enough"


def test_what_vanished_since_is_found(bundle: bytes, deployment: Inspected, tmp_path: Path) -> None:
    grown = Inspected.copied(deployment, tmp_path / "grown")
    grown.register(2)
    grown.publish()
    later = since(bundle_of(grown))
    shown = violated(deployment.inspect(since_given=later))
    assert any("it was rolled back" in one for one in shown["log.visit"])
    assert any(one.startswith("the total passed fell") for one in shown["log.visit"])

    forked = Inspected.copied(deployment, tmp_path / "forked")
    forked.numbers = iter(range(500, 600))
    forked.register(3)
    forked.publish()
    shown = violated(forked.inspect(since_given=later))
    assert any("are not those that the last visit saw" in one for one in shown["log.visit"])


def test_a_history_that_was_cut_since_is_found(bundle: bytes, copy: Inspected) -> None:
    copy.execute("DELETE FROM admin_actions WHERE number = 6", "DELETE FROM consent_texts")
    shown = violated(copy.inspect(since_given=since(bundle)))
    assert "operators' history does not begin with what the last visit saw" in shown["log.visit"]


def test_a_bundle_of_another_log_is_no_earlier_visit(bundle: bytes, deployment: Inspected) -> None:
    """Whoever makes up an earlier bundle needs the log's key."""
    from gateway.translog.checkpoint import SignedCheckpoint
    from gateway.translog.cosignature import sign_checkpoint
    from gateway.translog.note import Kind, NoteSigner

    found = since(bundle)
    name = EVIDENCE + "log/checkpoint"
    checkpoint = SignedCheckpoint.parse(found.files[name]).checkpoint
    key = NoteSigner.from_seed(checkpoint.origin, Kind.ED25519, bytes(32))
    forged = bytes(SignedCheckpoint.make(checkpoint, sign_checkpoint(checkpoint, key, 1)))
    made_up = replace(found, files={**found.files, name: forged})
    shown = violated(deployment.inspect(since_given=made_up))
    assert (
        "the last visit's checkpoint is not signed by a pinned key of the log"
        in (shown["log.visit"])
    )
