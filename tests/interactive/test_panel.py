import base64
import gc
import io
import threading
import time
import weakref

import numpy as np
import pytest
import torch
from ipywidgets.widgets import widget
from PIL import Image

from ldm_teach.data.blur import blurred
from ldm_teach.data.captions import KINDS, MAX_WORDS, WORDS, parse
from ldm_teach.data.shapes import render, shapes
from ldm_teach.interactive import panel as panels
from ldm_teach.interactive.controls import ConditionControls, class_controls
from ldm_teach.interactive.panel import Panel, blur_panel, guidance_panel, map_panel, prompt_panel, text_panel
from ldm_teach.interactive.pictures import APART
from ldm_teach.models.autoencoder import KLAutoencoder
from ldm_teach.models.classifier import NoisyClassifier
from ldm_teach.models.conditioning import ClassEncoder, ImageEncoder, MapEncoder, TextEncoder
from ldm_teach.models.guided import style_and_words, with_classifier
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.unet import UNet
from ldm_teach.theory.schedule import NoiseSchedule
from tests.helpers import make_prompt_encoder, make_tiny_model, seeded

pytestmark = pytest.mark.slow

CLASSES = ("zero", "one", "two")


@pytest.fixture
def panel():
    panel = guidance_panel(make_tiny_model(), CLASSES, count=4)
    yield panel
    panel.settle()


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_first_picture_is_at_full_quality_and_says_so(panel):
    assert panel.weight.description == "guidance"
    assert pixels(panel.image.value).shape == (3 * 12, 3 * (4 * 12 + 3 * 2), 4)
    assert panel.caption.value == "zero, w = 1.0 (s = 2.0), 12 steps: full quality"


def test_its_frames_are_what_it_shows_at_each_weight(panel):
    frames = panel.frames(count=3)
    assert [label for label, _ in frames] == ["w = -1", "w = 2.5", "w = 6"] and panel.weight.value == 1.0
    for weight, (_, picture) in zip((-1.0, 2.5, 6.0), frames, strict=True):
        panel.weight.value = weight
        panel.settle()
        assert panel.image.value == picture


def test_a_change_draws_a_preview_and_then_full_quality(panel):
    panel.weight.value = 3.0
    assert panel.caption.value == f"zero, w = 3.0 (s = 4.0), {panels.PREVIEW_STEPS} steps: preview"
    preview = panel.image.value
    panel.settle()
    assert panel.caption.value == "zero, w = 3.0 (s = 4.0), 12 steps: full quality"
    assert panel.image.value != preview


def test_the_picture_is_that_of_sample_with_the_same_settings(panel):
    """Also: the noise depends on the seed alone, whatever was shown before."""
    panel.label.value, panel.seed.value, panel.steps.value, panel.weight.value = "two", 7, 5, 2.5
    panel.settle()
    x = panel.model.sample(torch.full((4,), 2), w=2.5, num_steps=5, generator=torch.Generator().manual_seed(7))
    shown = pixels(panel.image.value)[1::3, 1::3, 0]  # the middle of each zoomed pixel
    first = ((x[0, 0] + 1) * 127.5).round()
    assert np.abs(shown[:12, :12] - first.numpy()).max() <= 1


def test_every_control_changes_the_picture(panel):
    for control, value in ((panel.weight, 5.0), (panel.label, "one"), (panel.steps, 7), (panel.seed, 3)):
        before = panel.image.value
        control.value = value
        panel.settle()
        assert panel.image.value != before, control.description


def test_a_newer_change_breaks_off_a_drawing(panel):
    assert panel.render(5, lambda: True) is not None
    assert panel.render(5, lambda: False) is None


def test_while_dragging_only_the_last_value_is_drawn_in_full(panel):
    drawn = []
    render = panel.render
    panel.render = lambda steps, going: drawn.append((steps, panel.weight.value)) or render(steps, going)
    for w in (1.5, 2.0, 2.5, 3.0):
        panel.weight.value = w
    panel.settle()
    assert drawn == [(panels.PREVIEW_STEPS, w) for w in (1.5, 2.0, 2.5, 3.0)] + [(panels.FULL_STEPS, 3.0)]


