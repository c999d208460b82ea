import pytest
import torch
from torch.distributions import Normal, kl_divergence

from ldm_teach.models.autoencoder import (
    DiagonalGaussian,
    KLAutoencoder,
    VQAutoencoder,
    load_autoencoder,
    straight_through,
)
from ldm_teach.models.critic import CriticizedAutoencoder, PatchCritic


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    "factor, widths, latent",
    [(1, (8,), (4, 32, 32)), (2, (8,), (4, 16, 16)), (4, (8, 16), (4, 8, 8)), (8, (8, 16, 16), (4, 4, 4))],
)
def test_shapes_at_every_factor(factor, widths, latent):
    autoencoder = KLAutoencoder(downsampling=factor, widths=widths, depths=(1,) * len(widths))
    x = torch.randn(3, 1, 28, 28)
    posterior = autoencoder.encode(x)
    assert autoencoder.latent_shape == latent
    assert posterior.mean.shape == posterior.std.shape == posterior.sample().shape == (3, *latent)
    assert (posterior.std > 0).all()
    assert autoencoder.decode(posterior.mean).shape == x.shape


@pytest.mark.parametrize("size, padded", [((28, 28), 8), ((32, 32), 8), ((30, 20), 8)])
def test_padding_and_colours(size, padded):
    autoencoder = KLAutoencoder(image_size=size, image_channels=3, widths=(8, 16), depths=(1, 1))
    _, h, w = autoencoder.latent_shape
    assert 4 * h % padded == 0 and 4 * w % padded == 0 and 4 * h >= size[0] and 4 * w >= size[1]
    assert autoencoder(torch.randn(2, 3, *size))[0].shape == (2, 3, *size)


def test_kl_equals_torch_distributions():
    mean, std = torch.randn(2, 4, 3, 3, generator=seeded()), torch.rand(2, 4, 3, 3, generator=seeded()) + 0.1
    want = kl_divergence(Normal(mean, std), Normal(torch.zeros_like(mean), torch.ones_like(std)))
    torch.testing.assert_close(DiagonalGaussian(mean, std).kl(), want, rtol=1e-5, atol=1e-6)


def test_samples_have_the_mean_and_std_of_the_posterior():
    n = 100_000
    posterior = DiagonalGaussian(torch.full((n,), 2.0), torch.full((n,), 0.3))
    z = posterior.sample(seeded())
    assert abs(float(z.mean()) - 2) < 4 * 0.3 / n**0.5
    assert abs(float(z.std()) - 0.3) < 4 * 0.3 / (2 * n) ** 0.5
    assert torch.equal(z, posterior.sample(seeded()))


