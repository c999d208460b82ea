"""One training loop for every model: a generator on Accelerate, with averaging, checkpoints and exact resume."""

import contextlib
import math
import signal
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from ldm_teach import checks
from ldm_teach.theory.tensors import Draws, Share
from ldm_teach.training.batches import Batches
from ldm_teach.training.device import choose_device, make_accelerator
from ldm_teach.training.state import load_state, only_training, save_state, stop_requests

Loss = Callable[[nn.Module, tuple, Draws], Tensor]


class TrainingStep(NamedTuple):
    """What `fit` yields: `step` finished steps, the last one's loss, and the speed so far.

    `loss` is a 0-dim tensor on the device: float(loss) waits for the device, so read it when you show it.
    """

    step: int
    loss: Tensor
    images_per_second: float


def linear_decay(progress: float) -> float:
    """The factor on the learning rate at `progress` in [0, 1]: from 1 straight to 0."""
    return 1 - checks.between("progress", progress, 0, 1)


def cosine_decay(progress: float) -> float:
    """The factor on the learning rate at `progress` in [0, 1]: half a cosine from 1 to 0 (Loshchilov & Hutter 2017)."""
    return (1 + math.cos(math.pi * checks.between("progress", progress, 0, 1))) / 2


def constant(progress: float) -> float:
    """The factor on the learning rate at `progress` in [0, 1]: 1 throughout."""
    checks.between("progress", progress, 0, 1)
    return 1.0


@dataclass(frozen=True)
class FitSettings:
    """What a training does, on any machine: recipes hold one, and `fit` follows it.

    The learning rate rises over `warmup_steps`, then follows `decay`, a factor at progress in [0, 1]. `weight_decay`
    is AdamW's; gradients are clipped to `max_gradient_norm`; `average_decay` is that of the moving average; the noise
    of a step depends on `seed` and the step alone. Raises ValueError for numbers out of range.
    """

    num_steps: int
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    decay: Callable[[float], float] = linear_decay
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0
    average_decay: float = 0.999
    seed: int = 0

    def __post_init__(self):
        checks.count("num_steps", self.num_steps)
        checks.positive("learning_rate", self.learning_rate)
        checks.positive("max_gradient_norm", self.max_gradient_norm)
        for name in ("warmup_steps", "weight_decay"):
            checks.between(name, getattr(self, name), 0, math.inf)
        checks.between("average_decay", self.average_decay, 0, 1)
        checks.function("decay", self.decay, "progress")
        checks.seed(self.seed)

    def rate(self, step: int) -> float:
        """The learning rate of step 0, 1, ..., num_steps - 1."""
        decay = checks.finite("what decay returns", self.decay(step / self.num_steps))
        return self.learning_rate * min(1, (step + 1) / (self.warmup_steps + 1)) * decay


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, step: int, decay: float) -> None:
    """average <- d * average + (1 - d) * model, with d = min(decay, (1 + step) / (10 + step)); buffers are copied.

    The smaller d of the first steps lets the average leave the random start (as TensorFlow's ExponentialMovingAverage).
    """
    d = min(decay, (1 + step) / (10 + step))
    trained = [(a, p) for a, p in zip(average.parameters(), model.parameters(), strict=True) if p.requires_grad]
    get_ema_multi_avg_fn(d)([a for a, _ in trained], [p for _, p in trained], step)
    for a, b in zip(average.buffers(), model.buffers(), strict=True):
        a.copy_(b)


