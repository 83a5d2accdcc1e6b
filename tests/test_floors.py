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


def test_what_is_printed_passes_the_terminal():
    """Names and cells are other people's: `terminal.show` and `progress.talk` escape what would act on a terminal."""
    allowed = {"terminal.py", "messages.py"}
    for path in modules():
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        prints = [call for call in calls if isinstance(call, ast.Name) and call.id == "print"]
        assert not prints or path.name in allowed, f"{path} prints; use mien.terminal.show"


def test_files_are_opened_in_one_place():
    """`files.open_regular` and what rests on it refuse pipes and devices, and read no more than a bound."""
    # What ships with the package is read as it is.
    allowed = {"files.py", "report.py", "page.py", "page_files.py", "makehuman_files.py"}
    unbounded = ('open("rb")', "open(encoding=", ".read_text(", ".read_bytes(", "np.load(", "json.load(")
    for path in modules():
        found = [word for word in unbounded if word in path.read_text(encoding="utf-8")]
        assert not found or path.name in allowed, f"{path} has {found}; use mien.files or mien.array_files"
