"""The playground by code: pictures follow controls, settings go round, what cannot be drawn is said."""

import base64
import gc
import re
import threading
import time
import weakref
from dataclasses import replace

import pytest
import torch

from ldm_teach.interactive import playground as module
from ldm_teach.interactive.drawing import draw_settings
from ldm_teach.interactive.playground import OLD, Playground, summary_of
from ldm_teach.interactive.settings import Settings, settings_in
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.theory.schedule import NoiseSchedule
from ldm_teach.training.recipes.emoji import AUTOENCODER, new_networks
from tests.helpers import make_prompt_encoder, make_tiny_model
from tests.interactive.test_asking import file, picture

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Directories with a tiny model of classes and one of prompts."""
    folder = tmp_path_factory.mktemp("models")
    make_tiny_model().save(folder / "classes")
    make_tiny_model(make_encoder=make_prompt_encoder).save(folder / "prompts")
    return folder


@pytest.fixture
def panel(tiny):
    panel = Playground(Settings(str(tiny / "classes"), "class 0", count=2, steps=4))
    yield panel
    panel.settle()


def links(panel) -> list[bytes]:
    return [base64.b64decode(found) for found in re.findall(r'base64,([^"]+)"', panel.links.value)]


def shown(panel) -> torch.Tensor:
    return panel.drawn[-1].frames


def test_it_starts_at_the_settings_that_are_given(tiny, panel):
    settings = Settings(str(tiny / "classes"), "class 0", count=2, steps=4)
    assert panel.settings() == settings and torch.equal(shown(panel), draw_settings(settings).frames)
    assert panel.line.value == settings.to_line() and panel.caption.value.endswith("4 steps: full quality")
    assert settings_in(links(panel)[0]) == settings_in(bytes(panel.image.value)) == settings


def test_a_change_draws_a_preview_and_then_all_steps(panel):
    seen = []
    panel.caption.observe(lambda change: seen.append(change.new), names="value")
    panel.controls.seed.value = 5
    assert seen[0] == "drawing" and seen[-1].endswith("3 steps: preview")
    panel.settle()
    assert seen[-1].endswith("4 steps: full quality")
    assert torch.equal(shown(panel), draw_settings(panel.settings()).frames)


def test_a_storm_of_500_moves_ends_on_the_last(panel, monkeypatch):
    drawn = []
    monkeypatch.setattr(module, "draw_settings", lambda s, going: drawn.append(s.w) or draw_settings(s, going))

    def storm(values):
        for k in values:
            panel.controls.w.value = k / 100

    threads = [threading.Thread(target=storm, args=(range(part, 500, 3),)) for part in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    panel.controls.w.value = 7.5
    panel.settle()
    time.sleep(0.4)
    assert drawn[-1] == 7.5 and "w = 7.5" in panel.caption.value and panel.caption.value.endswith("full quality")
    assert torch.equal(shown(panel), draw_settings(panel.settings()).frames)


def test_a_line_and_a_saved_picture_bring_the_settings_back(tiny, panel):
    before, saved, image = panel.line.value, links(panel)[0], panel.image.value
    other = Settings(str(tiny / "prompts"), "ink: heart", w=3.0, w_style=1.0, steps=3, count=1, seed=8)
    panel.line.value = other.to_line()
    panel.settle()
    assert panel.settings() == other and panel.image.value != image
    panel.opened.value = (file("playground.png", saved),)
    panel.settle()
    assert panel.line.value == before and panel.image.value == image


def test_a_is_drawn_above_b_from_the_noise_of_b(panel):
    first = panel.settings()
    panel.beside.value = True
    panel.controls.w.value, panel.controls.seed.value = 6.0, 3
    panel.settle()
    a, b = panel.drawn
    assert torch.equal(a.frames, draw_settings(replace(first, seed=3)).frames)
    assert torch.equal(b.frames, draw_settings(replace(first, seed=3, w=6.0)).frames)
    line = panel.line.value
    assert panel.caption.value.startswith("above A: ") and Settings.from_line(line).beside.w == 1.0
    panel.beside.value = False
    panel.settle()
    assert len(panel.drawn) == 1 and panel.settings().beside is None
    panel.line.value = line
    panel.settle()
    assert panel.beside.value and len(panel.drawn) == 2 and panel.line.value == line


def test_a_film_has_frames_a_strip_and_is_saved_as_both(panel):
    panel.controls.film.value = "walk"
    panel.controls.frames.value = 3
    panel.controls.to.set_words("class 2")
    panel.settle()
    assert panel.frame.max == panel.play.max == 3 and panel.film.layout.display == "flex"
    still, film = links(panel)
    assert settings_in(still) == settings_in(film) == panel.settings() and film[:3] == b"GIF"
    before = panel.image.value
    panel.play.value = 3
    assert panel.frame.value == 3 and panel.image.value != before
    panel.controls.film.value = "none"
    panel.settle()
    assert panel.frame.max == 1 and panel.film.layout.display == panel.strip.layout.display == "none"
    panel.controls.film.value = "steps"
    panel.settle()
    assert panel.frame.value == panel.frame.max == 4


@pytest.mark.parametrize(
    "line, words",
    [
        ('{"modl', "not drawn: line is no settings (Unterminated string"),
        ('{"model": "nowhere"}', "not drawn: no checkpoint 'nowhere'"),
        ('{"condition": "trouzer"}', "not drawn: condition is 'trouzer'; want a class"),
        ('{"wait": 1}', "not drawn: line has the unknown setting 'wait'"),
        ('{"model": "shapes-text", "condition": "a <b>"}', "has the unknown word '&lt;'"),
        ('{"task": "edit", "image": "no.png"}', "not drawn: image is 'no.png' (No such file or directory)"),
    ],
)
def test_what_cannot_be_drawn_is_said_and_the_picture_is_marked_as_old(panel, line, words):
    image = panel.image.value
    panel.line.value = line
    panel.settle()
    assert words in panel.caption.value and panel.caption.value.endswith("The picture is an older one.")
    assert panel.image.value == image and OLD in panel.image._dom_classes and "Traceback" not in panel.caption.value
    panel.line.value = Settings(count=1, steps=2).to_line().replace("}", ', "condition": "bag"}')
    panel.settle()
    assert OLD not in panel.image._dom_classes and panel.caption.value.endswith("full quality")


def test_empty_words_and_wrong_uploads_are_said(tiny, panel):
    panel.line.value = Settings("shapes-text", "a red cross", count=1, steps=2).to_line()
    for words in ("", "a rde cross"):
        panel.controls.condition.controls[0].value = words
        assert panel.caption.value.startswith(f"not drawn: condition {words!r} has ")
    panel.controls.condition.controls[0].value = "a red cross"
    panel.controls.task.value = "edit"
    upload = panel.controls.image.box.children[1].children[0]
    upload.value = (file("notes.txt", b"no picture"),)
    panel.settle()
    assert panel.caption.value.startswith("not drawn: notes.txt: the upload cannot be read")
    panel.opened.value = (file("photo.jpg", picture()),)
    assert panel.caption.value.startswith("not drawn: content is no PNG or GIF")
    upload.value = (file("red.jpg", picture()),)
    panel.settle()
    assert panel.caption.value.endswith("full quality") and panel.drawn[0].asked.shape == (1, 3, 32, 32)
    assert Settings.from_line(panel.line.value).image.startswith("data:image/png")


def test_a_model_of_emoji_needs_nothing_more(tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet, encoder = new_networks()
        model = LatentDiffusion(KLAutoencoder(**AUTOENCODER), unet, encoder, NoiseSchedule.cosine())
    model.save(tmp_path)
    panel = Playground(Settings(str(tmp_path), "noto: cat face", steps=2, count=1))
    controls = panel.controls
    assert controls.condition.words() == "noto: cat face" and shown(panel).shape == (1, 1, 3, 64, 64)
    controls.apart.value = True
    controls.w_style.value = 3.0
    controls.task.value = "inpaint"
    panel.settle()
    assert panel.settings().w_style == 3.0 and panel.caption.value.endswith("full quality")
    controls.condition.set_words("noto: catt")
    panel.settle()
    assert "unknown word 'catt'; did you mean" in panel.caption.value


def test_readers_without_widgets_get_the_picture_and_words(displayed, panel):
    panel._ipython_display_()
    still, words, view = displayed
    assert base64.b64decode(still.data["image/png"]) == panel.image.value
    assert (
        still.metadata["image/png"]["alt"].startswith("samples: ") and "then run this cell" in words.data["text/plain"]
    )
    assert view.data["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.box.model_id


def test_a_panel_that_is_dropped_is_freed():
    gc.collect()
    panel = Playground(Settings(count=1, steps=2))
    panel.controls.seed.value = 3
    panel.settle()
    watched = weakref.ref(panel)
    del panel
    time.sleep(0.05)
    gc.collect()
    assert watched() is None


def test_it_is_described_in_a_line():
    first = Settings("m", "x" * 99, guidance="classifier")
    second = Settings("m", "c", negative="n", w=2.0, interval=(1, 9), beside=first)
    want = "above A: m, an image, s = 1, dpm_solver; below B: m, c, not n, w = 2, t = 1 to 9, dpm_solver"
    assert summary_of(second) == want
