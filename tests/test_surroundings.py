"""What surrounds the program: a user's settings, shares that can do less than a disk, a full disk, processes killed."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from pickle import PicklingError
from typing import ClassVar

import joblib
import numba.core.caching
import numpy as np
import pytest

from mien import cli
from mien.errors import StorageError, WorkerLost
from mien.files import write_json, write_together
from mien.serving.certificate import user_folder
from mien.simulate.compiled import compiled
from mien.workers import results_of

sys.path.insert(0, str(Path(__file__).parent / "datasets"))
from small_study import PROBE, echo  # noqa: E402

from mien.datasets.extract import extract  # noqa: E402
from mien.datasets.study import load_study  # noqa: E402
from mien.datasets.writer import StudyWriter  # noqa: E402

DRAW = """
from mien.evaluation.figures import new_figure, in_one_look
from mien.evaluation.inline import svg
@in_one_look
def drawn():
    figure, axes = new_figure(1.0)
    axes.set_title("$x$ and words")
    return figure
print(svg(drawn(), "words"))
"""


def small_study(path: Path, n_takes: int = 2) -> Path:
    with StudyWriter(path, "small", "collected", PROBE) as writer:
        writer.add_participant("001")
        for take in range(n_takes):
            writer.add_take(echo(take), "001", "01", f"{take + 1:04d}", "fear")
    return path


def run(words: list[str], folder: Path, **changes: str) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"} | changes
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("words", [["-m", "mien"], ["-P", "-c", "from mien.cli import main; main()"]])
def test_a_script_called_signal_py_in_the_working_folder_is_not_run(words, tmp_path):
    study = small_study(tmp_path / "study")
    for name in ("signal", "queue", "pickle"):
        (study / f"{name}.py").write_text(f"open({str(tmp_path / name)!r}, 'w')\nraise SystemExit('not mine')\n")
    done = run([sys.executable, *words, "check", ".", "--jobs", "2"], study)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study"]


def test_a_figure_does_not_depend_on_a_notebooks_backend_or_a_matplotlibrc(tmp_path):
    plain = run([sys.executable, "-c", DRAW], tmp_path)
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nsavefig.bbox: tight\nfont.size: 30\n")
    settings = run(
        [sys.executable, "-c", DRAW], tmp_path, MPLBACKEND="module://no_such.backend", MPLCONFIGDIR=str(tmp_path)
    )
    assert settings.returncode == 0, settings.stderr
    assert settings.stdout == plain.stdout and "<svg" in plain.stdout


def test_a_backend_of_the_users_own_stays_theirs(tmp_path):
    script = "import os, mien.evaluation.drawing, matplotlib; print(os.environ['MPLBACKEND'], matplotlib.get_backend())"
    assert run([sys.executable, "-c", script], tmp_path, MPLBACKEND="svg").stdout.split() == ["svg", "svg"]


def test_a_read_only_installation_compiles_without_a_cache(monkeypatch):
    caching = numba.core.caching  # the class was private once
    kept = getattr(caching, "CacheImpl", None) or caching._CacheImpl
    monkeypatch.setattr(kept, "_locator_classes", [])
    with pytest.raises(RuntimeError, match="no locator"):
        numba.njit(cache=True)(lambda x: x)

    @compiled(nogil=True)
    def double(x):
        return 2 * x

    assert double(2.5) == 5.0


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    with pytest.raises(StorageError, match="set HOME"):
        user_folder()


@pytest.fixture
def plain_share(monkeypatch):
    """A share that flushes no folders, and knows neither permissions nor locks."""
    flushed = os.fsync

    def fsync(descriptor):
        if Path(f"/proc/self/fd/{descriptor}").resolve().is_dir():
            raise OSError(errno.EINVAL, "Invalid argument")
        flushed(descriptor)

    def refuse(code):
        def refused(*_, **__):
            raise OSError(code, os.strerror(code))

        return refused

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "chmod", refuse(errno.EPERM))
    monkeypatch.setattr(fcntl, "flock", refuse(errno.ENOLCK))


def test_a_share_without_flushing_permissions_and_locks_is_written(plain_share, tmp_path, capfd):
    study = small_study(tmp_path / "study")
    assert len(load_study(study)) == 2
    assert "cannot be locked" in capfd.readouterr().err
    write_together({tmp_path / "a.json": b"{}", tmp_path / "b.json": b"{}"})
    assert (tmp_path / "b.json").read_bytes() == b"{}"


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_what_is_lost_in_flushing_is_an_error(code, tmp_path, monkeypatch):
    def lost(_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", lost)
    with pytest.raises(StorageError, match="cannot write"):
        write_json(tmp_path / "a.json", {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "the disk is full"), (errno.EROFS, None)])
def test_a_disk_that_fills_where_nobody_expects_it_is_one_line(code, words, monkeypatch, capfd):
    def app(**_):
        raise OSError(code, os.strerror(code), "/cache/x")

    monkeypatch.setattr(cli, "app", app)
    if words is None:
        with pytest.raises(OSError):  # of everything else the traceback is wanted
            cli.main()
        return
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 1
    assert capfd.readouterr().err.startswith("mien: /cache/x cannot be written: the disk is full")


def slowly(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.fixture
def workers_end():
    """A pool that lost a worker is of no use to the tests that follow."""
    yield
    joblib.externals.loky.get_reusable_executor().shutdown(wait=True, kill_workers=True)


def test_a_killed_worker_is_one_line(workers_end):
    made = joblib.Parallel(n_jobs=2, return_as="generator")(joblib.delayed(slowly)(number) for number in range(6))
    with pytest.raises(WorkerLost, match="a worker process was killed.*--jobs 1.*kept") as caught:
        list(results_of(made))
    assert "\n" not in str(caught.value)


def test_a_full_disk_between_processes_is_told_as_such():
    """joblib hands large arrays over by files in a folder of its own."""

    def made():
        yield 1
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise PicklingError("Could not pickle the task to send it to the workers.") from error

    with pytest.raises(OSError, match="No space left"):
        list(results_of(made()))


@dataclass(frozen=True)
class Deadly:
    """A front end that takes its process with it."""

    kind: ClassVar[str] = "deadly"
    window_s: float = 0.0

    def features(self, recording, neutral=None):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_killed_over_a_study_is_one_line(workers_end, tmp_path):
    with pytest.raises(WorkerLost):
        extract(load_study(small_study(tmp_path / "study")), Deadly(), n_jobs=2, progress=False)


def test_work_that_is_given_up_says_nothing_of_its_own(workers_end):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = results_of(
            joblib.Parallel(n_jobs=2, return_as="generator")(joblib.delayed(np.sqrt)(n) for n in range(500))
        )
        next(made)
        made.close()
