"""Small files that are replaced whole."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gateway.host.newfile import replace_private
from tests.support.processes import PATIENCE

WRITERS, TIMES = 4, 10


def test_writers_of_one_file_take_turns(tmp_path: Path) -> None:
    """Each finds what it writes beside the name until it has put it in its place."""
    path = tmp_path / "mark"
    contents = [bytes([number]) * 5000 for number in range(WRITERS)]
    begun = threading.Barrier(WRITERS)

    def write(content: bytes) -> None:
        begun.wait(PATIENCE)
        for _ in range(TIMES):
            replace_private(path, content)
            assert path.read_bytes() in contents, "whole, whoever wrote it"

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, contents))
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o600
