"""The judge of pictures: three answers and an embedding, kept on disk; a name is a direction."""

import pytest
import torch

from ldm_teach.models.picture_judge import PictureJudge
from tests.helpers import seeded


def make_judge() -> PictureJudge:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return PictureJudge(
            num_names=7, num_styles=5, num_groups=3, widths=(4, 8, 8, 16), style_widths=(4, 4, 8, 8), width=6
        ).eval()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(4, 3, 64, 64, generator=seeded(1))


def test_a_judge_embeds_and_tells_name_style_and_group(x):
    judge = make_judge()
    said, embedding = judge(x), judge.embed(x)
    assert [tuple(logits.shape) for logits in said] == [(4, 7), (4, 5), (4, 3)]
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(4))
    names = judge.names.weight
    torch.testing.assert_close(said.names, 16 * embedding @ (names / names.norm(dim=1, keepdim=True)).T)
    torch.testing.assert_close(judge(x[:1]).names, said.names[:1])
    direction, means, style = judge.look(x)
    assert torch.equal(direction, embedding) and torch.equal(style, said.styles.argmax(1)) and means.shape == (4, 68)


def test_the_style_can_be_read_from_other_pictures(x):
    judge = make_judge()
    said, other = judge(x, x[:, :, :40, 10:50]), judge(x[:, :, :40, 10:50])
    torch.testing.assert_close(said.styles, other.styles)
    torch.testing.assert_close(said.names, judge(x).names)


def test_the_length_of_a_name_does_not_count(x):
    judge = make_judge()
    before = judge(x).names
    judge.names.weight.data *= torch.arange(1, 8)[:, None]
    torch.testing.assert_close(judge(x).names, before)


def test_save_and_load(x, tmp_path):
    judge = make_judge()
    judge.save(tmp_path)
    loaded = PictureJudge.load(tmp_path)
    for found, want in zip(loaded(x), judge(x), strict=True):
        torch.testing.assert_close(found, want, rtol=0, atol=2e-2)


def test_bad_arguments(x):
    with pytest.raises(ValueError, match="want floating-point of shape .B, 3, H, W"):
        make_judge()(x[:, :1])
    with pytest.raises(ValueError, match="scale is 0; want a number above 0"):
        PictureJudge(7, 5, 3, scale=0)
