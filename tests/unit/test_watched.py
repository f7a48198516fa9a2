"""A file that operators edit while a server runs is read again when it has changed, only then."""

import os
from pathlib import Path

import pytest

from gateway.host.watched import WatchedFile


class Counting:
    """Reads a number; counts how often, and what it was told of the value before."""

    def __init__(self) -> None:
        self.before: list[int] = []
        self.meanwhile = lambda path: None

    def __call__(self, path: Path, before: int) -> int:
        self.before.append(before)
        text = path.read_text() if path.exists() else "0"
        self.meanwhile(path)
        return int(text)


@pytest.fixture
def read() -> Counting:
    return Counting()


@pytest.fixture
def watched(tmp_path: Path, read: Counting) -> WatchedFile[int]:
    (tmp_path / "number").write_text("1")
    return WatchedFile(tmp_path / "number", read, -1)


def test_it_is_read_once_until_it_changes(watched: WatchedFile[int], read: Counting) -> None:
    assert [watched.value() for _ in range(3)] == [1, 1, 1]
    assert read.before == [-1]
    watched.path.write_text("22")
    assert [watched.value() for _ in range(3)] == [22, 22, 22]
    assert read.before == [-1, 1]


def test_another_file_of_the_same_length_and_time_is_noticed(watched: WatchedFile[int]) -> None:
    """As when an operator's command replaces it, on a disk with coarse times."""
    assert watched.value() == 1
    status = watched.path.stat()
    new = watched.path.with_name("new")
    new.write_text("2")
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    new.replace(watched.path)
    assert watched.value() == 2


def test_a_missing_file_is_looked_for_each_time(watched: WatchedFile[int], read: Counting) -> None:
    watched.path.unlink()
    assert [watched.value(), watched.value()] == [0, 0]
    assert len(read.before) == 2
    watched.path.write_text("3")
    assert watched.value() == 3


def test_a_file_that_cannot_be_read_is_tried_again(
    watched: WatchedFile[int], read: Counting
) -> None:
    assert watched.value() == 1
    watched.path.write_text("none")
    for _ in range(2):
        with pytest.raises(ValueError, match="none"):
            watched.value()
    assert read.before == [-1, 1, 1]
    watched.path.write_text("4")
    assert watched.value() == 4


def test_a_change_while_it_is_read_shows_at_the_next_look(
    watched: WatchedFile[int], read: Counting
) -> None:
    read.meanwhile = lambda path: path.write_text("55")
    assert watched.value() == 1
    read.meanwhile = lambda path: None
    assert watched.value() == 55


def test_what_this_process_wrote_is_checked_at_the_next_look(
    watched: WatchedFile[int], read: Counting
) -> None:
    assert watched.value() == 1
    watched.path.write_text("66")
    watched.put(66)
    assert watched.value() == 66
    assert read.before == [-1, 66]
