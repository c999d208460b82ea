import torch

from ldm_teach.models.critic import CriticizedAutoencoder, PatchCritic
from ldm_teach.models.vector_quantization import VQAutoencoder


def vq(**settings) -> VQAutoencoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VQAutoencoder(**dict(num_codes=32, image_size=(12, 12), widths=(16, 16), depths=(1, 2)) | settings)


def test_the_critic_scores_patches_and_keeps_the_shapes_of_the_autoencoder():
    model = CriticizedAutoencoder(vq(), PatchCritic(width=8)).eval()
    seen = model(torch.zeros(2, 1, 12, 12))
    assert seen.reconstruction.shape == (2, 1, 12, 12)
    assert seen.fooled.shape == seen.fake.shape == seen.real.shape == (2, 1, 2, 2)
    assert int(model.steps) == 0  # evaluation does not count
    x = torch.zeros(1, 1, 28, 28, requires_grad=True)
    (pull,) = torch.autograd.grad(PatchCritic()(x)[0, 0, 3, 3], x)
    assert pull.shape == x.shape and model.last_layer.shape == (4, 16, 3, 3)
