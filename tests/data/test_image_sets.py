import pickle

import pytest
import torch

from ldm_teach.data.image_sets import image_dataset


def test_other_sets_are_fetched_only_when_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match="cifar10 is not in .*pass download=True to fetch it"):
        image_dataset("cifar10", root=tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="name is 'imagenet'; want one of mnist"):
        image_dataset("imagenet")


def test_a_torchvision_set_comes_scaled(tmp_path):
    """MNIST in torchvision's own layout, two white images of it, read by name."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    header = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28])
    for part in ("train", "t10k"):
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + bytes([255]) * 2 * 784)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 3, 4]))
    data = pickle.loads(pickle.dumps(image_dataset("mnist", root=tmp_path, image_size=16)))  # as workers receive it
    x, y = data[1]
    assert x.shape == (1, 16, 16) and torch.equal(x, torch.ones_like(x)) and y == 4
