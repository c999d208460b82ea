import gzip
import shutil

import pytest
import torch

from ldm_teach.data.fashion import FASHION_CLASSES, fashion_mnist, read_fashion, read_verified
from ldm_teach.paths import DATA


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
    read_fashion.cache_clear()


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


def test_what_one_caller_does_to_the_images_no_other_sees():
    mine = fashion_mnist(train=False)
    mine.x.zero_(), mine.y.zero_()
    again = fashion_mnist(train=False)
    assert again.x.max() == 1 and again.y.bincount().tolist() == [1000] * 10
