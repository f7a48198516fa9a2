"""Notes, checkpoints and proofs: the specifications' examples, and texts that are almost right."""

import base64
import hashlib

import pytest

from gateway.translog import cosignature
from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.cosignature import check_line, check_signed, sign_checkpoint
from gateway.translog.note import Kind, NoteKey, SignatureLine, SignedNote
from gateway.translog.proof import LogProof
from gateway.wire.errors import BodyTooLarge, CallerMisuse, MalformedMessage, Refused
from tests.support.parties import NOW
from tests.support.translog import grown, signer, witness

VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""  # noqa: E501
CHECKPOINT = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501
KINDS = [Kind.COSIGNATURE_ED25519, Kind.COSIGNATURE_ML_DSA_44]


def test_the_example_of_signed_note_verifies() -> None:
    key = NoteKey.parse(VKEY)
    note = SignedNote.parse(NOTE.encode())
    assert str(key) == VKEY
    assert bytes(note) == NOTE.encode()
    [line] = note.signed_by(key)
    key.algorithm.check(key.public, line.signature, note.text.encode())


def test_the_example_of_checkpoint_and_cosignature_reads_back() -> None:
    signed = SignedCheckpoint.parse(CHECKPOINT.encode())
    assert bytes(signed) == CHECKPOINT.encode()
    assert signed.checkpoint.size == 20_852_163
    time = int.from_bytes(signed.note.signatures[1].signature[:8], "big")
    assert time == 1_679_315_147
    assert len(signed.note.signatures[1].signature) == 8 + 64


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("\n\n", "\n"),
        ("message.", "mess\tage."),
        ("message.", "mess\x00age."),
        ("— example", "- example"),
        ("— example", "—example"),
        ("foo Uw", "foo  Uw"),
        ("foo Uw", "f+oo Uw"),
        ("foo Uw", "f\u00a0oo Uw"),
        ("example.com/foo Uw", " Uw"),
        ("yaQM=", "yaQN="),
        ("yaQM=", "yaQM"),
        ("yaQM=\n", "yaQM="),
        ("yaQM=\n", "yaQM=\r\n"),
        ("Uw2Q", "Uw2\n"),
        ("Uw2Q", "Uw-_"),
        (NOTE[NOTE.index("Uw2Q") : -1], "Uw2QOg=="),
        (NOTE[NOTE.index("Uw2Q") : -1], base64.b64encode(bytes(4 + 5 * 1024 + 1)).decode()),
    ],
)
def test_a_note_has_one_form(was: str, becomes: str) -> None:
    assert was in NOTE
    with pytest.raises(MalformedMessage):
        SignedNote.parse(NOTE.replace(was, becomes, 1).encode())


def test_a_note_has_a_text_and_signatures() -> None:
    text, line = NOTE.split("\n\n")
    for data in (line, "\n" + line, text + "\n\n", text + "\n", "\n\n", "\n", ""):
        with pytest.raises(MalformedMessage):
            SignedNote.parse(data.encode())


def test_notes_are_bounded() -> None:
    line = NOTE.split("\n")[2] + "\n"
    SignedNote.parse(("text\n\n" + line * 32).encode())
    with pytest.raises(MalformedMessage):
        SignedNote.parse(("text\n\n" + line * 33).encode())
    with pytest.raises(BodyTooLarge):
        SignedNote.parse(b"a" * 300_000)
    with pytest.raises(MalformedMessage):
        SignedNote.parse(b"\xff\xfe\n\n" + line.encode())
    note = SignedNote.parse(("text\n\n" + line).encode())
    with pytest.raises(CallerMisuse):
        note.with_signatures(SignatureLine("a", b"1234", bytes([n])) for n in range(32))


def test_only_the_last_empty_line_ends_the_text() -> None:
    text = "one\n\ntwo\n\nthree\n"
    note = SignedNote.parse((text + NOTE[NOTE.index("\n\n") + 1 :]).encode())
    assert note.text == text


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "example.com/foo",
        VKEY.replace("530d903a", "530d903b"),
        VKEY.replace("530d903a", "530D903A"),
        VKEY[:-4],
        VKEY.replace("+A", "+/", 1),
        VKEY.replace("example.com", "example.org"),
        VKEY.replace("example.com/foo", "exam ple.com/foo"),
        VKEY.replace("example.com/foo", ""),
        VKEY.replace("example.com/foo", "\udc80"),
    ],
)
def test_a_vkey_has_one_form(vkey: str) -> None:
    with pytest.raises(MalformedMessage):
        NoteKey.parse(vkey)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_vkey_holds_a_whole_key(kind: Kind) -> None:
    key = witness(1, kind).key
    for public in (key.public[:-1], key.public + b"\0", b""):
        material = bytes([kind]) + public
        key_id = hashlib.sha256(key.name.encode() + b"\n" + material).hexdigest()[:8]
        with pytest.raises(MalformedMessage):
            NoteKey.parse(f"{key.name}+{key_id}+{base64.b64encode(material).decode()}")


@pytest.mark.parametrize(
    "text",
    [
        "origin\n0\n",
        "origin\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n",
        "origin\n1\nAAAA\n",
        "origin\n9223372036854775808\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n",
        "origin\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
    ],
)
def test_a_checkpoint_has_one_form(text: str) -> None:
    with pytest.raises(MalformedMessage):
        Checkpoint.parse(text)


