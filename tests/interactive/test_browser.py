"""The panel in a real JupyterLab, dragged by a mouse in headless Chromium; skipped where there is no browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from playwright.sync_api import expect, sync_playwright

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
CELL = """
from ldm_teach.interactive.panel import guidance_panel
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.data.fashion import FASHION_CLASSES
panel = guidance_panel(LatentDiffusion.load("fashion-class"), FASHION_CLASSES)
panel
"""


@pytest.fixture
def lab(tmp_path):
    """The address of a JupyterLab of its own on loopback, with one notebook that shows the panel."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL.strip())])
    notebook.metadata["kernelspec"] = dict(name="python3", display_name="Python 3", language="python")
    nbformat.write(notebook, tmp_path / "panel.ipynb")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        "--IdentityProvider.token=test",
    ]
    env = dict(
        os.environ,
        HOME=str(tmp_path),
        JUPYTER_RUNTIME_DIR=str(tmp_path / "runtime"),
        JUPYTER_CONFIG_DIR=str(tmp_path / "config"),
    )
    server = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token=test", timeout=5)
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/lab/tree/panel.ipynb?token=test"
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium browser")
def test_dragging_the_guidance_slider_morphs_the_picture(lab, tmp_path):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport=dict(width=1200, height=900))
        page.goto(lab)
        expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
        cell, prompt = page.locator(".jp-Notebook .jp-CodeCell").first, page.locator(".jp-InputPrompt").first
        for _ in range(30):  # a key pressed before the notebook is ready is lost
            if prompt.inner_text().strip() != "[ ]:":
                break
            cell.click(timeout=60_000)
            page.keyboard.press("Control+Enter")
            page.wait_for_timeout(1000)
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
        assert w > 2
        page.screenshot(path=os.environ.get("LDM_TEACH_SCREENSHOT", tmp_path / "panel.png"))
        browser.close()
    assert len(set(seen)) == 3
