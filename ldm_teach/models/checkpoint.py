"""A model on disk: one safetensors file and one json file beside it, and nothing that could run code.

`save` and `load` are for whole models, whose class is `registered` and whose `config` are the arguments that make it.
`write_tensors` and `read_tensors` are the files below them, which the state of a training is kept in, too.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import torch
from safetensors.torch import load as load_from_bytes
from safetensors.torch import save as save_to_bytes
from torch import Tensor, nn

from ldm_teach import checks, paths
from ldm_teach.files import discard, locked, whole
from ldm_teach.theory.schedule import NoiseSchedule
from ldm_teach.words import did_you_mean

VERSION = 2  # version 1 had no checksum; it is still read
OURS = re.compile(r"(model|step-\d+)(-[0-9a-f]{12})?\.safetensors")  # the weights that a new pair replaces
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
    if not isinstance(part, dict) or part.get("kind") not in CLASSES:
        raise ValueError(f"part is {checks.describe(part)}; want a dict with a kind of {', '.join(CLASSES)}")
    return CLASSES[part["kind"]](**{name: value for name, value in part.items() if name != "kind"})


def checksum(header: dict[str, Any]) -> str:
    """The SHA-256 of everything that a header says, the sum of the weights included."""
    said = {key: value for key, value in header.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def write_tensors(
    directory: Path | str, kind: str, config: dict, tensors: dict[str, Tensor], stem: str = "model"
) -> None:
    """Write `tensors` to STEM-SUM.safetensors, then model.json naming that file, its SHA-256, the kind and the config.

    Whoever reads meanwhile, and whoever comes after a kill or a power cut at any moment, finds the old pair or the new
    one: the new weights have a name of their own, model.json takes the place of the old one at once, and only then the
    old weights go. Raises OSError as the system does.
    """
    directory = Path(directory)
    content = save_to_bytes({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    digest = hashlib.sha256(content).hexdigest()
    weights = directory / f"{stem}-{digest[:12]}.safetensors"
    header = dict(format="ldm_teach", version=VERSION, kind=kind, weights=weights.name, sha256=digest, config=config)
    header["checksum"] = checksum(header)
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory):  # two writers, one after the other: else one would sweep away what the other has just named
        with whole(weights) as part:
            part.write_bytes(content)
        with whole(directory / "model.json") as part:
            part.write_text(json.dumps(header, indent=1) + "\n", "utf-8")
        for old in directory.glob("*.safetensors"):
            if old != weights and OURS.fullmatch(old.name):
                discard(old)


HEADER = dict(format=str, version=int, kind=str, weights=str, sha256=str, config=dict)


def header(directory: Path | str) -> dict[str, Any]:
    """What model.json says: format, version, kind, weights, sha256, config, and since version 2 the checksum of these.

    Raises FileNotFoundError where it is missing and ValueError where it is no such header, or not as it was written.
    """
    path = checks.path("directory", directory) / "model.json"
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"no checkpoint in {directory}: {path} is missing") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not the header of an ldm_teach checkpoint: {error!r}") from error
    if not isinstance(found, dict) or any(type(found.get(key)) is not kind for key, kind in HEADER.items()):
        want = ", ".join(f"{key} ({kind.__name__})" for key, kind in HEADER.items())
        raise ValueError(f"{path} is not the header of an ldm_teach checkpoint: want an object with {want}")
    if found["version"] not in (1, VERSION) or found["format"] != "ldm_teach":
        got = f"format {found['format']!r}, version {found['version']}"
        raise ValueError(f"{path} has {got}; want 'ldm_teach' and 1 to {VERSION}")
    if found["version"] > 1 and found.get("checksum") != checksum(found):
        raise ValueError(f"{path} is damaged: its checksum is not that of what it says; restore or retrain it")
    return found


def read_tensors(directory: Path | str, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The config and the tensors that `write_tensors` stored in a directory.

    Raises what `header` raises, FileNotFoundError where the weights are missing, and ValueError where the kind is
    another or the weights are not those that the json was written with.
    """
    found = header(directory)
    if found["kind"] != kind:
        raise ValueError(f"{directory}/model.json has kind {found['kind']!r}; this loader wants {kind!r}")
    weights = Path(directory) / Path(found["weights"]).name
    try:
        content = weights.read_bytes()
    except FileNotFoundError:
        if header(directory)["weights"] != found["weights"]:  # a writer has just put others in their place
            return read_tensors(directory, kind)
        raise FileNotFoundError(f"the weights {weights} named by {directory}/model.json are missing") from None
    if hashlib.sha256(content).hexdigest() != found["sha256"]:
        raise ValueError(f"{weights} is damaged: its SHA-256 is not the one in model.json; restore or retrain it")
    try:
        return found["config"], load_from_bytes(content)
    except Exception as error:  # safetensors has errors of its own, and passes on those of Rust
        raise ValueError(f"{weights} is not a safetensors file: {error}") from error


