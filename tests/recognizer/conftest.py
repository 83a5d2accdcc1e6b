import pytest
import torch
from toy_recognizers import fitted

from mien.learning.methods import METHODS


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    made = {method: fitted(method) for method in METHODS}
    folder = tmp_path_factory.mktemp("models")
    for method, recognizer in made.items():
        recognizer.save(folder / method)
    return made, folder
