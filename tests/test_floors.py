"""The map of rooms is enforced: a module imports only from a lower floor, or within its own room."""

import ast
from pathlib import Path

import mien

SOURCE = Path(mien.__file__).parent
FLOORS = {
    **dict.fromkeys(
        ["errors", "identifiers", "labels", "files", "array_files", "progress", "provenance", "workers"], 0
    ),
    **dict.fromkeys(["probe", "dsp", "sound_layout", "sound_files", "recording"], 1),
    **dict.fromkeys(["capture", "simulate", "sensing", "vision"], 2),
    **dict.fromkeys(["datasets", "splits", "models", "device"], 3),
    **dict.fromkeys(["learning", "collecting"], 4),
    "recognizer": 5,
    **dict.fromkeys(["evaluation", "serving"], 6),
    **dict.fromkeys(["reproduce", "demo", "terminal"], 7),
    "cli": 8,
    "__main__": 9,
}
WITHOUT_TORCH = {room for room, floor in FLOORS.items() if floor <= 2} | {"splits", "device", "collecting"}
TORCH = {"torch", "lightning_fabric"}


def room_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return parts[0]


def imports_of(path: Path) -> set[str]:
    """Return every module named by an import statement anywhere in a file, in full."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the whole name"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def modules() -> list[Path]:
    return [path for path in SOURCE.rglob("*.py") if path.name != "__init__.py" or path.parent != SOURCE]


def test_every_room_has_a_floor():
    assert {room_of(path) for path in modules()} <= set(FLOORS)


def test_imports_go_down_or_stay_in_the_room():
    wrong = []
    for path in modules():
        room = room_of(path)
        for name in imports_of(path):
            if not name.startswith("mien."):
                continue
            other = name.split(".")[1]
            # A name that is no room is a name of the package itself, such as its version.
            if other in FLOORS and other != room and FLOORS[other] >= FLOORS[room] and FLOORS[room] > 1:
                wrong.append(f"{room} (floor {FLOORS[room]}) imports {other} (floor {FLOORS[other]}) in {path.name}")
            if other in FLOORS and FLOORS[other] > FLOORS[room]:
                wrong.append(f"{room} (floor {FLOORS[room]}) imports {other} (floor {FLOORS[other]}) in {path.name}")
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_the_simulator_shares_no_code_with_what_it_tests():
    for path in (SOURCE / "simulate").rglob("*.py"):
        assert not any(name.startswith("mien.sensing") for name in imports_of(path)), path


def test_the_lower_floors_import_without_torch():
    for path in modules():
        if room_of(path) in WITHOUT_TORCH:
            assert not {name.split(".")[0] for name in imports_of(path)} & TORCH, path


def test_nothing_unpickles_or_runs_code_from_files():
    forbidden = ("import pickle", "torch.load(", "joblib.load(", "eval(", "exec(", "shell=True", "allow_pickle=True")
    for path in modules():
        text = path.read_text(encoding="utf-8").replace(".eval()", "")
        assert not [word for word in forbidden if word in text], path


def test_matplotlib_has_one_door():
    """Imported anywhere else it would refuse a notebook's backend."""
    door = SOURCE / "evaluation" / "drawing.py"
    for path in modules():
        assert path == door or not {name.split(".")[0] for name in imports_of(path)} & {"matplotlib"}, path
