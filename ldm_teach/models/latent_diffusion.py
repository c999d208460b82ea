"""The whole model: an autoencoder, the scale of its latents, a noise schedule, a condition encoder and a U-Net."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast, get_args

import torch
from torch import Tensor, nn

from ldm_teach import checks
from ldm_teach.models import checkpoint
from ldm_teach.models.conditioning import ConditionEncoder
from ldm_teach.models.pixels import Pixels
from ldm_teach.models.unet import UNet
from ldm_teach.models.vector_quantization import Autoencoder
from ldm_teach.theory.guidance import guide, over_rows
from ldm_teach.theory.parameterization import eps_from_v
from ldm_teach.theory.samplers import Sampler, dpm_solver, final
from ldm_teach.theory.schedule import Denoiser, NoiseSchedule
from ldm_teach.theory.tensors import Randomness, draw, per_row


@checkpoint.registered
class LatentDiffusion(nn.Module):
    """Diffusion in the latent space of an autoencoder (Rombach et al. 2022), or, with `Pixels` in its place, on pixels.

    The U-Net works on latents standardized to mean 0 and variance 1 by channel, with `latent_mean` and `latent_std`
    (c, 1, 1), which `measure_latents` takes from data; it predicts v, from which `denoiser` makes an eps arrow.
    """

    def __init__(
        self,
        autoencoder: Autoencoder | Pixels,
        unet: UNet,
        encoder: ConditionEncoder,
        schedule: NoiseSchedule,
    ):
        super().__init__()
        checks.instance("autoencoder", autoencoder, *get_args(Autoencoder), Pixels)
        checks.instance("unet", unet, UNet)
        checks.instance("schedule", schedule, NoiseSchedule)
        if not isinstance(encoder, nn.Module) or not hasattr(encoder, "null"):
            raise ValueError(f"encoder is {checks.describe(encoder)}; want a ConditionEncoder")
        channels = autoencoder.latent_shape[0]
        if unet.config["channels"] != channels:
            raise ValueError(f"unet has {unet.config['channels']} channels; the autoencoder's latent wants {channels}")
        if unet.config["token_width"] != encoder.config["token_width"]:
            widths = unet.config["token_width"], encoder.config["token_width"]
            raise ValueError(f"unet reads tokens of width {widths[0]}, encoder makes them {widths[1]}; want one width")
        self.autoencoder = autoencoder.eval().requires_grad_(False)
        self.unet, self.encoder, self.schedule = unet, encoder, schedule
        self.register_buffer("latent_mean", torch.zeros(channels, 1, 1))
        self.register_buffer("latent_std", torch.ones(channels, 1, 1))

    @property
    def config(self) -> dict[str, Any]:
        """What the parts are made from anew."""
        return dict(
            autoencoder=checkpoint.part(self.autoencoder),
            unet=self.unet.config,
            encoder=checkpoint.part(self.encoder),
        )

    def measure_latents(self, mean: Tensor, std: Tensor) -> None:
        """Set the latent scale from posterior moments over data, both (N, c, h, w): Var z = Var mean + E std^2.

        Source: Rombach et al. 2022, appendix G, there one number for all channels.
        """
        checks.same_shape(mean=mean, std=std)
        checks.shaped("mean", mean, "N", *self.autoencoder.latent_shape)
        over = (0, 2, 3)
        middle, spread = mean.mean(over), (mean.var(over) + std.square().mean(over)).sqrt()  # (c,) each
        if mean.is_meta or not (spread > 0).all() or not (middle + spread).isfinite().all():
            raise ValueError("mean and std give latents without a finite mean and scale; want finite moments that vary")
        self.latent_mean.copy_(middle[:, None, None])
        self.latent_std.copy_(spread[:, None, None])

    def standardize(self, z: Tensor) -> Tensor:
        """Latents of the autoencoder in the units of the U-Net: (B, c, h, w) -> (B, c, h, w)."""
        return (self._latent("z", z) - self.latent_mean) / self.latent_std

    def _latent(self, name: str, z: Tensor, rows: int | str = "B") -> Tensor:
        return checks.shaped(name, z, rows, *self.autoencoder.latent_shape, like=self.latent_mean)

    def noise(self, batch_size: int, generator: Randomness = None) -> Tensor:
        """The noise x_T (B, c, h, w) from which `sample` starts, of the dtype and on the device of the model.

        generator: one for the batch, or a list of one for each sample. It is drawn in float32, so that a seed gives the
        same picture, but for rounding, whatever the precision of the model.
        """
        shape = (checks.count("batch_size", batch_size), *self.autoencoder.latent_shape)
        return draw(torch.randn, shape, self.latent_mean.float(), generator).to(self.latent_mean.dtype)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """The standardized posterior means of images x (B, C, H, W) in [-1, 1]: (B, c, h, w)."""
        return self.standardize(self.autoencoder.encode(x).mean)

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] from standardized latents z (B, c, h, w)."""
        return self.autoencoder.decode(self._latent("z", z) * self.latent_std + self.latent_mean).clamp(-1, 1)

    def forward(self, z_t: Tensor, t: Tensor, condition: Any, dropped: Tensor | None = None) -> Tensor:
        """The prediction of v, (B, c, h, w), as training calls it; `dropped` (B,) bool puts the null condition in."""
        self._latent("z_t", z_t)
        tokens = self.encoder(self.encoder.check(condition))  # (B, L, C)
        if dropped is not None:
            checks.same_device("dropped", checks.shaped("dropped", dropped, len(tokens), dtype=torch.bool), tokens)
            tokens = torch.where(dropped[:, None, None], self.encoder.null, tokens)
        return self.unet(z_t, t, tokens)

    def denoiser(
        self, condition: Any = None, *, w: float | Tensor = 0.0, interval: tuple[int, int] | None = None
    ) -> Denoiser:
        """The eps arrow on standardized latents, guided with weight w (a number or (B,)) where there is a condition.

        condition: what the encoder takes, or None for the unconditional model.  interval: the first and the last of the
        timesteps at which w holds, by default all; at the others there is no guidance (Kynkaanniemi et al. 2024).
        Both branches go through the network in one call on 2B, then `guide`; without guidance the conditional branch
        is called alone. Raises ValueError for a bad condition or interval.
        """
        null = self.encoder.null
        if not isinstance(w, Tensor):
            checks.finite("w", w)
        first, last = (0, self.schedule.num_steps - 1) if interval is None else checks.sizes("interval", interval, 2, 0)
        if first > last:
            raise ValueError(f"interval is {interval!r}; want two timesteps, the first not after the last")
        if condition is None:
            return self._arrow(lambda batch: null.expand(batch, -1, -1))
        checked = checks.movable("condition", self.encoder.check(condition), null)
        tokens = self.encoder(checked.to(null if checked.is_floating_point() else null.device))  # (B, L, C)
        both = torch.cat([tokens, null.expand_as(tokens)])  # (2B, L, C)
        conditional, branches = self._arrow(lambda batch: tokens), self._arrow(lambda batch: both)

        def denoise(z_t: Tensor, t: Tensor) -> Tensor:
            if len(z_t) != len(tokens):
                raise ValueError(f"condition has {len(tokens)} entries and x has {len(z_t)} rows; want as many")
            checks.timesteps(t, z_t)
            over_rows("w", w, z_t)  # a wrong w is refused where it does not count, too
            inside = per_row((first <= t) & (t <= last), z_t)
            none = t.device.type == "cpu" and not inside.any()  # elsewhere a look at t would wait for the device
            if none or (not isinstance(w, Tensor) and w == 0):
                return conditional(z_t, t)
            eps_cond, eps_uncond = branches(torch.cat([z_t, z_t]), torch.cat([t, t])).chunk(2)
            return torch.where(inside, guide(eps_cond, eps_uncond, w), eps_cond)

        return denoise

    def _arrow(self, tokens: Callable[[int], Tensor]) -> Denoiser:
        def denoise(z_t: Tensor, t: Tensor) -> Tensor:
            v = self.unet(z_t, t, tokens(len(z_t)))
            return eps_from_v(z_t, v, self.schedule.at(t, z_t))

        return denoise

    @torch.no_grad()
    def sample(
        self,
        condition: Any = None,
        *,
        w: float | Tensor | None = None,
        interval: tuple[int, int] | None = None,
        num_steps: int = 20,
        generator: Randomness = None,
        batch_size: int | None = None,
        sampler: Sampler = dpm_solver,
        x_T: Tensor | None = None,
    ) -> Tensor:
        """Images (B, C, H, W) in [-1, 1], one for each entry of the condition, guided with weight w on the interval.

        Without w they are guided as is recommended for the kind of condition, `encoder.guidance`.
        condition = None samples `batch_size` images from the unconditional model. The noise is drawn first, by `noise`,
        so one generator state gives the same noise whatever w and num_steps are; or it is x_T (B, c, h, w).
        generator: one for the batch, or a list of one for each sample, which can then be drawn again without the rest.
        """
        if condition is not None:
            rows = len(self.encoder.check(condition))
            if batch_size is not None and checks.count("batch_size", batch_size) != rows:
                raise ValueError(f"batch_size is {batch_size!r}; want {rows}, one for each entry of condition, or None")
            batch_size = rows
        if w is None:
            w, interval = self.encoder.guidance.w, interval or self.encoder.guidance.interval
        settings = dict(num_steps=num_steps, generator=generator, sampler=sampler, x_T=x_T)
        return self.draw(self.denoiser(condition, w=w, interval=interval), batch_size, **settings)

    @torch.no_grad()
    def draw(
        self,
        denoiser: Denoiser,
        batch_size: int | None,
        *,
        num_steps: int = 20,
        generator: Randomness = None,
        sampler: Sampler = dpm_solver,
        x_T: Tensor | None = None,
    ) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] from any denoiser of standardized latents, however it is guided.

        x_T: the noise to start from, (B, c, h, w), by default `noise(batch_size, generator)`.
        """
        checks.function("sampler", sampler)
        if x_T is None:
            x_T = self.noise(cast(int, batch_size), generator)
        elif batch_size is not None:
            checks.count("batch_size", batch_size)
        self._latent("x_T", x_T, "B" if batch_size is None else batch_size)
        return self.decode(final(sampler(denoiser, self.schedule, x_T, num_steps, generator=generator)))

    def save(self, directory: Path | str) -> None:
        """Write the whole model to a directory, in half precision (the schedule in double)."""
        checkpoint.save(self, directory)

    @classmethod
    def load(cls, name_or_dir: Path | str) -> "LatentDiffusion":
        """The model saved in a directory or shipped under a name, on the CPU, in evaluation mode."""

        def build(autoencoder: dict, unet: dict, encoder: dict, schedule: NoiseSchedule) -> LatentDiffusion:
            return cls(checkpoint.made(autoencoder), UNet(**unet), checkpoint.made(encoder), schedule)

        return checkpoint.load(cls, name_or_dir, build)
