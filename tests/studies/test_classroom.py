"""What a learner costs: a process that takes a known amount, a kernel that fails, and the table."""

import subprocess
import sys
import time

import pytest

from ldm_teach.measuring import tables
from ldm_teach.studies import classroom
from ldm_teach.studies.classroom import PATH, Row, Watch, kernel, run, table

KNOWN = """
import time
held = bytearray(b"1") * (200 * 2**20)
end = time.process_time() + 1.5
while time.process_time() < end:
    pass
print("done", flush=True)
input()
"""


@pytest.mark.slow
def test_the_memory_and_the_seconds_of_a_process_that_takes_a_known_amount():
    pipe = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with subprocess.Popen([sys.executable, "-c", KNOWN], **pipe) as process:
        watch = Watch(process.pid, every=0.05)
        process.stdout.readline()
        time.sleep(0.3)
        row = watch.row("known")
        process.communicate("\n")
    assert 200 <= row.own <= 230 and row.own <= row.resident  # an interpreter takes some 10 MiB
    assert row.cpu == pytest.approx(1.5, abs=0.4) and row.seconds >= row.cpu - 0.1


@pytest.mark.slow
def test_code_that_fails_in_a_kernel_is_said():
    with pytest.raises(RuntimeError, match="the kernel says ZeroDivisionError"), kernel() as (_, execute):
        execute("1 / 0")


@pytest.mark.slow
def test_a_short_run_has_a_row_for_each_thing(monkeypatch):
    monkeypatch.setattr(classroom, "IDLE", 0.5)
    monkeypatch.setattr(classroom, "TRAIN", "sum(range(10**6))")
    found = list(run(names=[]))
    assert [row.what for row in found] == [row.what for row in tables.read(Row, PATH)[0][:5]]
    lab, waits, panel, moved, _ = found
    assert waits.own < panel.own <= moved.own * 1.1 and lab.own > 20 and moved.cpu > waits.cpu


def test_an_unknown_notebook_is_refused():
    with pytest.raises(ValueError, match="names is '99'; want '00_start_here' or"):
        next(run(names=["99"]))


def test_the_table_has_a_line_for_each_row():
    said = table([Row("a kernel", 35.0, 51.0, 0.1, 30.0), Row("a notebook", 1052.0, 1383.0, 46.3, 53.9)])
    assert said.splitlines()[1].split() == ["a", "kernel", "35", "51", "0.1", "30.0"]
    assert said.splitlines()[2].split()[2:] == ["1052", "1383", "46.3", "53.9"]


def test_a_jupyterlab_that_ends_at_once_is_said_and_not_measured(monkeypatch):
    popen, ends = subprocess.Popen, [sys.executable, "-c", "raise SystemExit(3)"]
    monkeypatch.setattr(subprocess, "Popen", lambda command, **how: popen(ends))
    with pytest.raises(RuntimeError, match="JupyterLab ended with the status 3"), classroom.server():
        pass
