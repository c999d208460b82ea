"""Words to colour pictures: what the study counts, on pictures and names whose answer is known."""

import pytest
import torch

from ldm_teach.data.emoji import EMOJI_SPLITS, EMOJI_STYLES, Emoji, as_images, emoji, emoji_names
from ldm_teach.data.emoji_captions import emoji_vocabulary
from ldm_teach.measuring import tables
from ldm_teach.measuring.retrieval import Sight
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.conditioning import WordsAndStyleEncoder
from ldm_teach.models.guided import style_and_words
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.picture_judge import PictureJudge
from ldm_teach.models.unet import UNet
from ldm_teach.studies.words_to_pictures import (
    ASKED,
    CANDIDATES,
    PATH,
    SAME,
    WEIGHT_PAIRS,
    Known,
    Row,
    asked_pictures,
    at_the_best_weight,
    found_again,
    gather_known,
    judge_emoji,
    over_weights,
    run,
    table,
    through_latents,
    weighing,
)
from ldm_teach.theory.schedule import NoiseSchedule
from ldm_teach.training.recipes.emoji import AUTOENCODER
from tests.helpers import seeded

pytestmark = pytest.mark.slow
KEPT = pytest.mark.skipif(not PATH.is_file(), reason="the table is not kept yet")


def perfect_sight() -> Sight:
    """What a judge would see that knows every name, whatever the style: a random direction for each."""
    names = torch.cat([emoji(split).names for split in EMOJI_SPLITS])
    directions = torch.randn(int(names.max()) + 1, 64, generator=seeded(1))
    return Sight(torch.nn.functional.normalize(directions[names], dim=1), torch.zeros(len(names), 1), names % 5)


@pytest.mark.parametrize("name", ASKED)
def test_each_style_asks_for_as_many_names_each_once_and_known_elsewhere(name):
    asked = asked_pictures(name)
    assert asked.styles.bincount().max() <= CANDIDATES and len(asked.styles.bincount()) == len(EMOJI_STYLES)
    if name != "name never seen":
        assert asked.styles.bincount().tolist() == [CANDIDATES] * len(EMOJI_STYLES)
    pairs = set(zip(asked.names.tolist(), asked.styles.tolist(), strict=True))
    assert len(pairs) == len(asked.names)
    trained = emoji("train")
    seen = set(zip(trained.names.tolist(), trained.styles.tolist(), strict=True))
    assert (pairs <= seen) if name == "trained" else not pairs & seen
    assert bool(torch.isin(asked.names, trained.names).all()) == (name != "name never seen")


def known_of(sight: Sight) -> Known:
    """All pictures with what is seen in them; nothing else."""
    splits = [emoji(split) for split in ASKED.values()]
    every = {part: torch.cat([getattr(split, part) for split in splits]) for part in ("names", "styles")}
    return Known(None, splits[0]._replace(**every), sight, torch.zeros(0), torch.zeros(0), 0.0)


@pytest.mark.parametrize("name", ASKED)
def test_who_knows_every_name_finds_it_first_and_who_knows_none_by_chance(name):
    sight, asked = perfect_sight(), asked_pictures(name)
    known = known_of(sight)
    directions = {int(n): d for n, d in zip(known.pictures.names, sight.embeddings, strict=True)}
    right = torch.stack([directions[int(n)] for n in asked.names])
    assert found_again(known, asked, right).tolist() == [0] * len(right)
    blind = torch.nn.functional.normalize(torch.randn(right.shape, generator=seeded(2)), dim=1)
    first = float((found_again(known, asked, blind) < 1).double().mean())
    assert abs(first - 1 / CANDIDATES) < 4 * (0.01 / len(right)) ** 0.5


def test_a_name_is_known_from_the_other_styles_alone():
    """The designer's own pictures look like something else: whoever counts them in finds nothing."""
    sight, asked = perfect_sight(), asked_pictures("pair never seen")
    known = known_of(sight)
    own, right = known.pictures.styles == 0, asked.styles == 0
    directions = {int(n): d for n, d in zip(known.pictures.names, sight.embeddings, strict=True)}
    elsewhere = torch.where(own[:, None], -100 * sight.embeddings, sight.embeddings)
    some = Emoji(*(column[right] for column in asked))
    found = found_again(
        known._replace(sight=sight._replace(embeddings=elsewhere)),
        some,
        torch.stack([directions[int(n)] for n in some.names]),
    )
    assert found.tolist() == [0] * CANDIDATES


