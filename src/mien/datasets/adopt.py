"""Recordings that the table does not list, entered into it: what their sidecars say of them is their row."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from mien.datasets.folder import UNLISTED, check_identifiers, files_of_take, listed_files, lock, take_stem
from mien.datasets.growing import GrowingTable, open_tables
from mien.datasets.identity import key_of_name, refuse_other_spelling
from mien.datasets.study import TAKES_FILE, inside, read_header
from mien.datasets.tables import KEY, MASKS, REQUIRED, describe_key, format_cell, is_quantity
from mien.errors import MienError, StudyError
from mien.files import files_below, sha256, storing
from mien.identifiers import normal_key
from mien.labels import UNKNOWN, own_spelling, problem_of_expression
from mien.probe import Probe
from mien.recording import Recording, read_recording
from mien.sound_files import SOUND_ENDINGS

_COLUMNS = ("mask", "place", "device", "distance_m", "start", "neutral_until_s")


@dataclass(slots=True)
class Adopted:
    """What became of each recording: which take it is now, or why it stays where it is."""

    entered: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)


def adopt(path: Path | str) -> Adopted:
    """Enter into a study's table every recording in its folder that no row lists, from `unlisted/` back to its place.

    A take of the same name that the study has since is no reason to lose either: the returning one gets another number.

    Returns:
        Path of each recording -> its take, or why it was left.

    Raises:
        StudyError: the study or its tables cannot be read, or another process is writing it.
        StorageError: the disk cannot take it; what was entered stays entered.
    """
    path = Path(path)
    header, probe = read_header(path)
    if header.media != "relative":
        raise StudyError(f"{path} refers to media elsewhere; there is nothing in it to adopt")
    descriptor = lock(path)
    try:
        takes, people = open_tables(path)
        made, adopter = Adopted(), _Adopter(path, probe, takes, people)
        for sound in list(_unlisted(path, takes)):
            name = sound.relative_to(path).as_posix()
            try:
                made.entered[name] = adopter.enter(sound)
            except MienError as error:
                made.left[name] = " ".join(str(error).replace(f"{sound} ", "").split())
        return made
    finally:
        os.close(descriptor)


def _unlisted(path: Path, takes: GrowingTable) -> Iterator[Path]:
    listed = listed_files(inside(path, row["path"]) for row in takes.rows)
    for entry in files_below(path, SOUND_ENDINGS, StudyError):
        if not entry.name.startswith(".") and entry not in listed:
            yield entry


class _Adopter:
    """A study's tables while recordings are entered into them."""

    def __init__(self, path: Path, probe: Probe, takes: GrowingTable, people: GrowingTable) -> None:
        self.path, self.probe, self.takes, self.people = path, probe, takes, people
        self.keys = {normal_key(row) for row in takes.rows}
        self.listed = listed_files(inside(path, row["path"]) for row in takes.rows)
        self.sounds = {row["sha256"]: row for row in takes.rows if row.get("sha256", UNKNOWN) != UNKNOWN}

    def enter(self, sound: Path) -> str:
        """Move a recording to its place, enter its row, and return which take it is.

        Raises:
            MienError: it is unusable, is in the study already, or does not say whose it is.
        """
        recording = read_recording(sound, self.probe)
        digest = sha256(sound)
        if digest in self.sounds:
            raise StudyError(f"is the same sound as {describe_key(self.sounds[digest])}; delete it if you like")
        row = self._whose(sound, recording.facts)
        moves = self._free_place(sound, row)
        row |= {"path": moves[sound].relative_to(self.path).as_posix()} | self._cells(recording) | {"sha256": digest}
        for file, place in moves.items():
            with storing(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                file.rename(place)
        with suppress(OSError):
            os.removedirs(sound.parent)  # those of `unlisted` that are empty now
        self.takes.append(row)
        if self.people.path.exists() and row["subject"] not in {each["subject"] for each in self.people.rows}:
            self.people.append({"subject": row["subject"]})
        self.keys.add(normal_key(row))
        self.sounds[digest] = row
        return describe_key(row)

    def _whose(self, sound: Path, facts: Mapping[str, Any]) -> dict[str, str]:
        """Return the recording's identifiers, by its name and its sidecar."""
        row = key_of_name(sound.name)
        if row is None:
            raise StudyError(f"does not say whose take it is by its name; add its row to {TAKES_FILE}")
        check_identifiers(**row)
        stated = {name: str(facts.get(name, row[name])) for name in KEY}
        if normal_key(stated) != normal_key(row):
            raise StudyError(
                f"is named {describe_key(row)}, its sidecar says {describe_key(stated)}; add its row by hand"
            )
        known = [*self.takes.rows, *self.people.rows]
        refuse_other_spelling("subject", row["subject"], (each["subject"] for each in known), self.path)
        return row

    def _free_place(self, sound: Path, row: dict[str, str]) -> dict[Path, Path]:
        """Return where each of the recording's files goes; the take is counted on where the study has it already."""
        relative = sound.relative_to(self.path)
        if relative.parts[0] == UNLISTED:
            relative = Path(*relative.parts[2 if relative.parts[1].isdigit() else 1 :])
        files = files_of_take(sound, self.listed)
        old, first = sound.stem.removesuffix("_echo"), row["take"]
        for version in count(1):
            row["take"] = first if version == 1 else f"{first}-{version}"
            new = old if version == 1 else Path(take_stem(row["subject"], row["session"], row["take"])).name
            folder = self.path / relative.parent
            moves = {file: folder / f"{new}{file.name.removeprefix(old)}" for file in files}
            taken = any(os.path.lexists(place) for file, place in moves.items() if place != file)
            if normal_key(row) not in self.keys and not taken:
                break
        return moves

    def _cells(self, recording: Recording) -> dict[str, str]:
        """Return what the sidecar says of the take, as far as the table has a column for it."""
        said = str(recording.facts.get("expression", UNKNOWN))
        cells = {"expression": UNKNOWN if problem_of_expression(said) else own_spelling(said)}
        for name, value in recording.facts.items():
            if name in (*REQUIRED, "sha256", "quality") or not (name in self.takes.columns or name in _COLUMNS):
                continue
            with suppress(StudyError):  # what a cell cannot hold stays in the sidecar
                cell = format_cell(name, value)
                if not (is_quantity(name) and isinstance(value, str)) and (name != "mask" or cell in MASKS):
                    cells[name] = cell
        return cells | {"quality": ";".join(recording.quality) or "ok"}
