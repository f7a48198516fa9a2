"""Elliptic curves of document signers, told by their name or by all of their parameters.

ICAO 9303-12 (4.4.2) asks for explicit parameters: the prime, both coefficients, the generator, the
order and the cofactor stand in the certificate. Whoever may choose one of them chooses the key
(CVE-2020-0601 left the generator free). So all of them are compared with a known curve, and the
known curve is used.

Sources of the numbers: SEC 2 version 2 (P-224 to P-521), RFC 5639 (Brainpool).
"""

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Known:
    """An accepted curve y^2 = x^3 + a x + b over a prime field, with cofactor 1."""

    curve: ec.EllipticCurve
    prime: int
    a: int
    b: int
    x: int
    y: int
    order: int

    def generators(self) -> tuple[bytes, bytes]:
        """The generator's point, uncompressed and compressed (SEC 1, 2.3.3)."""
        size = (self.prime.bit_length() + 7) // 8
        x, y = self.x.to_bytes(size, "big"), self.y.to_bytes(size, "big")
        return b"\x04" + x + y, bytes([2 + (self.y & 1)]) + x


_NUMBERS: Final[dict[str, str]] = {
    "secp224r1": """
        ffffffff ffffffff ffffffff ffffffff 00000000 00000000 00000001;
        ffffffff ffffffff ffffffff fffffffe ffffffff ffffffff fffffffe;
        b4050a85 0c04b3ab f5413256 5044b0b7 d7bfd8ba 270b3943 2355ffb4;
        b70e0cbd 6bb4bf7f 321390b9 4a03c1d3 56c21122 343280d6 115c1d21;
        bd376388 b5f723fb 4c22dfe6 cd4375a0 5a074764 44d58199 85007e34;
        ffffffff ffffffff ffffffff ffff16a2 e0b8f03e 13dd2945 5c5c2a3d;
    """,
    "secp256r1": """
        ffffffff 00000001 00000000 00000000 00000000 ffffffff ffffffff ffffffff;
        ffffffff 00000001 00000000 00000000 00000000 ffffffff ffffffff fffffffc;
        5ac635d8 aa3a93e7 b3ebbd55 769886bc 651d06b0 cc53b0f6 3bce3c3e 27d2604b;
        6b17d1f2 e12c4247 f8bce6e5 63a440f2 77037d81 2deb33a0 f4a13945 d898c296;
        4fe342e2 fe1a7f9b 8ee7eb4a 7c0f9e16 2bce3357 6b315ece cbb64068 37bf51f5;
        ffffffff 00000000 ffffffff ffffffff bce6faad a7179e84 f3b9cac2 fc632551;
    """,
    "secp384r1": """
        ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff fffffffe ffffffff
        00000000 00000000 ffffffff;
        ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff fffffffe ffffffff
        00000000 00000000 fffffffc;
        b3312fa7 e23ee7e4 988e056b e3f82d19 181d9c6e fe814112 0314088f 5013875a c656398d
        8a2ed19d 2a85c8ed d3ec2aef;
        aa87ca22 be8b0537 8eb1c71e f320ad74 6e1d3b62 8ba79b98 59f741e0 82542a38 5502f25d
        bf55296c 3a545e38 72760ab7;
        3617de4a 96262c6f 5d9e98bf 9292dc29 f8f41dbd 289a147c e9da3113 b5f0b8c0 0a60b1ce
        1d7e819d 7a431d7c 90ea0e5f;
        ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff c7634d81 f4372ddf 581a0db2
        48b0a77a ecec196a ccc52973;
    """,
    "secp521r1": """
        000001ff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff
        ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff;
        000001ff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff
        ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff fffffffc;
        00000051 953eb961 8e1c9a1f 929a21a0 b68540ee a2da725b 99b315f3 b8b48991 8ef109e1
        56193951 ec7e937b 1652c0bd 3bb1bf07 3573df88 3d2c34f1 ef451fd4 6b503f00;
        000000c6 858e06b7 0404e9cd 9e3ecb66 2395b442 9c648139 053fb521 f828af60 6b4d3dba
        a14b5e77 efe75928 fe1dc127 a2ffa8de 3348b3c1 856a429b f97e7e31 c2e5bd66;
        00000118 39296a78 9a3bc004 5c8a5fb4 2c7d1bd9 98f54449 579b4468 17afbd17 273e662c
        97ee7299 5ef42640 c550b901 3fad0761 353c7086 a272c240 88be9476 9fd16650;
        000001ff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff fffffffa
        51868783 bf2f966b 7fcc0148 f709a5d0 3bb5c9b8 899c47ae bb6fb71e 91386409;
    """,
    "brainpoolP256r1": """
        a9fb57db a1eea9bc 3e660a90 9d838d72 6e3bf623 d5262028 2013481d 1f6e5377;
        7d5a0975 fc2c3057 eef67530 417affe7 fb8055c1 26dc5c6c e94a4b44 f330b5d9;
        26dc5c6c e94a4b44 f330b5d9 bbd77cbf 95841629 5cf7e1ce 6bccdc18 ff8c07b6;
        8bd2aeb9 cb7e57cb 2c4b482f fc81b7af b9de27e1 e3bd23c2 3a4453bd 9ace3262;
        547ef835 c3dac4fd 97f8461a 14611dc9 c2774513 2ded8e54 5c1d54c7 2f046997;
        a9fb57db a1eea9bc 3e660a90 9d838d71 8c397aa3 b561a6f7 901e0e82 974856a7;
    """,
    "brainpoolP384r1": """
        8cb91e82 a3386d28 0f5d6f7e 50e641df 152f7109 ed5456b4 12b1da19 7fb71123 acd3a729
        901d1a71 87470013 3107ec53;
        7bc382c6 3d8c150c 3c72080a ce05afa0 c2bea28e 4fb22787 139165ef ba91f90f 8aa5814a
        503ad4eb 04a8c7dd 22ce2826;
        04a8c7dd 22ce2826 8b39b554 16f0447c 2fb77de1 07dcd2a6 2e880ea5 3eeb62d5 7cb43902
        95dbc994 3ab78696 fa504c11;
        1d1c64f0 68cf45ff a2a63a81 b7c13f6b 8847a3e7 7ef14fe3 db7fcafe 0cbd10e8 e826e034
        36d646aa ef87b2e2 47d4af1e;
        8abe1d75 20f9c2a4 5cb1eb8e 95cfd552 62b70b29 feec5864 e19c054f f9912928 0e464621
        77918111 42820341 263c5315;
        8cb91e82 a3386d28 0f5d6f7e 50e641df 152f7109 ed5456b3 1f166e6c ac0425a7 cf3ab6af
        6b7fc310 3b883202 e9046565;
    """,
    "brainpoolP512r1": """
        aadd9db8 dbe9c48b 3fd4e6ae 33c9fc07 cb308db3 b3c9d20e d6639cca 70330871 7d4d9b00
        9bc66842 aecda12a e6a380e6 2881ff2f 2d82c685 28aa6056 583a48f3;
        7830a331 8b603b89 e2327145 ac234cc5 94cbdd8d 3df91610 a83441ca ea9863bc 2ded5d5a
        a8253aa1 0a2ef1c9 8b9ac8b5 7f1117a7 2bf2c7b9 e7c1ac4d 77fc94ca;
        3df91610 a83441ca ea9863bc 2ded5d5a a8253aa1 0a2ef1c9 8b9ac8b5 7f1117a7 2bf2c7b9
        e7c1ac4d 77fc94ca dc083e67 984050b7 5ebae5dd 2809bd63 8016f723;
        81aee4bd d82ed964 5a21322e 9c4c6a93 85ed9f70 b5d916c1 b43b62ee f4d0098e ff3b1f78
        e2d0d48d 50d1687b 93b97d5f 7c6d5047 406a5e68 8b352209 bcb9f822;
        7dde385d 566332ec c0eabfa9 cf7822fd f209f700 24a57b1a a000c55b 881f8111 b2dcde49
        4a5f485e 5bca4bd8 8a2763ae d1ca2b2f a8f05406 78cd1e0f 3ad80892;
        aadd9db8 dbe9c48b 3fd4e6ae 33c9fc07 cb308db3 b3c9d20e d6639cca 70330870 553e5c41
        4ca92619 41866119 7fac1047 1db1d381 085ddadd b5879682 9ca90069;
    """,
}
"""Prime; a; b; x; y; order, each in hexadecimal. Every cofactor is 1."""