def test_extension_lines_are_kept() -> None:
    checkpoint = Checkpoint("origin", 1, bytes(32), ("of somebody", "else"))
    assert Checkpoint.parse(checkpoint.text) == checkpoint


@pytest.mark.parametrize("kind", list(Kind))
def test_signatures_bind_checkpoint_key_and_time(kind: Kind) -> None:
    checkpoint = grown(5).checkpoint()
    key = witness(1, kind)
    line = sign_checkpoint(checkpoint, key, NOW)
    assert NoteKey.parse(str(key.key)) == key.key
    assert SignatureLine.parse(str(line)[:-1]) == line
    assert check_line(checkpoint, line, key.key) == (None if kind is Kind.ED25519 else NOW)
    with pytest.raises(Refused):
        check_line(grown(6).checkpoint(), line, key.key)
    with pytest.raises(Refused):
        check_line(Checkpoint("other", checkpoint.size, checkpoint.root), line, key.key)
    with pytest.raises(Refused):
        check_line(Checkpoint(checkpoint.origin, 6, checkpoint.root), line, key.key)
    with pytest.raises(Refused):
        check_line(Checkpoint(checkpoint.origin, 5, grown(6).checkpoint().root), line, key.key)
    with pytest.raises(Refused):
        check_line(checkpoint, line, witness(2, kind).key)
    for place in range(0, len(line.signature), 61):
        altered = bytearray(line.signature)
        altered[place] ^= 1
        wrong = SignatureLine(line.name, line.key_id, bytes(altered))
        with pytest.raises(Refused):
            check_line(checkpoint, wrong, key.key)
    for other in (line.signature[:-1], line.signature + b"\0", b"\0"):
        with pytest.raises(Refused):
            check_line(checkpoint, SignatureLine(line.name, line.key_id, other), key.key)


def test_ml_dsa_binds_the_name_of_the_signer() -> None:
    """The same key under another name is another witness."""
    kind = Kind.COSIGNATURE_ML_DSA_44
    checkpoint = grown(5).checkpoint()
    one, other = (signer(name, kind, "same") for name in ("one.example", "other.example"))
    line = sign_checkpoint(checkpoint, one, NOW)
    moved = SignatureLine(other.key.name, other.key.key_id, line.signature)
    with pytest.raises(Refused):
        check_line(checkpoint, moved, other.key)


def test_one_bad_signature_of_a_known_key_spoils_the_note() -> None:
    log = grown(5)
    key = log.signers[0].key
    other = sign_checkpoint(grown(6).checkpoint(), log.signers[0], NOW)
    signed = log.signed().with_signatures(other)
    with pytest.raises(Refused):
        check_signed(signed, key)
    assert check_signed(log.signed(), witness(1).key) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_cosignature_has_a_time(kind: Kind) -> None:
    with pytest.raises(CallerMisuse):
        sign_checkpoint(grown(1).checkpoint(), witness(1, kind), 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("time", [0, 2**63])
def test_a_signature_without_a_sound_time_is_no_cosignature(kind: Kind, time: int) -> None:
    """A zero says that the signer made no statement about the tree being its largest."""
    checkpoint = grown(5).checkpoint()
    one = witness(1, kind)
    line = one.line(cosignature._message(checkpoint, one.key, time), time.to_bytes(8, "big"))
    with pytest.raises(Refused):
        check_line(checkpoint, line, one.key)
    sound = one.line(cosignature._message(checkpoint, one.key, 1), (1).to_bytes(8, "big"))
    assert check_line(checkpoint, sound, one.key) == 1


def test_extra_data_is_bounded() -> None:
    made = grown(9).prove(4)
    for extra in (b"", bytes(16 * 1024 + 1)):
        with pytest.raises(CallerMisuse):
            LogProof(made.index, made.path, made.signed, extra)


@pytest.mark.parametrize("extra", [None, b"extra", bytes(16 * 1024)])
def test_a_proof_reads_back(extra: bytes | None) -> None:
    made = grown(9).prove(4, witnesses=[witness(1)])
    made = LogProof(made.index, made.path, made.signed, extra)
    assert LogProof.parse(bytes(made)) == made
    assert bytes(LogProof.parse(bytes(made))) == bytes(made)


PROOF = bytes(grown(9).prove(4)).decode()
HASH = base64.b64encode(bytes(32)).decode() + "\n"


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("@v1", "@v2"),
        ("c2sp", " c2sp"),
        ("index 4", "index 04"),
        ("index 4", "index  4"),
        ("index 4", "Index 4"),
        ("index 4\n", ""),
        ("index 4\n", "index 4\n\n"),
        ("index 4\n", "extra \nindex 4\n"),
        ("index 4\n", "extra AA\nindex 4\n"),
        ("index 4\n", "index 4\nextra AA==\n"),
        ("index 4\n", "extra AA==\nextra AA==\nindex 4\n"),
        ("index 4\n", "index 4\n" + HASH * 64),
        ("index 4\n", "index 4\nAAAA\n"),
        ("\n\nlog.example", "\nlog.example"),
        ("\n\nlog.example", "\n\n\nlog.example"),
    ],
)
def test_a_proof_has_one_form(was: str, becomes: str) -> None:
    assert was in PROOF
    LogProof.parse(PROOF.encode())
    with pytest.raises(MalformedMessage):
        LogProof.parse(PROOF.replace(was, becomes, 1).encode())
