"""What moves, in a real JupyterLab, by mouse and keys in headless Chromium; skipped where there is no browser."""

import importlib.util
import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ldm_teach.interactive.settings import settings_in
from tests.interactive.browser import LOOP, PANEL, TRAINING, drag, handle, needs_chromium, playground_page, run, run_all

pytestmark = [pytest.mark.slow, needs_chromium]

PLAYGROUND = """
from ldm_teach.interactive.playground import Playground
panel = Playground()
panel
"""


def test_dragging_the_guidance_slider_morphs_the_picture(lab, page):
    lab.notebook("panel.ipynb", PANEL)
    lab.open(page, "panel.ipynb")
    run(page, 0)
    image, caption = page.locator("img.widget-image"), page.get_by_text("full quality")
    expect(caption).to_contain_text("w = 1.0 (s = 2.0), 12 steps: full quality", timeout=120_000)
    assert page.get_by_text("guidance", exact=True).count() == 1

    seen = [image.get_attribute("src")]
    box = page.locator(".widget-slider .noUi-handle").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for stop in (60, 120):  # pixels; still held at each
        for i in range(stop - 60, stop, 5):
            page.mouse.move(x + i + 5, y)
            page.wait_for_timeout(40)
        expect(image).not_to_have_attribute("src", seen[-1], timeout=30_000)
        seen.append(image.get_attribute("src"))
    page.mouse.up()
    w = float(page.locator(".widget-readout").first.inner_text())
    expect(caption).to_contain_text(f"w = {w:.1f} (s = {1 + w:.1f}), 12 steps: full quality", timeout=30_000)
    assert w > 2 and len(set(seen)) == 3


def test_nothing_is_cut_or_scrolls_on_a_narrow_page(lab, page):
    """At 1400 and 800 pixels, and at 700, which 200 % leave of 1400: all controls and pictures lie in their panels."""
    lab.notebook("narrow.ipynb", PANEL, "map_panel(LatentDiffusion.load('shapes-map'))")
    lab.open(page, "narrow.ipynb")
    run(page, 0)
    run(page, 1)
    expect(page.get_by_text("full quality")).to_have_count(2, timeout=120_000)
    for width in (1400, 800, 700):
        page.set_viewport_size(dict(width=width, height=1400))
        page.wait_for_timeout(1000)
        if "LDM_TEACH_SCREENSHOTS" in os.environ:
            page.screenshot(path=Path(os.environ["LDM_TEACH_SCREENSHOTS"]) / f"narrow_{width}.png")
        cut = page.evaluate("""() => [...document.querySelectorAll('.ldm-alive')].flatMap(panel => {
            const right = panel.closest('.jp-OutputArea-output').getBoundingClientRect().right;
            const parts = [...panel.querySelectorAll('.widget-inline-hbox, .widget-readout, .noUi-target, img')];
            return parts.filter(part => part.getBoundingClientRect().right > right + 1).map(part => part.className);
        })""")
        scrolling = page.evaluate("""() => [...document.querySelectorAll(
            '.jp-OutputArea-output, .ldm-alive, .ldm-alive .jupyter-widgets')].filter(box =>
            ['auto', 'scroll'].includes(getComputedStyle(box).overflowX) && box.scrollWidth > box.clientWidth ||
            ['auto', 'scroll'].includes(getComputedStyle(box).overflowY) && box.scrollHeight > box.clientHeight
            ).map(box => box.className)""")
        narrowest = page.evaluate("""() => Math.min(...[...document.querySelectorAll('.noUi-target')].map(
            slider => slider.getBoundingClientRect().width))""")
        assert not cut and not scrolling and narrowest > 40, width


def test_a_notebook_opened_after_its_kernel_has_ended_shows_the_picture_and_what_to_run(lab, page):
    lab.notebook("asleep.ipynb", PANEL, TRAINING, LOOP)
    lab.open(page, "asleep.ipynb")
    for cell in range(3):
        run(page, cell)
    expect(page.get_by_text("autoencoder: 200 of 200 steps")).to_be_visible(timeout=120_000)
    still = page.get_by_text("A still picture. To move it, start the kernel")
    expect(still).to_have_count(2, timeout=30_000)
    for number in range(2):
        expect(still.nth(number)).to_be_hidden(timeout=30_000)
    for _ in range(30):  # until it is saved
        page.keyboard.press("Control+s")
        page.wait_for_timeout(1000)
        if (lab.folder / "asleep.ipynb").read_text().count("A still picture") >= 2:
            break
    lab.end_kernels()
    page.on("dialog", lambda dialog: dialog.accept())
    lab.open(page, "asleep.ipynb")
    page.wait_for_timeout(3000)
    for number in range(2):
        expect(still.nth(number)).to_be_visible(timeout=30_000)
    pictures = page.locator(".jp-OutputArea img")
    expect(pictures).to_have_count(2, timeout=30_000)
    assert all(picture.is_visible() for picture in pictures.all())
    assert not any(error.is_visible() for error in page.get_by_text("Error displaying widget").all())