_NAMED: Final[dict[str, type[ec.EllipticCurve]]] = {
    "secp224r1": ec.SECP224R1,
    "secp256r1": ec.SECP256R1,
    "secp384r1": ec.SECP384R1,
    "secp521r1": ec.SECP521R1,
    "brainpoolP256r1": ec.BrainpoolP256R1,
    "brainpoolP384r1": ec.BrainpoolP384R1,
    "brainpoolP512r1": ec.BrainpoolP512R1,
}
_IDENTIFIERS: Final = {
    "1.3.132.0.33": "secp224r1",
    "1.2.840.10045.3.1.7": "secp256r1",
    "1.3.132.0.34": "secp384r1",
    "1.3.132.0.35": "secp521r1",
    "1.3.36.3.3.2.8.1.1.7": "brainpoolP256r1",
    "1.3.36.3.3.2.8.1.1.11": "brainpoolP384r1",
    "1.3.36.3.3.2.8.1.1.13": "brainpoolP512r1",
}


def _known(name: str, text: str) -> Known:
    numbers = ("".join(one.split()) for one in text.strip(" \n;").split(";"))
    return Known(_NAMED[name](), *(int(one, 16) for one in numbers))


KNOWN: Final[tuple[Known, ...]] = tuple(_known(*item) for item in _NUMBERS.items())
"""The curves that are accepted."""


def named(identifier: str) -> ec.EllipticCurve:
    """The curve with this object identifier. Raises ``ValueError``."""
    if identifier not in _IDENTIFIERS:
        raise ValueError("its curve is none that is accepted")
    return _NAMED[_IDENTIFIERS[identifier]]()


def explicit(
    prime: int, coefficients: tuple[int, int], base: bytes, order: int, cofactor: int
) -> ec.EllipticCurve:
    """The curve that has exactly these parameters.

    Args:
        base: the generator's point as it is encoded, uncompressed or compressed.

    Raises ``ValueError``: one of them is another one.
    """
    given = (prime, *coefficients, order, cofactor)
    for known in KNOWN:
        if given == (known.prime, known.a, known.b, known.order, 1) and base in known.generators():
            return known.curve
    raise ValueError("its curve's parameters are those of no curve that is accepted")
