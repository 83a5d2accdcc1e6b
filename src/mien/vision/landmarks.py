"""Landmarks of a face: 468 points by mediapipe's face mesh, which runs offline and carries its model."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any, Self

import numpy as np

from mien.errors import DeviceError

N_POINTS = 468


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """A face seen while a take was recorded.

    Args:
        time_s: (frame) from the start of the take.
        points: (frame point xyz) float32, in parts of the image's width and height; NaN where no face was seen.
        size: width and height of the image in pixels.
    """

    time_s: np.ndarray
    points: np.ndarray
    size: tuple[int, int]

    def to_bytes(self) -> bytes:
        """Return the content of a `_landmarks.npz`: arrays `time_s`, `points` and `size`."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            time_s=self.time_s.astype(np.float64),
            points=self.points.astype(np.float32),
            size=np.array(self.size, np.int64),
        )
        return buffer.getvalue()


class FaceMesh:
    """Finds one face's landmarks, from frame to frame; a context manager.

    Raises:
        DeviceError: the extra is not installed.
    """

    def __init__(self) -> None:
        mediapipe = needed("mediapipe")
        self._mesh: Any = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1)

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Return (point xyz) float32 of a (row column rgb) uint8 image, NaN where it shows no face."""
        faces = self._mesh.process(np.ascontiguousarray(frame)).multi_face_landmarks
        if not faces:
            return np.full((N_POINTS, 3), np.nan, np.float32)
        return np.array([(point.x, point.y, point.z) for point in faces[0].landmark[:N_POINTS]], np.float32)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mesh.close()


def landmarks(frames: Iterable[np.ndarray]) -> np.ndarray:
    """Return (frame point xyz) float32 of images (row column rgb) uint8, NaN where no face is seen.

    Raises:
        DeviceError: the extra is not installed.
    """
    with FaceMesh() as mesh:
        found = [mesh(frame) for frame in frames]
    return np.stack(found) if found else np.zeros((0, N_POINTS, 3), np.float32)


def needed(name: str) -> ModuleType:
    """Return a module of the vision extra.

    Raises:
        DeviceError: it is not installed.
    """
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DeviceError(
            f"a camera needs {name}, which is not installed ({error}): pip install 'mien[vision]', on Python below "
            "3.13, or leave out --camera"
        ) from None
