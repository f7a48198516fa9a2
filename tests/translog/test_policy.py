"""Trust policies: the specification's rules, one fault at a time, and what they accept."""

import itertools

import pytest

from gateway.translog.note import Kind
from gateway.translog.policy import TrustedLog, TrustedWitness, TrustPolicy
from gateway.wire.errors import BodyTooLarge, MalformedMessage, Refused
from tests.support.translog import signer, witness

LOG = str(signer().key)
W = [str(witness(n).key) for n in range(6)]
NESTED = f"""# two organisations
log {LOG} https://log.example/
\twitness  X1\t{W[0]}
witness X2 {W[1]} https://x2.example/
witness X3 {W[2]}
group X-witnesses 2 X1 X2 X3

witness Y1 {W[3]}
witness Y2 {W[4]}
witness Y3 {W[5]}
group Y-witnesses any Y1 Y2 Y3
  # all of them
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def test_the_example_of_the_specification_means_what_it_says() -> None:
    policy = TrustPolicy.parse(NESTED.encode())
    names = ["X1", "X2", "X3", "Y1", "Y2", "Y3"]
    for count in range(len(names) + 1):
        for some in itertools.combinations(names, count):
            enough = sum(n[0] == "X" for n in some) >= 2 and any(n[0] == "Y" for n in some)
            if enough:
                policy.check_quorum(some)
            else:
                with pytest.raises(Refused):
                    policy.check_quorum(some)
    assert TrustPolicy.parse(bytes(policy)) == policy
    assert policy.logs[0].url == "https://log.example/"
    assert policy.witnesses[1].url == "https://x2.example/"


def test_names_of_groups_are_no_witnesses() -> None:
    with pytest.raises(Refused):
        TrustPolicy.parse(NESTED.encode()).check_quorum(["X-and-Y"])


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("quorum X-and-Y\n", ""),
        ("quorum X-and-Y\n", "quorum X-and-Y\nquorum none\n"),
        ("quorum X-and-Y\n", "quorum nobody\n"),
        ("quorum X-and-Y\n", "quorum X1 X2\n"),
        ("quorum X-and-Y\n", "quorum X-and-Y"),
        ("quorum X-and-Y\n", "quorum X-and-Y\r\n"),
        ("witness X2", "witness X1"),
        ("witness X2", "witness none"),
        ("witness X2", "witness"),
        ("witness X2", "witness X-witnesses"),
        ("witness X2", "Witness X2"),
        ("any Y1", "any X1 Y1"),
        ("any Y1", "any Y1 Y1"),
        ("any Y1", "any none Y1"),
        ("any Y1", "any Z1"),
        ("any Y1", "any X-and-Y"),
        ("any Y1 Y2 Y3", "any"),
        ("any Y1", "0 Y1"),
        ("any Y1", "4 Y1"),
        ("any Y1", "01 Y1"),
        ("any Y1", "+1 Y1"),
        ("any Y1", "ANY Y1"),
        ("group X-and-Y", "group Y1"),
        (W[1], W[0]),
        (W[1], str(signer("else.example", Kind.COSIGNATURE_ED25519, "witness-0").key)),
        (W[1], LOG),
        (W[1], W[1][:-1]),
        ("https://x2.example/", "https://x2.example/ twice"),
        (f"log {LOG}", f"log {LOG}\nlog {LOG}"),
        ("# two", "# tw\x7fo"),
        ("# two", "# tw\0o"),
        ("# two", "two"),
    ],
)
def test_a_policy_that_breaks_a_rule_is_refused(was: str, becomes: str) -> None:
    assert was in NESTED
    with pytest.raises(MalformedMessage):
        TrustPolicy.parse(NESTED.replace(was, becomes, 1).encode())


def test_names_are_octets() -> None:
    """A Kelvin sign is no K, and bytes that are no UTF-8 are a name like any other."""
    text = (
        b"witness K " + W[0].encode() + b"\nwitness \xe2\x84\xaa " + W[1].encode() + b"\n"
        b"witness \xff\xfe " + W[2].encode() + b"\ngroup g all K \xe2\x84\xaa \xff\xfe\nquorum g\n"
    )
    policy = TrustPolicy.parse(text)
    assert len({one.name for one in policy.witnesses}) == 3
    assert TrustPolicy.parse(bytes(policy)) == policy
    with pytest.raises(Refused) as refused:
        policy.check_quorum(["K"])
    refused.value.detail.encode()


def test_limits() -> None:
    def many(count: int) -> bytes:
        keys = [str(witness(n).key) for n in range(count)]
        return "".join(f"witness w{n} {key}\n" for n, key in enumerate(keys)).encode()

    assert len(TrustPolicy.parse(many(64) + b"quorum none\n").witnesses) == 64
    with pytest.raises(MalformedMessage):
        TrustPolicy.parse(many(65) + b"quorum none\n")
    with pytest.raises(BodyTooLarge):
        TrustPolicy.parse(b"#" * 600_000)


def test_the_policy_of_a_deployment_in_one_call() -> None:
    logs = [TrustedLog(signer().key)]
    witnesses = [
        TrustedWitness(f"w{n}", witness(n, kind).key, f"https://w{n}.example/")
        for n, kind in enumerate((Kind.COSIGNATURE_ED25519, Kind.COSIGNATURE_ML_DSA_44))
    ]
    policy = TrustPolicy.simple(logs, witnesses, 2)
    policy.check_quorum(["w0", "w1"])
    with pytest.raises(Refused):
        policy.check_quorum(["w0"])
    TrustPolicy.simple(logs, [], 0).check_quorum([])
    for threshold in (3, -1):
        with pytest.raises(MalformedMessage):
            TrustPolicy.simple(logs, witnesses, threshold)
