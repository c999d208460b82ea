import gzip
import shutil

import pytest
import torch

from ldm_teach.practice.data import (
    DATA,
    FASHION_CLASSES,
    Batches,
    blurred,
    fashion_mnist,
    image_dataset,
    read_verified,
)


@pytest.mark.parametrize("train, n", [(True, 60_000), (False, 10_000)])
def test_fashion_mnist_is_whole(train, n):
    x, y = fashion_mnist(train)
    assert x.shape == (n, 1, 28, 28) and x.dtype == torch.float32 and y.shape == (n,) and y.dtype == torch.int64
    assert x.min() == -1 and x.max() == 1
    assert y.bincount().tolist() == [n // 10] * 10 and len(FASHION_CLASSES) == 10


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(DATA / "fashion-mnist", tmp_path / "copy")
    yield tmp_path / "copy"
    fashion_mnist.cache_clear()


def damage(content: bytes) -> bytes:
    return gzip.compress(gzip.decompress(content)[:-1] + b"\x07")


@pytest.mark.parametrize(
    "change, error, words",
    [
        (lambda path: path.unlink(), FileNotFoundError, "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), ValueError, "is truncated or damaged"),
        (lambda path: path.write_bytes(b"not gzip"), ValueError, "is truncated or damaged"),
        (lambda path: path.write_bytes(damage(path.read_bytes())), ValueError, "is damaged, the SHA-256"),
    ],
    ids=["missing", "truncated", "not gzip", "another content"],
)
def test_a_bad_file_is_named_with_the_way_to_restore_it(copy, change, error, words):
    change(copy / "t10k-labels-idx1-ubyte.gz")
    with pytest.raises(error, match=rf"t10k-labels-idx1-ubyte.gz {words}.*restore it with `git checkout"):
        fashion_mnist(False, root=copy)


def test_a_recompressed_archive_is_the_same_data(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"abc", mtime=1))
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert read_verified(tmp_path / "a.gz", digest) == b"abc"


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
    x, y = image_dataset("mnist", root=tmp_path, image_size=16)[1]
    assert x.shape == (1, 16, 16) and torch.equal(x, torch.ones_like(x)) and y == 4


def test_batches_are_a_pure_function_of_seed_and_index():
    rows = torch.arange(10)
    a, b = Batches(rows, rows + 100, batch_size=3, seed=1), Batches(rows, rows + 100, batch_size=3, seed=1)
    forward = [a[i][0].tolist() for i in range(9)]
    assert forward == [b[i][0].tolist() for i in reversed(range(9))][::-1]
    assert forward != [Batches(rows, batch_size=3, seed=2)[i][0].tolist() for i in range(9)]
    assert all(torch.equal(y, x + 100) for x, y in (a[i] for i in range(9)))
    epochs = [[row for batch in forward[i : i + 3] for row in batch] for i in (0, 3, 6)]
    assert all(len(set(epoch)) == 9 for epoch in epochs) and epochs[0] != epochs[1]


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: Batches(torch.zeros(3), torch.zeros(4), batch_size=1), r"columns have lengths \[3, 4\]"),
        (lambda: Batches(torch.zeros(3), batch_size=4), "batch_size is 4; want 1 to 3"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_blurred_point_is_a_gaussian_and_a_flat_image_stays_flat():
    x = torch.zeros(1, 2, 41, 41, dtype=torch.float64)
    x[0, 1, 20, 20] = 1
    spot, place = blurred(x, 2.0)[0, 1], torch.arange(41, dtype=torch.float64) - 20
    assert float(spot.sum()) == pytest.approx(1) and blurred(x, 2.0)[0, 0].abs().max() == 0
    assert float((spot.sum(0) * place**2).sum()) == pytest.approx(4, rel=0.03)  # variance, cut off at three sigma
    torch.testing.assert_close(spot, spot.T)
    torch.testing.assert_close(blurred(torch.full((1, 1, 28, 28), 0.3)), torch.full((1, 1, 28, 28), 0.3))


@pytest.mark.parametrize(
    "x, sigma, words",
    [
        (torch.zeros(1, 1, 28, 28), 0.0, "sigma is 0.0; want a number above 0"),
        (torch.zeros(1, 1, 6, 28), 2.0, r"x has shape \(1, 1, 6, 28\); want \(B, C, H, W\), H and W above 6"),
    ],
)
def test_blurring_refuses(x, sigma, words):
    with pytest.raises(ValueError, match=words):
        blurred(x, sigma)