@pytest.fixture(scope="module")
def shipped(tmp_path_factory) -> tuple[LatentDiffusion, PictureJudge]:
    """A model and a judge of the right sizes that have learned nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        autoencoder = KLAutoencoder(**AUTOENCODER | dict(widths=(16, 16, 16), depths=(1, 1, 1)))
        encoder = WordsAndStyleEncoder(emoji_vocabulary(), EMOJI_STYLES, token_width=8, depth=1)
        unet = UNet(8, widths=(16, 32), heads=(0, 2), token_width=8)
        model = LatentDiffusion(autoencoder, unet, encoder, NoiseSchedule.cosine()).eval()
        for parameter in unet.parameters():  # none at zero
            parameter.data += 0.05 * torch.randn_like(parameter)
        judge = PictureJudge(len(emoji_names()), 5, 9, widths=(8, 8, 8, 8), width=8).eval()
    return model, judge


def test_the_pictures_of_training_are_copies_and_noise_is_none(shipped):
    known = gather_known(*shipped)
    asked = asked_pictures("trained", 10)
    x = as_images(asked.x)
    found = judge_emoji(known, "trained", asked, x)
    assert (found["copies"], found["images"]) == (1.0, 50) and found["distance"] < 1e-2
    noise = judge_emoji(
        known._replace(near=0.1), "trained", asked, torch.randn(x.shape, generator=seeded(3)).clamp(-1, 1)
    )
    assert noise["copies"] == 0 and noise["distance"] > 0.5 and noise["frechet"] > found["frechet"]
    off = (through_latents(shipped[0], known.train) - known.train).square().mean(dim=(1, 2, 3)).sqrt()
    assert float((off <= known.near).double().mean()) == pytest.approx(SAME, abs=1e-3)


def test_each_line_and_weight_is_measured(shipped, tmp_path):
    for name, each in zip(("model", "judge"), shipped, strict=True):
        each.save(tmp_path / name)
    rows = list(run(tmp_path / "model", tmp_path / "judge", [(0.0, 0.0), (1.0, 2.0)], num_samples=10, num_steps=2))
    assert [(row.asked, row.pictures, row.w_words) for row in rows] == [
        (asked, *case)
        for asked in ASKED
        for case in (("real", None), ("reconstructed", None), ("samples", 0), ("samples", 2))
    ]
    assert all(0 <= row.top1 <= row.top5 <= 1 and row.images == 10 and row.frechet >= 0 for row in rows)
    lines = table(rows).splitlines()
    assert len(lines) == 13 and lines[0].split()[0] == "asked," and "pair never seen: samples" in lines[8]


def test_the_scale_is_the_weight_of_the_words(shipped):
    model, _ = shipped
    z, t = model.noise(2, seeded(1)), torch.tensor([100, 900])
    condition = model.encoder.check(["noto: cat face", "red heart"])
    found = weighing(1.0)(model, condition, 3.0)(z, t)
    torch.testing.assert_close(found, style_and_words(model, condition, 1.0, 3.0)(z, t))
    assert (found - style_and_words(model, condition, 3.0, 1.0)(z, t)).abs().max() > 1e-4


def test_the_curves_are_of_equal_weights_with_real_pictures_beside_them():
    def row(asked, pictures, w_style, w_words, top1):
        return Row(asked, pictures, w_style, w_words, 100, top1, 1.0, 0.5, 2.0, 0.1, 0.0)

    rows = [
        row(asked, *case)
        for asked in ASKED
        for case in (
            ("real", None, None, 0.9),
            ("samples", 0.0, 0.0, 0.25),
            ("samples", 1.0, 3.0, 0.1),
            ("samples", 2.0, 2.0, 0.5),
        )
    ]
    found = over_weights(rows)
    assert found.weights == [0.0, 2.0] and [*found.drawn] == [*found.real] == [*ASKED]
    values, errors = zip(*found.drawn["pair never seen"]["top1"], strict=True)
    assert values == (0.25, 0.5) and errors[1] == pytest.approx(0.05, abs=0.002)
    assert found.real["trained"]["top1"] == 0.9
    best = at_the_best_weight(rows)
    assert [*best] == [*ASKED] and [*best["trained"]] == ["real", "samples"]
    assert best["pair never seen"]["samples"].w_words == 2.0


def test_what_was_held_out_has_no_say_in_the_best_weight():
    def row(asked, w, top1):
        return Row(asked, "samples", w, w, 100, top1, 1.0, 0.5, 2.0, 0.1, 0.0)

    rows = [row("trained", 1.0, 0.9), row("trained", 2.0, 0.8), row("pair never seen", 1.0, 0.1)]
    found = at_the_best_weight([*rows, row("pair never seen", 2.0, 0.7)])
    assert found["pair never seen"]["samples"].top1 == 0.1


@KEPT
def test_what_was_measured_is_complete():
    rows, settings = tables.read(Row, PATH)
    assert len(rows) == len(ASKED) * (2 + len(WEIGHT_PAIRS)) and settings["samples"] == 500
