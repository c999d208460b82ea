"""The whole model: an autoencoder, the scale of its latents, a noise schedule, a condition encoder and a U-Net."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldm_teach import checks
from ldm_teach.models import checkpoint
from ldm_teach.models.conditioning import ConditionEncoder
from ldm_teach.models.pixels import Pixels
from ldm_teach.models.unet import UNet
from ldm_teach.models.vector_quantization import Autoencoder
from ldm_teach.theory.editing import ddim_inversion, image_to_image, inpainting
from ldm_teach.theory.guidance import guide, over_rows
from ldm_teach.theory.parameterization import eps_from_v
from ldm_teach.theory.samplers import Sampler, ddpm, dpm_solver, final
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
        """The noise x_T (B, c, h, w) from which `sample` starts, on the device of the model, of the dtype of a walk.

        generator: one for the batch, or a list of one for each sample. It is drawn in float32, so that a seed gives the
        same picture, but for rounding, whatever the precision of the model.
        """
        shape = (checks.count("batch_size", batch_size), *self.autoencoder.latent_shape)
        return draw(torch.randn, shape, self.latent_mean.float(), generator).to(self.walked)

    @property
    def walked(self) -> torch.dtype:
        """The dtype of the latents on their way from noise to data: that of the weights, but no coarser than float32.

        Near alpha_bar = 0 an eps of 8 bits would say nothing of x_0: its error counts sqrt((1 - alpha_bar) / alpha_bar)
        times, 1,600 at the first of 20 steps on the cosine schedule.
        """
        return torch.promote_types(self.latent_mean.dtype, torch.float32)

    def _to_weights(self, z: Tensor) -> Tensor:
        """Latents of a walk in the dtype of the weights; others as they are, to be refused where they are read."""
        return z.to(self.latent_mean.dtype) if isinstance(z, Tensor) and z.dtype == self.walked else z

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """The standardized posterior means of images x (B, C, H, W) in [-1, 1]: (B, c, h, w)."""
        return self.standardize(self.autoencoder.encode(x).mean).to(self.walked)

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] from standardized latents z (B, c, h, w)."""
        z = self._latent("z", self._to_weights(z))
        return self.autoencoder.decode(z * self.latent_std + self.latent_mean).clamp(-1, 1)

    def forward(self, z_t: Tensor, t: Tensor, condition: Any, dropped: Tensor | None = None) -> Tensor:
        """The prediction of v, (B, c, h, w), as training calls it; `dropped` (B,) bool puts the null condition in."""
        self._latent("z_t", z_t)
        tokens = self.encoder(self.encoder.check(condition))  # (B, L, C)
        if dropped is not None:
            checks.same_device("dropped", checks.shaped("dropped", dropped, len(tokens), dtype=torch.bool), tokens)
            tokens = torch.where(dropped[:, None, None], self.encoder.null, tokens)
        return self.unet(z_t, t, tokens)

    def denoiser(
        self,
        condition: Any = None,
        *,
        w: float | Tensor | None = 0.0,
        interval: tuple[int, int] | None = None,
        negative: Any = None,
        weaker: "LatentDiffusion | Denoiser | None" = None,
    ) -> Denoiser:
        """The eps arrow on standardized latents, guided with weight w: (1 + w) eps(condition) - w eps_away, by `guide`.

        condition: what the encoder takes, or None for the unconditional model.
        w: a number or (B,); None is the weight, and the interval, recommended for the kind of condition.
        interval: the first and the last of the timesteps at which w holds, by default all; at the others there is no
        guidance (Kynkaanniemi et al. 2024).
        eps_away is by default the null condition's, and without a condition there is no guidance (Ho & Salimans 2022);
        negative: another condition in its place, one for all rows or one for each: what shall not be seen.
        weaker: a weaker version of this model, with the condition bound or none as here (autoguidance, Karras et al.
        2024), or any arrow on the same latents: `weaker.denoiser()` is the weak unconditional one.
        Both branches of one model go through the network in one call on 2B; without guidance the conditional branch is
        called alone. Raises ValueError for a bad condition or interval, and for a weaker model of other latents.
        """
        if w is None:
            w, interval = self.encoder.guidance.w, interval or self.encoder.guidance.interval
        if not isinstance(w, Tensor):
            checks.finite("w", w)
        first, last = (0, self.schedule.num_steps - 1) if interval is None else checks.sizes("interval", interval, 2, 0)
        if first > last:
            raise ValueError(f"interval is {interval!r}; want two timesteps, the first not after the last")
        if negative is not None and (weaker is not None or condition is None):
            raise ValueError(
                "negative takes the place of the null condition; want it with a condition and without weaker"
            )
        null = self.encoder.null  # (L, C)
        tokens = None if condition is None else self._tokens("condition", condition)  # (B, L, C)
        conditional = self._arrow(lambda batch: null.expand(batch, -1, -1) if tokens is None else tokens)
        if weaker is not None:
            away = self._weaker(weaker, condition)

            def pair(z_t: Tensor, t: Tensor) -> tuple[Tensor, ...]:
                return conditional(z_t, t), checks.returned("weaker", away(z_t, t), z_t)

        elif tokens is not None:
            others = null[None] if negative is None else self._tokens("negative", negative)
            if len(others) not in (1, len(tokens)):
                raise ValueError(f"negative has {len(others)} entries; want 1 or {len(tokens)}, as condition has")
            both = torch.cat([tokens, others.expand_as(tokens)])  # (2B, L, C)
            branches = self._arrow(lambda batch: both)

            def pair(z_t: Tensor, t: Tensor) -> tuple[Tensor, ...]:
                return branches(torch.cat([z_t, z_t]), torch.cat([t, t])).chunk(2)

        else:
            return conditional

        def denoise(z_t: Tensor, t: Tensor) -> Tensor:
            if tokens is not None and len(z_t) != len(tokens):
                raise ValueError(f"condition has {len(tokens)} entries and x has {len(z_t)} rows; want as many")
            checks.timesteps(t, z_t)
            over_rows("w", w, z_t)  # a wrong w is refused where it does not count, too
            inside = per_row((first <= t) & (t <= last), z_t)
            none = t.device.type == "cpu" and not inside.any()  # elsewhere a look at t would wait for the device
            if none or (not isinstance(w, Tensor) and w == 0):
                return conditional(z_t, t)
            eps_cond, eps_away = pair(z_t, t)
            return torch.where(inside, guide(eps_cond, eps_away, w), eps_cond)

        return denoise

    def _tokens(self, name: str, condition: Any) -> Tensor:
        """(B, L, C). Raises ValueError as the encoder does, and says which of the conditions it is that is wrong."""
        try:
            checked = checks.movable("condition", self.encoder.check(condition), self.encoder.null)
        except ValueError as error:
            raise error if name == "condition" else ValueError(f"{name}: {error}") from error
        null = self.encoder.null
        return self.encoder(checked.to(null if checked.is_floating_point() else null.device))

    def _weaker(self, weaker: "LatentDiffusion | Denoiser", condition: Any) -> Denoiser:
        """The arrow of a weaker model with the condition bound. Raises ValueError where its latents are not ours."""
        if not isinstance(weaker, LatentDiffusion):
            return checks.function("weaker", weaker, "(z_t, t), or a LatentDiffusion")
        shape, other = self.autoencoder.latent_shape, weaker.autoencoder.latent_shape
        if shape != other or not torch.equal(self.schedule.alpha_bar, weaker.schedule.alpha_bar):
            raise ValueError(f"weaker has latents {other} and its own schedule; want {shape} and the same schedule")
        for name in ("latent_mean", "latent_std"):
            ours, theirs = getattr(self, name), getattr(weaker, name)
            if ((theirs.to(ours) - ours).abs() > 0.01 * self.latent_std).any():  # half precision on the disk is nearer
                values = theirs.flatten().tolist(), ours.flatten().tolist()
                raise ValueError(f"weaker has {name} {values[0]}; want {values[1]}: latents standardized as ours are")
        return weaker.denoiser(condition)

    def _arrow(self, tokens: Callable[[int], Tensor]) -> Denoiser:
        def denoise(z_t: Tensor, t: Tensor) -> Tensor:
            v = self.unet(self._to_weights(z_t), t, tokens(len(z_t)))
            return eps_from_v(z_t, v.to(z_t.dtype), self.schedule.at(t, z_t))

        return denoise

    @torch.no_grad()
    def sample(
        self,
        condition: Any = None,
        *,
        w: float | Tensor | None = None,
        interval: tuple[int, int] | None = None,
        negative: Any = None,
        weaker: "LatentDiffusion | Denoiser | None" = None,
        num_steps: int = 20,
        generator: Randomness = None,
        batch_size: int | None = None,
        sampler: Sampler = dpm_solver,
        x_T: Tensor | None = None,
    ) -> Tensor:
        """Images (B, C, H, W) in [-1, 1], one for each entry of the condition, guided with weight w on the interval.

        Without w they are guided as is recommended for the kind of condition, `encoder.guidance`; w, interval, negative
        and weaker are those of `denoiser`.
        condition = None samples `batch_size` images from the unconditional model. The noise is drawn first, by `noise`,
        so one generator state gives the same noise whatever w and num_steps are; or it is x_T (B, c, h, w).
        generator: one for the batch, or a list of one for each sample, which can then be drawn again without the rest.
        """
        if condition is not None:
            rows = len(self.encoder.check(condition))
            if batch_size is not None and checks.count("batch_size", batch_size) != rows:
                raise ValueError(f"batch_size is {batch_size!r}; want {rows}, one for each entry of condition, or None")
            batch_size = rows
        denoiser = self.denoiser(condition, w=w, interval=interval, negative=negative, weaker=weaker)
        settings = dict(num_steps=num_steps, generator=generator, sampler=sampler, x_T=x_T)
        return self.draw(denoiser, batch_size, **settings)

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
        self._latent("x_T", self._to_weights(x_T), "B" if batch_size is None else batch_size)
        return self.decode(final(sampler(denoiser, self.schedule, x_T.to(self.walked), num_steps, generator=generator)))

    @torch.no_grad()
    def edit(
        self,
        images: Tensor,
        condition: Any = None,
        *,
        strength: float = 0.6,
        num_steps: int = 20,
        generator: Randomness = None,
        sampler: Sampler = dpm_solver,
        **guidance: Any,
    ) -> Tensor:
        """Images (B, C, H, W) drawn anew from given ones, noised as far as `strength` in (0, 1] of all steps.

        condition: what they shall show, an entry for each, or None. num_steps: of a whole walk, of which the share
        `strength` is made. The noise is that of `sample` for the same generator.
        guidance: w, interval, negative and weaker, as `sample` takes them. Source: Meng et al. 2022 (SDEdit).
        """
        denoiser = self.denoiser(condition, **guidance | dict(w=guidance.get("w")))
        z = self.encode(self._images(images))
        begin = image_to_image(z, self.noise(len(z), generator), self.schedule, strength, num_steps)
        return self.decode(final(checks.function("sampler", sampler)(denoiser, *begin, generator=generator)))

    @torch.no_grad()
    def inpaint(
        self,
        images: Tensor,
        mask: Tensor,
        condition: Any = None,
        *,
        resampling: int = 5,
        num_steps: int = 20,
        generator: Randomness = None,
        **guidance: Any,
    ) -> Tensor:
        """Images (B, C, H, W) drawn anew where the mask is True, and exactly as they were elsewhere.

        mask: bool, (B, H, W) or one (H, W) for all. A latent is drawn anew where the mask has one of its pixels; the
        others are those of the images as they are, under the mask, too, of which an encoder sees a little at its edge.
        What is decoded stands under the mask alone: what was not asked for keeps its every pixel, without the loss of
        the autoencoder. resampling: how often each step of `ddpm` is made, so that new and known come to agree.
        guidance: w, interval, negative and weaker, as `sample` takes them. Source: Lugmayr et al. 2022 (RePaint); on
        latents, Rombach et al. 2022, sec. 4.5, there with a model of its own.
        """
        denoiser = self.denoiser(condition, **guidance | dict(w=guidance.get("w")))
        z, free = self.encode(self._images(images)), self.latent_mask(mask)  # (B, c, h, w), (B or 1, 1, h, w)
        arrow = inpainting(denoiser, self.schedule, z, free)
        x_T, settings = self.noise(len(z), generator), dict(resampling=resampling, generator=generator)
        drawn = self.decode(final(ddpm(arrow, self.schedule, x_T, num_steps, **settings)))
        return torch.where(mask.to(images.device)[..., None, :, :], drawn, images)

    def latent_mask(self, mask: Tensor) -> Tensor:
        """Which latents a mask of pixels touches: (B, H, W) -> (B, 1, h, w), (H, W) -> (1, 1, h, w), bool."""
        height, width = self.autoencoder.config["image_size"]
        right = isinstance(mask, Tensor) and mask.dtype == torch.bool and mask.ndim in (2, 3)
        if not right or mask.shape[-2:] != (height, width):
            got = checks.describe(mask)
            raise ValueError(f"mask is {got}; want bool of shape (B, {height}, {width}) or ({height}, {width})")
        checks.movable("mask", mask, self.latent_mean)
        f, (_, h, w) = self.autoencoder.downsampling, self.autoencoder.latent_shape
        bottom, side = (f * small - large for small, large in zip((h, w), (height, width), strict=True))
        pixels = mask.to(self.latent_mean).reshape(-1, 1, height, width)
        return F.max_pool2d(F.pad(pixels, (0, side, 0, bottom), mode="replicate"), f) > 0

    @torch.no_grad()
    def invert(
        self, images: Tensor, condition: Any = None, *, num_steps: int = 50, looks: int = 2, **guidance: Any
    ) -> Tensor:
        """The noise x_T (B, c, h, w) from which `ddim` draws the images, with the same condition and steps.

        `sample(other, x_T=x_T, sampler=ddim, num_steps=num_steps)` is then the image with another condition.
        guidance: of the denoiser that is inverted, as `denoiser` takes it, by default none: guided ones are inverted
        less exactly. looks: as in `ddim_inversion`.
        """
        denoiser = self.denoiser(condition, **guidance)
        z = self.encode(self._images(images))
        return final(ddim_inversion(denoiser, self.schedule, z, num_steps, looks=looks))

    def _images(self, images: Tensor) -> Tensor:
        config = self.autoencoder.config
        checks.shaped("images", images, "B", config["image_channels"], *config["image_size"], like=self.latent_mean)
        if not len(images):
            raise ValueError(f"images has shape {tuple(images.shape)}; want one image or more")
        return images

    def save(self, directory: Path | str) -> None:
        """Write the whole model to a directory, in half precision (the schedule in double)."""
        checkpoint.save(self, directory)

    @classmethod
    def load(cls, name_or_dir: Path | str) -> "LatentDiffusion":
        """The model saved in a directory or shipped under a name, on the CPU, in evaluation mode."""

        def build(autoencoder: dict, unet: dict, encoder: dict, schedule: NoiseSchedule) -> LatentDiffusion:
            return cls(checkpoint.made(autoencoder), UNet(**unet), checkpoint.made(encoder), schedule)

        return checkpoint.load(cls, name_or_dir, build)
