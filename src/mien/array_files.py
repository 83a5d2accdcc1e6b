"""Named arrays in one compressed file (.npz), written and read within a bound and without unpickling."""

import math
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from mien.errors import MienError
from mien.files import open_regular, write_atomically

MOST_BYTES = 1 << 30
"""The arrays of one file, unpacked: a compressed file unfolds to a thousand times its size."""

MOST_ARRAYS = 1_000


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write named arrays, atomically.

    Raises:
        StorageError: the disk cannot take them.
    """

    def write(temporary: Path) -> None:
        with temporary.open("wb") as stream:
            np.savez_compressed(stream, **arrays)

    write_atomically(path, write)


def read_arrays(path: Path, error: type[MienError]) -> dict[str, np.ndarray]:
    """Return the arrays in a file; what it claims is held against the bounds before memory is taken.

    Raises:
        MienError: of the class `error`, where the file is missing, no regular one or no arrays, or unpacks to more than
            `MOST_BYTES`.
    """
    with open_regular(path, error) as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                members = archive.infolist()
                n_bytes = sum(member.file_size for member in members)
                if len(members) > MOST_ARRAYS or n_bytes > MOST_BYTES:
                    raise error(
                        f"{path} unpacks to {len(members)} arrays of {n_bytes} bytes; at most {MOST_ARRAYS} arrays of "
                        f"{MOST_BYTES} bytes are read"
                    )
                return {member.filename.removesuffix(".npy"): _read_array(archive, member) for member in members}
        except _BROKEN as problem:
            raise error(f"{path} holds no arrays that can be read: {problem}") from None


# RuntimeError: encrypted; NotImplementedError: compressed in a way unknown here.
_BROKEN = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error)


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as stream:
        claimed = _claimed_bytes(stream)
    if claimed > member.file_size:
        raise ValueError(f"{member.filename} claims {claimed} bytes and has {member.file_size}")
    with archive.open(member) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _claimed_bytes(stream: IO[bytes]) -> int:
    """Return how many bytes an array's header claims; numpy would take the memory for them before it reads any."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(stream)
    if version not in readers:
        raise ValueError(f"an array of format {version}")
    shape, _, dtype = readers[version](stream)
    return math.prod(shape) * dtype.itemsize