def test_changes_from_many_threads_end_at_the_last_one(panel):
    def drag(values):
        for w in values:
            panel.weight.value = w
            time.sleep(0.002)

    threads = [threading.Thread(target=drag, args=([k + i / 10 for i in range(10)],)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    panel.settle()
    assert panel.caption.value.startswith(f"zero, w = {panel.weight.value:.1f} ")
    assert panel.caption.value.endswith("full quality")
    assert panel.image.value == panel.render(panels.FULL_STEPS)


def test_it_leaves_the_default_generator_alone(panel):
    before = torch.get_rng_state()
    panel.seed.value = 5
    panel.settle()
    assert torch.equal(torch.get_rng_state(), before)


def test_classes_must_fit_the_model():
    with pytest.raises(ValueError, match="classes has 2 names; the model wants 3"):
        guidance_panel(make_tiny_model(), CLASSES[:2])


def test_both_conventions_move_together_and_draw_once():
    panel = guidance_panel(make_tiny_model(), CLASSES, count=2, conventions="ws")
    drawn, render = [], panel.render
    panel.render = lambda steps, going: drawn.append(panel.weight.value) or render(steps, going)
    panel.scale.value = 4.0
    panel.settle()
    assert panel.weight.value == 3.0 and panel.caption.value.startswith("zero, w = 3.0 (s = 4.0)")
    panel.weight.value = 0.5
    panel.settle()
    assert panel.scale.value == 1.5 and drawn == [3.0, 3.0, 0.5, 0.5]  # a preview and full quality of each
    assert panel.scale in panel.box.children
    assert panel.scale not in guidance_panel(make_tiny_model(), CLASSES, count=2).box.children


def test_guidance_is_drawn_on_the_interval_that_the_slider_says():
    model = make_tiny_model()
    panel = guidance_panel(model, CLASSES, count=2)
    panel.weight.value, panel.interval.value = 3.0, (300, 700)
    panel.settle()
    assert panel.caption.value == "zero, w = 3.0 (s = 4.0) at t = 300 to 700, 12 steps: full quality"
    noise = model.noise(2, seeded(0))
    want = model.sample([0, 0], w=3.0, interval=(300, 700), num_steps=12, x_T=noise)
    assert torch.equal(panel.samples, want) and not torch.equal(
        want, model.sample([0, 0], w=3.0, num_steps=12, x_T=noise)
    )
    assert panel.interval in panel.box.children
    own = guidance_panel(model, CLASSES, 2, method=lambda model, labels, scale: model.denoiser(None))
    assert own.interval not in own.box.children


def test_a_method_of_ones_own_is_drawn_from_its_own_range():
    asked = []

    def method(model, labels, scale):
        asked.append((labels.tolist(), scale))
        return model.denoiser(None)

    panel = guidance_panel(make_tiny_model(), CLASSES, 2, method=method, range=(0.0, 20.0), conventions="s")
    panel.label.value, panel.weight.value = "two", 15.0
    panel.settle()
    assert asked[0] == ([0, 0], 1.0) and asked[-1] == ([2, 2], 15.0)
    assert panel.caption.value == "two, s = 15.0, 12 steps: full quality"
    with pytest.raises(ValueError, match="conventions is 'x'; want 'w', 'ws' or 's'"):
        guidance_panel(make_tiny_model(), CLASSES, conventions="x")


def test_a_classifier_steers_a_panel():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        classifier = NoisyClassifier(NoiseSchedule.cosine(), channels=2, num_classes=3, widths=(16, 32)).eval()
    method = with_classifier(classifier, conditional=False)
    panel = guidance_panel(make_tiny_model(), CLASSES, 2, method=method, range=(0.0, 50.0), conventions="s")
    before = panel.image.value
    panel.weight.value = 50.0
    panel.settle()
    assert panel.image.value != before and panel.caption.value == "zero, s = 50.0, 12 steps: full quality"


IMAGES = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1


KIND_OF_CONDITION = {
    "text": ("shapes-autoencoder", lambda: TextEncoder(WORDS, MAX_WORDS, token_width=32, depth=1, heads=2)),
    "map": ("shapes-autoencoder", lambda: MapEncoder(1 + len(KINDS), token_width=32)),
    "blur": ("fashion-autoencoder", lambda: ImageEncoder(token_width=32)),
}


def conditional_model(kind: str) -> LatentDiffusion:
    """An untrained model with no parameter at zero, so that it hears the condition, on a shipped autoencoder."""
    autoencoder, encoder = KIND_OF_CONDITION[kind]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = UNet(widths=(16, 16), heads=(1, 1), token_width=32)
        model = LatentDiffusion(KLAutoencoder.load(autoencoder), unet, encoder(), NoiseSchedule.cosine())
        for part in (model.unet, model.encoder):
            for parameter in part.parameters():
                parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval()


def conditional_panel(kind: str, count: int = 2) -> Panel:
    model = conditional_model(kind)
    if kind == "blur":
        return blur_panel(model, IMAGES, count)
    return text_panel(model, count=count) if kind == "text" else map_panel(model, count)


CONDITIONS = {
    "text": dict(text="a blue cross"),
    "map": dict(kind_1="square", size_1="small", row_1=12, column_1=12, kind_3="cross", row_3=20, size_3="large"),
    "blur": dict(index=2, sigma=1.5),
}


@pytest.mark.parametrize("kind", CONDITIONS)
def test_every_control_of_a_condition_changes_the_picture(kind):
    panel = conditional_panel(kind)
    for name, value in (CONDITIONS[kind] | dict(weight=5.0, steps=7, seed=3)).items():
        before, samples = panel.image.value, panel.samples
        getattr(panel, name).value = value
        assert panel.caption.value.endswith(f", {panels.PREVIEW_STEPS} steps: preview"), name
        panel.settle()
        assert f", {panel.steps.value} steps: full quality; " in panel.caption.value, name
        assert panel.image.value != before and not torch.equal(panel.samples, samples), name


@pytest.mark.parametrize("kind", CONDITIONS)
def test_the_samples_are_those_of_the_model_with_the_noise_of_the_seed(kind):
    panel = conditional_panel(kind)
    for name, value in CONDITIONS[kind].items():
        getattr(panel, name).value = value
    panel.seed.value = 7
    panel.settle()
    settings = dict(w=1.0, num_steps=panels.FULL_STEPS, generator=torch.Generator().manual_seed(7))
    x = panel.model.sample(panel.asking.condition(2), **settings)
    torch.testing.assert_close(panel.samples, x, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", CONDITIONS)
def test_the_same_settings_give_the_same_picture_again(kind):
    panel = conditional_panel(kind)
    names = CONDITIONS[kind]
    first, starts = panel.image.value, {name: getattr(panel, name).value for name in names}
    for settings in (names, starts):
        for name, value in settings.items():
            getattr(panel, name).value = value
    panel.settle()
    assert panel.image.value == first


@pytest.mark.parametrize("kind", CONDITIONS)
def test_the_noise_does_not_depend_on_the_condition(kind):
    """Unguided by the condition (w = -1), the samples stay while it changes."""
    panel = conditional_panel(kind)
    panel.weight.value = -1.0
    panel.settle()
    before = panel.samples
    for name, value in CONDITIONS[kind].items():
        getattr(panel, name).value = value
    panel.settle()
    torch.testing.assert_close(panel.samples, before, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "bad, words",
    [
        ("a rde circle", "not drawn: condition 'a rde circle' has the unknown word 'rde'; want words of: a, and"),
        ("", "not drawn: condition '' has 0 words; want 1 to 14"),
        ("a <b>", "not drawn: condition 'a &lt;b&gt;' has the unknown word '&lt;'"),  # shown as typed
        ("a red circle " * 6, "has 18 words; want 1 to 14"),
    ],
)
def test_words_that_the_model_does_not_take_leave_the_picture(bad, words):
    panel = conditional_panel("text")
    picture, samples = panel.image.value, panel.samples
    panel.text.value = bad
    assert words in panel.caption.value and panel.image.value == picture
    panel.settle()
    assert words in panel.caption.value and panel.image.value == picture and panel.samples is samples
    panel.seed.value = 5  # the other sliders are alive too
    panel.settle()
    assert words in panel.caption.value and panel.image.value == picture
    panel.text.value = "a red circle"  # typing goes on
    assert panel.caption.value.startswith("a red circle, w = 1.0 (s = 2.0), 3 steps: preview")
    panel.settle()
    assert panel.caption.value.endswith("12 steps: full quality; 0 of 2 read back as asked")
    assert panel.image.value != picture


def test_words_in_another_order_are_sampled_and_not_counted():
    panel = conditional_panel("text")
    before = panel.image.value
    panel.text.value = "circle red a"
    panel.settle()
    assert panel.image.value != before
    assert "12 steps: full quality; not read back: caption is 'circle red a'; want a" in panel.caption.value


def test_the_samples_that_read_back_as_asked_are_counted():
    data = shapes(8, seed=3, num_items=2)
    panel = conditional_panel("text", count=8)
    panel.model.decode = lambda z: data.x
    panel.text.value = data.captions[2]
    assert "read back" not in panel.caption.value  # a preview is not read
    panel.settle()
    assert panel.caption.value.endswith("full quality; 1 of 8 read back as asked")
    asked = render(data.scenes[2])
    panel.model.decode = lambda z: torch.stack([asked] * 5 + [*data.x[:2], data.x[3]])
    panel.seed.value = 1
    panel.settle()
    assert panel.caption.value.endswith("full quality; 5 of 8 read back as asked")
    assert parse(panel.text.value).relation == data.scenes[2].relation


def test_maps_read_from_the_samples_are_compared_with_the_map():
    panel = conditional_panel("map")
    scene = shapes(1, seed=3, num_items=3).scenes[0]
    panel.model.decode = lambda z: render(scene).expand(2, -1, -1, -1)
    assert panel.caption.value.startswith("large circle, small square, w = 1.0 (s = 2.0), 12 steps")
    for i, item in enumerate(scene.items, start=1):
        for name in ("kind", "size", "row", "column"):
            getattr(panel, f"{name}_{i}").value = getattr(item, name)
    panel.settle()
    assert panel.caption.value.endswith("12 steps: full quality; maps read back: mean IoU 1.00")
    panel.row_1.value += 2 if panel.row_1.value < 16 else -2
    panel.settle()
    assert 0.5 < float(panel.caption.value.rpartition(" ")[2]) < 1


def test_an_item_is_moved_inside_when_it_grows():
    panel = conditional_panel("map")
    panel.kind_2.value, panel.row_2.value, panel.column_2.value = "square", 27, 4
    said = []
    panel.caption.observe(lambda change: said.append(change["new"]), names="value")
    panel.size_2.value = "large"
    panel.settle()
    assert (panel.row_2.value, panel.column_2.value) == (25, 6)
    assert said and not any("not drawn" in words for words in said)


def test_samples_blurred_again_are_compared_with_the_blurred_image():
    panel = conditional_panel("blur")
    panel.model.decode = lambda z: (IMAGES[1:2] + 0.2).expand(2, -1, -1, -1)
    panel.index.value = 1
    panel.settle()
    said = "image 1, blurred by 2 pixels, w = 1.0 (s = 2.0), 12 steps: full quality; blurred again: PSNR 20.0 dB"
    assert panel.caption.value == said


def test_the_condition_is_shown_well_to_the_left_of_the_samples():
    panel = conditional_panel("blur")
    canvas = pixels(panel.image.value)[1::3, 1::3]  # the middle of each zoomed pixel
    shown, clear = canvas[..., 0].astype(float) / 127.5 - 1, canvas[..., 3] == 0
    assert shown.shape == (28, 28 + APART + 28 + 2 + 28)
    asked = blurred(IMAGES[:1], panel.sigma.value)[0, 0]
    assert np.abs(shown[:, :28] - asked.numpy()).max() < 0.01 and clear[:, 28 : 28 + APART].all()
    first, second = shown[:, -58:-30], shown[:, -28:]
    assert np.abs(np.stack([first, second]) - panel.samples[:, 0].numpy()).max() < 0.01
    assert clear[:, -30:-28].all() and clear.sum() == 28 * (APART + 2)


def test_the_map_and_its_colours_are_shown():
    panel = conditional_panel("map")
    shown = pixels(panel.image.value)[1::3, 1::3]
    assert shown.shape == (32, 32 + APART + 32 + 2 + 32, 4)
    assert shown[0, 0, :3].tolist() == [128, 128, 128] and shown[9, 9, :3].tolist() == [0x56, 0xB4, 0xE9]  # the circle


@pytest.mark.parametrize("kind, of", [("text", "the caption"), ("map", "the map"), ("blur", "the blurred image")])
def test_readers_without_widgets_get_the_picture_and_words(kind, of, displayed):
    panel = conditional_panel(kind)
    panel._ipython_display_()
    picture, words, view = displayed
    assert base64.b64decode(picture.data["image/png"]) == panel.image.value
    assert picture.metadata["image/png"]["alt"].startswith(f"samples of {of}")
    assert "then run this cell" in words.data["text/plain"]
    assert view.data["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.box.model_id


def test_the_caption_says_that_it_draws_until_it_has_drawn(panel):
    said, render = [], panel.render
    panel.render = lambda *given: said.append(panel.caption.value) or render(*given)
    panel.weight.value = 3.0
    panel.settle()
    assert said == ["zero, w = 3.0 (s = 4.0), drawing", "zero, w = 3.0 (s = 4.0), 3 steps: preview"]


def test_a_panel_that_is_dropped_is_freed_with_its_model_and_its_widgets():
    gc.collect()
    before, model = set(widget._instances), make_tiny_model()
    panel = guidance_panel(model, CLASSES, count=2)
    panel.weight.value = 2.0
    panel.settle()
    watched = weakref.ref(panel), weakref.ref(model)
    assert set(widget._instances) > before
    del panel, model
    time.sleep(0.05)  # the thread that drew last ends
    gc.collect()
    assert watched[0]() is None and watched[1]() is None
    assert set(widget._instances) - before == set()


def test_a_prompt_has_a_weight_for_its_style_and_one_for_its_words():
    model = make_tiny_model(make_encoder=make_prompt_encoder)
    panel = prompt_panel(model, "oil: red heart", count=2)
    assert panel.caption.value == "oil: red heart, w style = 1.0, w words = 1.0 (s = 2.0), 12 steps: full quality"
    for name, value in dict(text="ink: blue", w_style=3.0, weight=2.0).items():
        before = panel.samples
        getattr(panel, name).value = value
        panel.settle()
        assert not torch.equal(panel.samples, before), name
    assert panel.weight.description == "w words" and panel.w_style.description == "w style"
    said = "ink: blue, w style = 3.0, w words = 2.0 (s = 3.0), 12 steps: full quality"
    assert panel.caption.value == said
    with torch.no_grad():
        guided = style_and_words(model, ["ink: blue"] * 2, 3.0, 2.0)
        x = model.draw(guided, 2, num_steps=panels.FULL_STEPS, generator=seeded())
    torch.testing.assert_close(panel.samples, x, rtol=0, atol=1e-5)
    panel.text.value = "ink: blue herat"
    panel.settle()
    assert panel.caption.value.startswith("not drawn: ") and "herat" in panel.caption.value
    torch.testing.assert_close(panel.samples, x, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: prompt_panel(make_tiny_model()), "with ClassEncoder; want WordsAndStyleEncoder"),
        (lambda: text_panel(make_tiny_model()), "model reads its condition with ClassEncoder; want TextEncoder"),
        (lambda: map_panel(conditional_model("text")), "with TextEncoder; want MapEncoder"),
        (lambda: blur_panel(conditional_model("map"), IMAGES), "with MapEncoder; want ImageEncoder"),
        (lambda: text_panel(conditional_model("text"), "a rde circle"), "has the unknown word 'rde'"),
        (lambda: text_panel(conditional_model("text"), count=0), "count is 0; want an int of at least 1"),
        (lambda: blur_panel(conditional_model("blur"), IMAGES[0]), r"images is a float32 .*; want \(N, 1, 28, 28\)"),
        (lambda: blur_panel(conditional_model("blur"), IMAGES[:0]), "N at least 1"),
        (lambda: blur_panel(conditional_model("blur"), IMAGES.long()), "want a floating-point tensor"),
    ],
)
def test_what_a_panel_cannot_show_is_said_at_the_door(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_model_of_ones_own_brings_the_names_of_its_classes_and_a_caption_to_begin_with():
    tiny = make_tiny_model()
    for encoder in (ClassEncoder(3, 8, 2, ["cat", "dog", "owl"]), TextEncoder(("owl",), 4, 8, examples=["owl owl"])):
        model = LatentDiffusion(tiny.autoencoder, tiny.unet, encoder, tiny.schedule).eval()
        panel = guidance_panel(model, count=1) if "names" in encoder.config else text_panel(model, count=1)
        assert panel.caption.value.startswith("cat, w" if "names" in encoder.config else "owl owl, w")
        assert panel.caption.value.endswith("full quality")


def test_controls_of_ones_own_and_names_that_are_taken():
    asked = class_controls(CLASSES)
    panel = Panel(make_tiny_model(), asked, count=2)
    assert panel.label is asked.controls["label"]
    for name in ("seed", "samples", "render"):
        asking = ConditionControls({name: asked.controls["label"]}, asked.condition, asked.describe, asked.subject)
        with pytest.raises(ValueError, match=f"asking has a control '{name}'; want a name that the panel has not"):
            Panel(make_tiny_model(), asking, count=2)


def test_an_error_of_any_kind_is_said_and_the_picture_stays(panel, monkeypatch):
    before = panel.image.value

    def broken(z):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(panel.model, "decode", broken)
    panel.weight.value = 2.0
    panel.settle()
    assert panel.caption.value == "not drawn: RuntimeError('out of memory')" and panel.image.value == before


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_a_panel_shows_what_sample_draws_in_every_precision(dtype):
    model = make_tiny_model().to(dtype)
    panel = guidance_panel(model, ("zero", "one", "two"), count=3)
    panel.render(4)
    drawn = model.sample([0, 0, 0], w=panel.weight.value, num_steps=4, generator=seeded(panel.seed.value))
    assert panel.samples.dtype == dtype and torch.equal(panel.samples, drawn)
