import pytest
import torch

from ldm_teach.training.recipes.autoencoders import fashion_autoencoder
from ldm_teach.training.recipes.latent import fashion_class


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_both_stages_train_quickly_on_a_gpu():
    """What notebook 10 does, with `--quick`."""
    first = fashion_autoencoder(quick=True)
    losses = [float(step.loss) for step in first.fit(device="cuda")]
    assert losses[-1] < losses[0] / 5
    second = fashion_class(quick=True, autoencoder=first.average.cpu())
    losses = [float(step.loss) for step in second.fit(device="cuda")]
    assert sum(losses[-20:]) / 20 < 0.8 * losses[0]
    assert second.average.sample([0, 1], w=2.0, num_steps=4).is_cuda
