"""A face as a value: identities, action units and a jaw on one triangle mesh. Every face model plugs in through it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

_LANDMARKS = (
    "nose_tip",
    "subnasale",
    "chin",
    "lip_upper",
    "lip_lower",
    "mouth_left",
    "mouth_right",
    "eye_left",
    "eye_right",
    "brow_left",
    "brow_right",
    "forehead",
    "ear_left",
    "ear_right",
)


@dataclass(frozen=True, slots=True, eq=False)
class Hinge:
    """A joint that turns part of the face about a fixed axis: the jaw about the line through its two joints.

    Args:
        point: (xyz) a point on the axis, metres.
        axis: (xyz) unit vector; a positive angle turns right-handed about it.
        weights: (point) share of the rotation that each point takes, 0 for the skull and 1 for the rigid jaw.
        radians_per_unit: angle at full intensity of each unit that turns the joint.
    """

    point: np.ndarray
    axis: np.ndarray
    weights: np.ndarray
    radians_per_unit: Mapping[str, float]

    def turn(self, points: np.ndarray, angles_rad: np.ndarray) -> np.ndarray:
        """Return (time point xyz) `points` with each point moved by its share of its frame's rotation.

        Points of weight 1 move as a rigid body; the others are blended linearly with their place at rest
        (linear blend skinning).

        Args:
            points: (time point xyz) metres.
            angles_rad: (time) angle of each frame.
        """
        x, y, z = self.axis
        across = np.array([[0.0, z, -y], [-z, 0.0, x], [y, -x, 0.0]])  # row vectors: arm @ across = axis x arm
        turned = points.copy()
        for frame, angle_rad in zip(turned, angles_rad, strict=True):
            if angle_rad != 0.0:
                # Rodrigues' formula less the identity
                change = np.sin(angle_rad) * across + (1.0 - np.cos(angle_rad)) * (across @ across)
                frame += ((frame - self.point) @ change) * self.weights[:, None]
        return turned


@dataclass(frozen=True, slots=True, eq=False)
class FaceModel:
    """A triangle mesh that takes any identity and any combination of action units.

    Lengths are metres; x points to the person's left, y up, z forward out of the face. Any face plugs into the
    simulator through this value.

    Args:
        name: what the study's description calls it.
        neutral: (point xyz) the average face at rest.
        identity_modes: (mode point xyz) displacement by one standard deviation of each mode.
        unit_names: one name per action unit and side: "AU12_L", "AU12_R", "AU26", ...
        unit_fields: (unit point xyz) displacement at full intensity, without the rotation of the jaw.
        triangles: (facet 3) points of each facet, counter-clockwise seen from outside.
        landmarks: point of each anatomical landmark.
        part: (facet) position of the facet's part in `part_names`.
        part_names: names of the parts.
        reflectivity: (facet) pressure reflection coefficient, 0 at the rim of an open mesh.
        jaw: the jaw's joint, or None where `unit_fields` hold its motion too.
    """

    name: str
    neutral: np.ndarray
    identity_modes: np.ndarray
    unit_names: tuple[str, ...]
    unit_fields: np.ndarray
    triangles: np.ndarray
    landmarks: Mapping[str, int]
    part: np.ndarray
    part_names: tuple[str, ...]
    reflectivity: np.ndarray
    jaw: Hinge | None

    def __post_init__(self) -> None:
        n_points, n_facets, n_units = len(self.neutral), len(self.triangles), len(self.unit_names)
        expected = {
            "neutral": (n_points, 3),
            "identity_modes": (len(self.identity_modes), n_points, 3),
            "unit_fields": (n_units, n_points, 3),
            "triangles": (n_facets, 3),
            "part": (n_facets,),
            "reflectivity": (n_facets,),
        }
        for field, shape in expected.items():
            found = getattr(self, field).shape
            if found != shape:
                raise ValueError(f"face {self.name!r}: {field} has shape {found}, expected {shape}")
        missing = [landmark for landmark in _LANDMARKS if landmark not in self.landmarks]
        if missing:
            raise ValueError(f"face {self.name!r} lacks the landmarks {', '.join(missing)}")
        if n_facets and not 0 <= self.triangles.min() <= self.triangles.max() < n_points:
            raise ValueError(f"face {self.name!r}: triangles name points outside 0..{n_points - 1}")

    @property
    def n_modes(self) -> int:
        """Number of identity modes."""
        return len(self.identity_modes)

    def shape(self, identity: np.ndarray) -> np.ndarray:
        """Return (point xyz) the neutral face of a person.

        Args:
            identity: (mode) weights in standard deviations; fewer than there are modes leave the rest at 0.
        """
        identity = np.asarray(identity, dtype=float)
        if identity.ndim != 1 or len(identity) > self.n_modes:
            raise ValueError(f"identity has shape {identity.shape}; face {self.name!r} has {self.n_modes} modes")
        return self.neutral + np.tensordot(identity, self.identity_modes[: len(identity)], axes=1)

    def intensities(self, named: Mapping[str, float]) -> np.ndarray:
        """Return (unit) intensities from names. A name without its side, such as "AU12", moves both sides.

        Raises:
            ValueError: a name that this face does not have.
        """
        values = np.zeros(len(self.unit_names))
        for name, intensity in named.items():
            columns = [k for k, unit in enumerate(self.unit_names) if unit == name or unit.rsplit("_", 1)[0] == name]
            if not columns:
                raise ValueError(f"face {self.name!r} has no unit {name!r}; it has {', '.join(self.unit_names)}")
            values[columns] = intensity
        return values

    def pose_units(self, shape: np.ndarray, intensities: Mapping[str, float] | np.ndarray) -> np.ndarray:
        """Return (point xyz) a person's face with action units.

        Args:
            shape: (point xyz) the person's neutral face, from `shape`.
            intensities: unit name to intensity, 1 being full, or (unit) intensities in the order of `unit_names`.
        """
        if isinstance(intensities, Mapping):
            intensities = self.intensities(intensities)
        return self.pose_frames(shape, np.asarray(intensities, dtype=float)[None])[0]

    def pose_frames(self, shape: np.ndarray, intensities: np.ndarray) -> np.ndarray:
        """Return (time point xyz) a person's face over time.

        Each point moves by the sum of the units' displacements, linear in the intensities, and is then turned with
        the jaw.

        Args:
            shape: (point xyz) the person's neutral face.
            intensities: (time unit) in the order of `unit_names`.
        """
        intensities = np.asarray(intensities, dtype=float)
        if intensities.ndim != 2 or intensities.shape[1] != len(self.unit_names):
            raise ValueError(f"intensities have shape {intensities.shape}, expected (time, {len(self.unit_names)})")
        n_units = len(self.unit_names)
        moved = (intensities @ self.unit_fields.reshape(n_units, -1)).reshape(len(intensities), -1, 3) + shape
        if self.jaw is None:
            return moved
        radians = np.array([self.jaw.radians_per_unit.get(name, 0.0) for name in self.unit_names])
        return self.jaw.turn(moved, intensities @ radians)
