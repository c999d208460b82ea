import subprocess
import sys

import pytest

from ldm_teach.measuring import memory
from ldm_teach.measuring.memory import peak_memory

TAKE = "import torch; from ldm_teach.measuring.memory import peak_memory; a = peak_memory(); x = torch.ones({}, 2**18)"


@pytest.mark.parametrize("size", [50, 200])
def test_the_peak_grows_by_what_is_taken_and_does_not_fall(size):
    code = TAKE.format(size) + "; b = peak_memory(); del x; print(b - a, peak_memory() - b)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    taken, more = map(float, done.stdout.split())  # a row of x is 1 MiB
    assert taken == pytest.approx(size, abs=20) and more > -1  # the kernel counts pages in batches


def test_without_proc_the_systems_own_count_is_taken(monkeypatch, tmp_path):
    here = peak_memory()
    monkeypatch.setattr(memory, "STATUS", tmp_path / "none")
    assert peak_memory() >= 0.9 * here or sys.platform != "linux"
