"""Landmarks of a face that everybody has: matplotlib's picture of Grace Hopper."""

import numpy as np
import pytest

from mien.errors import DeviceError
from mien.vision.landmarks import Landmarks, landmarks, needed


def test_landmarks_are_read_as_they_were_written(tmp_path):
    made = Landmarks(np.array([0.0, 0.1]), np.full((2, 468, 3), np.nan, np.float32), (640, 480))
    (tmp_path / "a.npz").write_bytes(made.to_bytes())
    with np.load(tmp_path / "a.npz") as read:
        assert read["time_s"].tolist() == [0.0, 0.1] and read["points"].dtype == np.float32
        assert np.isnan(read["points"]).all() and read["size"].tolist() == [640, 480]


def test_a_missing_module_is_named():
    with pytest.raises(DeviceError, match=r"needs no_such_module.*pip install 'mien\[vision\]'"):
        needed("no_such_module")


def test_a_face_has_landmarks_and_a_wall_has_none():
    pytest.importorskip("mediapipe", reason="mien[vision] is not installed")
    from matplotlib import cbook, image

    with cbook.get_sample_data("grace_hopper.jpg") as stream:
        face = np.asarray(image.imread(stream, format="jpg"))
    points = landmarks([face, np.full_like(face, 200)])
    assert points.shape == (2, 468, 3) and np.isnan(points[1]).all()
    # The tip of the nose (1) lies between the eyes' outer corners (33, 263) and above the chin (152).
    assert points[0, 33, 0] < points[0, 1, 0] < points[0, 263, 0] and points[0, 1, 1] < points[0, 152, 1]
