"""What the operating system may do with a server's memory (protocol, section 12).

No core dump, no reading by other processes of the same account, no page on the swap device.
``gateway.wire.secret`` overwrites what our own code holds in a ``bytearray``. That is as far as
Python goes: immutable copies (an encoded message, a typed passphrase, what a library keeps) are
released, and overwritten only when the allocator uses the memory again. So a secret that the server
needs all day is in its memory all day. But keys derived from a passphrase, and the opened keystore,
are overwritten after use.
"""

import contextlib
import ctypes
import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from gateway.wire.errors import SealmatchError

log = logging.getLogger("sealmatch.memory")

LockMemory = Literal["off", "try", "require"]

_PR_SET_DUMPABLE: Final = 4
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_PERTURB = -1, -2, -3, -6
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_CAP_IPC_LOCK: Final = 14
"""Linux: <sys/prctl.h>, <malloc.h>, <bits/mman-linux.h>, <linux/capability.h>."""
_HEAP: Final = {
    _M_MMAP_THRESHOLD: 32 * 2**20,  # the largest that glibc takes
    _M_TRIM_THRESHOLD: 128 * 2**20,
    _M_TOP_PAD: 8 * 2**20,
}


_TUNABLES: Final = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}


class MemoryUnprotected(SealmatchError):
    """The operator requires locked memory and the system does not allow it."""


def overwrite_freed() -> None:
    """Let the allocator overwrite what is freed (glibc): bodies, ciphertexts, arrays.

    Python's own small objects (up to 512 bytes) are not the allocator's; short secrets lie in a
    ``bytearray`` and are wiped by their owners.
    """
    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_PERTURB, 0xA5)


@contextmanager
def without_caches() -> Iterator[None]:
    """Programs that are started within the block have no per-thread caches of freed memory (glibc).

    ``overwrite_freed`` does not reach these caches, and a program can be told to do without them
    only at its start.
    """
    before = {name: os.environ.get(name) for name in _TUNABLES}
    os.environ.update(_TUNABLES)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def keep_heap() -> None:
    """Let the allocator keep what is freed instead of handing it back (glibc).

    Ciphertexts of some hundred kilobytes come and go with every message; the kernel would clear
    fresh pages for each of them.
    """
    with contextlib.suppress(AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        for parameter, size in _HEAP.items():
            libc.mallopt(parameter, size)


def protect(lock: LockMemory, *, inspectable: bool = False) -> None:
    """Protect this process's memory. To be called before any key is read.

    Children inherit the core limit. Memory locks and the dumpable flag do not survive ``exec``.

    Args:
        lock: whether memory is locked, so that it never reaches the swap device.
        inspectable: leave the memory readable to processes of the same account, for leak searches
            without privileges. (Root with CAP_SYS_PTRACE reads it in any case.)

    Raises:
        MemoryUnprotected: ``lock`` is "require" and memory cannot be locked.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    overwrite_freed()
    keep_heap()
    libc = ctypes.CDLL(None, use_errno=True)
    if not inspectable and libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        log.warning("other processes of this account can read the memory of this one")
    if lock != "off":
        _lock(libc, required=lock == "require")


def _lock(libc: ctypes.CDLL, *, required: bool) -> None:
    # Pages are locked as they are first used: locking every reserved page would fill the memory
    # with the untouched stacks of threads.
    if not _may_lock():
        reason = "the limit on locked memory (LimitMEMLOCK=infinity lifts it)"
    elif libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) != 0:
        reason = os.strerror(ctypes.get_errno())
    else:
        return
    if required:
        raise MemoryUnprotected(f"memory cannot be locked: {reason}")
    log.warning("memory is not locked: %s; switch swap off or encrypt it", reason)


def _may_lock() -> bool:
    """Whether locked memory has no limit.

    With a finite one, locking would succeed now and a later allocation fail, in mid-session.
    """
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
        return True
    return bool(_effective_capabilities() >> _CAP_IPC_LOCK & 1)


def _effective_capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0
