"""The laws of notebook 14's exercises are those of the package, and its numbers follow from them."""

import torch
from torch.nn import functional as F

from ldm_teach.interactive import check
from ldm_teach.interactive.check import editing
from ldm_teach.theory.editing import ddim_inversion, inpainting, slerp
from ldm_teach.theory.guidance import guide
from ldm_teach.theory.mixture import GaussianMixture
from ldm_teach.theory.samplers import final
from ldm_teach.theory.schedule import NoiseSchedule
from tests.helpers import make_tiny_model


def test_what_is_kept_is_what_inpainting_keeps():
    for case in check.keeping.judge.cases:
        eps, x_t, known, mask, alpha_bar = case.values()
        schedule = NoiseSchedule(alpha_bar[None])
        arrow = inpainting(lambda x, t, eps=eps: eps, schedule, known, mask)
        got = arrow(x_t, torch.zeros(len(x_t), dtype=torch.int64))
        torch.testing.assert_close(got, check.keeping.judge.law(*case.values()))


def test_the_inversion_is_that_of_the_package():
    x0 = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def denoiser(x_t, t):
        return torch.tanh(x_t) * (t.double()[:, None] / 100 + 0.5)

    for looks in (1, 2, 3):
        want = final(ddim_inversion(denoiser, editing._WALK, x0, 7, looks=looks))
        torch.testing.assert_close(editing._inversion(editing.look, editing._WALK, x0, 7, looks), want)


def test_between_two_noises_is_slerp():
    for case in check.between_noises.judge.cases:
        a, b, u = case.values()
        torch.testing.assert_close(check.between_noises.judge.law(a, b, u), slerp(a, b, float(u)))


def test_a_latent_is_free_where_the_model_says_so():
    model = make_tiny_model()  # it pads its 12 x 12 pixels to 16 x 16
    mask = torch.rand(2, 12, 12, generator=torch.Generator().manual_seed(0)) < 0.1
    padded = F.pad(mask[:, None].float(), (0, 4, 0, 4), mode="replicate")[:, 0] > 0
    assert torch.equal(check.mended_latent_mask.judge.law(padded), model.latent_mask(mask))


def test_the_mean_beside_a_negative_is_where_the_guided_score_vanishes():
    asked, negative = (GaussianMixture(torch.ones(1), torch.tensor([[m]]), torch.ones(1, 1, 1)) for m in (1.0, -1.5))
    x = torch.tensor([[check.negative_mean.judge.value]])
    torch.testing.assert_close(guide(asked.score(x), negative.score(x), 2.0), torch.zeros(1, 1))
