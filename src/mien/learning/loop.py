"""The one training loop. What differs between methods is an `Objective`; how it is minimised stands here.

Every batch makes a step of the optimiser. (FacER's Algorithm 1, as printed, makes one after all batches.)
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from pydantic import ConfigDict, Field
from torch import Tensor, nn

from mien.errors import ModelError
from mien.learning.checkpoint import RunState, load_checkpoint, save_checkpoint
from mien.learning.objectives import EarlyStopping
from mien.progress import bar


@dataclass(frozen=True, slots=True)
class Training:
    """How an objective is minimised.

    Args:
        epochs: passes at most (E of FacER's Algorithm 1); patience: passes without a lower validation loss before
            training stops.
        iterations_per_epoch: passes over the batches within one epoch (K of Algorithm 1).
        batch_size: windows per step, evened out so that no batch is a small rest. The paper states neither it nor E
            nor K.
        optimizer: "sgd" with momentum (the paper), or "adamw".
        learning_rate, momentum: 0.1 and 0.9 in FacER section VI-A.
        rate_decay: the paper's "learning rate decay rate of 0.01", taken as rate / (1 + decay * epoch), the time-based
            decay that goes by that name. weight_decay: L2, none in the paper.
        schedule: "inverse" is that decay; "cosine" falls to zero at the last epoch.
        warmup_epochs: the rate rises linearly over the first epochs; gradient_clip: largest norm of the gradient.
            Both are ours: narrow networks diverge at 0.1 without them.
        validation_fraction: share of the subjects held out for early stopping where none are given.
        early_stopping: the loss on those held out, by which weights are kept and training stops, is taken after
            their temperature is fitted ("calibrated"), or as it stands ("loss"). With few people a network grows
            too certain long before it stops getting better at telling classes apart; since its temperature is fitted
            in the end anyway, only the rest is a reason to stop (Guo et al., On calibration of modern neural networks,
            ICML 2017, section 3, describe the effect).
        device, precision: as in Lightning Fabric ("auto" takes a GPU where there is one).
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    epochs: Annotated[int, Field(ge=1, le=10_000)] = 40
    patience: Annotated[int, Field(ge=1)] = 10
    iterations_per_epoch: Annotated[int, Field(ge=1, le=100)] = 1
    batch_size: Annotated[int, Field(ge=2, le=65_536)] = 64
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    rate_decay: Annotated[float, Field(ge=0, le=10)] = 0.01
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    schedule: Literal["inverse", "cosine"] = "inverse"
    warmup_epochs: Annotated[int, Field(ge=0, le=1000)] = 2
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    validation_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2
    early_stopping: EarlyStopping = "calibrated"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["32-true", "bf16-mixed"] = "32-true"


@dataclass(frozen=True, slots=True)
class Run:
    """Where a training leaves its state, and whether it shows itself.

    Args:
        folder: where a checkpoint is kept after every epoch, or None. Ctrl-C leaves the last one.
        resume: go on from the checkpoint in `folder`, to the result that an unbroken run has, bit for bit on a CPU.
        progress: show a bar.
    """

    folder: Path | None = None
    resume: bool = False
    progress: bool = False

    def stage(self, name: str) -> "Run":
        """Return the run of one stage of several, in a folder of its own."""
        return self if self.folder is None else replace(self, folder=self.folder / name)


SILENT = Run()


class Objective(Protocol):
    """What is minimised."""

    @property
    def network(self) -> nn.Module: ...

    def __len__(self) -> int:
        """Return the number of training windows."""
        ...

    def begin_epoch(self, network: nn.Module) -> None: ...

    def loss(self, network: nn.Module, index: Tensor, generator: torch.Generator) -> Tensor:
        """Return the mean loss of the windows `index`."""
        ...

    def validation_loss(self, network: nn.Module) -> float | None:
        """Return the loss on what was held out, or None where nothing was."""
        ...


def learning_rate(options: Training, epoch: int) -> float:
    """Return the learning rate of an epoch, counted from 0.

    Example:
        >>> learning_rate(Training(warmup_epochs=0), 100)
        0.05
    """
    warm = min(1.0, (epoch + 1) / (options.warmup_epochs + 1))
    if options.schedule == "cosine":
        return options.learning_rate * warm * 0.5 * (1 + np.cos(np.pi * epoch / options.epochs))
    return options.learning_rate * warm / (1 + options.rate_decay * epoch)


def going_on(options: Training, epochs: int, rate: float) -> Training:
    """Return how trained weights are trained on: other epochs and rate, which is reached at once."""
    return replace(options, epochs=epochs, learning_rate=rate, warmup_epochs=0)


def batches(n_windows: int, batch_size: int, generator: torch.Generator) -> list[Tensor]:
    """Return shuffled window numbers in batches of nearly equal size, at most `batch_size` each."""
    n_batches = -(-n_windows // batch_size)
    return list(torch.randperm(n_windows, generator=generator).tensor_split(n_batches))


def optimizer_kind(options: Training) -> tuple[Callable[..., torch.optim.Optimizer], dict[str, float]]:
    """Return the class of the optimiser, and what it is given beside weights and rate."""
    if options.optimizer == "adamw":
        return torch.optim.AdamW, {"weight_decay": options.weight_decay}
    return torch.optim.SGD, {"momentum": options.momentum, "weight_decay": options.weight_decay}


def _optimizer(network: nn.Module, options: Training) -> torch.optim.Optimizer:
    kind, given = optimizer_kind(options)
    return kind(network.parameters(), lr=options.learning_rate, **given)


def train(
    objective: Objective,
    options: Training,
    *,
    seed: int,
    label: str = "training",
    run: Run = SILENT,
    identity: dict[str, Any] | None = None,
) -> RunState:
    """Minimise an objective; its network is left with the weights of the lowest validation loss (the last without).

    Args:
        label: what the progress bar says.
        identity: what else tells this run from others (digest of its windows): a checkpoint of another is refused.

    Raises:
        ModelError: the loss is no longer a number, or the checkpoint is of another run.
    """
    fabric = Fabric(accelerator=options.device, devices=1, precision=options.precision)
    network, optimizer = fabric.setup(objective.network, _optimizer(objective.network, options))
    identity = {"options": asdict(options), "seed": seed, "n_windows": len(objective)} | (identity or {})
    state = RunState()
    if run.folder is not None and run.resume:
        state = load_checkpoint(run.folder, identity, objective.network, optimizer) or state
    with bar() if run.progress else nullcontext() as shown, torch.random.fork_rng():
        task = shown.add_task(label, total=options.epochs, completed=state.epoch) if shown is not None else None
        while state.epoch < options.epochs and not state.finished:
            epoch = state.epoch
            epoch_seed = int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])
            torch.manual_seed(epoch_seed)  # dropout's draws, and whatever else asks the global generator
            loss = _epoch(objective, fabric, network, optimizer, options, epoch, epoch_seed)
            _judge(state, objective, network, options, loss)
            if run.folder is not None:
                save_checkpoint(run.folder, identity, state, objective.network, optimizer)
            if shown is not None and task is not None:
                shown.update(task, completed=state.epoch)
    objective.network.to("cpu").load_state_dict(state.best_weights)
    objective.network.eval()
    return state


