"""torchvision's labelled image sets by name, for those who have a network or the files."""

from pathlib import Path

from torch.utils.data import Dataset

from ldm_teach import checks
from ldm_teach.paths import DATA
from ldm_teach.words import did_you_mean

# name -> (class in torchvision.datasets, arguments for the training part, arguments for the test part)
TORCHVISION = {
    "mnist": ("MNIST", dict(train=True), dict(train=False)),
    "kmnist": ("KMNIST", dict(train=True), dict(train=False)),
    "cifar10": ("CIFAR10", dict(train=True), dict(train=False)),
    "cifar100": ("CIFAR100", dict(train=True), dict(train=False)),
    "svhn": ("SVHN", dict(split="train"), dict(split="test")),
    "stl10": ("STL10", dict(split="train"), dict(split="test")),
    "celeba": ("CelebA", dict(split="train", target_type="identity"), dict(split="test", target_type="identity")),
    "flowers102": ("Flowers102", dict(split="train"), dict(split="test")),
    "food101": ("Food101", dict(split="train"), dict(split="test")),
}


def image_dataset(
    name: str, train: bool = True, *, image_size: int = 32, root: Path | str = DATA, download: bool = False
) -> Dataset:
    """One of torchvision's labelled image sets by name: pairs (x (C, image_size, image_size) in [-1, 1], label).

    Nothing is fetched unless `download` is true. Raises ValueError for an unknown name and FileNotFoundError where the
    set is not below `root`, or damaged there, and where it cannot be fetched.
    """
    checks.flag("train", train)
    checks.flag("download", download)
    checks.count("image_size", image_size)
    root = checks.path("root", root)
    if checks.word("name", name) not in TORCHVISION:
        near = did_you_mean(name, TORCHVISION, f"; want one of {', '.join(TORCHVISION)}")
        raise ValueError(f"name is {name!r}, and no set of torchvision's{near} (Fashion-MNIST is fashion_mnist())")
    from torchvision import datasets, transforms

    kind, training, test = TORCHVISION[name]
    transform = transforms.Compose(
        [
            transforms.Resize(image_size),
            transforms.CenterCrop(image_size),
            transforms.ToTensor(),
            transforms.Normalize(0.5, 0.5),  # [0, 1] to [-1, 1]; a function of our own could not be sent to workers
        ]
    )
    try:
        return getattr(datasets, kind)(
            str(root), transform=transform, download=download, **(training if train else test)
        )
    except ModuleNotFoundError:
        raise
    except Exception as error:  # each reader has errors of its own for files that are missing, damaged or out of reach
        reason = " ".join(str(error).split()) or type(error).__name__
        remedy = (
            "look at the network, and remove files that are damaged" if download else "pass download=True to fetch it"
        )
        raise FileNotFoundError(f"{name} is not in {root}, or damaged there ({reason}): {remedy}") from error
