"""A class on one server: a hub with the example's settings, two learners; and a checkout that nobody can write to."""

import contextlib
import importlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright
from traitlets.config import Config

from tests.interactive.browser import CHROMIUM, FLAGS, free_port, run, screenshot
from tests.test_notebooks import NAMES

ROOT = Path(__file__).parents[1]
PROXY = shutil.which("configurable-http-proxy")
pytestmark = pytest.mark.slow


@pytest.fixture
def hub(tmp_path):
    """JupyterHub with deploy/jupyterhub_config.py, tried without Docker: its address, and the folder of the homes."""
    pytest.importorskip("jupyterhub", reason="needs deploy/requirements.txt")
    ports = [free_port() for _ in range(3)]
    names = dict(BIND=f"http://127.0.0.1:{ports[0]}", TRIAL="a password", HOMES=str(tmp_path / "homes"))
    env = os.environ | {f"LDM_TEACH_{name}": value for name, value in names.items()}
    env |= dict(PATH=f"{Path(sys.executable).parent}:{env['PATH']}", HOME=str(tmp_path))
    more = f"--JupyterHub.hub_port={ports[1]} --ConfigurableHTTPProxy.api_url=http://127.0.0.1:{ports[2]}".split()
    config = str(ROOT / "deploy" / "jupyterhub_config.py")
    server = subprocess.Popen([sys.executable, "-m", "jupyterhub", "-f", config, *more], cwd=tmp_path, env=env)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{names['BIND']}/hub/health", timeout=5).read()
                break
            except OSError:
                time.sleep(0.5)
        yield names["BIND"], tmp_path / "homes"
    finally:
        server.terminate()
        server.wait(60)


@pytest.mark.skipif(CHROMIUM is None or PROXY is None, reason="needs Chromium and configurable-http-proxy")
def test_two_learners_each_open_the_course_in_a_home_of_their_own(hub):
    address, homes = hub
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name in ("ada", "emil"):
            page = browser.new_context(viewport=dict(width=1200, height=900)).new_page()
            page.goto(f"{address}/hub/login")
            page.get_by_label("Username").fill(name)
            page.get_by_label("Password").fill("a password")
            page.locator("#login_submit").click()
            expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=120_000)
            expect(page.locator("h1", has_text="00 Start here")).to_be_visible(timeout=60_000)
            run(page, 0)  # the imports
            expect(page.locator(".jp-CodeCell .jp-InputPrompt").first).to_have_text("[1]:", timeout=60_000)
            screenshot(page, f"hub_{name}")
        browser.close()
    for name in ("ada", "emil"):
        course = homes / name / "course"
        assert sorted(path.stem for path in (course / "notebooks").glob("*.ipynb")) == NAMES
        assert not (course / "data").exists()  # it is shared


