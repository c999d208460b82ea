"""A model on disk: one safetensors file and one json file beside it, and nothing that could run code.

`save` and `load` are for whole models, whose class is `registered` and whose `config` are the arguments that make it.
`write_tensors` and `read_tensors` are the files below them, which the state of a training is kept in, too.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ldm_teach import paths
from ldm_teach.theory.schedule import NoiseSchedule

VERSION = 1
CLASSES: dict[str, type[nn.Module]] = {}  # the classes that a checkpoint may name


class Registered(Protocol):
    """A module that can be made anew from its config, whose items are the arguments of its class."""

    config: dict[str, Any]


M = TypeVar("M", bound=nn.Module)


def registered(cls: type[M]) -> type[M]:
    """The class itself, from now on one that a checkpoint may name: a class decorator."""
    CLASSES[cls.__name__] = cls
    return cls


def part(module: Registered) -> dict[str, Any]:
    """A module as an item of the config of a whole: its class's name and its config. `made` is the way back."""
    return dict(kind=type(module).__name__, **module.config)


def made(part: dict[str, Any]) -> Any:
    """The module that a `part` names, with new weights. Raises ValueError for a class that is not registered."""
    if part.get("kind") not in CLASSES:
        raise ValueError(f"part has kind {part.get('kind')!r}; want one of {', '.join(CLASSES)}")
    return CLASSES[part["kind"]](**{name: value for name, value in part.items() if name != "kind"})


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_tensors(
    directory: Path | str, kind: str, config: dict, tensors: dict[str, Tensor], stem: str = "model"
) -> None:
    """Write `tensors` to STEM.safetensors, then model.json naming that file, its SHA-256, the kind and the config.

    Each file appears whole or not at all, the json last: with a new stem for each call, a process killed at any moment
    leaves a pair that belongs together.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    weights = directory / f"{stem}.safetensors"
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, f"{weights}.part")
    os.replace(f"{weights}.part", weights)
    header = dict(
        format="ldm_teach", version=VERSION, kind=kind, weights=weights.name, sha256=sha256(weights), config=config
    )
    part = directory / "model.json.part"
    part.write_text(json.dumps(header, indent=2) + "\n")
    os.replace(part, directory / "model.json")


def header(directory: Path | str) -> dict:
    """What model.json says: format, version, kind, weights, sha256, config.

    Raises FileNotFoundError where it is missing and ValueError where it is no such header.
    """
    path = Path(directory) / "model.json"
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint in {directory}: {path} is missing")
    try:
        found = json.loads(path.read_text())
        return {key: found[key] for key in ("format", "version", "kind", "weights", "sha256", "config")}
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not the header of an ldm_teach checkpoint: {error!r}") from error


def read_tensors(directory: Path | str, kind: str) -> tuple[dict, dict[str, Tensor]]:
    """The config and the tensors that `write_tensors` stored in a directory.

    Raises what `header` raises, FileNotFoundError where the weights are missing, and ValueError where the kind or the
    version is another or the weights are not those that the json was written with.
    """
    found = header(directory)
    for key, want in (("format", "ldm_teach"), ("version", VERSION), ("kind", kind)):
        if found[key] != want:
            raise ValueError(f"{directory}/model.json has {key} {found[key]!r}; this loader wants {want!r}")
    weights = Path(directory) / Path(found["weights"]).name
    if not weights.is_file():
        raise FileNotFoundError(f"the weights {weights} named by {directory}/model.json are missing")
    if sha256(weights) != found["sha256"]:
        raise ValueError(f"{weights} is damaged: its SHA-256 is not the one in model.json; restore or retrain it")
    return found["config"], load_file(weights)


def shipped() -> dict[str, Path]:
    """The checkpoints of the course: name -> directory, data/checkpoints/FAMILY/NAME."""
    return {path.parent.name: path.parent for path in sorted(paths.CHECKPOINTS.glob("*/*/model.json"))}


def locate(name_or_dir: Path | str) -> Path:
    """The directory of a checkpoint: a path that exists, or the name of one shipped in data/checkpoints."""
    if (Path(name_or_dir) / "model.json").is_file():
        return Path(name_or_dir)
    known = shipped()
    if str(name_or_dir) in known:
        return known[str(name_or_dir)]
    raise FileNotFoundError(
        f"no checkpoint {str(name_or_dir)!r}: it is neither a directory with a model.json nor one of those shipped "
        f"({', '.join(known) or 'none'}); train it with `python -m ldm_teach train NAME`; {paths.looked_for()}"
    )


def to_half(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors with float32 stored as float16; other dtypes are kept."""
    return {name: tensor.half() if tensor.dtype == torch.float32 else tensor for name, tensor in tensors.items()}


def fill(module: nn.Module, tensors: dict[str, Tensor], where: Path | str) -> None:
    """Copy `tensors` into the module's state.

    Raises ValueError that names the tensors which are missing, unknown or of another shape than the module's.
    """
    wanted = module.state_dict()
    faults = [f"{name} is missing" for name in wanted if name not in tensors]
    faults += [f"{name} is unknown" for name in tensors if name not in wanted]
    faults += [
        f"{name} has shape {tuple(tensors[name].shape)}, the model wants {tuple(want.shape)}"
        for name, want in wanted.items()
        if name in tensors and tensors[name].shape != want.shape
    ]
    if faults:
        raise ValueError(f"the weights in {where} do not fit: " + "; ".join(faults[:5]))
    module.load_state_dict(tensors)


def save(model: nn.Module, directory: Path | str) -> None:
    """Write a model to a directory: its class, its config, its weights in half precision, its schedule in double."""
    tensors = to_half(model.state_dict())
    if isinstance(schedule := getattr(model, "schedule", None), NoiseSchedule):
        tensors["schedule.alpha_bar"] = schedule.alpha_bar
    write_tensors(directory, type(model).__name__, cast(Registered, model).config, tensors)


def load(cls: type[M], name_or_dir: Path | str, build: Callable[..., M] | None = None) -> M:
    """The model of class `cls` that `save` wrote, from a directory or by its shipped name: on the CPU, to be evaluated.

    build: makes the model from the items of its config and its schedule, by default the class itself.
    Raises what `locate` and `read_tensors` raise, and ValueError for weights that do not fit.
    """
    directory = locate(name_or_dir)
    config, tensors = read_tensors(directory, cls.__name__)
    if "schedule.alpha_bar" in tensors:
        config["schedule"] = NoiseSchedule(tensors.pop("schedule.alpha_bar"))
    model = (build or cls)(**config)
    fill(model, tensors, directory)
    return model.eval()
