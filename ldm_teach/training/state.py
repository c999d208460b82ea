"""What survives a stop: the state of a training on disk, and the wish to stop in the middle of a step."""

import contextlib
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from torch import Tensor, nn

from ldm_teach.files import locked
from ldm_teach.models import checkpoint


@contextlib.contextmanager
def stop_requests() -> Iterator[list[int]]:
    """Collect a Ctrl-C or SIGTERM in a list, for the time of the block, instead of dying in the middle of it.

    A second one is not collected: it takes effect at once. Where somebody else already handles one of the two, as
    `interactive.live` does, it is left to them.
    """
    requests: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield requests
        return
    own = (signal.default_int_handler, signal.SIG_DFL, signal.SIG_IGN)
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) in own]

    def collect(received: int, frame: FrameType | None) -> None:
        if requests:
            raise KeyboardInterrupt("at once, in the middle of a step")
        requests.append(received)

    before = [signal.signal(number, collect) for number in numbers]
    try:
        yield requests
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextlib.contextmanager
def only_training(directory: Path) -> Iterator[None]:
    """No other training works in this directory while the block lasts. Raises ValueError where one does."""
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(directory / "lock", wait=False))
        except BlockingIOError:
            raise ValueError(
                f"directory is {directory}, where another training is at work; want one of its own"
            ) from None
        yield


def save_state(
    directory: Path, step: int, modules: Mapping[str, nn.Module], optimizer: Any, scaler: Any, settings: dict[str, Any]
) -> None:
    """Write the whole state of a training: weights, averages, the optimizer's moments, the step and the settings.

    Raises FloatingPointError for weights that are not finite; then, as after any error, the last state is still there.
    """
    tensors = {
        f"{name}/{key}": value.clone() for name, module in modules.items() for key, value in module.state_dict().items()
    }
    if bad := checkpoint.not_finite(tensors):
        raise FloatingPointError(
            f"weights are not finite after step {step} ({', '.join(bad[:3])}), and not saved; what {directory} holds "
            "is of an earlier step; try a smaller learning rate"
        )
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{key}": value for key, value in state.items()}
    config = dict(step=step, scaler=scaler.state_dict() if scaler else None, settings=settings)
    checkpoint.write_tensors(directory, "training", config, tensors, stem=f"step-{step:08d}")


def check_settings(directory: Path, config: dict[str, Any], settings: dict[str, Any]) -> None:
    """Raises ValueError that lists in what the training in a directory differs from one with these settings.

    `num_steps` may grow. A state of earlier versions does not know all settings, or knows others.
    """
    kept = config.get("settings") or {}
    differences = [
        f"{name} was {kept[name]!r}, is {value!r}"
        for name, value in settings.items()
        if kept.get(name, value) != value and not (name == "num_steps" and value > config["step"])
    ]
    if kept.get("processes", 1) > 1:  # of an earlier version, where each process had a batch of its own
        differences.append(f"each of {kept['processes']} processes had a batch_size of its own")
    if differences:
        raise ValueError(f"directory {directory} holds the state of another training: {'; '.join(differences)}")


def load_state(
    directory: Path, modules: Mapping[str, nn.Module], optimizer: Any, scaler: Any, settings: dict[str, Any]
) -> int:
    """Put back what `save_state` wrote and return the number of steps finished.

    Raises what `checkpoint.read_tensors` raises, and ValueError where the settings or the weights are another
    training's.
    """
    config, tensors = checkpoint.read_tensors(directory, "training")
    check_settings(directory, config, settings)
    for name, module in modules.items():
        prefix = f"{name}/"
        checkpoint.fill(
            module, {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}, directory
        )
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer/"):
            _, index, key = name.split("/")
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(dict(state=state, param_groups=optimizer.state_dict()["param_groups"]))
    if scaler and config["scaler"]:
        scaler.load_state_dict(config["scaler"])
    return config["step"]
