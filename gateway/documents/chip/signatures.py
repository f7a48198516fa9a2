"""Public keys and signatures of document signers and their issuers (ICAO 9303-12, 4.4).

RSA of 2048 bits and more (PKCS #1 v1.5 and PSS) and ECDSA on the curves of ``curves``, with SHA-224
and the longer ones of that family. SHA-1 is not taken, although States signed with it until 2020 at
least: whoever gets two documents made with one hash has one signature for both.

Where an algorithm's identifier leaves its hash open (French and Belgian signers write
``rsaEncryption``), it is the one that the signer's entry names.
"""

from typing import Any, Final

from asn1crypto import algos, keys
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway.documents.chip.curves import explicit, named

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

RSA_BITS: Final = (2048, 8192)
_HASHES: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


class NotSigned(Exception):
    """A signature does not verify, or is of a kind that is not taken. The text can be shown."""


def hash_named(name: str) -> hashes.HashAlgorithm:
    """A hash by asn1crypto's name. Raises ``NotSigned``."""
    if name not in _HASHES:
        raise NotSigned("its hash is none that is accepted (SHA-224 or longer)")
    return _HASHES[name]()


def digest_of(name: str, data: bytes) -> bytes:
    """The digest of ``data``. Raises ``NotSigned`` for another hash."""
    running = hashes.Hash(hash_named(name))
    running.update(data)
    return running.finalize()


def public_key(info: keys.PublicKeyInfo) -> PublicKey:
    """A certificate's public key.

    Raises:
        NotSigned: too short, on no accepted curve, or of another kind.
        ValueError and others of a parser: malformed.
    """
    if info["algorithm"]["algorithm"].native == "ec":
        curve = _curve(info["algorithm"]["parameters"])
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, bytes(info["public_key"]))
    try:
        key = load_der_public_key(info.dump())
    except UnsupportedAlgorithm:
        raise NotSigned("its key is of a kind that is not accepted") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise NotSigned("its key is of a kind that is not accepted")
    if not RSA_BITS[0] <= key.key_size <= RSA_BITS[1]:
        raise NotSigned(f"its RSA key has not {RSA_BITS[0]} to {RSA_BITS[1]} bits")
    return key


def _curve(parameters: keys.ECDomainParameters) -> ec.EllipticCurve:
    try:
        if parameters.name == "named":
            return named(parameters.chosen.dotted)
        if parameters.name != "specified":
            raise ValueError("its curve is not told")
        given = parameters.chosen
        if given["field_id"]["field_type"].native != "prime_field":
            raise ValueError("its curve is over no prime field")
        a, b = (int.from_bytes(given["curve"][one].contents, "big") for one in ("a", "b"))
        return explicit(
            given["field_id"]["parameters"].native,
            (a, b),
            given["base"].contents,
            given["order"].native,
            1 if given["cofactor"].native is None else given["cofactor"].native,
        )
    except ValueError as error:
        raise NotSigned(str(error)) from None


def verify(
    key: PublicKey,
    algorithm: algos.SignedDigestAlgorithm,
    signature: bytes,
    data: bytes,
    hash_name: str | None = None,
) -> None:
    """Verify a signature.

    Args:
        hash_name: the hash where the algorithm's identifier leaves it open.

    Raises:
        NotSigned: it does not verify, or is of a kind that is not taken.
        ValueError and others of a parser: malformed.
    """
    kind = algorithm.signature_algo
    try:
        if kind == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(_hash(algorithm, hash_name)))
        elif kind == "rsassa_pss" and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, *_pss(algorithm["parameters"]))
        elif kind == "rsassa_pkcs1v15" and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), _hash(algorithm, hash_name))
        else:
            raise NotSigned("the signature is of another kind than the key")
    except InvalidSignature:
        raise NotSigned("the signature does not verify") from None


def _hash(algorithm: algos.SignedDigestAlgorithm, hash_name: str | None) -> hashes.HashAlgorithm:
    try:
        stated: str | None = algorithm.hash_algo
    except ValueError:
        stated = hash_name
    if stated is None:
        raise NotSigned("nothing says which hash was signed")
    if hash_name is not None and stated != hash_name:
        raise NotSigned("two hashes are named for one signature")
    return hash_named(stated)


def _pss(given: Any) -> tuple[padding.PSS, hashes.HashAlgorithm]:
    hashed = hash_named(given["hash_algorithm"]["algorithm"].native)
    masked = given["mask_gen_algorithm"]
    if masked["algorithm"].native != "mgf1" or given["trailer_field"].native != "trailer_field_bc":
        raise NotSigned("the signature's padding is none that is accepted")
    mask = hash_named(masked["parameters"]["algorithm"].native)
    length = given["salt_length"].native
    if not 0 <= length <= 64:
        raise NotSigned("the signature's salt has another length")
    return padding.PSS(padding.MGF1(mask), length), hashed
