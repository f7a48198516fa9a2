"""Frame sources: what ``--live`` may name, in order, at their pace, and never written."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from gateway.client.liveness.sources import (
    MAX_SECONDS,
    Camera,
    Frame,
    ImageSequence,
    Paced,
    VideoFile,
    open_source,
)
from gateway.vision.errors import UnreadableImage


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def pace() -> Paced:
    time = Time()
    return Paced(time, time.sleep)


def picture(level: int) -> np.ndarray:
    return np.full((48, 64, 3), level, np.uint8)


def video(path: Path, rate: float, frames: int = 20) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (64, 48))
    for number in range(frames):
        writer.write(picture(number * 8))
    writer.release()
    return path


def images(directory: Path, count: int = 5) -> Path:
    directory.mkdir()
    for number in range(count):
        cv2.imwrite(str(directory / f"{number:03}.png"), picture(number * 40))
    return directory


def test_a_video_file_gives_its_frames_at_their_times(tmp_path: Path) -> None:
    source = open_source(str(video(tmp_path / "clip.mp4", 25)))
    assert isinstance(source, VideoFile)
    assert not source.live
    found = list(VideoFile(tmp_path / "clip.mp4", pace()).frames())
    assert [frame.at_ms for frame in found] == [40 * n for n in range(20)]
    assert found[0].image.shape == (48, 64, 3)
    assert found[-1].image.mean() > found[0].image.mean()


def test_frames_that_come_too_fast_are_left_out(tmp_path: Path) -> None:
    found = list(VideoFile(video(tmp_path / "fast.mp4", 60, 30), pace()).frames())
    steps = np.diff([frame.at_ms for frame in found])
    assert steps.min() >= 33
    assert steps.max() <= 50


def test_files_are_read_at_the_pace_of_life() -> None:
    time = Time()
    frames = (Frame(picture(0), 40 * n) for n in range(26))
    arrived = [time.now for _ in Paced(time, time.sleep).play(frames)]
    assert arrived[-1] == pytest.approx(1.0)


def test_a_recording_without_end_is_cut(tmp_path: Path) -> None:
    frames = (Frame(picture(0), 1000 * n) for n in range(10**9))
    assert sum(1 for _ in pace().play(frames)) == MAX_SECONDS + 1


def test_an_image_sequence_by_directory_or_pattern(tmp_path: Path) -> None:
    directory = images(tmp_path / "frames")
    for name in (str(directory), str(directory / "*.png")):
        source = open_source(name, 10)
        assert isinstance(source, ImageSequence)
    found = list(ImageSequence(sorted(directory.iterdir()), 10, pace()).frames())
    assert [frame.at_ms for frame in found] == [0, 100, 200, 300, 400]
    assert [int(frame.image.mean()) for frame in found] == [0, 40, 80, 120, 160]


def test_a_photograph_stays_a_photograph(tmp_path: Path) -> None:
    path = tmp_path / "face.jpg"
    path.write_bytes(b"\xff\xd8\xff not much of a picture")
    assert open_source(str(path)) == path.read_bytes()
    (tmp_path / "empty").touch()
    assert open_source(str(tmp_path / "empty")) == b""


@pytest.mark.parametrize("head", [b"\0\0\0\x18ftypmp42", b"\x1aE\xdf\xa3", b"RIFF\0\0\0\0AVI "])
def test_a_file_that_only_begins_like_a_video_is_unreadable(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "clip").write_bytes(head + b"nothing else" * 50)
    source = open_source(str(tmp_path / "clip"))
    assert isinstance(source, VideoFile)
    with pytest.raises(UnreadableImage):
        list(source.frames())


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_source(str(tmp_path / "missing.mp4"))
    with pytest.raises(UnreadableImage):
        open_source(str(tmp_path / "*.png"))
    with pytest.raises(UnreadableImage):
        open_source("camera:front")
    source = open_source("camera:97")
    assert isinstance(source, Camera)
    assert source.live
    with pytest.raises(UnreadableImage, match="camera"):
        list(source.frames())


def test_no_source_writes_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = video(tmp_path / "clip.mp4", 25)
    list(VideoFile(path, pace()).frames())
    assert [one.name for one in tmp_path.iterdir()] == ["clip.mp4"]
