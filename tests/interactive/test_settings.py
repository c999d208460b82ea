"""The settings of a picture go round: through a line, a PNG and a GIF; what is wrong with a line is said."""

import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image

from ldm_teach.interactive.settings import ALL_SAMPLERS, Settings, as_gif, as_png, settings_in
from ldm_teach.theory import samplers

FULL = Settings(
    "emoji",
    condition="noto: crêpe 雪 \"x\" 'y'",
    sigma=1.5,
    negative="flag",
    w=-0.5,
    w_style=3.0,
    interval=(300, 700),
    sampler="ddpm",
    steps=50,
    seed=7,
    count=2,
    task="inpaint",
    image="data:image/png;base64,AAAA",
    strength=0.3,
    mask="..#/...",
    resampling=2,
    film="walk",
    to="fluent: cat",
    to_seed=0,
    frames=5,
    beside=Settings("shapes-text", condition="a red circle", interval=(0, 999)),
)
PICTURE = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))


@pytest.mark.parametrize("settings", [Settings(), FULL, FULL.beside])
def test_settings_go_round_through_a_line_a_png_and_a_gif(settings):
    line = settings.to_line()
    assert "\n" not in line and Settings.from_line(line) == settings
    png = as_png(PICTURE, settings)
    assert settings_in(png) == settings and np.array_equal(np.asarray(Image.open(io.BytesIO(png))), PICTURE)
    gif = as_gif([PICTURE, PICTURE.rotate(90), PICTURE], settings)
    assert settings_in(gif) == settings and Image.open(io.BytesIO(gif)).n_frames >= 3
    assert settings_in(as_gif([PICTURE], settings)) == settings


def test_every_setting_that_is_not_at_its_default_is_in_the_line():
    assert all(
        getattr(FULL, field.name) != field.default for field in dataclasses.fields(FULL) if field.name != "guidance"
    )
    assert set(json.loads(FULL.to_line())) == {field.name for field in dataclasses.fields(FULL)} - {"guidance"}
    assert Settings().to_line() == '{"model": "fashion-class"}'


def test_a_default_never_changes():
    """A line leaves it out: another default would make another picture of every line that was ever kept."""
    assert dataclasses.asdict(Settings()) == dict(
        model="fashion-class", condition="0", sigma=2.0, negative="", guidance="classifier-free", w=1.0, w_style=None,
        interval=None, sampler="dpm_solver", steps=12, seed=0, count=4, task="sample", image="0", strength=0.6, mask="",
        resampling=5, film="none", to="", to_seed=None, frames=8, beside=None,
    )  # fmt: skip


def test_all_samplers_of_the_theory_are_there():
    made = [name for name in vars(samplers) if getattr(samplers, name) in ALL_SAMPLERS.values()]
    assert set(made) == set(ALL_SAMPLERS) and len(made) == 5


@pytest.mark.parametrize(
    "line, words",
    [
        ("", r"^line is no settings \(Expecting value.*\); want one such as \{\"model\": \"fashion-class\"\}"),
        ("{'model': 1}", "line is no settings"),
        ("[" * 100_000, "line is no settings"),
        ("[1]", r"line holds \[1\]; want an object"),
        ('{"modle": "x"}', "line has the unknown setting 'modle'; did you mean 'model'"),
        ('{"model": 3}', "model is 3; want a str"),
        ('{"w": NaN}', "w is nan; want a finite number"),
        ('{"w": "1"}', "w is '1'; want a finite number"),
        ('{"steps": 0}', "steps is 0; want an int from 1 to 200"),
        ('{"steps": true}', "steps is True; want an int"),
        ('{"count": 1000}', "count is 1000; want an int from 1 to 16"),
        ('{"interval": [1]}', "interval is .*want 2 ints"),
        ('{"sampler": "euler"}', "sampler is 'euler'; want 'dpm_solver' or 'ddim'"),
        ('{"task": "dream"}', "task is 'dream'"),
        ('{"seed": 1.5}', "seed is 1.5"),
        ('{"to_seed": -1}', "to_seed is -1"),
        ('{"sigma": 0}', "sigma is 0; want a number above 0"),
        ('{"strength": 0}', "strength is 0; want a number from 0.01 to 1"),
        ('{"beside": "x"}', "line holds 'x'; want an object"),
        ('{"beside": {"beside": {}}}', "beside has something beside it"),
    ],
)
def test_a_line_that_is_malformed_is_answered_in_a_sentence(line, words):
    with pytest.raises(ValueError, match=words):
        Settings.from_line(line)


def test_a_picture_without_settings_is_answered_in_a_sentence():
    for form in ("PNG", "GIF"):
        buffer = io.BytesIO()
        PICTURE.save(buffer, form)
        with pytest.raises(ValueError, match="content is a picture without settings"):
            settings_in(buffer.getvalue())
    for content in (b"", b"nothing"):
        with pytest.raises(ValueError, match="content is no PNG or GIF"):
            settings_in(content)
    with pytest.raises(ValueError, match="frames is empty"):
        as_gif([], Settings())
