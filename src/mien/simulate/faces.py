"""Which face is simulated: the own one, MakeHuman's, or one whose files the user has."""

from pathlib import Path

from mien.errors import MienError
from mien.simulate.face import FaceModel
from mien.simulate.ict import read_ict
from mien.simulate.makehuman import makehuman_face, read_makehuman
from mien.simulate.options import SimulationOptions
from mien.simulate.own_face import own_face


def face_for(options: SimulationOptions) -> FaceModel:
    """Return the face model that options name.

    Raises:
        MienError: the folder that was named holds no face model.
    """
    if options.face_folder is not None:
        return read_face(options.face_folder)
    return makehuman_face() if options.face == "makehuman" else own_face(options.n_facets)


def read_face(folder: Path | str) -> FaceModel:
    """Return the face model in a folder, of whichever kind it is.

    Raises:
        MienError: it is of no known kind, or lacks a file of its kind.
    """
    folder = Path(folder)
    if any((folder / place / "generic_neutral_mesh.obj").exists() for place in ("", "FaceXModel")):
        return read_ict(folder)
    if any((folder / place / "3dobjs" / "base.obj").exists() for place in ("", "mpfb2")):
        return read_makehuman(folder)
    raise MienError(
        f"{folder} holds no face model: an ICT-FaceKit has FaceXModel/generic_neutral_mesh.obj, MakeHuman's data "
        "3dobjs/base.obj; name such a folder"
    )