def test_save_and_load_keep_the_function_to_half_precision(tmp_path):
    autoencoder = KLAutoencoder(widths=(8, 16), depths=(1, 1)).eval()
    autoencoder.save(tmp_path)
    x = torch.randn(2, 1, 28, 28, generator=seeded())
    with torch.no_grad():
        torch.testing.assert_close(
            KLAutoencoder.load(tmp_path).encode(x).mean, autoencoder.encode(x).mean, rtol=0, atol=1e-2
        )


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda a: KLAutoencoder(downsampling=3), "downsampling is 3; want 1, 2, 4 or 8"),
        (lambda a: KLAutoencoder(downsampling=8), "downsampling 8 wants 3 each"),
        (lambda a: a.encode(torch.zeros(2, 3, 28, 28)), r"x has shape \(2, 3, 28, 28\); want \(B, 1, 28, 28\)"),
        (lambda a: a.decode(torch.zeros(2, 4, 7, 7)), r"z has shape \(2, 4, 7, 7\); want \(B, 4, 8, 8\)"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call(KLAutoencoder(widths=(8, 16), depths=(1, 1)))


def vq(**settings) -> VQAutoencoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VQAutoencoder(**dict(num_codes=32, image_size=(12, 12), widths=(16, 16), depths=(1, 2)) | settings)


def test_codes_are_the_nearest_ones():
    """Against torch.cdist; and the decoder quantizes first, so that it draws a latent and its codes alike."""
    autoencoder = vq().eval()
    z = torch.randn(3, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    codes = autoencoder.quantize(z)
    want = torch.cdist(z.movedim(1, -1).reshape(-1, 4), autoencoder.codebook).argmin(1).reshape(3, 4, 4)
    assert torch.equal(codes.indices, want)
    assert torch.equal(codes.quantized, autoencoder.codebook[want].movedim(-1, 1))
    torch.testing.assert_close(autoencoder.decode(z), autoencoder.decode(codes.quantized))
    assert torch.equal(codes.mean, z) and not codes.std.any()


def test_the_gradient_goes_straight_through():
    z = torch.randn(2, 3, requires_grad=True)
    quantized = z.detach().round()
    out = straight_through(z, quantized)
    torch.testing.assert_close(out, quantized)
    (out * torch.arange(6.0).reshape(2, 3)).sum().backward()
    assert torch.equal(z.grad, torch.arange(6.0).reshape(2, 3))


def test_a_dead_code_is_moved_onto_a_latent_and_a_used_one_stays():
    autoencoder = vq().train()
    x = torch.rand(4, 1, 12, 12, generator=torch.Generator().manual_seed(1)) * 2 - 1
    autoencoder.share[:5] = 0.0
    before = autoencoder.codebook.detach().clone()
    z = autoencoder.encode(x).z.movedim(1, -1).reshape(-1, 4)
    autoencoder(x, torch.Generator().manual_seed(2))
    moved = autoencoder.codebook[:5].detach()
    assert torch.cdist(moved, z.detach()).min(1).values.max() < 1e-5
    assert torch.equal(autoencoder.codebook[5:], before[5:])
    assert float(autoencoder.share.mean()) == pytest.approx(1.0, abs=0.01)


def test_evaluation_changes_nothing(tmp_path):
    autoencoder = vq().eval()
    x = torch.zeros(2, 1, 12, 12)
    before = {k: v.clone() for k, v in autoencoder.state_dict().items()}
    autoencoder(x)
    assert all(torch.equal(v, before[k]) for k, v in autoencoder.state_dict().items())
    autoencoder.save(tmp_path)
    torch.testing.assert_close(VQAutoencoder.load(tmp_path).codebook, autoencoder.codebook, rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match="has kind 'VQAutoencoder'; this loader wants 'KLAutoencoder'"):
        KLAutoencoder.load(tmp_path)


def test_an_autoencoder_is_loaded_whichever_kind_it_is(tmp_path):
    vq().save(tmp_path / "vq")
    KLAutoencoder(widths=(8, 16), depths=(1, 1)).save(tmp_path / "kl")
    assert type(load_autoencoder(tmp_path / "vq")) is VQAutoencoder
    assert type(load_autoencoder(tmp_path / "kl")) is KLAutoencoder
    with pytest.raises(
        ValueError, match="fashion-judge is a ImageClassifier; want one of KLAutoencoder, VQAutoencoder"
    ):
        load_autoencoder("fashion-judge")


def test_the_critic_scores_patches_and_keeps_the_shapes_of_the_autoencoder():
    model = CriticizedAutoencoder(vq(), PatchCritic(width=8)).eval()
    seen = model(torch.zeros(2, 1, 12, 12))
    assert seen.reconstruction.shape == (2, 1, 12, 12)
    assert seen.fooled.shape == seen.fake.shape == seen.real.shape == (2, 1, 2, 2)
    assert int(model.steps) == 0  # evaluation does not count
    x = torch.zeros(1, 1, 28, 28, requires_grad=True)
    (pull,) = torch.autograd.grad(PatchCritic()(x)[0, 0, 3, 3], x)
    assert pull.shape == x.shape and model.last_layer.shape == (4, 16, 3, 3)
