import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from ldm_teach.data.image_folder import ImageFolder
from ldm_teach.training.batches import Batches


def test_batches_are_a_pure_function_of_seed_and_index():
    rows = torch.arange(10)
    a, b = Batches(rows, rows + 100, batch_size=3, seed=1), Batches(rows, rows + 100, batch_size=3, seed=1)
    forward = [a[i][0].tolist() for i in range(9)]
    assert forward == [b[i][0].tolist() for i in reversed(range(9))][::-1]
    assert forward != [Batches(rows, batch_size=3, seed=2)[i][0].tolist() for i in range(9)]
    assert all(torch.equal(y, x + 100) for x, y in (a[i] for i in range(9)))
    epochs = [[row for batch in forward[i : i + 3] for row in batch] for i in (0, 3, 6)]
    assert all(len(set(epoch)) == 9 for epoch in epochs) and epochs[0] != epochs[1]


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # of jax, which other tests import
def test_a_folder_is_a_column_read_a_batch_at_a_time_also_by_workers(tmp_path):
    for i in range(5):
        Image.new("L", (4, 4), 50 * i).save(tmp_path / f"{i}.png")
    folder = ImageFolder(tmp_path, side=2)
    read = folder[torch.arange(5)]
    lazy, whole = Batches(folder, folder.labels, batch_size=2), Batches(read, folder.labels, batch_size=2)
    for i, (x, _) in enumerate(DataLoader(lazy, None, sampler=range(4), num_workers=1)):
        assert torch.equal(x, whole[i][0]) and torch.equal(x, lazy[i][0])
    assert lazy.fingerprint() == whole.fingerprint()
    Image.new("L", (4, 4), 7).save(tmp_path / "3.png")
    assert lazy.fingerprint() != whole.fingerprint()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: Batches(torch.zeros(3), torch.zeros(4), batch_size=1), r"columns have lengths \[3, 4\]"),
        (lambda: Batches(torch.zeros(3), batch_size=4), "batch_size is 4; want an int from 1 to 3"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()
