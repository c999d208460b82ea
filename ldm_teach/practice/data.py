"""The data of the course: Fashion-MNIST, shipped and verified, and torchvision's other image sets by name."""

import functools
import gzip
import hashlib
import math
import tempfile
import zlib
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from ldm_teach.theory import checks

DATA = Path(__file__).resolve().parents[2] / "data"

FASHION_CLASSES = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)

# SHA-256 of the four idx files after decompression: the archives differ with the time stamp of whoever packed them.
FASHION_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

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


class Images(NamedTuple):
    """Images (N, C, H, W), float32 in [-1, 1], and their labels (N,), int64."""

    x: Tensor
    y: Tensor


def read_verified(path: Path, digest: str) -> bytes:
    """The content of a gzip file, if its SHA-256 is `digest`.

    Raises ValueError or FileNotFoundError that names the file and the way to restore it.
    """
    restore = (
        f"restore it with `git checkout -- {path.name}` in {path.parent}, or take it from Debian's package "
        "dataset-fashion-mnist or from https://github.com/zalandoresearch/fashion-mnist"
    )
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: {restore}")
    try:
        content = gzip.decompress(path.read_bytes())
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is truncated or damaged ({error}): {restore}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"{path} is damaged, the SHA-256 of its content is not {digest}: {restore}")
    return content


@functools.lru_cache(maxsize=4)
def fashion_mnist(train: bool = True, root: Path | str = DATA / "fashion-mnist") -> Images:
    """Fashion-MNIST (Xiao et al. 2017), 60,000 training or 10,000 test images (N, 1, 28, 28), read without a network.

    Raises FileNotFoundError or ValueError that names a missing or damaged file and the way to restore it.
    """
    from torchvision.datasets import mnist

    part = "train" if train else "t10k"
    with tempfile.TemporaryDirectory() as folder:  # torchvision reads idx files, not archives
        for name, digest in FASHION_SHA256.items():
            if name.startswith(part):
                (Path(folder) / name).write_bytes(read_verified(Path(root) / f"{name}.gz", digest))
        pixels = mnist.read_image_file(f"{folder}/{part}-images-idx3-ubyte")  # (N, 28, 28) uint8
        labels = mnist.read_label_file(f"{folder}/{part}-labels-idx1-ubyte")  # (N,) int64
    return Images(pixels[:, None].float() / 127.5 - 1, labels)


def image_dataset(
    name: str, train: bool = True, *, image_size: int = 32, root: Path | str = DATA, download: bool = False
) -> Dataset:
    """One of torchvision's labelled image sets by name: pairs (x (C, image_size, image_size) in [-1, 1], label).

    Nothing is fetched unless `download` is true. Raises ValueError for an unknown name and FileNotFoundError where the
    set is not below `root`.
    """
    if name not in TORCHVISION:
        raise ValueError(
            f"name is {name!r}; want one of {', '.join(TORCHVISION)} (Fashion-MNIST has its own fashion_mnist())"
        )
    from torchvision import datasets, transforms

    kind, training, test = TORCHVISION[name]
    transform = transforms.Compose(
        [
            transforms.Resize(image_size),
            transforms.CenterCrop(image_size),
            transforms.ToTensor(),
            transforms.Lambda(lambda x: 2 * x - 1),
        ]
    )
    try:
        return getattr(datasets, kind)(
            str(root), transform=transform, download=download, **(training if train else test)
        )
    except RuntimeError as error:
        if download:
            raise
        raise FileNotFoundError(f"{name} is not in {root} ({error}): pass download=True to fetch it") from error


def blurred(x: Tensor, sigma: float = 2.0) -> Tensor:
    """Images (B, C, H, W) convolved with a Gaussian of standard deviation `sigma` pixels, the border repeated.

    Raises ValueError for a sigma that is not positive, and for images smaller than three sigma.
    """
    radius = math.ceil(3 * checks.positive("sigma", sigma))
    if checks.floating("x", x).ndim != 4 or min(x.shape[2:]) <= radius:
        raise ValueError(
            f"x has shape {tuple(x.shape)}; want (B, C, H, W), H and W above {radius} at sigma = {sigma:g}"
        )
    bell = torch.exp(-torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype).square() / (2 * sigma**2))
    bell = (bell / bell.sum()).expand(x.shape[1], 1, 1, -1)  # (C, 1, 1, 2 radius + 1), a kernel for each channel
    x = F.pad(x, (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(x, bell, groups=x.shape[1]), bell.mT, groups=x.shape[1])


class Batches(Dataset):
    """An endless sequence of shuffled batches: `batches[i]` is a pure function of the columns, the seed and i.

    columns: tensors (N, ...) of equal N. Each epoch of N // batch_size batches sees a fresh permutation. Because batch
    i does not depend on what was read before, a training resumed at step i continues exactly, and process r of n reads
    batches r, r + n, ... Raises ValueError for columns of unequal length and a batch larger than they are.
    """

    def __init__(self, *columns: Tensor, batch_size: int, seed: int = 0):
        lengths = [len(column) for column in columns]
        if len(set(lengths)) != 1:
            raise ValueError(f"columns have lengths {lengths}; want one length for all")
        if not 1 <= batch_size <= lengths[0]:
            raise ValueError(f"batch_size is {batch_size}; want 1 to {lengths[0]}, the number of rows")
        self.columns, self.batch_size, self.seed = columns, batch_size, seed
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    def __getitem__(self, i: int) -> tuple[Tensor, ...]:
        epoch, k = divmod(i, len(self.columns[0]) // self.batch_size)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(1_000_003 * self.seed + epoch)
            self._epoch, self._order = epoch, torch.randperm(len(self.columns[0]), generator=generator)
        rows = self._order[k * self.batch_size : (k + 1) * self.batch_size]
        return tuple(column[rows] for column in self.columns)
