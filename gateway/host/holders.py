"""Which process listens on a port, as far as this account may know (Linux, ``/proc``).

For messages alone: it is looked for after an address could not be had.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

_LISTENING: Final = "0A"
_PROC: Final = Path("/proc")


def advice_on(port: int) -> str:
    """Who listens on a TCP port and how to stop it, or how to find out."""
    pid = listener_on(port)
    if pid is None:
        return f"who listens there says, as root: ss -ltnp sport = :{port}"
    return f"process {pid} ({_name(pid)}) listens there; to stop it: kill {pid}"


def listener_on(port: int) -> int | None:
    """The process that listens on a TCP port; None: there is none, or it hides its files."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    for entry in _PROC.iterdir() if sockets else ():
        if entry.name.isdigit() and sockets & _open_files(entry):
            return int(entry.name)
    return None


def _inodes(port: int) -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                _, local, _, state, *_, inode = line.split()[:10]
                if state == _LISTENING and int(local.rpartition(":")[2], 16) == port:
                    found.add(inode)
    return found


def _open_files(process: Path) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):  # another account's, or it has just ended
        for file in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(os.readlink(file))
    return found


def _name(pid: int) -> str:
    """What the system calls a process; its arguments may hold what is not to be shown."""
    with contextlib.suppress(OSError):
        name = (_PROC / str(pid) / "comm").read_text(errors="replace").strip()
        return name if name.isprintable() else "?"
    return "?"
