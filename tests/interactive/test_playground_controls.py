"""The controls go round with the settings: what is written is read, and only what counts is there."""

from dataclasses import replace

import ipywidgets
import pytest

from ldm_teach.interactive.drawing import diffusion_models, model_named
from ldm_teach.interactive.moving import tree
from ldm_teach.interactive.playground_controls import OWN, Controls
from ldm_teach.interactive.settings import Settings
from tests.helpers import make_prompt_encoder, make_tiny_model


@pytest.fixture(scope="module")
def controls():
    return Controls(lambda change: None)


@pytest.fixture(scope="module")
def prompts(tmp_path_factory):
    directory = tmp_path_factory.mktemp("prompts")
    make_tiny_model(make_encoder=make_prompt_encoder).save(directory)
    return str(directory)


GRID = "/".join(["##....."] * 7)
WRITTEN = {
    "plain": Settings(condition="T-shirt"),
    "guided": Settings(condition="bag", w=7.25, interval=(100, 640), negative="sneaker", sampler="heun", seed=1234),
    "classifier": Settings(condition="bag", guidance="classifier", w=20.0),
    "edited": Settings("fashion-blur", condition="7", sigma=3.0, task="edit", image="9", strength=0.35),
    "inpainted": Settings(condition="bag", task="inpaint", image="9", mask=GRID, sampler="ddpm", resampling=3),
    "walk": Settings("shapes-text", condition="a red cross", film="walk", to="a blue cross", to_seed=0, frames=4),
    "the same noise": Settings("shapes-map", condition="nothing", film="walk", to="large circle at 9 9"),
    "steps": Settings("shapes-map", condition="3", film="steps", steps=50, count=8),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_settings_that_are_written_are_read(controls, name):
    controls.write(WRITTEN[name])
    assert controls.read() == WRITTEN[name]


def test_a_walk_begun_after_settings_without_one_goes_to_another_noise():
    controls = Controls(lambda change: None)
    controls.write(Settings(seed=7))
    controls.film.value = "walk"
    assert controls.other_noise.value and controls.read().to_seed == 1


def test_a_slider_that_adds_up_steps_is_read_without_their_rounding():
    controls = Controls(lambda change: None)
    controls.write(Settings(task="edit"))
    controls.strength.value, controls.w.value = 0.55 + 0.05, 2.0 + 5 * 0.1 + 4e-16
    assert controls.read().strength == Settings().strength and controls.read().w == 2.5


def test_a_model_of_ones_own_is_a_folder_and_a_style_has_a_weight(controls, prompts):
    settings = Settings(prompts, condition="ink: heart", w=3.0, w_style=0.5)
    controls.write(settings)
    assert controls.model.value == OWN and controls.read() == settings
    assert controls.negative.box not in controls.box.children
    controls.write(plain := replace(settings, w_style=None, negative="oil: blue"))
    assert controls.read() == plain and controls.w_style not in controls.box.children
    controls.folder.set_words("")
    with pytest.raises(ValueError, match="there is no folder yet"):
        controls.read()
    controls.folder.set_words("nowhere")
    assert controls.read().model == "nowhere"  # that it is not there, the drawing says
    with pytest.raises(FileNotFoundError, match="no checkpoint 'nowhere'"):
        controls.write(Settings("nowhere"))


@pytest.mark.parametrize("name", diffusion_models())
def test_a_model_comes_with_the_guidance_that_is_recommended(controls, name):
    controls.write(Settings(condition="0", w=0.5))
    controls.model.value = name if name != "fashion-class" else "fashion-class-kl"
    controls.model.value = name
    advised, read = model_named(name).encoder.guidance, controls.read()
    assert (read.w, read.interval) == (advised.w, advised.interval) and read.model == name


def test_one_change_is_told_once_and_a_writing_not_at_all():
    told = []
    controls = Controls(told.append)
    controls.seed.value = 5
    assert len(told) == 1
    controls.model.value = "shapes-text"
    assert len(told) == 2
    controls.condition.controls[0].value = "a red cross"
    assert len(told) == 3
    controls.write(WRITTEN["walk"])
    assert len(told) == 3


def test_every_control_has_a_name(controls):
    for settings in WRITTEN.values():
        controls.write(settings)
        for control in tree(controls.box):
            if "description" in control.traits() and not isinstance(control, ipywidgets.HTML):
                assert control.description or control.tooltip, control
