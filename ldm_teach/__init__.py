"""ldm_teach: latent diffusion, to be understood. The names a learner types; the rest is on the floors below."""

import importlib

_HOMES = {
    "NoiseSchedule": "theory.schedule",
    "Denoiser": "theory.schedule",
    "GaussianMixture": "theory.mixture",
    "langevin": "theory.langevin",
    "mala": "theory.langevin",
    "annealed_langevin": "theory.langevin",
    "ddpm": "theory.samplers",
    "ddim": "theory.samplers",
    "heun": "theory.samplers",
    "dpm_solver": "theory.samplers",
    "predictor_corrector": "theory.samplers",
    "final": "theory.samplers",
    "guide": "theory.guidance",
    "w_from_s": "theory.guidance",
    "s_from_w": "theory.guidance",
    "classifier_free_guidance": "theory.guidance",
    "KLAutoencoder": "models.autoencoder",
    "VQAutoencoder": "models.vector_quantization",
    "UNet": "models.unet",
    "LatentDiffusion": "models.latent_diffusion",
    "fashion_mnist": "data.fashion",
    "fit": "training.loop",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    """Import a name when it is first used, so that `import ldm_teach` costs little more than `import torch`."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
