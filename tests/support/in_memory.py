"""Temporary files of the tests in memory: no test waits for a disk.

The product's servers, logs and key files reach the disk before they answer (fsync), and thousands
of small tests would each wait for it. What is tested is the order of these calls, and what a
killed process leaves. Both are the same where a flush takes no time. No test can bring about a
power loss.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

SHARED_MEMORY: Final = Path("/dev/shm")
ROOM: Final = 4 * 2**30
"""Bytes that must be free there. A whole run on two workers takes less than a quarter of it."""


def temporary_files_in_memory() -> None:
    """Let ``tempfile``, pytest and all processes that are started put their files there.

    Nothing changes where ``TMPDIR`` names another place, or where there is too little room.
    """
    if "TMPDIR" in os.environ or not os.access(SHARED_MEMORY, os.W_OK | os.X_OK):
        return
    if shutil.disk_usage(SHARED_MEMORY).free < ROOM:
        return
    os.environ["TMPDIR"] = tempfile.tempdir = str(SHARED_MEMORY)
