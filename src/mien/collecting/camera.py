"""A camera beside the sound: frames become landmarks on the spot, and are gone; a video is kept only if asked for."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import numpy as np

from mien.errors import DeviceError
from mien.vision.landmarks import FaceMesh, Landmarks, needed

USUAL_FRAMES_PER_S = 30.0


class Camera:
    """Looks at a face while takes are recorded; a context manager.

    Args:
        number: which camera, from 0.
        keep_video: keep the frames too.
        mesh: makes what finds landmarks in an image (row column rgb).
        clock: seconds from any origin.

    Raises:
        DeviceError: the extra is not installed, or there is no such camera.
    """

    def __init__(
        self,
        number: int,
        keep_video: bool = False,
        *,
        mesh: Callable[[], FaceMesh] = FaceMesh,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.number, self.keep_video, self._clock = number, keep_video, clock
        self._opencv: Any = needed("cv2")
        self._mesh = mesh()
        self._lock = threading.Lock()
        self._start_s: float | None = None
        self._seen: list[tuple[float, np.ndarray]] = []
        self._size = (0, 0)
        self._video: Any = None
        self._closing = threading.Event()
        self._failed: str | None = None

    def __enter__(self) -> Self:
        self._capture = self._opencv.VideoCapture(self.number)
        if not self._capture.isOpened():
            raise DeviceError(f"camera {self.number} cannot be opened; is it there, and used by no other program?")
        self._folder = TemporaryDirectory(prefix="mien-")
        self._thread = threading.Thread(target=self._look, name="camera", daemon=True)
        self._thread.start()
        return self

    def _look(self) -> None:
        # Frames are fetched at all times: a camera left waiting delivers old ones first.
        while not self._closing.is_set():
            there, frame = self._capture.read()
            if not there:
                self._failed = f"camera {self.number} delivers no picture any more; takes so far are kept"
                return
            with self._lock:
                if self._start_s is not None:
                    self._note(frame, self._clock() - self._start_s)

    def _note(self, frame: np.ndarray, time_s: float) -> None:
        self._size = (frame.shape[1], frame.shape[0])
        self._seen.append((time_s, self._mesh(frame[..., ::-1])))
        if self.keep_video:
            if self._video is None:
                rate = self._capture.get(self._opencv.CAP_PROP_FPS) or USUAL_FRAMES_PER_S
                code = self._opencv.VideoWriter_fourcc(*"mp4v")
                self._video = self._opencv.VideoWriter(str(self._film), code, rate, self._size)
            self._video.write(frame)

    @property
    def _film(self) -> Path:
        return Path(self._folder.name) / "take.mp4"

    def begin(self) -> None:
        """Begin to keep what is seen."""
        with self._lock:
            self._start_s = self._clock()

    def drop(self) -> None:
        """Forget what was seen since `begin`: the take was broken off."""
        with self._lock:
            self._release()
            self._seen, self._start_s = [], None

    def end(self) -> dict[str, Any]:
        """Return what was seen since `begin`, as `Collection.offer` takes it.

        Raises:
            DeviceError: the camera stopped delivering.
        """
        with self._lock:
            self._start_s = None
            self._release()
            seen, self._seen = self._seen, []
        if self._failed or not seen:
            raise DeviceError(self._failed or f"camera {self.number} delivered no picture during the take")
        points = np.stack([each for _, each in seen])
        found: dict[str, Any] = {"landmarks": Landmarks(np.array([at for at, _ in seen]), points, self._size)}
        return found | ({"video": self._film} if self.keep_video else {})

    def _release(self) -> None:
        if self._video is not None:
            self._video.release()
            self._video = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join(timeout=5.0)
        with self._lock:
            self._release()
        self._capture.release()
        self._mesh.__exit__(None, None, None)
        self._folder.cleanup()