def fit(
    model: nn.Module,
    loss: Loss,
    batches: Batches,
    settings: FitSettings | None = None,
    *,
    average: nn.Module | None = None,
    device: str | None = None,
    mixed_precision: str | None = None,
    workers: int = 0,
    accumulate: int = 1,
    directory: Path | str | None = None,
    save_every: int = 1000,
    resume: bool = False,
    **changes: Any,
) -> Generator[TrainingStep, None, None]:
    """Train `model` with AdamW on loss(model, batch, generator), yielding a TrainingStep after each step.

    settings: what to do, with `changes` by name; without settings, those of FitSettings(**changes), so that
    `fit(model, loss, batches, num_steps=500)` is enough.
    average: a copy.deepcopy of the model, which then follows it as an exponential moving average.
    device, mixed_precision: by default the first of CUDA, MPS, CPU, and on CUDA bfloat16 where the card has it, else
    float16. Started by `accelerate launch` or `torchrun`, each process takes its share of every batch, and of what is
    drawn for it: with any number of processes the training is that of one, but for rounding. (Not so the critic's
    weight and the revival of codes, which look at a whole batch.)
    accumulate: into how many parts a process divides its share of a batch, one after the other, to need less memory.
    directory: where the state is written every `save_every` steps, at the end, and when the generator is closed.
    resume: go on from there, to the very weights of an uninterrupted run: the batch, the noise and the learning rate of
    a step are functions of (seed, step) alone. (Not so dropout, which draws from torch's own generator.) The number of
    processes may be another.

    Ctrl-C and SIGTERM in a step save the state before they take effect; a second Ctrl-C ends the step at once.
    Raises ValueError for a number out of range, a directory that holds a state without `resume`, one where another
    training works, and a state of other settings (`num_steps` may grow); FileNotFoundError where there is nothing to
    resume from; FloatingPointError at the first loss that is not finite, before it does any harm.
    """
    checks.instance("settings", settings, FitSettings, type(None))
    settings = FitSettings(**changes) if settings is None else replace(settings, **changes)
    check_parts(model, loss, batches, average)
    checks.count("save_every", save_every)
    checks.count("workers", workers, 1000, low=0)
    checks.count("accumulate", accumulate)
    checks.flag("resume", resume)
    if mixed_precision is not None:
        checks.word("mixed_precision", mixed_precision, ("no", "bf16", "fp16"))
    if resume and directory is None:
        raise ValueError("resume is True but directory is None; want the directory of the checkpoint to go on from")
    accelerator = make_accelerator(choose_device(device), mixed_precision)
    rank, processes, place = accelerator.process_index, accelerator.num_processes, accelerator.device
    count = processes * accumulate
    if batches.batch_size % count:
        raise ValueError(
            f"batches has a batch_size of {batches.batch_size}; want a multiple of {count}, which is processes "
            f"({processes}) times accumulate ({accumulate})"
        )
    rows = batches.batch_size // count

    model.train().to(place)
    modules = {"model": model} if average is None else {"model": model, "average": average.eval().to(place)}
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad],
        settings.learning_rate,
        betas=(0.9, 0.99),
        weight_decay=settings.weight_decay,
    )
    described = describe_training(settings, batches, average is not None, accelerator.mixed_precision)
    state, first = None if directory is None else checks.path("directory", directory), 0
    with contextlib.ExitStack() as stack:
        if state is not None:
            if rank == 0:
                stack.enter_context(only_training(state))
            if resume:
                first = load_state(state, modules, optimizer, accelerator.scaler, described)
            elif (state / "model.json").is_file():
                raise ValueError(
                    f"directory {state} holds the state of a training; go on from it (resume=True, on the command line "
                    "--resume), or remove it to begin anew"
                )
        prepared, optimizer = accelerator.prepare(model, optimizer)
        order = range(first, settings.num_steps)
        pinned = place.type == "cuda"
        own = torch.Generator()  # else the loader would draw from torch's own
        loader = iter(DataLoader(batches, None, sampler=order, num_workers=workers, pin_memory=pinned, generator=own))
        generator = torch.Generator(place)
        started, saved = time.perf_counter(), first

        def save(done: int) -> None:
            nonlocal saved
            if state is not None and rank == 0 and saved < done:
                save_state(state, done, modules, optimizer, accelerator.scaler, described)
                saved = done

        for step in range(first, settings.num_steps):
            with stop_requests() as requests:
                for group in optimizer.param_groups:
                    group["lr"] = settings.rate(step)
                batch, value = next(loader), torch.zeros((), device=place)
                for index in range(rank * accumulate, (rank + 1) * accumulate):
                    generator.manual_seed(1_000_003 * settings.seed + step)
                    share = generator if count == 1 else Share(generator, index, count)
                    part = tuple(b[index * rows :][:rows].to(place, non_blocking=True) for b in batch)
                    last = index == (rank + 1) * accumulate - 1  # only then do processes average their gradients
                    with contextlib.nullcontext() if last else accelerator.no_sync(prepared):
                        value += backward(accelerator, loss, prepared, part, share, accumulate) / accumulate
                value = accelerator.reduce(value, "mean")
                if not math.isfinite(float(value)):
                    raise FloatingPointError(
                        f"the loss is {float(value)} at step {step + 1}; nothing of this step is kept. Try a learning "
                        f"rate below {settings.learning_rate:g}, mixed_precision='no', or look for numbers in the data "
                        "that are not finite"
                    )
                accelerator.clip_grad_norm_(model.parameters(), settings.max_gradient_norm)
                optimizer.step()
                optimizer.zero_grad()
                if average is not None:
                    update_average(average, model, step, settings.average_decay)
                done = step + 1
                if requests or done == settings.num_steps or done % save_every == 0:
                    save(done)
            if requests:
                where = f"saved after step {done} in {directory}" if directory else f"stopped after step {done}"
                raise KeyboardInterrupt(where) if requests[0] == signal.SIGINT else SystemExit(128 + requests[0])
            images = (done - first) * batches.batch_size
            try:
                yield TrainingStep(done, value, images / (time.perf_counter() - started))
            except GeneratorExit:  # closed between two steps, by Ctrl-C or by a consumer that has seen enough
                save(done)
                raise


