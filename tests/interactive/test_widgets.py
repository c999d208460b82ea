import io
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image

from ldm_teach.interactive import widgets
from ldm_teach.interactive.plots import panels
from ldm_teach.interactive.widgets import SliderFigure, guidance_panel
from ldm_teach.models.classifier import NoisyClassifier
from ldm_teach.practice.guidance_study import with_classifier
from ldm_teach.theory.schedule import NoiseSchedule
from tests.conftest import make_tiny_model

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
    assert pixels(panel.image.value).shape == (3 * 12, 3 * (4 * 12 + 3 * 2))
    assert panel.caption.value == "zero, w = 1.0 (s = 2.0), 12 steps: full quality"


def test_a_change_draws_a_preview_and_then_full_quality(panel):
    panel.weight.value = 3.0
    assert panel.caption.value == f"zero, w = 3.0 (s = 4.0), {widgets.PREVIEW_STEPS} steps: preview"
    preview = panel.image.value
    panel.settle()
    assert panel.caption.value == "zero, w = 3.0 (s = 4.0), 12 steps: full quality"
    assert panel.image.value != preview


def test_the_picture_is_that_of_sample_with_the_same_settings(panel):
    """Also: the noise depends on the seed alone, whatever was shown before."""
    panel.label.value, panel.seed.value, panel.steps.value, panel.weight.value = "two", 7, 5, 2.5
    panel.settle()
    x = panel.model.sample(torch.full((4,), 2), w=2.5, num_steps=5, generator=torch.Generator().manual_seed(7))
    shown = pixels(panel.image.value)[1::3, 1::3]  # the middle of each zoomed pixel
    first = ((x[0, 0] + 1) * 127.5).round()
    assert np.abs(shown[:12, :12] - first.numpy()).max() <= 1


def test_every_control_changes_the_picture(panel):
    for control, value in ((panel.weight, 5.0), (panel.label, "one"), (panel.steps, 7), (panel.seed, 3)):
        before = panel.image.value
        control.value = value
        panel.settle()
        assert panel.image.value != before, control.description


def test_a_newer_change_breaks_off_a_drawing(panel):
    assert panel.render(5, version=panel._version) is not None
    assert panel.render(5, version=panel._version - 1) is None


def test_while_dragging_only_the_last_value_is_drawn_in_full(panel):
    drawn = []
    render = panel.render
    panel.render = lambda steps, version=None: drawn.append((steps, panel.weight.value)) or render(steps, version)
    for w in (1.5, 2.0, 2.5, 3.0):
        panel.weight.value = w
    panel.settle()
    assert drawn == [(widgets.PREVIEW_STEPS, w) for w in (1.5, 2.0, 2.5, 3.0)] + [(widgets.FULL_STEPS, 3.0)]


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
    assert panel.image.value == panel.render(widgets.FULL_STEPS)


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
    panel.render = lambda steps, version=None: drawn.append(panel.weight.value) or render(steps, version)
    panel.scale.value = 4.0
    panel.settle()
    assert panel.weight.value == 3.0 and panel.caption.value.startswith("zero, w = 3.0 (s = 4.0)")
    panel.weight.value = 0.5
    panel.settle()
    assert panel.scale.value == 1.5 and drawn == [3.0, 3.0, 0.5, 0.5]  # a preview and full quality of each
    assert panel.scale in panel.box.children
    assert panel.scale not in guidance_panel(make_tiny_model(), CLASSES, count=2).box.children


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


def test_a_slider_redraws_its_figure_with_the_value_it_has():
    drawn = []

    def draw(value):
        drawn.append(value)
        figure, (axes,) = panels(1, f"value {value}")
        axes.plot([0, value])
        return figure

    sketch = SliderFigure(draw, [0.1, 1.0, 10.0], "delta", alt="a line", value=1.0)
    first = sketch.image.value
    sketch.slider.value = 10.0
    assert drawn == [1.0, 10.0] and sketch.image.value != first
    assert pixels(sketch.image.value).ndim == 3
    data, metadata = sketch._repr_mimebundle_()
    assert "image/png" in data and metadata["image/png"]["alt"] == "a line"
