"""Retrieval by a judge, on directions whose order is known, and the nearest picture, beside a count by hand."""

import pytest
import torch

from ldm_teach.measuring.retrieval import look, nearest, prototypes, ranks
from ldm_teach.models.picture_judge import PictureJudge
from tests.helpers import seeded


def test_the_rank_is_the_number_of_nearer_candidates():
    candidates = torch.eye(4)
    pictures = torch.tensor([[0.9, 0.3, 0.2, 0.1], [0.9, 0.3, 0.2, 0.1], [0.9, 0.3, 0.2, 0.1]])
    assert ranks(pictures, candidates, torch.tensor([0, 1, 3])).tolist() == [0, 1, 3]


def test_by_chance_a_name_is_first_once_in_a_hundred_times():
    x, y = (torch.nn.functional.normalize(torch.randn(n, 16, generator=seeded(n)), dim=1) for n in (10_000, 100))
    rank = ranks(x, y, torch.arange(10_000) % 100)
    assert abs(float((rank < 1).double().mean()) - 0.01) < 0.004  # four standard errors
    assert abs(float((rank < 5).double().mean()) - 0.05) < 0.009


def test_a_prototype_is_the_mean_direction_of_the_pictures_of_a_name():
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    found = prototypes(embeddings, torch.tensor([7, 7, 3]), torch.tensor([3, 7]))
    torch.testing.assert_close(found, torch.tensor([[-1.0, 0.0], [0.5**0.5, 0.5**0.5]]))
    with pytest.raises(ValueError, match=r"wanted holds \[4\]; want names that names holds, too"):
        prototypes(embeddings, torch.tensor([7, 7, 3]), torch.tensor([4, 7]))


def test_the_nearest_picture_and_how_far_it_is():
    others = torch.rand(11, 3, 4, 4, generator=seeded(1)) * 2 - 1
    x = others[[9, 0, 5]] + torch.tensor([0.0, 0.1, -0.2])[:, None, None, None]
    distance, which = nearest(x, others)
    assert which.tolist() == [9, 0, 5]
    torch.testing.assert_close(distance, torch.tensor([0.0, 0.1, 0.2]), rtol=0, atol=1e-3)
    far, _ = nearest(torch.ones(1, 3, 4, 4), -torch.ones(2, 3, 4, 4))
    torch.testing.assert_close(far, torch.tensor([2.0]))


def test_bytes_and_floats_look_the_same():
    judge = PictureJudge(num_names=7, num_styles=5, num_groups=3, widths=(4, 8, 8, 16), width=6).eval()
    x = torch.randint(0, 256, (5, 3, 64, 64), dtype=torch.uint8, generator=seeded(2))
    one, other = look(judge, x, batch_size=2), look(judge, x.float() / 127.5 - 1)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b)
    assert tuple(one.embeddings.shape) == (5, 6) and tuple(one.styles.shape) == (5,)
    torch.testing.assert_close(one.embeddings, judge.embed(x.float() / 127.5 - 1))
