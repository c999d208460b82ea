"""The same settings, the same picture: that of `sample`, `edit` and `inpaint`; films end where stills are."""

from dataclasses import replace

import pytest
import torch

from ldm_teach.interactive import drawing
from ldm_teach.interactive.drawing import (
    CLASSIFIER_OF_MODEL,
    as_pixels,
    diffusion_models,
    draw_settings,
    grid_of,
    model_named,
    quick,
    squares,
)
from ldm_teach.interactive.settings import ALL_SAMPLERS, FILMS, TASKS, Settings
from ldm_teach.interactive.uploads import image_for
from ldm_teach.models.guided import style_and_words, with_classifier
from tests.helpers import make_prompt_encoder, make_tiny_model, seeded

GRID = ".../.##/.##"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A directory with a tiny model of three classes."""
    directory = tmp_path_factory.mktemp("tiny")
    make_tiny_model().save(directory)
    return str(directory)


@pytest.fixture(scope="module")
def prompts(tmp_path_factory):
    """A directory with a tiny model of words and a style."""
    directory = tmp_path_factory.mktemp("prompts")
    make_tiny_model(make_encoder=make_prompt_encoder).save(directory)
    return str(directory)


@pytest.mark.parametrize("sampler", ALL_SAMPLERS)
def test_samples_are_those_of_the_model(tiny, sampler):
    settings = Settings(tiny, "2", w=2.0, interval=(200, 800), negative="1", sampler=sampler, steps=4, seed=3, count=3)
    how = dict(w=2.0, interval=(200, 800), negative=[1], num_steps=4, sampler=ALL_SAMPLERS[sampler])
    x = model_named(tiny).sample([2, 2, 2], generator=seeded(3), **how)
    drawn = draw_settings(settings)
    assert drawn.asked is None and drawn.frames.shape == (1, 3, *x.shape[1:]) and torch.equal(drawn.frames[0], x)
    assert torch.equal(draw_settings(settings).frames, drawn.frames)


def test_edits_are_those_of_the_model(tiny):
    model = model_named(tiny)
    given = image_for(model, "5")
    settings = Settings(
        tiny, "1", w=2.0, steps=6, seed=3, count=2, task="edit", image="5", strength=0.5, sampler="ddpm"
    )
    how = dict(w=2.0, num_steps=6, strength=0.5, generator=seeded(3), sampler=ALL_SAMPLERS["ddpm"])
    drawn = draw_settings(settings)
    torch.testing.assert_close(drawn.frames[0], model.edit(given.expand(2, -1, -1, -1), [1, 1], **how))
    assert torch.equal(drawn.asked[0], given)


def test_what_is_inpainted_is_that_of_the_model_and_the_rest_stays(tiny):
    model = model_named(tiny)
    given, free = image_for(model, "5"), as_pixels(grid_of(GRID, 3, 3), model)
    settings = Settings(
        tiny, "1", w=2.0, steps=3, seed=3, count=2, task="inpaint", image="5", mask=GRID, sampler="ddpm"
    )
    drawn = draw_settings(settings)
    how = dict(w=2.0, num_steps=3, generator=seeded(3), resampling=5)
    torch.testing.assert_close(drawn.frames[0], model.inpaint(given.expand(2, -1, -1, -1), free, [1, 1], **how))
    assert torch.equal(drawn.frames[0, 0][:, ~free], given[:, ~free]) and (drawn.asked[0][:, free] == 0).all()
    other = draw_settings(replace(settings, sampler="ddim")).frames[0]
    assert torch.equal(other[0][:, ~free], given[:, ~free]) and not torch.equal(other, drawn.frames[0])


def test_a_style_has_a_weight_of_its_own(prompts):
    model = model_named(prompts)
    settings = Settings(prompts, "ink: heart", w=2.0, w_style=0.5, steps=3, count=2)
    arrow = style_and_words(model, ["ink: heart"] * 2, 0.5, 2.0)
    torch.testing.assert_close(
        draw_settings(settings).frames[0], model.draw(arrow, 2, num_steps=3, generator=seeded(0))
    )
    one = draw_settings(replace(settings, w_style=None)).frames
    torch.testing.assert_close(
        draw_settings(replace(settings, w_style=2.0)).frames, one, rtol=0, atol=0.01
    )  # rounding grows
    nowhere = replace(settings, interval=(999, 999))
    assert not torch.equal(draw_settings(nowhere).frames, draw_settings(settings).frames)
    with pytest.raises(ValueError, match="negative is 'blue'; want it with classifier-free guidance of one weight"):
        draw_settings(replace(settings, negative="blue"))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["classifier", "classifier alone"])
def test_a_classifier_guides_the_model_that_it_was_trained_for(way):
    settings = Settings(condition="8", guidance=way, w=3.0, steps=3, count=2)
    model = model_named("fashion-class")
    arrow = with_classifier(drawing.classifier_of("fashion-class"), way == "classifier")(
        model, torch.tensor([8, 8]), 3.0
    )
    with torch.no_grad():
        x = model.draw(arrow, 2, num_steps=3, generator=seeded(0))
    torch.testing.assert_close(draw_settings(settings).frames[0], x)
    everywhere = draw_settings(replace(settings, interval=(0, 999))).frames
    torch.testing.assert_close(everywhere, draw_settings(settings).frames)
    with pytest.raises(ValueError, match="guidance by a classifier has none for 'shapes-text'; want fashion-class"):
        draw_settings(replace(settings, model="shapes-text", condition="a red circle"))


def test_every_step_shows_the_prediction_and_the_last_is_the_still(tiny):
    settings = Settings(tiny, "1", steps=5, count=2, sampler="ddim")
    film = draw_settings(replace(settings, film="steps")).frames
    assert film.shape[:2] == (5, 2) and torch.equal(film[-1], draw_settings(settings).frames[0])
    first = next(iter(ALL_SAMPLERS["ddim"](*_arrow(tiny, [1, 1]), 5)))
    torch.testing.assert_close(film[0], model_named(tiny).decode(first.x0))


def _arrow(name, labels):
    model = model_named(name)
    return model.denoiser(labels, w=1.0), model.schedule, model.noise(len(labels), seeded(0))


@pytest.mark.parametrize("sampler", ["dpm_solver", "ddpm"])
def test_a_walk_goes_from_one_condition_and_noise_to_others(tiny, sampler):
    settings = Settings(tiny, "0", steps=3, count=2, film="walk", to="2", to_seed=9, frames=3, sampler=sampler)
    film = draw_settings(settings).frames
    assert film.shape[:2] == (3, 2)
    ends = draw_settings(replace(settings, frames=2)).frames
    torch.testing.assert_close(film[[0, 2]], ends, rtol=0, atol=1e-4)
    if sampler == "dpm_solver":  # which draws nothing
        still = replace(settings, film="none")
        torch.testing.assert_close(film[0], draw_settings(still).frames[0], rtol=0, atol=1e-4)
        last = draw_settings(replace(still, condition="2", seed=9)).frames[0]
        torch.testing.assert_close(film[2], last, rtol=0, atol=1e-4)
    same = draw_settings(replace(settings, to="", to_seed=None)).frames
    torch.testing.assert_close(same[0], same[2], rtol=0, atol=1e-4)  # no flicker


def test_a_drawing_is_broken_off_at_a_step(tiny):
    asked = iter([True, True, False])
    assert draw_settings(Settings(tiny, steps=5), lambda: next(asked)) is None and next(asked, None) is None


def test_a_model_that_is_written_anew_is_loaded_anew(tmp_path):
    make_tiny_model(seed=1).save(tmp_path)
    first = model_named(str(tmp_path))
    assert model_named(str(tmp_path)) is first
    make_tiny_model(seed=2).save(tmp_path)
    assert model_named(str(tmp_path)) is not first


CONDITIONS = {"shapes-text": ("a red circle", "a blue square"), "shapes-map": ("large circle at 9 9", "3")}


@pytest.mark.slow
@pytest.mark.parametrize("name", diffusion_models())
def test_every_shipped_model_draws_every_task_and_film(name):
    model = model_named(name)
    height, width = squares(model)
    first, second = CONDITIONS.get(name, ("noto: cat face", "fluent: dog") if name == "emoji" else ("0", "3"))
    mask = "/".join(["." * width, *["#" * width] * (height - 1)])
    for task in TASKS:
        for film in FILMS:
            settings = Settings(name, first, to=second, mask=mask, task=task, film=film, steps=2, frames=2, count=1)
            drawn = draw_settings(replace(settings, resampling=1, to_seed=1))
            assert drawn.frames.shape[0] == (1 if film == "none" else drawn.frames.shape[0])
            assert drawn.frames.isfinite().all() and drawn.frames.abs().max() <= 1
            pictured = task != "sample" or name in ("shapes-map", "fashion-blur")
            assert (drawn.asked is not None) == pictured


def test_classifiers_are_those_of_shipped_models():
    assert set(CLASSIFIER_OF_MODEL) <= set(diffusion_models())


def test_a_preview_takes_few_steps_of_both_sides():
    few = quick(Settings(steps=20, beside=Settings(steps=2)))
    assert (few.steps, few.beside.steps, few.beside.resampling) == (3, 2, 1)


@pytest.mark.parametrize(
    "changes, error, words",
    [
        (dict(condition=""), ValueError, "condition is ''; want a class"),
        (dict(condition="trouzer"), ValueError, "condition is 'trouzer'"),
        (dict(negative="99"), ValueError, "condition is '99'; want a class"),
        (dict(interval=(5, 3)), ValueError, r"interval is \(5, 3\)"),
        (dict(steps=200, model="nowhere"), FileNotFoundError, "no checkpoint 'nowhere'"),
        (dict(model="fashion-judge"), ValueError, "has kind 'ImageClassifier'; this loader wants 'LatentDiffusion'"),
        (dict(task="edit", image="nothing.png"), ValueError, "image is 'nothing.png'"),
        (dict(task="inpaint", mask=""), ValueError, "mask is ''; want 3 rows of 3 times . or #, apart by /"),
        (dict(task="inpaint", mask=".../.../..."), ValueError, "mask marks nothing"),
        (dict(w_style=1.0), ValueError, "want a WordsAndStyleEncoder"),
    ],
)
def test_what_cannot_be_drawn_is_said(tiny, changes, error, words):
    with pytest.raises(error, match=words):
        draw_settings(replace(Settings(tiny), **changes))
