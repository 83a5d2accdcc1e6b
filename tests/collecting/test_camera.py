"""A camera beside the sound: landmarks are stored with their take, a video only if asked for."""

import sys
import threading
import types

import numpy as np
import pytest
from plays import QUICK, Microphone
from rich.console import Console

from mien.collecting.camera import Camera
from mien.collecting.guide import Guide
from mien.collecting.screen import Screen
from mien.collecting.session import Collection
from mien.datasets.check import check_study
from mien.datasets.forget import forget
from mien.errors import DeviceError

RULES = QUICK.model_copy(update={"masks": ("open",), "n_takes": 1})


class Capture:
    """What OpenCV's is: delivers frames until it is said to fail."""

    fails = threading.Event()

    def __init__(self, number):
        self.number = number

    def isOpened(self):  # noqa: N802
        return self.number == 0

    def read(self):
        return not self.fails.wait(0.001), np.full((48, 64, 3), 7, np.uint8)

    def get(self, _):
        return 0.0

    def release(self):
        pass


class VideoWriter:
    def __init__(self, path, code, rate, size):
        self.path, self.n_frames = path, 0
        assert (code, rate, size) == (7, 30.0, (64, 48))

    def write(self, frame):
        self.n_frames += 1

    def release(self):
        with open(self.path, "wb") as stream:
            stream.write(b"film of %d frames" % self.n_frames)


class Mesh:
    def __call__(self, frame):
        return np.zeros((468, 3), np.float32)

    def __exit__(self, *_):
        pass


@pytest.fixture
def opencv(monkeypatch):
    fake = types.SimpleNamespace(
        VideoCapture=Capture, VideoWriter=VideoWriter, VideoWriter_fourcc=lambda *_: 7, CAP_PROP_FPS=5
    )
    Capture.fails.clear()
    monkeypatch.setitem(sys.modules, "cv2", fake)
    return fake


def collect(path, keep_video, pressed=lambda: None):
    """Collect with a camera whose clock ticks a hundredth of a second at each look."""
    ticks = iter(np.arange(0, 1e6, 0.01))
    kind = "video" if keep_video else "landmarks"
    with (
        Camera(0, keep_video, mesh=Mesh, clock=lambda: next(ticks)) as camera,
        Collection(path, RULES, "001", camera=kind, now=lambda: "now") as collection,
        Screen(Console(quiet=True)) as screen,
    ):
        collection.accept_consent()
        microphone = Microphone(delay_s=0.002)
        return Guide(collection, microphone, pressed, screen, camera=camera).run()


@pytest.mark.parametrize("keep_video", [False, True])
def test_landmarks_stand_beside_their_take(tmp_path, opencv, keep_video):
    assert collect(tmp_path / "study", keep_video)
    assert check_study(tmp_path / "study", progress=False) == []
    for sound in (tmp_path / "study").rglob("*_echo.flac"):
        stem = str(sound).removesuffix("_echo.flac")
        with np.load(f"{stem}_landmarks.npz") as seen:
            assert seen["points"].shape == (len(seen["time_s"]), 468, 3) and seen["size"].tolist() == [64, 48]
            assert (np.diff(seen["time_s"]) > 0).all()
            n_frames = len(seen["time_s"])
        films = list(sound.parent.glob(f"{sound.stem.removesuffix('_echo')}_video.mp4"))
        assert [film.read_bytes() for film in films] == ([b"film of %d frames" % n_frames] if keep_video else [])
    forget(tmp_path / "study", "001")
    assert not list((tmp_path / "study").rglob("*sub-001*"))


def test_a_camera_that_stops_is_named(tmp_path, opencv):
    def pressed():
        Capture.fails.set()

    with pytest.raises(DeviceError, match="camera 0 delivers no picture any more|delivered no picture"):
        collect(tmp_path / "study", False, pressed)


def test_a_camera_that_is_not_there_is_named(opencv):
    with pytest.raises(DeviceError, match="camera 3 cannot be opened"), Camera(3, mesh=Mesh):
        pass


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(DeviceError, match=r"needs cv2.*pip install 'mien\[vision\]'"):
        Camera(0, mesh=Mesh)
