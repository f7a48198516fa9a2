"""What a counter is given as a picture, before a decoder sees it: chip records and their ends."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Final

from PIL import Image

from gateway.vision import formats
from gateway.vision.jpeg2000 import completed
from gateway.vision.portrait_record import embedded_picture
from tests.fuzz.making import stateless, target
from tests.fuzz.mutations import scramble
from tests.fuzz.targets_wire import promise
from tests.support.fuzzing import Target
from tests.support.portraits import dg2, face_image, facial_record, tlv

_TAGS: Final = (0x75, 0x7F61, 0x7F60, 0x7F2E, 0x5F2E, 0xA1, 0x65, 0x30, 0x02, 0x80, 0x1FFF)


@cache
def _portraits() -> tuple[bytes, ...]:
    made = []
    for kind, options in (("JPEG", {}), ("JPEG2000", {}), ("JPEG2000", {"no_jp2": True})):
        out = io.BytesIO()
        Image.new("RGB", (24, 32), (90, 60, 40)).save(out, kind, **options)
        made.append(out.getvalue())
    return tuple(made)


def _records() -> tuple[bytes, ...]:
    jpeg, boxes, stream = _portraits()
    return (
        dg2(facial_record(jpeg)),
        dg2(facial_record(boxes, points=0)),
        dg2(face_image(stream), tag=0x7F2E),
        dg2(face_image(jpeg, boxes, fields=3), tag=0x7F2E),
        facial_record(stream),
        dg2(facial_record(jpeg), facial_record(stream)),
        stream,
        boxes,
    )


def _record(rng: Random, data: bytes) -> bytes:
    """Wrong lengths and tags near the start; records in records; or any alteration."""
    match rng.randrange(4):
        case 0:
            return tlv(rng.choice(_TAGS), data)
        case 1:
            return tlv(rng.choice(_TAGS), scramble(rng, data) + tlv(rng.choice(_TAGS), data))
        case 2:
            head = rng.randrange(1, 120)
            return scramble(rng, data[:head]) + data[head:]
    return scramble(rng, data)


def _parse(data: bytes) -> None:
    found = formats.recognise(data[: formats.HEAD_BYTES])
    if found.kind == "guarded":
        picture = data
    else:
        picture = embedded_picture(data)
        promise(data.find(picture[:64]) >= 0, "a picture that is not in the record")
        found = formats.recognise(picture[: formats.HEAD_BYTES])
        promise(found in (formats.JPEG, formats.JP2, formats.J2K), "another kind of picture")
    formats.is_mjpeg(picture)
    whole = completed(picture)
    promise(whole is None or whole.startswith(picture), "the picture was changed")


def targets() -> Sequence[Target]:
    """All targets of this module."""
    return (target("portrait-record", _records, _record, stateless(_parse), 60),)
