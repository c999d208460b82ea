"""What survives a stop: the state of a training on disk, and the wish to stop between two steps."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor, nn

from ldm_teach.models import checkpoint


@contextlib.contextmanager
def stop_requests() -> Iterator[list[int]]:
    """Collect Ctrl-C and SIGTERM in a list that the loop reads between steps, instead of dying in the middle of one."""
    requests: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield requests
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda received, frame: requests.append(received)) for number in numbers]
    try:
        yield requests
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def save_state(directory: Path, step: int, modules: dict[str, nn.Module], optimizer, scaler) -> None:
    """Write the whole state of a training: weights, averages, the optimizer's moments and the step."""
    tensors = {
        f"{name}/{key}": value.clone() for name, module in modules.items() for key, value in module.state_dict().items()
    }
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{key}": value for key, value in state.items()}
    config = dict(step=step, scaler=scaler.state_dict() if scaler else None)
    checkpoint.write_tensors(directory, "training", config, tensors, stem=f"step-{step:08d}")
    for old in directory.glob("step-*.safetensors"):
        if old.name != f"step-{step:08d}.safetensors":
            old.unlink()


def load_state(directory: Path, modules: dict[str, nn.Module], optimizer, scaler) -> int:
    """Put back what `save_state` wrote and return the number of steps finished.

    Raises what `checkpoint.read_tensors` raises, and ValueError where the weights are another model's.
    """
    config, tensors = checkpoint.read_tensors(directory, "training")
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
