import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Let tests that run side by side keep to one core each."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