def _epoch(
    objective: Objective,
    fabric: Fabric,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    options: Training,
    epoch: int,
    epoch_seed: int,
) -> float:
    """Run one epoch and return its mean loss."""
    generator = torch.Generator().manual_seed(epoch_seed)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(options, epoch)
    objective.begin_epoch(network)
    network.train()
    losses = []
    for _ in range(options.iterations_per_epoch):
        for index in batches(len(objective), options.batch_size, generator):
            optimizer.zero_grad()
            loss = objective.loss(network, index, generator)
            fabric.backward(loss)
            fabric.clip_gradients(network, optimizer, max_norm=options.gradient_clip, error_if_nonfinite=False)
            optimizer.step()
            losses.append(loss.detach())
    mean = float(torch.stack(losses).mean())
    if not np.isfinite(mean):
        raise ModelError(
            f"training diverged: the loss is {mean} after epoch {epoch + 1} at a learning rate of "
            f"{learning_rate(options, epoch):g}; lower learning_rate or gradient_clip, or raise warmup_epochs"
        )
    return mean


def _judge(state: RunState, objective: Objective, network: nn.Module, options: Training, loss: float) -> None:
    """Enter an epoch into the run's state: history, best weights, whether it is time to stop."""
    network.eval()
    with torch.no_grad():
        score = objective.validation_loss(network)
    state.history.append(
        {"loss": loss, "validation_loss": score, "learning_rate": float(learning_rate(options, state.epoch))}
    )
    state.epoch += 1
    if score is None or state.best_score is None or score < state.best_score:
        state.best_score, state.best_epoch = score, state.epoch
        state.best_weights = {name: value.detach().clone() for name, value in objective.network.state_dict().items()}
    state.finished = state.epoch >= options.epochs or state.epoch - state.best_epoch >= options.patience
