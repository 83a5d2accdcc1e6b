"""A training run's state on disk after every epoch: weights, best weights, optimiser, history. No pickle anywhere.

A checkpoint is `checkpoint.json` and the tensor file that it names. The tensor file is whole before the JSON names it,
so that Ctrl-C or a crash at any moment leaves the last whole epoch. The random state needs no storing: every epoch
draws from generators seeded by the run's seed and the epoch's number.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from mien.errors import ModelError
from mien.files import open_regular, read_json, write_bytes, write_json


@dataclass(slots=True)
class RunState:
    """Where a run stands.

    Args:
        epoch: epochs done.
        best_epoch, best_score: the epoch of the lowest validation loss, and that loss; None before any.
        best_weights: the network's weights then.
        history: one dict per epoch: loss, validation_loss (None without validation), learning_rate.
        finished: whether the run came to its end.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_score: float | None = None
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float | None]] = field(default_factory=list)
    finished: bool = False


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mien_checkpoint: int
    run: dict[str, Any]
    tensors: str
    epoch: int
    best_epoch: int
    best_score: float | None
    history: list[dict[str, float | None]]
    finished: bool


def save_checkpoint(
    folder: Path, run: dict[str, Any], state: RunState, module: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write the state after an epoch, then remove the file of the epoch before.

    Args:
        run: what identifies the run (options, seed, digest of its windows), plain JSON values.
    """
    tensors = {f"weights.{name}": value for name, value in module.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in state.best_weights.items()}
    for index, entries in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in entries.items() if value is not None}
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    name = f"epoch-{state.epoch:05d}.safetensors"
    write_bytes(folder / name, save(tensors))
    stored = _Stored(
        mien_checkpoint=1,
        run=run,
        tensors=name,
        epoch=state.epoch,
        best_epoch=state.best_epoch,
        best_score=state.best_score,
        history=state.history,
        finished=state.finished,
    )
    write_json(folder / "checkpoint.json", stored.model_dump())
    for old in folder.glob(f"epoch-{'[0-9]' * 5}.safetensors"):
        if old.name != name:
            old.unlink()


def load_checkpoint(
    folder: Path, run: dict[str, Any], module: nn.Module, optimizer: torch.optim.Optimizer
) -> RunState | None:
    """Put a checkpoint's state into the network and its optimiser, and return where the run stands; None without one.

    Raises:
        ModelError: the checkpoint is of another run, or broken.
    """
    path = Path(folder) / "checkpoint.json"
    if not os.path.lexists(path):
        return None
    try:
        stored = _Stored.model_validate(read_json(path, ModelError))
        if Path(stored.tensors).name != stored.tensors:
            raise ModelError(f"checkpoint {path} names a file outside its folder: {stored.tensors!r}")
        open_regular(Path(folder) / stored.tensors, ModelError).close()
        tensors = load_file(Path(folder) / stored.tensors)
    except (ValueError, ValidationError, OSError, SafetensorError) as error:
        raise ModelError(f"checkpoint {path} cannot be read ({error}); remove its folder and train anew") from error
    there, here = _leaves(stored.run), _leaves(json.loads(json.dumps(run)))
    if there != here:
        differing = sorted(name for name in there.keys() | here.keys() if there.get(name) != here.get(name))
        raise ModelError(
            f"checkpoint {path} is of another run (different: {', '.join(differing)}); "
            "resume with the same data, options and seed, or choose another folder"
        )
    try:
        _restore(tensors, module, optimizer)
    except (RuntimeError, ValueError, IndexError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise ModelError(f"checkpoint {path} does not fit ({reason}); remove its folder and train anew") from error
    return RunState(
        stored.epoch, stored.best_epoch, stored.best_score, _part(tensors, "best."), stored.history, stored.finished
    )


def _restore(tensors: dict[str, Tensor], module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put tensors into a network and its optimiser.

    Raises:
        RuntimeError, ValueError, IndexError: they do not fit.
    """
    for part in ("best.", "weights."):  # the weights are those that stay
        module.load_state_dict(_part(tensors, part))
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    entries: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimizer.").items():
        index, _, key = name.partition(".")
        entries.setdefault(int(index), {})[key] = value
        if value.ndim and value.shape != parameters[int(index)].shape:
            raise ValueError(f"{name!r} is of shape {tuple(value.shape)}, not {tuple(parameters[int(index)].shape)}")
    optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})


def _leaves(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested dicts as one, keys joined by points.

    Example:
        >>> _leaves({"seed": 0, "options": {"epochs": 2}})
        {'seed': 0, 'options.epochs': 2}
    """
    leaves: dict[str, Any] = {}
    for name, value in values.items():
        leaves |= _leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return leaves


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
