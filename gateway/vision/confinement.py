"""What a decoder's process may ask of the kernel: to read, to write, to have memory, to end.

Limits keep it from new files, sockets and processes. They leave it the program that it is: code
that a hostile picture brings could turn the process into another program (execve), which starts
without our limits where the user is root. The filter (seccomp) answers every call that is not
listed with EPERM, as if it were forbidden. It kills nothing: a decoder that needs something else
fails with that one picture.

Linux on x86-64 and arm64. Elsewhere, and where the kernel takes no filter, the limits stay alone.
Sources: seccomp(2), <linux/seccomp.h>, <linux/bpf_common.h>, <asm/unistd.h>.
"""

import ctypes
import platform
import struct
import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

_NO_NEW_PRIVILEGES: Final = 38
"""<sys/prctl.h>: no program that is started gains rights. The kernel asks for it first."""
_SET_FILTER, _ALL_THREADS = 1, 1

_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | 1
"""Errno 1, EPERM."""
_LOAD, _EQUAL, _ANY_BIT, _ANSWER = 0x20, 0x15, 0x45, 0x06
"""BPF: a word of the call's data into the accumulator; jumps; the end."""
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Where these stand in the call's data. Of an argument the lower word stands first."""
_EXECUTABLE: Final = 4


class Machine(NamedTuple):
    """A processor's names and numbers for it all."""

    audit: int
    seccomp: int
    mmap: int
    mprotect: int
    prlimit: int
    plain: tuple[int, ...]
    """Calls that are taken with any arguments."""


_CALLS: Final = {
    # name: x86-64, arm64
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "close": (3, 57),
    "fstat": (5, 80), "lseek": (8, 62), "ppoll": (271, 73),
    "munmap": (11, 215), "mremap": (25, 216), "madvise": (28, 233), "brk": (12, 214),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132), "restart_syscall": (219, 128),
    "futex": (202, 98), "set_robust_list": (273, 99), "rseq": (334, 293), "membarrier": (324, 283),
    "sched_yield": (24, 124), "sched_getaffinity": (204, 123),
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "gettimeofday": (96, 169),
    "getpid": (39, 172), "gettid": (186, 178), "uname": (63, 160), "getrandom": (318, 278),
    "getrusage": (98, 165), "times": (100, 153), "getrlimit": (97, 163), "setrlimit": (160, 164),
    "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
_MACHINES: Final = {
    "x86_64": Machine(0xC000003E, 317, 9, 10, 302, tuple(one for one, _ in _CALLS.values())),
    "aarch64": Machine(0xC00000B7, 277, 222, 226, 261, tuple(one for _, one in _CALLS.values())),
}


def forbid_new_privileges() -> None:
    """No program that this process becomes has more rights than it. Linux; nothing elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def confine() -> bool:
    """Put the filter on this process, for good. Whether it is on."""
    machine = _MACHINES.get(platform.machine()) if sys.platform == "linux" else None
    if machine is None or sys.maxsize < 2**32:
        return False
    forbid_new_privileges()
    code = b"".join(_program(machine))
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HxxxxxxQ", len(code) // 8, ctypes.addressof(held))
    kernel = ctypes.CDLL(None)
    arguments = (ctypes.c_long(_SET_FILTER), ctypes.c_long(_ALL_THREADS), program)
    return bool(kernel.syscall(ctypes.c_long(machine.seccomp), *arguments) == 0)


def _program(machine: Machine) -> Iterator[bytes]:
    """The filter. A call that fits nowhere comes to the end, and is refused."""
    yield _step(_LOAD, _ARCHITECTURE)
    yield _step(_EQUAL, machine.audit, 1, 0)
    yield _step(_ANSWER, _REFUSE)
    yield _step(_LOAD, _NUMBER)
    for number in machine.plain:
        yield _step(_EQUAL, number, 0, 1)
        yield _step(_ANSWER, _ALLOW)
    for number in (machine.mmap, machine.mprotect):  # memory, and none that can be run
        yield _step(_EQUAL, number, 0, 4)
        yield _step(_LOAD, _ARGUMENTS + 2 * 8)
        yield _step(_ANY_BIT, _EXECUTABLE, 0, 1)
        yield _step(_ANSWER, _REFUSE)
        yield _step(_ANSWER, _ALLOW)
    yield _step(_EQUAL, machine.prlimit, 0, 4)  # its own limits, and no other process's
    yield _step(_LOAD, _ARGUMENTS)
    yield _step(_EQUAL, 0, 1, 0)
    yield _step(_ANSWER, _REFUSE)
    yield _step(_ANSWER, _ALLOW)
    yield _step(_ANSWER, _REFUSE)


def _step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("@HBBI", code, then, otherwise, value)
