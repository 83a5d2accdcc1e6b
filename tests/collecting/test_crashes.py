"""A collection killed at any moment, a disk that fills up: at most the take in progress is lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mien.collecting.session import Collection
from mien.datasets.check import check_study
from mien.datasets.study import TAKES_FILE, load_study

HERE = Path(__file__).parent
RULES = """
expressions = ["anger", "fear"]
n_takes = 500
masks = ["open"]
duration_s = 0.5
neutral_s = 0.1
countdown_s = 0
rest_every = 0
"""


def start(folder, *words, seconds_per_block=0.002):
    program = [sys.executable, HERE / "run_collect.py", str(seconds_per_block)]
    command = [*program, "collect", "study", "--hands-free", *words]
    with (folder / "log").open("ab") as log:
        run = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=log, stderr=log)
    # Who agreed before is not asked again, and these letters would be keys.
    if not list((folder / "study").rglob("*_session.json")):
        run.stdin.write(b"yes\n")
        run.stdin.flush()
    return run


def lines_of(study):
    table = study / TAKES_FILE
    return table.read_bytes().splitlines() if table.exists() else []


def wait_for(condition, run, at_most_s=120):
    end_s = time.monotonic() + at_most_s
    while not condition():
        assert run.poll() is None, "it ended by itself"
        assert time.monotonic() < end_s
        time.sleep(0.002)


def killed(folder, rng):
    """Start or resume a collection, kill it at a random moment, and return its table's lines before and after."""
    before = lines_of(folder / "study")
    run = start(folder, "--protocol", "rules.toml", "--resume")
    if rng.uniform() < 0.7:
        n_more = int(rng.integers(1, 4))
        wait_for(lambda: len(lines_of(folder / "study")) >= max(len(before), 1) + n_more, run)
        time.sleep(rng.uniform(0, 0.08))
    else:
        time.sleep(rng.uniform(0.2, 2.0))
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdin.close()
    return before, lines_of(folder / "study")


def check_after(study, before, after):
    # All that stood before stands still; of what came since, the last line may have broken off.
    assert before == after[: len(before)] or len(before) <= 1
    if not (study / "study.json").exists():
        return
    faults = check_study(study, progress=False)
    assert not [fault for fault in faults if fault.severity == "error"], faults
    with Collection(study, None, "001", resume=True) as collection:
        n_rows = len(load_study(study))
        assert collection.progress.n_stored == n_rows == collection.next_prompt().number - 1
        assert n_rows >= len(after) - 2
    # A sound whose row did not come any more is set aside, whole.
    left = [fault for fault in check_study(study, progress=False) if "holds no take" not in fault.message]
    assert [fault for fault in left if fault.path != "unlisted"] == []


def kill_often(folder, n_kills, seed):
    (folder / "rules.toml").write_text(RULES)
    rng = np.random.default_rng(seed)
    for _ in range(n_kills):
        check_after(folder / "study", *killed(folder, rng))
    return folder / "study"


def test_a_few_kills_lose_at_most_the_take_in_progress(tmp_path):
    kill_often(tmp_path, 3, seed=1)


@pytest.mark.slow
def test_fifty_kills_lose_at_most_the_take_in_progress(tmp_path):
    kill_often(tmp_path, 50, seed=2)


def test_an_interruption_ends_cleanly(tmp_path):
    (tmp_path / "rules.toml").write_text(RULES)
    run = start(tmp_path, "--protocol", "rules.toml")
    wait_for(lambda: len(lines_of(tmp_path / "study")) >= 3, run)
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 130
    run.stdin.close()
    said = (tmp_path / "log").read_text()
    assert "Traceback" not in said and said.splitlines()[-1].startswith("mien: interrupted; what was finished is kept")
    assert "--resume" in said and check_study(tmp_path / "study", progress=False) == []


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 200 kB, or a skip where nobody may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", folder]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, timeout=30)
    except OSError as error:
        pytest.skip(f"no small disk can be mounted: {error}")
    if done.returncode:
        pytest.skip(f"no small disk can be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True, timeout=30)


def test_a_full_disk_is_said_on_one_line_and_loses_nothing(tmp_path, small_disk):
    (tmp_path / "rules.toml").write_text(RULES)
    (tmp_path / "study").symlink_to(small_disk / "study")
    (small_disk / "study").mkdir()
    run = start(tmp_path, "--protocol", "rules.toml", seconds_per_block=0)
    assert run.wait(120) == 1
    run.stdin.close()
    said = (tmp_path / "log").read_text().splitlines()
    assert "the disk is full; free space or choose another folder, then run again with --resume" in said[-1]
    assert said[-1].startswith("mien: cannot write ") and not [line for line in said if "Traceback" in line]
    study = load_study(tmp_path / "study")
    assert len(study) >= 1 and check_study(study.path, progress=False) == []
    assert not [name for name in os.listdir(study.path / "sub-001/ses-01") if name.startswith(".")]
    with Collection(study.path, None, "001", resume=True) as collection:
        assert collection.progress.n_stored == len(study)