def configured(monkeypatch, **settings: str) -> Config:
    """deploy/jupyterhub_config.py as JupyterHub reads it, beside environment variables."""
    for name in ("TRIAL", "LEARNERS", "TEACHERS"):
        monkeypatch.delenv(f"LDM_TEACH_{name}", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(f"LDM_TEACH_{name}", value)
    config = Config()
    runpy.run_path(str(ROOT / "deploy" / "jupyterhub_config.py"), {"get_config": lambda: config})
    return config


@pytest.fixture
def names(tmp_path) -> dict[str, str]:
    """The variables that name who may log in."""
    (tmp_path / "learners").write_text("ada\nemil\n")
    (tmp_path / "teachers").write_text("noether\n")
    return dict(LEARNERS=str(tmp_path / "learners"), TEACHERS=str(tmp_path / "teachers"))


def test_a_class_lets_in_those_that_are_named_and_a_trial_asks_a_password(monkeypatch, names):
    with pytest.raises(ValueError, match="LDM_TEACH_LEARNERS is not set; want a file with names"):
        configured(monkeypatch)
    hub = configured(monkeypatch, **names)
    assert hub.Authenticator == {"allowed_users": {"ada", "emil"}, "admin_users": {"noether"}}
    assert hub.JupyterHub.hub_ip == hub.JupyterHub.hub_connect_ip != "0.0.0.0"
    trial = configured(monkeypatch, TRIAL="a password")
    assert trial.SharedPasswordAuthenticator.user_password == "a password" and trial.Authenticator.allow_all
    assert trial.JupyterHub.bind_url.startswith("http://127.0.0.1:")


def test_every_setting_of_the_hub_and_of_a_learners_server_is_one_that_they_know(monkeypatch, names):
    """JupyterHub only warns of a setting that it does not know."""
    pytest.importorskip("jupyterhub", reason="needs deploy/requirements.txt")
    from jupyter_server.services.kernels.kernelmanager import MappingKernelManager
    from jupyterhub.app import JupyterHub
    from jupyterhub.auth import Authenticator
    from jupyterhub.authenticators.shared import SharedPasswordAuthenticator
    from jupyterhub.spawner import SimpleLocalProcessSpawner, Spawner

    classes = [JupyterHub, Authenticator, SharedPasswordAuthenticator, Spawner, SimpleLocalProcessSpawner]
    with contextlib.suppress(ModuleNotFoundError):
        classes.append(importlib.import_module("dockerspawner").DockerSpawner)
    known = {cls.__name__: set(cls.class_trait_names(config=True)) for cls in classes}
    for config in (configured(monkeypatch, TRIAL="a password"), configured(monkeypatch, **names)):
        assert set(config) <= known.keys() | {"DockerSpawner"}
        for name, settings in config.items():
            assert name not in known or set(settings) <= known[name], name
    culled = re.findall(r"MappingKernelManager\.(\w+)", (ROOT / "deploy" / "single_user.py").read_text())
    assert culled and set(culled) <= set(MappingKernelManager.class_trait_names(config=True))


def read_only(home: Path, *command: str, **settings) -> subprocess.CompletedProcess:
    """Run a command in a home while the checkout is mounted read only, for this command alone."""
    mounted = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$1" && shift && exec "$@"'
    shell = ["unshare", "--mount", "sh", "-c", mounted, str(ROOT), str(home), *command]
    return subprocess.run(shell, env=os.environ | {"HOME": str(home)}, capture_output=True, text=True, **settings)


def can_mount() -> bool:
    return shutil.which("unshare") is not None and read_only(Path("/"), "true").returncode == 0


@pytest.mark.skipif(not can_mount(), reason="needs to mount the checkout read only")
def test_all_works_from_a_checkout_that_nobody_can_write_to(tmp_path):
    """A notebook, a picture and a training, in a home of one's own."""
    teach = [sys.executable, "-m", "ldm_teach"]
    assert read_only(tmp_path, "touch", str(ROOT / "README.md")).returncode != 0
    for command in (
        [*teach, "open", "course", "--shared-data", "--no-lab"],
        [*teach, "sample", "fashion-class", "--steps", "2"],
        [*teach, "train", "fashion-perceptual", "--quick"],
        run_notebook("course/notebooks/03_langevin_dynamics.ipynb"),
    ):
        done = read_only(tmp_path, *command, timeout=500)
        assert done.returncode == 0, (command, done.stderr)
    assert (tmp_path / "samples.png").is_file() and (tmp_path / "runs" / "fashion-perceptual-quick").is_dir()
    cells = json.loads((tmp_path / "course" / "notebooks" / "03_langevin_dynamics.ipynb").read_text())["cells"]
    assert not [out for cell in cells for out in cell.get("outputs", ()) if out["output_type"] == "error"]


@pytest.mark.long
@pytest.mark.skipif(not can_mount(), reason="needs to mount the checkout read only")
@pytest.mark.parametrize("name", NAMES)
def test_every_notebook_runs_from_a_checkout_that_nobody_can_write_to(tmp_path, name):
    shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", tmp_path)
    done = read_only(tmp_path, *run_notebook(f"{name}.ipynb"), timeout=500)
    assert done.returncode == 0, done.stderr


def run_notebook(path: str) -> list[str]:
    return [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", path]
