"""A training run's state on disk after every epoch: weights, best weights, optimiser, history. No pickle anywhere.

A checkpoint is `checkpoint.json` and the tensor file that it names. The tensor file is whole before the JSON names it,
so that Ctrl-C or a crash at any moment leaves the last whole epoch. The random state needs no storing: every epoch
draws from generators seeded by the run's seed and the epoch's number.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from mien.errors import ModelError
from mien.files import write_bytes, write_json


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
    for old in folder.glob("epoch-*.safetensors"):
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
    if not path.exists():
        return None
    try:
        stored = _Stored.model_validate(json.loads(path.read_text(encoding="utf-8")))
        if Path(stored.tensors).name != stored.tensors:
            raise ModelError(f"checkpoint {path} names a file outside its folder: {stored.tensors!r}")
        tensors = load_file(Path(folder) / stored.tensors)
    except (ValueError, ValidationError, OSError, SafetensorError) as error:
        raise ModelError(f"checkpoint {path} cannot be read ({error}); remove its folder and train anew") from error
    if stored.run != json.loads(json.dumps(run)):
        differing = [name for name in run if stored.run.get(name) != json.loads(json.dumps(run[name]))]
        raise ModelError(
            f"checkpoint {path} is of another run (different: {', '.join(differing) or 'fields'}); "
            "resume with the same data, options and seed, or choose another folder"
        )
    module.load_state_dict(_part(tensors, "weights."))
    entries: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimizer.").items():
        index, _, key = name.partition(".")
        entries.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
    return RunState(
        stored.epoch, stored.best_epoch, stored.best_score, _part(tensors, "best."), stored.history, stored.finished
    )


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
