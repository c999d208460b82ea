import pytest
import torch

from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.vector_quantization import VQAutoencoder, load_autoencoder, straight_through


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
