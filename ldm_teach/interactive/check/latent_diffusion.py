"""The exercises of notebook 10: latent diffusion."""

from ldm_teach.interactive.exercise import Exercise
from ldm_teach.interactive.judges import Law, cases


def _v_from_eps(z_t, eps, signal, noise, *, sign=-1.0, divide=1.0):
    return (eps + sign * noise * z_t) / signal**divide


v_from_eps = Exercise(
    "implement",
    stars=2,
    minutes=8,
    judge=Law(
        _v_from_eps,
        [case | dict(noise=(1 - case["signal"] ** 2).sqrt()) for case in cases("z_t eps signal", signal=(0.5, 0.9))],
        {
            "the noise term has the wrong sign": dict(sign=1.0),
            "the numerator is right, divide it by signal": dict(divide=0.0),
            "it is multiplied by signal, want divided": dict(divide=-1.0),
            "the term with z_t is missing": dict(sign=0.0),
        },
    ),
    praise="v = (eps - noise z_t) / signal",
    hints=(
        "Two equations hold z_0: that of z_t and that of v.",
        "From the first, z_0 = (z_t - noise eps) / signal; put it into v = signal eps - noise z_0.",
        "(eps - noise z_t) / signal, since signal^2 + noise^2 = 1",
    ),
    right=(
        lambda z_t, eps, signal, noise: (eps - noise * z_t) / signal,
        lambda z_t, eps, signal, noise: eps / signal - z_t * (noise / signal),
        lambda z_t, eps, signal, noise: eps.sub_(noise * z_t).div_(signal),
    ),
)
