"""The exercises of notebook 00: the finished model and its slider."""

from typing import Any

import torch
from torch import Tensor

from ldm_teach.data.fashion import FASHION_CLASSES
from ldm_teach.interactive.exercise import Exercise, Made
from ldm_teach.interactive.judges import Guess, Law, Number, as_number, cases
from ldm_teach.models.classifier import ImageClassifier
from ldm_teach.models.latent_diffusion import LatentDiffusion

compression_factor = Exercise(
    "derive",
    stars=1,
    minutes=3,
    judge=Number(
        784 / 256,
        {
            "that is the factor of positions: a position of the latent has four numbers": 784 / 64,
            "that is the factor turned round: there are fewer numbers in the latent": 256 / 784,
            "count the channels by multiplying, not by dividing": 784 / 16,
            "that is the factor along one side": 3.5,
            "that is the factor of the padded image: 28 rows are padded to 32, but the image has 28": 1024 / 256,
        },
    ),
    praise="784 numbers are held by 256: 3.06 times fewer",
    hints=(
        "Multiply the three numbers of each shape.",
        "The image has 1 x 28 x 28 numbers, the latent 4 x 8 x 8.",
        "784 / 256",
    ),
    right=(784 / 256, 3.06, torch.tensor(3.0625)),
)

right_without_class = Exercise(
    "predict",
    stars=1,
    minutes=3,
    judge=Guess(10.0, factor=1.6),
    praise="without the class, one in ten is right by chance",
    hints=(
        "At w = -1 the class does not enter the prediction at all.",
        "The model then draws any of ten kinds of garment.",
        "Each kind comes about as often as any other: 100 / 10.",
    ),
    right=(10, 9.0, torch.tensor(12)),
    slips={
        "9 times too large": 90,
        "10 times too large": 100,
        "5 times too large": 50,
        "10 times too small": 1,
        "measured 10: off": 0,
    },
)


def _guided_prediction(eps_cond, eps_uncond, w, *, shift=0.0, swapped=False, twice=False, only=None, minus=1.0):
    if swapped:
        eps_cond, eps_uncond = eps_uncond, eps_cond
    if only is not None:
        return (1 + w) * eps_cond if only == "cond" else w * (eps_cond - eps_uncond)
    return (1 + w + shift) * eps_cond - minus * (w + shift + (1 if twice else 0)) * eps_uncond


guided_prediction = Exercise(
    "implement",
    stars=1,
    minutes=5,
    judge=Law(
        _guided_prediction,
        cases("eps_cond eps_uncond w", w=(0.5, 4.0)),
        {
            "w is taken for s = 1 + w: at w = 0 the conditional prediction must come out": dict(shift=-1.0),
            "the two predictions are swapped": dict(swapped=True),
            "the weight of the unconditional prediction is w, not 1 + w: the two must differ by 1": dict(twice=True),
            "the unconditional prediction is added, want it subtracted": dict(minus=-1.0),
            "the unconditional prediction is missing": dict(only="cond"),
            "only the extrapolation is returned, want it added to the conditional prediction": dict(only="pull"),
        },
    ),
    praise="(1 + w) eps_cond - w eps_uncond",
    hints=(
        "At w = -1 it is the unconditional prediction, at w = 0 the conditional one, and it is linear in w.",
        "Start at eps_uncond and walk 1 + w times the way to eps_cond.",
        "eps_uncond plus (1 + w) times the difference; or the formula of the text, term by term.",
    ),
    right=(
        lambda eps_cond, eps_uncond, w: (1 + w) * eps_cond - w * eps_uncond,
        lambda eps_cond, eps_uncond, w: eps_cond + w * (eps_cond - eps_uncond),
        lambda eps_cond, eps_uncond, w: torch.lerp(eps_uncond, eps_cond, w + 1),
        lambda eps_cond, eps_uncond, w: eps_cond.mul_(w + 1).sub_(eps_uncond * w),
    ),
)


def _boots(label: int = 9, w: float = 2.0, seed: int = 5, count: int = 8) -> Tensor:
    model = LatentDiffusion.load("fashion-class")
    return model.sample(torch.full((count,), label), w=w, generator=torch.Generator().manual_seed(seed))


def _judge_boots(answer: Any) -> str | None:
    if not isinstance(answer, Tensor):
        return "want the images that model.sample returns, a tensor"
    if answer.ndim != 4 or answer.shape[1:] != (1, 28, 28):
        return f"a tensor of shape {tuple(answer.shape)}; want images (8, 1, 28, 28), as model.sample returns them"
    if len(answer) != 8:
        return f"there are {len(answer)} images; want 8: the number of labels is the number of samples"
    seen = ImageClassifier.load("fashion-judge")(answer.float()).argmax(dim=1)
    kind = FASHION_CLASSES[int(seen.mode().values)]
    if kind != "ankle boot":
        return f"the judge sees mostly '{kind}' here; the class of an ankle boot is 9"
    if torch.allclose(answer.float(), _boots(), atol=1e-2):
        return None
    if any(torch.allclose(answer.float(), _boots(w=w), atol=1e-2) for w in (0.0, 1.0, 3.0)):
        return "ankle boots from the right noise, but at another weight; want w = 2"
    return "ankle boots, but from other noise: want torch.Generator().manual_seed(5), and 20 steps"


eight_boots = Exercise(
    "implement",
    stars=1,
    minutes=5,
    judge=_judge_boots,
    praise="eight ankle boots, as asked",
    hints=(
        "Look at the cell under 'Samples of every class': one call, with other labels.",
        "The labels are eight times the number 9: torch.full((8,), 9).",
        "model.sample(labels, w=2.0, generator=torch.Generator().manual_seed(5))",
    ),
    right=(Made(_boots), Made(lambda: _boots().double()), Made(lambda: _boots(count=8) + 1e-4)),
    slips={
        "the judge sees mostly 'sneaker'": Made(lambda: _boots(label=7)),
        "another weight; want w = 2": Made(lambda: _boots(w=1.0)),
        "from other noise": Made(lambda: _boots(seed=4)),
        "there are 4 images; want 8": Made(lambda: _boots(count=4)),
        "want the images that model.sample returns": [1, 2],
        "a tensor of shape (8,); want images": torch.zeros(8),
    },
)


def _judge_enough(answer: Any) -> str | None:
    got = as_number(answer)
    if got not in (0.0, 0.25, 0.5, 0.75, 1.0):
        return f"{got:g} is not among 0, 0.25, 0.5, 0.75, 1"
    if got == 0.5:
        return None
    return "at that weight fewer than 95 % are right" if got < 0.5 else "a smaller weight of the list is enough, too"


enough_guidance = Exercise(
    "experiment",
    stars=2,
    minutes=10,
    judge=_judge_enough,
    praise="at w = 0.5 the judge sees 95.5 % right, at 0.25 only 90 %",
    hints=(
        "Copy the cell that measures, with the five weights in place of the four, and another seed.",
        "for w in (0.0, 0.25, 0.5, 0.75, 1.0): sample 200 images from manual_seed(3), then accuracy(...).",
        "Read the list of shares from the top, and stop at the first that is 0.95 or more.",
    ),
    right=(0.5, torch.tensor(0.5), 1 / 2),
    slips={
        "at that weight fewer than 95 % are right": 0.25,
        "fewer than 95 % are right": 0,
        "a smaller weight of the list is enough": 1,
        "smaller weight of the list": 0.75,
        "2 is not among 0, 0.25": 2,
        "want a number, got": "half",
    },
)