def backward(accelerator: Any, loss: Loss, model: nn.Module, batch: tuple, generator: Draws, parts: int) -> Tensor:
    """The loss of one of `parts` of a batch; a part of its gradient is added to the model's.

    Raises ValueError for a loss that is no scalar, or does not depend on the model.
    """
    with accelerator.autocast():
        value = loss(model, batch, generator)
    if not isinstance(value, Tensor) or value.ndim or not value.requires_grad:
        raise ValueError(f"loss returns {checks.describe(value)}; want a scalar that depends on the model")
    accelerator.backward(value / parts)
    return value.detach()


def check_parts(model: nn.Module, loss: Loss, batches: Batches, average: nn.Module | None) -> None:
    """Raises ValueError for what cannot be trained with, and for an average that is no copy of the model."""
    checks.function("loss", loss, "(model, batch, generator)")
    checks.instance("batches", batches, Batches)
    trained = [p.shape for p in checks.instance("model", model, nn.Module).parameters() if p.requires_grad]
    if not trained:
        raise ValueError(f"model is {checks.describe(model)}; want one with parameters to train")
    checks.instance("average", average, nn.Module, type(None))
    if average is not None and [p.shape for p in average.parameters()] != [p.shape for p in model.parameters()]:
        raise ValueError(f"average is {checks.describe(average)}; want a copy.deepcopy of the model")


def describe_training(settings: FitSettings, batches: Batches, averaged: bool, mixed_precision: str) -> dict[str, Any]:
    """What must be the same for a training to go on as it was: kept with its state, compared by `resume`."""
    said = {name: getattr(settings, name) for name in FitSettings.__dataclass_fields__}
    return said | dict(
        decay=getattr(settings.decay, "__qualname__", repr(settings.decay)),
        batch_size=batches.batch_size,
        batches_seed=batches.seed,
        data=batches.fingerprint(),
        averaged=averaged,
        mixed_precision=mixed_precision,
    )
