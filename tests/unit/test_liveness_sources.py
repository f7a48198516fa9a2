"""Frame sources: what ``--live`` may name, in order, at their pace, and never written."""

import contextlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from gateway.client.liveness.camera import MAX_SILENT_SECONDS, REOPEN_AFTER
from gateway.client.liveness.frames import MAX_FAILURES
from gateway.client.liveness.sources import (
    MAX_SECONDS,
    Camera,
    Frame,
    ImageSequence,
    MjpegFile,
    Paced,
    PassedOver,
    VideoFile,
    open_source,
)
from gateway.vision.errors import UnreadableImage
from tests.support import matroska
from tests.support.matroska import packet


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
        cv2.imwrite(str(directory / f"{number:03}.png"), picture(number * 40 % 240))
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


@pytest.mark.parametrize("name", ["vfr.mkv", "vfr.jpg", "concat:vfr%03d.png"])
def test_frames_come_at_the_containers_own_times(tmp_path: Path, name: str) -> None:
    """60 a second for a second, then ten; whatever the file is called."""
    times = [7000 + at for at in (*range(0, 1000, 17), *range(1000, 3001, 100))]
    (tmp_path / name).write_bytes(matroska.video([(at, packet(at // 50)) for at in times]))
    source = open_source(str(tmp_path / name))
    assert isinstance(source, VideoFile)
    found = list(VideoFile(tmp_path / name, pace()).frames())
    assert found[0].at_ms == 0
    assert found[-1].at_ms == pytest.approx(3000, abs=2)
    slow = [frame.at_ms for frame in found if frame.at_ms >= 1000]
    np.testing.assert_allclose(np.diff(slow), 100, atol=2)


class Video:
    """A reader that fails now and then; its end looks like a failure."""

    rate = 25.0

    def __init__(self, frames: list[tuple[float, int] | None]) -> None:
        self._frames = iter(frames)
        self.at_ms = 0.0

    def next(self) -> np.ndarray | None:
        read = next(self._frames, None)
        if read is None:
            return None
        self.at_ms, level = read
        return picture(level)


def times(*frames: tuple[float, int] | None) -> tuple[list[int], PassedOver]:
    source = VideoFile(Path("clip.mp4"))
    return [frame.at_ms for frame in source._timed(Video(list(frames)))], source.passed


def test_one_failed_read_does_not_end_a_video() -> None:
    found, passed = times((0, 1), (40, 2), None, (120, 4), *[None] * (MAX_FAILURES - 1), (600, 5))
    assert found == [0, 40, 120, 600]
    assert passed == PassedOver(frames=MAX_FAILURES)
    found, _ = times((0, 1), *[None] * MAX_FAILURES, (600, 5))
    assert found == [0], "so many are the end"


def test_times_that_are_missing_or_run_backwards_follow_the_files_rate() -> None:
    nan = float("nan")
    assert times((500, 1), (540, 2), (0, 3), (nan, 4), (700, 5))[0] == [0, 40, 80, 120, 200]
    assert times((nan, 1), (nan, 2), (nan, 3))[0] == [0, 40, 80]


def test_nothing_that_a_decoder_says_reaches_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    frames = [(40 * n, packet(n * 9)) for n in range(12)]
    frames[3] = (120, b"no picture at all" * 20)
    path = tmp_path / "clip.mkv"
    path.write_bytes(matroska.video(frames))
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    while capture.read()[0]:
        pass
    assert capfd.readouterr().err, "the control: it has something to say"
    assert len(list(VideoFile(path, pace()).frames())) >= 10
    path.write_bytes(path.read_bytes()[:600])
    with contextlib.suppress(UnreadableImage):
        list(VideoFile(path, pace()).frames())
    assert capfd.readouterr() == ("", "")


def test_numbers_in_names_count_and_foreign_files_do_not(tmp_path: Path) -> None:
    for number in (1, 2, 10, 9, 20, 3):
        cv2.imwrite(str(tmp_path / f"frame{number}.jpg"), picture(number * 10))
    (tmp_path / "frame4.jpg").write_bytes(b"\xff\xd8\xff\xe0 damaged")
    (tmp_path / "frame5.JPG").write_bytes(b"")
    (tmp_path / "._frame6.jpg").write_bytes(b"\0\x05\x16\7")
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "notes.txt"):
        (tmp_path / name).write_bytes(b"\xd0\xcf\x11\xe0 something else" * 99)
    (tmp_path / "more").mkdir()
    for name in (str(tmp_path), str(tmp_path / "*"), str(tmp_path / "*.[jJ][pP][gG]")):
        source = open_source(name, 10)
        assert isinstance(source, ImageSequence)
        source._pace = pace()
        found = [(round(frame.image.mean() / 10), frame.at_ms) for frame in source.frames()]
        assert found == [(1, 0), (2, 100), (3, 200), (9, 500), (10, 600), (20, 700)]
        assert source.passed.frames == 2
        assert source.passed.files == {str(tmp_path): 5, str(tmp_path / "*"): 3}.get(name, 0)
    assert str(PassedOver(2, 5)) == "2 unreadable frames and 5 files that are no pictures"
    assert str(PassedOver(0, 1)) == "1 file that is no picture"


def test_too_many_damaged_pictures_in_a_row_end_a_sequence_by_name(tmp_path: Path) -> None:
    directory = images(tmp_path / "frames", 2 * MAX_FAILURES)
    for number in range(2, 2 + MAX_FAILURES):
        path = directory / f"{number:03}.png"
        path.write_bytes(path.read_bytes()[:60])
    frames = ImageSequence(directory.iterdir(), 10, pace()).frames()
    assert [next(frames).at_ms, next(frames).at_ms] == [0, 100]
    with pytest.raises(UnreadableImage, match=r"frames/011\.png: the PNG file is cut off"):
        next(frames)


def test_a_directory_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="there is no file"):
        open_source(str(tmp_path))
    (tmp_path / "Thumbs.db").write_bytes(b"something")
    with pytest.raises(UnreadableImage, match="no file there is a picture"):
        open_source(str(tmp_path))


def test_a_row_of_jpegs_is_a_recording_at_the_given_rate(tmp_path: Path) -> None:
    pictures = [packet(level) for level in range(0, 250, 10)]
    rough = np.random.default_rng(3).integers(0, 256, (48, 64, 3), np.uint8)
    pictures[4] = cv2.imencode(".jpg", rough)[1].tobytes()[:-2000]
    path = tmp_path / "photograph.jpg"
    path.write_bytes(b"".join(pictures) + pictures[0][:300])
    source = open_source(str(path), 10)
    assert isinstance(source, MjpegFile)
    source._pace = pace()
    found = [(round(frame.image.mean() / 10), frame.at_ms) for frame in source.frames()]
    assert found == [(n, 100 * n) for n in range(25) if n != 4]
    assert source.passed == PassedOver(frames=2)


@pytest.mark.parametrize(("suffix", "code"), [("ts", "MPG2"), ("mpg", "mp2v"), ("avi", "MJPG")])
def test_other_containers_are_videos_by_their_content(
    tmp_path: Path, suffix: str, code: str
) -> None:
    made = tmp_path / f"clip.{suffix}"
    writer = cv2.VideoWriter(str(made), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*code), 25, (64, 48))
    for number in range(10):
        writer.write(picture(number * 8))
    writer.release()
    path = made.rename(tmp_path / "photograph.png")
    assert isinstance(open_source(str(path)), VideoFile)
    found = [frame.at_ms for frame in VideoFile(path, pace()).frames()]
    assert len(found) == 10
    np.testing.assert_allclose(np.diff(found), 40, atol=1)


def test_a_photograph_stays_a_photograph(tmp_path: Path) -> None:
    path = tmp_path / "face.mp4"
    path.write_bytes(b"\xff\xd8\xff not much of a picture")
    assert open_source(str(path)) == path.read_bytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "file is empty"),
        (b"GIF89a" + bytes(90), "moving pictures of the kind GIF"),
        (b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02" + bytes(30), "animated WebP"),
        (b"MZ a program", "no picture or video"),
    ],
)
def test_what_is_neither_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "face.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadableImage, match=f"face.jpg: .*{said}"):
        open_source(str(path))


