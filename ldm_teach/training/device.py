"""Where a training runs: the device, and Accelerate's view of it."""

import torch


def choose_device(name: str | None = None) -> torch.device:
    """The device called `name`, or the first there is of CUDA, MPS and CPU.

    Raises ValueError for a device that this machine does not have.
    """
    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.insert(0, "mps")
    if torch.cuda.is_available():
        available.insert(0, "cuda")
    if name is None:
        name = available[0]
    if not isinstance(name, str) or name not in available:
        raise ValueError(f"device is {name!r}; this machine has {', '.join(available)}")
    return torch.device(name)


def make_accelerator(device: torch.device, mixed_precision: str | None = None):
    """Accelerate's view of a device; by default bfloat16 on a CUDA card that has it, float16 on one that has not."""
    from accelerate import Accelerator  # slow to import, and only trainings need it
    from accelerate.state import AcceleratorState, PartialState

    if mixed_precision is None:
        bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        mixed_precision = "no" if device.type != "cuda" else "bf16" if bfloat16 else "fp16"
    if AcceleratorState._shared_state and PartialState().num_processes == 1:
        AcceleratorState._reset_state(reset_partial_state=True)  # a second training may want another device
    return Accelerator(cpu=device.type == "cpu", mixed_precision=mixed_precision)
