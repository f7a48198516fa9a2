"""A decoder that a picture has taken over; the picture's last byte says what it does."""

import os
import signal

from gateway.vision import guarded


class Faulty:
    """In the place of ``guarded.PictureWorkshop``."""

    def confined(self) -> int:
        return 1

    def open(self, encoded: bytes) -> list[int]:
        if encoded[-1] == 0:
            os.kill(os.getpid(), signal.SIGSEGV)
        return [guarded.DECODED, 4, 4]

    def part(self, number: int) -> bytes:
        return b"too short"


def make_faulty() -> Faulty:
    return Faulty()