def shipped() -> dict[str, Path]:
    """The checkpoints of the course: name -> directory, data/checkpoints/FAMILY/NAME."""
    return {path.parent.name: path.parent for path in sorted(paths.CHECKPOINTS.glob("*/*/model.json"))}


def locate(name_or_dir: Path | str) -> Path:
    """The directory of a checkpoint: a path that exists, the name of one shipped in data/checkpoints, or of a run."""
    if (checks.path("name_or_dir", name_or_dir) / "model.json").is_file():
        return Path(name_or_dir)
    known, name = shipped(), str(name_or_dir)
    if name in known:
        return known[name]
    if (paths.RUNS / name / "model.json").is_file():
        return paths.RUNS / name
    raise FileNotFoundError(
        f"no checkpoint {name!r}: it is neither a directory with a model.json nor the name of a run in "
        f"{paths.RUNS}/ or of one of the {len(known)} shipped"
        f"{did_you_mean(name, known, f'; {paths.looked_for()}')}"
    )


def to_half(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors with float32 stored as float16; other dtypes are kept."""
    return {name: tensor.half() if tensor.dtype == torch.float32 else tensor for name, tensor in tensors.items()}


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names of the tensors that hold NaN or infinity."""
    return [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]


def fill(module: nn.Module, tensors: dict[str, Tensor], where: Path | str) -> None:
    """Copy `tensors` into the module's state.

    Raises ValueError that names the tensors which are missing, unknown, of another shape or kind of number than the
    module's, or not finite.
    """
    wanted = module.state_dict()
    faults = [f"{name} is missing" for name in wanted if name not in tensors]
    faults += [f"{name} is unknown" for name in tensors if name not in wanted]
    faults += [
        f"{name} has shape {tuple(tensors[name].shape)}, the model wants {tuple(want.shape)}"
        for name, want in wanted.items()
        if name in tensors and tensors[name].shape != want.shape
    ]
    faults += [
        f"{name} is {tensors[name].dtype}, the model wants {want.dtype}"
        for name, want in wanted.items()
        if name in tensors and tensors[name].is_floating_point() != want.is_floating_point()
    ]
    faults += [f"{name} holds numbers that are not finite" for name in not_finite(tensors)]
    if faults:
        raise ValueError(f"the weights in {where} do not fit: " + "; ".join(faults[:5]))
    module.load_state_dict(tensors)


def save(model: nn.Module, directory: Path | str) -> None:
    """Write a model to a directory: its class, its config, its weights in half precision, its schedule in double.

    Raises ValueError for weights that are not finite, or too large for half precision, and leaves what was there.
    """
    if not isinstance(model, nn.Module) or not hasattr(model, "config"):
        raise ValueError(f"model is {checks.describe(model)}; want a module with a config, from which it is made anew")
    checks.path("directory", directory)
    tensors = to_half(model.state_dict())
    if bad := not_finite(tensors):
        raise ValueError(f"model has weights that are not finite in half precision ({', '.join(bad[:3])}); not saved")
    if isinstance(schedule := getattr(model, "schedule", None), NoiseSchedule):
        tensors["schedule.alpha_bar"] = schedule.alpha_bar
    write_tensors(directory, type(model).__name__, cast(Registered, model).config, tensors)


def load(cls: type[M], name_or_dir: Path | str, build: Callable[..., M] | None = None) -> M:
    """The model of class `cls` that `save` wrote, from a directory or by its shipped name: on the CPU, to be evaluated.

    build: makes the model from the items of its config and its schedule, by default the class itself.
    Raises what `locate` and `read_tensors` raise, and ValueError for weights that do not fit.
    """
    if not isinstance(cls, type) or not issubclass(cls, nn.Module):
        raise ValueError(f"cls is {checks.describe(cls)}; want a class of models")
    directory = locate(name_or_dir)
    build = cls if build is None else checks.function("build", build)
    config, tensors = read_tensors(directory, cls.__name__)
    if "schedule.alpha_bar" in tensors:
        config["schedule"] = NoiseSchedule(tensors.pop("schedule.alpha_bar"))
    try:
        with torch.random.fork_rng(devices=[]):  # the first weights, soon replaced, are nobody's random numbers
            model = cast(M, checks.instance("what build returns", build(**config), nn.Module))
    except Exception as error:  # whatever a config that is not one of ours may lead to
        raise ValueError(f"{directory}/model.json does not describe a {cls.__name__}: {error!r}") from error
    fill(model, tensors, directory)
    return model.eval()
