import pytest
import torch
from torchvision.models import vgg16
from torchvision.models.feature_extraction import create_feature_extractor

from ldm_teach.models.vgg import VGGFeatures
from ldm_teach.training.losses import perceptual_distance


@pytest.fixture(scope="module")
def eyes() -> VGGFeatures:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VGGFeatures(weights=None)


def test_the_features_are_those_of_torchvisions_own_extractor(eyes):
    network = vgg16(weights=None).eval()
    network.features[:30].load_state_dict(eyes.layers.state_dict())
    names = [f"features.{i}" for i in VGGFeatures.LAYERS]
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    want = create_feature_extractor(network, names)(((x + 1) / 2 - eyes.mean) / eyes.std)
    for ours, name, size in zip(eyes.features(x), names, (32, 16, 8, 4, 2), strict=True):
        torch.testing.assert_close(ours, want[name])
        assert ours.shape[-1] == size


def test_grey_images_and_gradients(eyes):
    x = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(1)).requires_grad_()
    distance = perceptual_distance(eyes, x, torch.zeros_like(x))
    (gradient,) = torch.autograd.grad(distance, x)
    assert distance > 0 and gradient.abs().sum() > 0
    assert float(perceptual_distance(eyes, x.detach(), x.detach())) == 0


def test_images_of_another_shape_are_refused(eyes):
    with pytest.raises(ValueError, match=r"x has shape \(2, 2, 32, 32\); want \(B, 1 or 3, H, W\)"):
        eyes.features(torch.zeros(2, 2, 32, 32))
