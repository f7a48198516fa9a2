"""A video with times of its own for every frame, and with damaged ones: Matroska around JPEG."""

import cv2
import numpy as np


def video(frames: list[tuple[int, bytes]], width: int = 64, height: int = 48) -> bytes:
    """A Matroska file of (milliseconds, packet), all of them key frames."""
    track = _element(
        0xAE,
        _number(0xD7, 1), _number(0x73C5, 1), _number(0x83, 1), _element(0x86, b"V_MJPEG"),
        _element(0xE0, _number(0xB0, width), _number(0xBA, height)),
    )  # fmt: skip
    clusters = [
        _element(0x1F43B675, _number(0xE7, at_ms), _element(0xA3, b"\x81\0\0\x80" + packet))
        for at_ms, packet in frames
    ]
    head = _element(0x1A45DFA3, _element(0x4282, b"matroska"), _number(0x4287, 2))
    information = _element(0x1549A966, _number(0x2AD7B1, 1_000_000))
    return head + _element(0x18538067, information, _element(0x1654AE6B, track), *clusters)


def packet(level: int) -> bytes:
    """One grey picture of 64x48 pixels, as JPEG."""
    done, encoded = cv2.imencode(".jpg", np.full((48, 64, 3), level, np.uint8))
    assert done
    return encoded.tobytes()


def _element(number: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    head = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return head + (len(content) | 1 << 56).to_bytes(8, "big") + content


def _number(number: int, value: int) -> bytes:
    return _element(number, value.to_bytes(8, "big"))
