"""A look into a running process: its children, and the memory that it can have written."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.wire.errors import SealmatchError

_UNREADABLE_REGIONS: Final = ("[vvar]", "[vvar_vclock]", "[vsyscall]")


_REGION: Final = re.compile(r"(\w+)-(\w+) (\S+) \w+ \S+ (\d+) *(.*)")


class CannotSearch(SealmatchError):
    """This process may not look into a place, or the process to look into has ended."""


@dataclass(frozen=True)
class Region:
    """A readable region of a process's memory, from address ``start`` up to ``stop``."""

    start: int
    stop: int
    name: str


def swap_devices(table: Path = Path("/proc/swaps")) -> list[str]:
    """Where this machine may write memory to disk; empty where it has no swap."""
    lines = table.read_text().splitlines()
    return [line.split()[0] for line in lines[1:]]


class looking_into:  # noqa: N801  reads as a phrase
    """Raises ``CannotSearch`` where the kernel refuses, or if the process has ended."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def __enter__(self) -> None:
        if not Path(f"/proc/{self._pid}").exists():
            raise CannotSearch(f"there is no process {self._pid}")

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, PermissionError):
            raise CannotSearch(
                f"process {self._pid} may not be looked into: run as its owner with the right to "
                "trace it (kernel.yama.ptrace_scope), or as root"
            ) from None
        if isinstance(error, ProcessLookupError):
            raise CannotSearch(f"process {self._pid} has ended") from None


def children_of(pid: int) -> list[int]:
    """Processes that a process or one of its threads started."""
    listed = Path(f"/proc/{pid}/task").glob("*/children")
    with suppress(FileNotFoundError, ProcessLookupError):  # a thread ended meanwhile
        return [int(child) for threads in listed for child in threads.read_text().split()]
    return []


def regions_of(pid: int) -> Iterator[Region]:
    """Readable regions, except the kernel's own and private read-only mappings of files."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        matched = _REGION.fullmatch(line)
        if matched is None:
            continue
        start, stop, rights, inode, name = matched.groups()
        of_file = inode != "0" and "w" not in rights and "s" not in rights
        if "r" in rights and not of_file and name not in _UNREADABLE_REGIONS:
            yield Region(int(start, 16), int(stop, 16), name)


def read_memory(descriptor: int, at: int, size: int) -> bytes:
    """Bytes at an address; a region that went away meanwhile reads as nothing."""
    try:
        return os.pread(descriptor, size, at)
    except OSError as error:
        if isinstance(error, PermissionError | ProcessLookupError):
            raise
        return b""
