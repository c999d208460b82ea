"""What moves, in a real JupyterLab, by mouse and keys in headless Chromium; skipped where there is no browser."""

import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Error, Page, expect, sync_playwright

from ldm_teach.interactive.settings import settings_in

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium browser")]

PANEL = """
from ldm_teach.data.fashion import FASHION_CLASSES
from ldm_teach.interactive.panel import guidance_panel, map_panel, text_panel
from ldm_teach.models.latent_diffusion import LatentDiffusion
panel = guidance_panel(LatentDiffusion.load("fashion-class"), FASHION_CLASSES)
panel
"""
PLAYGROUND = """
from ldm_teach.interactive.playground import Playground
panel = Playground()
panel
"""
TRAINING = """
import torch
from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.interactive.live import live
from ldm_teach.interactive.pictures import png
from ldm_teach.interactive.widgets import Screen
from ldm_teach.training.recipes.autoencoders import fashion_autoencoder
training, screen, losses = fashion_autoencoder(quick=True), Screen("garments"), []
garments, steps = fashion_mnist(train=False).x[:8], training.fit(num_steps=200)
"""
LOOP = """
for step in live(steps, 200, "autoencoder", screen):
    losses.append(float(step.loss))
    with torch.no_grad():
        screen.image.value = png(training.average.decode(training.average.encode(garments).mean), columns=8)
"""


class Lab:
    """A JupyterLab of its own on loopback, with the notebooks that a test writes."""

    def __init__(self, folder: Path, dark: bool = False):
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        (settings / "themes.jupyterlab-settings").write_text(
            json.dumps(dict(theme="JupyterLab Dark" if dark else "JupyterLab Light"))
        )
        places = dict(RUNTIME_DIR="runtime", CONFIG_DIR="config")
        env = dict(os.environ, HOME=str(folder), JUPYTERLAB_SETTINGS_DIR=str(folder / "settings"))
        env |= {f"JUPYTER_{name}": str(folder / place) for name, place in places.items()}
        command = f"jupyterlab --no-browser --allow-root --port={self.port} --IdentityProvider.token=test".split()
        self.server = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(120):
            try:
                self.ask("api")
                return
            except OSError:
                time.sleep(0.5)
        raise TimeoutError("JupyterLab does not answer")

    def ask(self, path: str, method: str = "GET") -> bytes:
        address = f"http://127.0.0.1:{self.port}/{path}?token=test"
        return urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=5).read()

    def notebook(self, name: str, *cells: str) -> None:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
        notebook.metadata["kernelspec"] = dict(name="python3", display_name="Python 3", language="python")
        nbformat.write(notebook, self.folder / name)

    def end_kernels(self) -> None:
        for session in json.loads(self.ask("api/sessions")):
            self.ask(f"api/sessions/{session['id']}", "DELETE")

    def open(self, page: Page, name: str) -> None:
        page.goto(f"http://127.0.0.1:{self.port}/lab/tree/{name}?token=test&reset")
        expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=90_000)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("lab"), dark=True)
    yield lab
    lab.server.terminate()
    lab.server.wait(30)


@pytest.fixture
def page(lab):
    """A page of 1200 pixels; errors that the browser's console says fail the test."""
    said = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport=dict(width=1200, height=1000))
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        yield page
        if "LDM_TEACH_SCREENSHOTS" in os.environ:
            page.screenshot(path=Path(os.environ["LDM_TEACH_SCREENSHOTS"]) / f"{time.time():.0f}.png")
        browser.close()
    lab.end_kernels()
    assert not [words for words in said if "widget model not found" not in words]  # said of a kernel that has ended


def run(page: Page, number: int) -> None:
    """Run one cell; a key pressed before the notebook is ready is lost, so it is pressed until the prompt changes."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(number)
    prompt = cell.locator(".jp-InputPrompt")
    before = prompt.inner_text()
    for _ in range(30):
        cell.locator(".cm-content").click(timeout=60_000)
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(500)
        if prompt.inner_text() != before:
            return


def drag(page: Page, pixels: int) -> None:
    """Drag the first slider to the right."""
    box = page.locator(".widget-slider .noUi-handle").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + pixels, y, steps=5)
    page.mouse.up()


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
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
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


def handle(page: Page, name: str):
    """The handle of the slider of this name."""
    slider = page.locator(".widget-hslider", has=page.locator(f".widget-label:text-is('{name}')"))
    return slider.locator(".noUi-handle").first


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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "ldm_teach", "playground", "--no-browser", "--theme", "dark", f"--port={port}"]
    server = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    hosts = set()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page(viewport=dict(width=1280, height=1000))
            page.on(
                "requestfinished", lambda request: hosts.add(request.url.split("/")[2] if "//" in request.url else "")
            )
            for _ in range(120):
                try:
                    page.goto(f"http://localhost:{port}/", timeout=60_000)
                    break
                except Error:
                    time.sleep(0.5)
            try_the_playground(page)
            browser.close()
    finally:
        server.send_signal(signal.SIGINT)
        try:
            assert server.wait(90) == 0  # it ends a kernel that may still be starting
        finally:
            server.kill()
            server.wait()
    assert hosts - {""} == {f"localhost:{port}"}
