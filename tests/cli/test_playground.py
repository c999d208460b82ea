import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from ldm_teach.cli import main as cli
from ldm_teach.cli import playground


@pytest.fixture
def launched(monkeypatch):
    """What Voila is launched with, and what the page says."""
    found = SimpleNamespace()

    def launch(arguments, tornado_settings):
        found.arguments, found.settings = arguments, tornado_settings
        found.page = json.loads(Path(arguments[0]).read_text())

    voila = SimpleNamespace(Voila=SimpleNamespace(launch_instance=launch))
    monkeypatch.setitem(sys.modules, "voila", SimpleNamespace(app=voila))
    monkeypatch.setitem(sys.modules, "voila.app", voila)
    monkeypatch.setattr(playground, "end_after_interrupt", lambda folder: None)  # its handler would stay
    return found


def test_the_page_holds_the_panel_and_nothing_else(launched, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cli.main(["playground", "--port", "9001", "--theme", "dark", "--no-browser"])
    assert capsys.readouterr().out == "the playground is at http://localhost:9001; Ctrl-C ends it\n"
    (cell,) = launched.page["cells"]
    source = "".join(cell["source"])
    assert f"os.chdir({str(tmp_path)!r})" in source and source.endswith("page = Playground()\npage")
    compile(source, "page", "exec")
    assert {"--port=9001", "--theme=dark", "--no-browser", "--Voila.ip=localhost"} <= set(launched.arguments)
    assert "'self'" in launched.settings["headers"]["Content-Security-Policy"]


def test_a_browser_is_opened_where_nothing_else_is_said(launched):
    cli.main(["playground"])
    assert "--no-browser" not in launched.arguments and "--port=8866" in launched.arguments


def test_without_voila_it_says_what_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "voila", None)
    with pytest.raises(SystemExit) as done:
        cli.main(["playground"])
    said = (
        "the page is shown by Voila, which is not installed: `pip install -r requirements.txt`, or `pip install voila`"
    )
    assert done.value.code == f"ldm_teach: {said}, brings it"


@pytest.mark.parametrize("port", ["0", "70000"])
def test_a_port_that_is_none_is_refused(port):
    with pytest.raises(SystemExit) as done:
        cli.main(["playground", "--port", port])
    assert "port is" in str(done.value.code)


def test_the_options_are_those_of_one_page(tmp_path):
    page = playground.write_page(tmp_path)
    assert playground.options(page, 1, "light", False)[0] == str(page)


HANGS = """
import sys, time
from pathlib import Path
from ldm_teach.cli.playground import end_after_interrupt
end_after_interrupt(Path(sys.argv[1]), seconds=0.5)
print("ready", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(60)  # as Voila does for a kernel that never comes
"""


def test_ctrl_c_ends_it_though_a_kernel_never_comes(tmp_path):
    folder = tmp_path / "page"
    folder.mkdir()
    command = [sys.executable, "-c", HANGS, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as page:
        assert page.stdout is not None and page.stdout.readline() == "ready\n"
        start = time.monotonic()
        page.send_signal(signal.SIGINT)
        assert page.wait(30) == 0 and time.monotonic() - start < 20 and not folder.exists()
