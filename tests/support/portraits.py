"""Chip records (EF.DG2) as document issuers write them, around any encoded portrait."""

_HEADER = bytes.fromhex("a11080020101810200028702010188020008")


def tlv(tag: int, content: bytes) -> bytes:
    """One element of BER with its shortest definite length."""
    length = len(content)
    octets = (length.bit_length() + 7) // 8 if length >= 0x80 else 0
    head = bytes([0x80 | octets]) + length.to_bytes(octets, "big") if octets else bytes([length])
    return tag.to_bytes(2 if tag > 0xFF else 1, "big") + head + content


def facial_record(*portraits: bytes, points: int = 2) -> bytes:
    """ISO/IEC 19794-5:2005 with these pictures, and feature points before each."""
    body = b""
    for portrait in portraits:
        information = (
            points.to_bytes(2, "big") + bytes(14) + bytes(8 * points)
            + b"\x01\x01" + (240).to_bytes(2, "big") + (320).to_bytes(2, "big") + bytes(6)
        )  # fmt: skip
        body += (4 + len(information) + len(portrait)).to_bytes(4, "big") + information + portrait
    count = len(portraits).to_bytes(2, "big")
    return b"FAC\x00010\x00" + (14 + len(body)).to_bytes(4, "big") + count + body


def face_image(*portraits: bytes, fields: int = 0) -> bytes:
    """ISO/IEC 39794-5 with these pictures, and more fields in each representation."""
    made = b""
    for number, portrait in enumerate(portraits):
        flat = tlv(0x80, portrait) + tlv(0xA1, tlv(0x80, b"\x01"))
        image = tlv(0xA1, tlv(0xA0, tlv(0xA0, flat)))
        made += tlv(0x30, tlv(0x80, bytes([number])) + image + tlv(0xA2, b"") * fields)
    version = tlv(0xA0, b"\x80\x01\x03\x81\x02\x07\xe3")
    return tlv(0xA1, tlv(0x65, version + tlv(0xA1, made)))


def dg2(*blocks: bytes, tag: int = 0x5F2E) -> bytes:
    """EF.DG2 (ICAO 9303-10) with these biometric blocks."""
    count = b"\x02\x01" + bytes([len(blocks)])
    portraits = b"".join(tlv(0x7F60, _HEADER + tlv(tag, block)) for block in blocks)
    return tlv(0x75, tlv(0x7F61, count + portraits))