def test_a_panel_says_that_it_draws_and_draws_while_another_cell_is_at_work(lab, page):
    lab.notebook("busy.ipynb", PANEL, "import time\nend = time.time() + 8\nwhile time.time() < end: sum(range(1000))")
    lab.open(page, "busy.ipynb")
    run(page, 0)
    expect(page.get_by_text("full quality")).to_be_visible(timeout=120_000)
    run(page, 1)
    drag(page, 80)
    w = float(page.locator(".widget-readout").first.inner_text())
    assert w > 2
    expect(page.locator(".ldm-alive .widget-html").last).to_contain_text("drawing", timeout=3000)
    assert page.locator(".jp-InputPrompt").nth(1).inner_text().strip() == "[*]:"
    expect(page.get_by_text("full quality")).to_contain_text(f"w = {w:.1f}", timeout=60_000)


def test_stop_ends_a_live_training_with_one_line_and_it_goes_on(lab, page):
    lab.notebook("stop.ipynb", TRAINING, LOOP, "print(len(losses), 'losses')")
    lab.open(page, "stop.ipynb")
    run_all(page)
    expect(page.locator(".widget-html", has_text=re.compile(r"\d\d?/200"))).to_be_visible(timeout=120_000)
    page.get_by_title("Interrupt the kernel").click()
    line = page.get_by_text("run the cell again to go on")
    expect(line).to_be_visible(timeout=30_000)
    done = int(line.inner_text().split("step ")[1].split(";")[0])
    expect(page.get_by_text(f"{done} losses")).to_be_visible(timeout=30_000)  # the next cell ran on what there is
    assert 0 < done < 200 and page.get_by_text("KeyboardInterrupt").count() == 0
    picture = page.locator("img.widget-image")
    before = picture.get_attribute("src")
    run(page, 1)
    expect(page.get_by_text("autoencoder: 200 of 200 steps")).to_be_visible(timeout=120_000)
    expect(picture).to_be_visible()
    expect(picture).not_to_have_attribute("src", before)  # the screen goes on, too
    run(page, 2)
    expect(page.get_by_text("200 losses")).to_be_visible(timeout=30_000)


def try_the_playground(page: Page) -> None:
    """By keyboard: a slider, words, right and wrong, a task, A beside B, a line of text; a film and its file."""
    image, caption = page.locator("img.widget-image").first, page.locator(".widget-html", has_text="steps:").last
    expect(caption).to_contain_text("12 steps: full quality", timeout=120_000)
    src = image.get_attribute("src")
    handle(page, "w").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    expect(image).not_to_have_attribute("src", src, timeout=30_000)
    expect(caption).to_contain_text("w = 2.5, t = 300 to 700, dpm_solver, 12 steps: full quality", timeout=30_000)
    line = page.get_by_label("settings")
    before = line.input_value()
    assert '"w": 2.5' in before

    page.get_by_label("model").focus()
    reached = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.className + ' ' + document.activeElement.tagName"))
    assert {"SELECT", "INPUT"} <= {one.split()[-1] for one in reached} and any("noUi-handle" in one for one in reached)

    page.get_by_text("keep as A, beside").focus()
    page.keyboard.press("Enter")
    expect(caption).to_contain_text("above A: fashion-class", timeout=30_000)
    page.keyboard.press("Enter")
    page.get_by_label("model").select_option("shapes-text")
    expect(caption).to_contain_text("shapes-text, a red circle above a blue square", timeout=30_000)
    words = page.get_by_label("caption")
    words.fill("a rde circle")
    words.press("Enter")
    expect(page.get_by_text("The picture is an older one.")).to_contain_text("did you mean 'red'?", timeout=30_000)
    expect(page.locator(".ldm-old")).to_have_count(1)
    page.get_by_label("model").select_option("fashion-class")
    page.get_by_label("task").select_option("inpaint")
    expect(page.get_by_title("row 1, column 1", exact=True)).to_be_visible(timeout=30_000)
    page.get_by_title("row 1, column 1", exact=True).press("Enter")
    expect(line).to_have_value(re.compile(r'"mask": "#......'), timeout=60_000)
    page.get_by_label("film", exact=True).select_option("steps")
    with page.expect_download(timeout=60_000) as film:
        page.get_by_text("save the film as GIF").click()
    assert settings_in(Path(film.value.path()).read_bytes()).film == "steps"
    line.fill(before)
    line.press("Enter")
    expect(caption).to_contain_text("w = 2.5, t = 300 to 700, dpm_solver, 12 steps: full quality", timeout=60_000)


def test_the_playground_works_by_keyboard(lab, page):
    lab.notebook("playground.ipynb", PLAYGROUND)
    lab.open(page, "playground.ipynb")
    run(page, 0)
    try_the_playground(page)


@pytest.mark.skipif(importlib.util.find_spec("voila") is None, reason="needs Voila")
def test_the_page_of_its_own_asks_nobody_else(tmp_path):
    """By `python -m ldm_teach playground`: the same by keyboard, nothing from another host; Ctrl-C ends it."""
    with playground_page(tmp_path) as page:
        try_the_playground(page)
