"""What programs and people leave behind: core files, swap, traces, copies of editors, histories.

Such files hold what was in memory or in another file at some time, and no retention schedule
reaches them. So it is their being there that counts, besides what ``files`` finds in them.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.inspection.contents.files import Opened
from gateway.inspection.contents.magic import is_core
from gateway.inspection.leaks.processes import swap_devices

_NAMES: Final = (
    ("core file, by its name", re.compile(r"(?:core|vgcore|vmcore)(?:\.[\w.-]+)?")),
    ("copy of an editor", re.compile(r".+~|#.+#|\..+\.sw[a-p]|.+\.(?:bak|orig|save|old|rej)")),
    ("temporary file", re.compile(r".+\.(?:tmp|temp|part|partial|crdownload)|tmp[a-z0-9_]{8}")),
    ("memory of a program", re.compile(r".+\.(?:dmp|mdmp|hprof|heap|core|stackdump)")),
    ("history of commands", re.compile(r"\.?\w+_history|\.(?:lesshst|viminfo|histfile)")),
    ("recording of a network", re.compile(r".+\.(?:pcap|pcapng|cap|har)")),
    ("output of a program", re.compile(r"nohup\.out|.+\.(?:trace|strace)")),
)
_PCAP: Final = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\x0a\x0d\x0d\x0a")
_SWAP_AT: Final = tuple(size - 10 for size in (4096, 8192, 16384, 65536))
_CORE_PATTERN: Final = Path("/proc/sys/kernel/core_pattern")
_TEMPORARY: Final = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  places to name, not to write


@dataclass(frozen=True)
class Machine:
    """What this machine does with memory. The inspector sees it where the command runs."""

    swap: tuple[str, ...]
    core_pattern: str

    @classmethod
    def here(cls) -> "Machine":
        try:
            swap = tuple(swap_devices())
        except OSError:
            swap = ()
        try:
            pattern = _CORE_PATTERN.read_text().strip()
        except OSError:
            pattern = ""
        return cls(swap, pattern)

    def notes(self, places: tuple[Path, ...]) -> Iterator[str]:
        """What was not looked at, and where memory may have gone."""
        if self.swap:
            yield (
                f"this machine has swap ({len(self.swap)} devices or files), which was not read: "
                "look at it with the machine off, or see that it is encrypted"
            )
        else:
            yield "this machine has no swap"
        if self.core_pattern.startswith("|"):
            yield "the kernel hands core files to a program: name its directory with --paths"
        elif self.core_pattern.startswith("/"):
            yield "the kernel writes core files to a directory: name it with --paths"
        resolved = [one.resolve() for one in places]
        unnamed = [
            one for one in _TEMPORARY if not any(_within(Path(one), place) for place in resolved)
        ]
        if unnamed:
            yield f"not among the places: {', '.join(unnamed)}; name them with --paths"


def _within(path: Path, place: Path) -> bool:
    return path == place or place in path.parents


def leftover(file: Opened) -> str | None:
    """What kind of leftover a file is, by its name or what it begins with; None: none.

    Raises:
        OSError: it cannot be read.
    """
    name = file.path.name
    with file.path.open("rb") as raw:
        start = raw.read(_SWAP_AT[-1] + 10)
    if is_core(start):
        return "core file: the memory of a process"
    if start[:4] in _PCAP and len(start) >= 24 and _is_capture(start):
        return "recording of a network"
    if any(start[at : at + 10] == b"SWAPSPACE2" for at in _SWAP_AT):
        return "swap file"
    for kind, pattern in _NAMES:
        if pattern.fullmatch(name):
            return kind
    return None


def _is_capture(start: bytes) -> bool:
    if start[:4] == _PCAP[3]:
        return start[8:12] in (b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d")
    order = "<" if start[0] in (0xD4, 0x4D) else ">"
    major, minor = struct.unpack_from(f"{order}HH", start, 4)
    return bool(major == 2 and minor <= 4)
