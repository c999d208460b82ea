import pickle
from urllib.error import URLError

import pytest
import torch
from torchvision import datasets

from ldm_teach.data.image_sets import image_dataset

MNIST_HEADER = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28])  # two images of 28x28


def test_other_sets_are_fetched_only_when_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match="cifar10 is not in .*: pass download=True to fetch it"):
        image_dataset("cifar10", root=tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="name is 'imagenet', and no set of torchvision's; want one of mnist"):
        image_dataset("imagenet")
    with pytest.raises(ValueError, match=r"'cifar-10', and no set of torchvision's; did you mean 'cifar10'"):
        image_dataset("cifar-10")


@pytest.mark.parametrize("content", [b"", b"abc", MNIST_HEADER], ids=["empty", "no header", "no images"])
def test_a_damaged_set_is_named_with_where_it_lies_and_what_to_do(tmp_path, content):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (raw / f"{name}-ubyte").write_bytes(content)
    with pytest.raises(FileNotFoundError) as caught:
        image_dataset("mnist", root=tmp_path)
    words = str(caught.value)
    assert words.startswith(f"mnist is not in {tmp_path}, or damaged there (") and words.endswith(
        "): pass download=True to fetch it"
    )


def test_what_cannot_be_fetched_says_why_in_one_line(tmp_path, monkeypatch):
    def unreachable(*arguments, **options):
        raise URLError("no route\nto host")

    monkeypatch.setattr(datasets, "CIFAR10", unreachable)
    with pytest.raises(FileNotFoundError, match=r"\(<urlopen error no route to host>\): look at the network"):
        image_dataset("cifar10", root=tmp_path, download=True)


def test_a_torchvision_set_comes_scaled(tmp_path):
    """MNIST in torchvision's own layout, two white images of it, read by name."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        (raw / f"{part}-images-idx3-ubyte").write_bytes(MNIST_HEADER + bytes([255]) * 2 * 784)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 3, 4]))
    data = pickle.loads(pickle.dumps(image_dataset("mnist", root=tmp_path, image_size=16)))  # as workers receive it
    x, y = data[1]
    assert x.shape == (1, 16, 16) and torch.equal(x, torch.ones_like(x)) and y == 4