@pytest.mark.parametrize("head", [b"\0\0\0\x18ftypmp42", b"\x1aE\xdf\xa3", b"RIFF\0\0\0\0AVI "])
def test_a_file_that_only_begins_like_a_video_is_unreadable(
    tmp_path: Path, head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clip").write_bytes(head + b"nothing else" * 50)
    source = open_source("clip")
    assert isinstance(source, VideoFile)
    with pytest.raises(UnreadableImage, match=r"^clip: the video"):
        list(source.frames())


def test_a_video_without_frames_is_named(tmp_path: Path) -> None:
    for path, content in (
        (tmp_path / "empty.mkv", matroska.video([])),
        (tmp_path / "empty.mp4", video(tmp_path / "whole.mp4", 25, 0).read_bytes()),
    ):
        path.write_bytes(content)
        source = open_source(str(path))
        assert isinstance(source, VideoFile)
        with pytest.raises(UnreadableImage, match=f"{path.name}: the video"):
            list(source.frames())


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_source(str(tmp_path / "missing.mp4"))
    with pytest.raises(UnreadableImage):
        open_source(str(tmp_path / "*.png"))
    with pytest.raises(UnreadableImage, match="rate"):
        open_source(str(images(tmp_path / "frames")), 0.5)
    with pytest.raises(UnreadableImage):
        open_source("camera:front")
    source = open_source("camera:97")
    assert isinstance(source, Camera)
    assert source.live
    with pytest.raises(UnreadableImage, match="camera:97: the camera cannot be opened"):
        list(source.frames())


class Driver:
    """A camera whose reads fail where the script says so; each opening takes the next script."""

    def __init__(self, *scripts: str) -> None:
        self.scripts = list(scripts)
        self.closed = 0
        self.time = Time()

    def connect(self, number: int) -> "Driver":
        if not self.scripts:
            raise UnreadableImage("the camera cannot be opened")
        self._reads = iter(self.scripts.pop(0))
        return self

    def next(self) -> np.ndarray | None:
        self.time.sleep(0.04)
        return picture(50) if next(self._reads, "-") == "x" else None

    def close(self) -> None:
        self.closed += 1

    def source(self) -> Camera:
        return Camera("0", self.connect, self.time, self.time.sleep)


def test_a_camera_that_fails_now_and_then_goes_on() -> None:
    driver = Driver("--xx-x" + "-" * (REOPEN_AFTER - 1) + "x" + "-" * REOPEN_AFTER, "-xx")
    source = driver.source()
    frames = source.frames()
    found = [next(frames) for _ in range(6)]
    assert np.all(np.diff([frame.at_ms for frame in found]) >= 33)
    assert source.passed.frames == 2 + 1 + (REOPEN_AFTER - 1) + REOPEN_AFTER + 1
    assert driver.closed == 1, "it was opened anew"
    frames.close()  # type: ignore[attr-defined]
    assert driver.closed == 2


@pytest.mark.parametrize("again", [(), ("-" * 99,)])
def test_a_camera_that_is_gone_is_named(again: tuple[str, ...]) -> None:
    driver = Driver("xxx", *again)
    frames = driver.source().frames()
    assert len([next(frames) for _ in range(3)]) == 3
    with pytest.raises(UnreadableImage, match="camera:0: the camera gives no picture"):
        next(frames)
    assert driver.closed == 1 + len(again)


def test_a_camera_whose_reads_hang_is_given_up_sooner() -> None:
    driver = Driver("x")
    frames = driver.source().frames()
    next(frames)
    driver.time.sleep(MAX_SILENT_SECONDS)
    with pytest.raises(UnreadableImage, match="no picture any more"):
        next(frames)
    assert driver.scripts == []
    assert driver.closed == 1


def test_no_source_writes_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = video(tmp_path / "clip.mp4", 25)
    list(VideoFile(path, pace()).frames())
    assert [one.name for one in tmp_path.iterdir()] == ["clip.mp4"]
