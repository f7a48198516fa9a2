"""Whatever can be written reads back as the same thing, and to the same bytes."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.note import Kind, NoteKey, NoteSigner, SignatureLine, SignedNote
from gateway.translog.policy import TrustedLog, TrustedWitness, TrustPolicy
from gateway.translog.proof import LogProof
from gateway.translog.witnessing import AddCheckpoint

# Control characters stand in no note, DEL in no policy; lone surrogates in no UTF-8.
CONTROL = "".join(map(chr, [*range(32), 127]))
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters=CONTROL)
LINES = st.text(CHARACTERS, max_size=40)
NAMES = (
    st.text(CHARACTERS, min_size=1, max_size=40)
    .map(lambda text: "".join(c for c in text if not c.isspace() and c != "+"))
    .filter(bool)
)
HASHES = st.binary(min_size=32, max_size=32)
SIGNATURES = st.lists(
    st.builds(
        SignatureLine, NAMES, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=90)
    ),
    min_size=1,
    max_size=32,
).map(tuple)
KEYS = st.builds(
    lambda name, kind, seed: NoteSigner.from_seed(name, kind, seed).key,
    NAMES,
    st.sampled_from([Kind.ED25519, Kind.COSIGNATURE_ED25519]),
    HASHES,
)
CHECKPOINTS = st.builds(
    Checkpoint,
    st.text(CHARACTERS, min_size=1, max_size=60),
    st.integers(0, 2**63 - 1),
    HASHES,
    st.lists(st.text(CHARACTERS, min_size=1, max_size=40), max_size=16).map(tuple),
)
SIGNED = st.builds(lambda of, lines: SignedCheckpoint.make(of, *lines), CHECKPOINTS, SIGNATURES)
PATHS = st.lists(HASHES, max_size=63).map(tuple)
SIZES = st.integers(0, 2**63 - 1)


@given(st.lists(LINES, min_size=1, max_size=6), SIGNATURES)
def test_notes(lines: list[str], signatures: tuple[SignatureLine, ...]) -> None:
    note = SignedNote("".join(f"{line}\n" for line in lines), signatures)
    assert SignedNote.parse(bytes(note)) == note


@given(KEYS)
def test_keys(key: NoteKey) -> None:
    assert NoteKey.parse(str(key)) == key


@given(SIGNED)
def test_checkpoints(signed: SignedCheckpoint) -> None:
    assert SignedCheckpoint.parse(bytes(signed)) == signed


@given(SIZES, PATHS, SIGNED, st.none() | st.binary(min_size=1, max_size=200))
def test_proofs(
    index: int, path: tuple[bytes, ...], signed: SignedCheckpoint, extra: bytes | None
) -> None:
    proof = LogProof(index, path, signed, extra)
    assert LogProof.parse(bytes(proof)) == proof


@given(SIZES, PATHS, SIGNED)
def test_requests(old: int, proof: tuple[bytes, ...], signed: SignedCheckpoint) -> None:
    request = AddCheckpoint(old, proof, signed)
    assert AddCheckpoint.parse(bytes(request)) == request


@given(
    st.lists(KEYS, max_size=5, unique_by=lambda key: key.public),
    st.lists(
        KEYS.filter(lambda key: key.kind is not Kind.ED25519),
        max_size=5,
        unique_by=lambda key: key.public,
    ),
    st.data(),
)
def test_policies(logs: list[NoteKey], witnesses: list[NoteKey], data: st.DataObject) -> None:
    threshold = data.draw(st.integers(0, len(witnesses)))
    policy = TrustPolicy.simple(
        [TrustedLog(key) for key in logs],
        [TrustedWitness(f"w{n}", key, "https://x.example/") for n, key in enumerate(witnesses)],
        threshold,
    )
    assert TrustPolicy.parse(bytes(policy)) == policy
    policy.check_quorum([f"w{n}" for n in range(threshold)])
