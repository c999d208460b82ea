"""What a user would pick instead: each peer's network, training step and sampler, by its own package.

A peer comes in two sizes. `at_equal_parameters` builds networks for latents (4, 8, 8) of as many parameters within 2 %,
to compare throughput. `as_recommended` builds what the package's own example for small grey images builds, to compare
what comes out after equal minutes.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from denoising_diffusion_pytorch import classifier_free_guidance as lucid
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, UNet2DConditionModel, UNet2DModel
from smalldiffusion import CondEmbedderLabel, DiT, ScheduleDDPM, Unet, samples
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ldm_teach.models.conditioning import ClassEncoder
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.unet import UNet
from ldm_teach.models.vector_quantization import load_autoencoder
from ldm_teach.theory.samplers import Sampler, ddim, dpm_solver, final
from ldm_teach.theory.schedule import NoiseSchedule
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import fit
from ldm_teach.training.losses import diffusion_loss

CLASSES, STEPS = 10, 20  # of Fashion-MNIST; calls of a sampler
Sample = Callable[[nn.Module, Tensor], Tensor]  # (network, labels (B,)) -> samples (B, C, H, W)


class Peer(NamedTuple):
    """A package's network with its loss, its optimizer, its average and its samplers.

    loss: (network, x (B, C, H, W), labels (B,)) -> scalar.  learning_rate: of AdamW.  decay: of the average of weights.
    """

    name: str
    setting: str
    network: nn.Module
    loss: Callable
    samplers: dict[str, Sample]
    learning_rate: float
    decay: float
    batch_size: int = 128

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.network.parameters() if p.requires_grad)

    def fit(self, x: Tensor, labels: Tensor, device: str = "cpu") -> Iterator[nn.Module]:
        """Train without end on x (N, C, H, W) and their labels (N,); after each step, the average of the weights."""
        batches, place = Batches(x, labels, batch_size=self.batch_size), torch.device(device)
        self.network.to(place)
        optimizer = torch.optim.AdamW(self.network.parameters(), self.learning_rate)
        average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(self.decay))
        for batch in batches:
            self.network.train()
            with place:  # where what it draws is drawn
                self.loss(self.network, *(part.to(place) for part in batch)).backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            average.update_parameters(self.network)
            yield average.module.eval()


class Ours(Peer):
    """This package, with its own loop."""

    def fit(self, x: Tensor, labels: Tensor, device: str = "cpu") -> Iterator[nn.Module]:
        batches = Batches(x, torch.zeros_like(x), labels, batch_size=self.batch_size)  # latents of no spread
        average = copy.deepcopy(self.network).eval()
        for _ in fit(self.network, self.loss, batches, average=average, num_steps=10**9, device=device):
            yield average


# ----------------------------------------------------------------------------------------------------- diffusers


class WithClass(nn.Module):
    """A network of diffusers whose condition is a class, as one token for its cross-attention."""

    def __init__(self, unet: UNet2DConditionModel):
        super().__init__()
        self.unet, self.classes = unet, nn.Embedding(CLASSES, unet.config.cross_attention_dim)

    def forward(self, x_t: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        return self.unet(x_t, t, self.classes(labels)[:, None]).sample


class ClassPlanes(nn.Module):
    """A network of diffusers that reads the class as more planes of its input: Hugging Face's course, unit 2."""

    def __init__(self, width: int = 4, **shape: Any):
        super().__init__()
        self.classes = nn.Embedding(CLASSES, width)
        self.unet = UNet2DModel(in_channels=1 + width, out_channels=1, **shape)

    def forward(self, x_t: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        planes = self.classes(labels)[:, :, None, None].expand(-1, -1, *x_t.shape[2:])
        return self.unet(torch.cat([x_t, planes], dim=1), t).sample


COSINE = DDPMScheduler(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2")


def loss_of_noise(network: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    noise, t = torch.randn_like(x), torch.randint(0, 1000, (len(x),))
    return F.mse_loss(network(COSINE.add_noise(x, noise, t), t, labels), noise)


def scheduled(kind: Any, *shape: int) -> Sample:
    """A sampler of diffusers with as many calls as STEPS."""

    @torch.inference_mode()
    def sample(network: nn.Module, labels: Tensor) -> Tensor:
        scheduler, x = kind.from_config(COSINE.config), torch.randn(len(labels), *shape, device=labels.device)
        scheduler.set_timesteps(STEPS)
        for t in scheduler.timesteps:
            x = scheduler.step(network(x, t, labels), t, x).prev_sample
        return x

    return sample


def diffusers_samplers(*shape: int) -> dict[str, Sample]:
    return {"DDIM": scheduled(DDIMScheduler, *shape), "DPM-Solver": scheduled(DPMSolverMultistepScheduler, *shape)}


# ------------------------------------------------------------------------------------------------ smalldiffusion

DDPM = ScheduleDDPM(beta_start=0.0001, beta_end=0.02, N=1000)


def loss_of_sigma(network: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    sigma = DDPM.sample_batch(x)[:, None, None, None]
    return network.get_loss(x, sigma, torch.randn_like(x), cond=labels)


@torch.inference_mode()
def accelerated(network: nn.Module, labels: Tensor) -> Tensor:
    *_, x = samples(network, DDPM.sample_sigmas(STEPS), gam=1.6, batchsize=len(labels), cond=labels)
    return x


# ----------------------------------------------------------------------------------- denoising-diffusion-pytorch


class Flat(lucid.Unet):
    """Its U-Net; at scale 1, which is no guidance, release 2.3.4 returns one value where its sampler wants two."""

    def forward_with_cond_scale(self, *inputs: Tensor, cond_scale: float = 1.0, **settings: Any) -> tuple:
        found = super().forward_with_cond_scale(*inputs, cond_scale=cond_scale, **settings)
        return found if isinstance(found, tuple) else (found, found)


def gaussian(width: int, widths: tuple[int, ...], channels: int, side: int) -> lucid.GaussianDiffusion:
    network = Flat(width, CLASSES, dim_mults=widths, channels=channels)
    return lucid.GaussianDiffusion(network, image_size=side, timesteps=1000, sampling_timesteps=STEPS)


def loss_of(diffusion: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    return diffusion((x + 1) / 2, classes=labels)  # it wants pixels from 0 to 1


def guided(scale: float) -> Sample:
    """Its own sampler, guided with its own scale (1 is none)."""
    return lambda diffusion, labels: 2 * diffusion.sample(classes=labels, cond_scale=scale) - 1


# -------------------------------------------------------------------------------------------------------- peers


def at_equal_parameters() -> list[Peer]:
    """Networks for latents (4, 8, 8) with a condition of ten classes, this package's first."""
    shape = 4, 8, 8
    ours = LatentDiffusion(load_autoencoder("fashion-kl-f4"), UNet(), ClassEncoder(), NoiseSchedule.cosine())

    loss = diffusion_loss(ours.schedule, drop=0.15)

    def sampled(sampler: Sampler) -> Sample:
        @torch.inference_mode()
        def sample(model: nn.Module, labels: Tensor) -> Tensor:
            return final(sampler(model.denoiser(labels), model.schedule, torch.randn(len(labels), *shape), STEPS))

        return sample

    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(36, 84),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=128,
        attention_head_dim=4,
        norm_num_groups=12,
    )
    small = Unet(8, 4, 4, ch=64, ch_mult=(1, 1), attn_resolutions=(4,), cond_embed=CondEmbedderLabel(256, CLASSES))
    flat = gaussian(42, (1, 2), channels=4, side=8)
    return [
        Ours("ldm_teach", "", ours, loss, {"DDIM": sampled(ddim), "DPM-Solver": sampled(dpm_solver)}, 1e-3, 0.999),
        Peer("diffusers", "", WithClass(unet), loss_of_noise, diffusers_samplers(*shape), 1e-3, 0.999),
        Peer("smalldiffusion", "", small, loss_of_sigma, {"accelerated": accelerated}, 1e-3, 0.999),
        Peer("denoising-diffusion-pytorch", "", flat, loss_of, {"DDIM": guided(1.0)}, 1e-3, 0.999),
    ]


def as_recommended() -> list[Peer]:
    """What each package's own example builds for small images of ten classes."""
    planes = ClassPlanes(
        sample_size=28,
        layers_per_block=2,
        block_out_channels=(32, 64, 64),
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    )
    label = CondEmbedderLabel(192, CLASSES, dropout_prob=0.1)
    patches = DiT(in_dim=28, channels=1, patch_size=2, depth=6, head_dim=32, num_heads=6, cond_embed=label)
    flat = gaussian(32, (1, 2, 4), channels=1, side=28)
    guidance = {"DDIM, scale 1": guided(1.0), "DDIM, scale 6": guided(6.0)}
    return [
        Peer("diffusers", "class-conditional U-Net of Hugging Face's course, unit 2", planes, loss_of_noise,
             diffusers_samplers(1, 28, 28), 1e-3, 0.99),
        Peer("smalldiffusion", "examples/fashion_mnist_dit_cond.py", patches, loss_of_sigma,
             {"accelerated, gam = 1.6": accelerated}, 1e-3, 0.99),
        Peer("denoising-diffusion-pytorch", "README's classifier-free example, dim 32 with three widths for its "
             "64 with four, which is meant for a GPU", flat, loss_of, guidance, 1e-4, 0.995, 32),
    ]  # fmt: skip
