"""What drives a real JupyterLab, and a page of Voila, by mouse and keys in headless Chromium."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Error, Locator, Page, Request, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium browser")
HARMLESS = {  # what the browser's console may call an error, and why
    "widget model not found": "a notebook keeps the view of a widget, but not the widget of a kernel that has ended",
    "violates the following Content Security Policy": "Voila's page asks elsewhere for icons, which the page forbids",
    "Error: The getter for the shared module": "an extension of JupyterLab wants a part that Voila does not have",
    "doesn't exist in shared scope": "so does another one",
}
PANEL = """
from ldm_teach.data.fashion import FASHION_CLASSES
from ldm_teach.interactive.panel import guidance_panel, map_panel, text_panel
from ldm_teach.models.latent_diffusion import LatentDiffusion
panel = guidance_panel(LatentDiffusion.load("fashion-class"), FASHION_CLASSES)
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


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Lab:
    """A JupyterLab of its own on loopback, with the notebooks that a test writes."""

    def __init__(self, folder: Path, dark: bool = False):
        self.folder, self.port = folder, free_port()
        self.set("apputils", "themes", theme="JupyterLab Dark" if dark else "JupyterLab Light")
        self.set("apputils", "notification", fetchNews="false", checkForUpdates=False)  # nobody else is asked
        self.set("notebook", "tracker", recordTiming=True)  # so that a file says when each cell ran
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

    def set(self, part: str, plugin: str, **settings) -> None:
        folder = self.folder / "settings" / "@jupyterlab" / f"{part}-extension"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{plugin}.jupyterlab-settings").write_text(json.dumps(settings))

    def ask(self, path: str, method: str = "GET") -> bytes:
        address = f"http://127.0.0.1:{self.port}/{path}?token=test"
        return urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=30).read()

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

    def end(self) -> None:
        self.server.terminate()
        self.server.wait(30)


@contextlib.contextmanager
def chromium_page(width: int = 1200, height: int = 1000) -> Iterator[Page]:
    """A page of so many pixels; an error that its console says, unless it is HARMLESS, fails the test."""
    said = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport=dict(width=width, height=height))
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(f"uncaught: {error}"))
        try:
            yield page
        finally:
            screenshot(page, f"{time.time():.0f}")
            browser.close()
    wrong = [words for words in said if not any(known in words for known in HARMLESS)]
    assert not wrong, wrong


def screenshot(page: Page, name: str) -> None:
    """Keep what the page shows, where a folder for it is named."""
    if "LDM_TEACH_SCREENSHOTS" in os.environ:
        page.screenshot(path=Path(os.environ["LDM_TEACH_SCREENSHOTS"]) / f"{name}.png")


@contextlib.contextmanager
def playground_page(folder: Path, theme: str = "dark") -> Iterator[Page]:
    """The page of `python -m ldm_teach playground`: nothing from another host goes through, and Ctrl-C ends it."""
    port, hosts = free_port(), set()
    command = [sys.executable, "-m", "ldm_teach", "playground", "--no-browser", "--theme", theme, f"--port={port}"]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with chromium_page(1280) as page:
            page.on("requestfinished", lambda request: hosts.add(host_of(request)))
            page.on("requestfailed", lambda request: None if request.failure == "csp" else hosts.add(host_of(request)))
            visit(page, f"http://localhost:{port}/")
            yield page
    finally:
        server.send_signal(signal.SIGINT)
        try:
            assert server.wait(90) == 0  # it ends a kernel that may still be starting
        finally:
            server.kill()
            server.wait()
    assert hosts - {""} == {f"localhost:{port}"}, hosts


def host_of(request: Request) -> str:
    """Whom a request asks; nobody, where it carries its own data."""
    return request.url.split("/")[2] if "//" in request.url else ""


def visit(page: Page, address: str) -> None:
    """Open an address whose server may still be starting."""
    for _ in range(120):
        try:
            page.goto(address, timeout=60_000)
            return
        except Error:
            time.sleep(0.5)
    raise TimeoutError(f"{address} does not answer")


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


def run_all(page: Page) -> None:
    """Run > Run All Cells."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()


def drag(page: Page, pixels: float, handle: Locator | None = None) -> None:
    """Drag a slider's handle, by default the first one's, to the right."""
    box = (page.locator(".widget-slider .noUi-handle").first if handle is None else handle).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + pixels, y, steps=5)
    page.mouse.up()


def handle(page: Page, name: str) -> Locator:
    """The handle of the slider of this name."""
    slider = page.locator(".widget-hslider", has=page.locator(f".widget-label:text-is('{name}')"))
    return slider.locator(".noUi-handle").first
