"""The model that comes with the package: found, small, and plain about whom it has heard."""

import fnmatch
import shutil
import tomllib
from pathlib import Path

import pytest

import mien
from mien.errors import ModelError
from mien.recognizer import Recognizer
from mien.recognizer.builtin import BUILTIN, model_path

PACKAGE = Path(mien.__file__).parent
SHIPPED = PACKAGE / BUILTIN


@pytest.fixture
def shipped(models, tmp_path, monkeypatch):
    """A package that holds a model."""
    shutil.copytree(models[1] / "linear", tmp_path / "mien" / BUILTIN)
    monkeypatch.setattr("mien.__file__", str(tmp_path / "mien" / "__init__.py"))
    return models[0]["linear"]


@pytest.mark.parametrize("name", [BUILTIN, Path(BUILTIN)])
def test_builtin_is_the_packages_own_model(shipped, name):
    assert Recognizer.load(name).describe() == shipped.describe()


def test_without_one_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("mien.__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(ModelError, match="holds no builtin model; train one"):
        Recognizer.load(BUILTIN)


def test_other_folders_are_themselves(tmp_path):
    assert model_path(tmp_path / BUILTIN) == tmp_path / BUILTIN


def test_a_models_files_are_packaged():
    """Every file of a model matches what pyproject.toml puts into the wheel."""
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    patterns = tomllib.loads(pyproject.read_text())["tool"]["setuptools"]["package-data"]["mien"]
    for name in ("weights.safetensors", "recognizer.json", "MODEL_CARD.md", "run.json"):
        assert any(fnmatch.fnmatch(f"{BUILTIN}/{name}", pattern) for pattern in patterns), name


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="no model ships yet")
def test_the_shipped_model_is_small_and_says_that_its_people_are_simulated():
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 5_000_000
    assert Recognizer.load(BUILTIN).simulated
    assert (SHIPPED / "run.json").is_file()
    assert "never heard a real face" in (SHIPPED / "MODEL_CARD.md").read_text()
