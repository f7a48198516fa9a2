"""Runs a server under the limits of its systemd unit, without systemd.

``python -m tests.support.confined LIMITS MODULE ARGUMENT...``, LIMITS being what ``limits_of`` read
from the unit's files. In force are: SystemCallFilter, RestrictAddressFamilies, RestrictNamespaces
(not of clone), MemoryDenyWriteExecute, NoNewPrivileges, LimitNOFILE, LimitCORE and UMask; as root
also ProtectSystem, PrivateTmp and ProcSubset. The rest needs systemd.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import runpy
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_ALL_THREADS: Final = 4
_EQUAL: Final = 4
"""<seccomp.h>: SCMP_ACT_ALLOW, SCMP_ACT_ERRNO, SCMP_FLTATR_CTL_TSYNC, SCMP_CMP_EQ."""
_NO_NEW_PRIVILEGES, _MDWE, _REFUSE_EXEC_GAIN = 38, 65, 1
"""<sys/prctl.h>: PR_SET_NO_NEW_PRIVS, PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN."""
_NEWNS, _RDONLY, _REMOUNT, _BIND, _REC, _PRIVATE = 0x20000, 1, 32, 4096, 16384, 1 << 18
"""<sched.h>, <sys/mount.h>."""


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def directives(*files: Path) -> dict[str, list[str]]:
    """What unit files say, in their order; an empty value forgets what came before."""
    found: dict[str, list[str]] = {}
    for file in files:
        for line in file.read_text().splitlines():
            name, given, value = line.partition("=")
            if given and name.strip().isalnum():
                found.setdefault(name, []).append(value)
                if not value:
                    found[name] = []
    return found


def limits_of(*files: Path) -> dict[str, Any]:
    """What ``main`` puts in force of a unit and its drop-ins. It needs ``systemd-analyze``."""
    said = directives(*files)
    calls = _calls(said["SystemCallFilter"])
    if said["RestrictNamespaces"][-1] == "yes":
        calls -= {"unshare", "setns"}
    return {
        "calls": sorted(calls),
        "families": said["RestrictAddressFamilies"][-1].split(),
        "no_write_execute": said["MemoryDenyWriteExecute"][-1] == "yes",
        "open_files": int(said["LimitNOFILE"][-1]),
        "umask": int(said["UMask"][-1], 8),
    }


def _calls(filters: Iterable[str]) -> set[str]:
    allowed: set[str] = set()
    for one in filters:
        named = set().union(*map(_expanded, one.removeprefix("~").split()))
        allowed = allowed - named if one.startswith("~") else allowed | named
    return allowed


def _expanded(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    command = ["systemd-analyze", "syscall-filter", "--no-pager", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    listed = [line.strip() for line in done.stdout.splitlines()[1:]]
    inside = (_expanded(one) for one in listed if one and not one.startswith("#"))
    return set().union(*inside)


def main() -> None:
    limits = json.loads(Path(sys.argv[1]).read_text())
    libc = ctypes.CDLL(None, use_errno=True)
    os.umask(limits["umask"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits["open_files"],) * 2)
    if os.geteuid() == 0:
        _see_little(libc)
    _must(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0)
    if limits["no_write_execute"]:
        _must(libc.prctl(_MDWE, _REFUSE_EXEC_GAIN, 0, 0, 0) == 0)
    _filter(limits["calls"], [getattr(socket, family) for family in limits["families"]])
    del sys.argv[:2]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _see_little(libc: ctypes.CDLL) -> None:
    """Nothing may be written but below /dev, where the tests' directories are, and in a /tmp of its
    own. Of /proc only processes are there."""
    _must(libc.unshare(_NEWNS) == 0)
    _must(libc.mount(b"none", b"/", None, _REC | _PRIVATE, None) == 0)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place = line.split()[4]
        if not place.startswith(("/dev", "/proc", "/sys")):
            flags = _REMOUNT | _BIND | _RDONLY
            libc.mount(b"none", place.encode().decode("unicode-escape").encode(), None, flags, None)
    for place in (b"/tmp", b"/var/tmp"):
        _must(libc.mount(b"tmpfs", place, b"tmpfs", 0, None) == 0)
    _must(libc.mount(b"proc", b"/proc", b"proc", 0, b"subset=pid") == 0)


def _filter(calls: list[str], families: list[int]) -> None:
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(_ERRNO | errno.EPERM))
    _must(library.seccomp_attr_set(context, _ALL_THREADS, 1) == 0)
    for name in calls:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0 and name != "socket":  # below: not a call of this machine
            _must(library.seccomp_rule_add(context, _ALLOW, number, 0) == 0)
    number = library.seccomp_syscall_resolve_name(b"socket")
    for family in families if "socket" in calls else ():
        one = _Comparison(0, _EQUAL, family, 0)
        _must(library.seccomp_rule_add_array(context, _ALLOW, number, 1, ctypes.byref(one)) == 0)
    _must(library.seccomp_load(context) == 0)


def _must(done: bool) -> None:
    if not done:
        raise RuntimeError(f"not confined: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
