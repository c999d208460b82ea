"""Fashion-MNIST (Xiao et al. 2017), shipped and verified: the real images of the course."""

import functools
import gzip
import hashlib
import tempfile
import zlib
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from ldm_teach import checks
from ldm_teach.paths import DATA, looked_for

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
        raise FileNotFoundError(f"{path} is missing: {restore}; {looked_for()}")
    try:
        content = gzip.decompress(path.read_bytes())
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is truncated or damaged ({error}): {restore}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"{path} is damaged, the SHA-256 of its content is not {digest}: {restore}")
    return content


def fashion_mnist(train: bool = True, root: Path | str = DATA / "fashion-mnist") -> Images:
    """Fashion-MNIST (Xiao et al. 2017), 60,000 training or 10,000 test images (N, 1, 28, 28), read without a network.

    The files are read once; each call returns tensors of its own. Raises FileNotFoundError or ValueError that names a
    missing or damaged file and the way to restore it.
    """
    pixels, labels = read_fashion(checks.flag("train", train), checks.path("root", root))
    return Images(pixels[:, None].float() / 127.5 - 1, labels.clone())


@functools.lru_cache(maxsize=4)
def read_fashion(train: bool, root: Path | str) -> tuple[Tensor, Tensor]:
    """The pixels (N, 28, 28) uint8 and the labels (N,) int64, kept from call to call: not to be changed."""
    from torchvision.datasets import mnist

    part = "train" if train else "t10k"
    with tempfile.TemporaryDirectory() as folder:  # torchvision reads idx files, not archives
        for name, digest in FASHION_SHA256.items():
            if name.startswith(part):
                (Path(folder) / name).write_bytes(read_verified(Path(root) / f"{name}.gz", digest))
        pixels = mnist.read_image_file(f"{folder}/{part}-images-idx3-ubyte")  # (N, 28, 28) uint8
        labels = mnist.read_label_file(f"{folder}/{part}-labels-idx1-ubyte")  # (N,) int64
    return pixels, labels
