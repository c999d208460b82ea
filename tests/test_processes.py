import os
import subprocess
import sys

import pytest
import torch

from ldm_teach.measuring import tables
from ldm_teach.models.guided import sample_all
from ldm_teach.processes import gathered, joined, position
from ldm_teach.studies import sampling
from ldm_teach.theory.samplers import ddpm, dpm_solver
from tests.helpers import make_tiny_model

# what each of several processes runs: 7 samples in batches of 4, so that three processes have unequal shares
RANKS = """
import sys, torch
from ldm_teach.processes import gathered, joined, position
from tests.test_processes import SAMPLERS, samples
with joined() as first:
    index, count = position()
    own = gathered(torch.full((index + 1, 2), index))
    found = {name: samples(name) for name in SAMPLERS}
assert first == (index == 0) and position() == (0, 1)
torch.save((own, found), f"{sys.argv[1]}/{index}.pt")
"""
SAMPLERS = dict(dpm_solver=dpm_solver, ddpm=ddpm)  # the second draws at every step


def samples(name: str) -> torch.Tensor:
    return sample_all(make_tiny_model(), torch.arange(7) % 3, 1.0, 3, 5, sampler=SAMPLERS[name], batch_size=4)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_processes_draw_together_the_samples_of_one(tmp_path, count):
    """The tolerance is that of the order of sums in float32: a batch of another size may be summed otherwise."""
    script = tmp_path / "ranks.py"
    script.write_text(RANKS)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
    env = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=os.getcwd())
    done = subprocess.run([*launch, str(script), str(tmp_path)], capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr
    want = {name: samples(name) for name in SAMPLERS}
    rows = torch.cat([torch.full((index + 1, 2), index) for index in range(count)])
    for index in range(count):
        own, found = torch.load(tmp_path / f"{index}.pt")
        assert torch.equal(own, rows)
        for name in SAMPLERS:
            torch.testing.assert_close(found[name], want[name], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_two_processes_conduct_the_study_that_one_does(tmp_path):
    """From the command line: the first tells and keeps, the second takes part. The tolerance as above."""
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    options = ["--samples", "20", "--steps", "2", "--w", "0", "--device", "cpu", "--out"]
    words = ["ldm_teach", "evaluate", "fashion-class-kl", *options]
    launch = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m"]
    env = dict(os.environ, OMP_NUM_THREADS="1")
    for command in ([*words, str(one)], [*launch, *words, str(two)]):
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, env=env, timeout=300)
        assert done.returncode == 0, done.stderr
    (alone, _), (together, _) = (tables.read(sampling.Row, path) for path in (one, two))
    assert len(alone) == 4  # real images, reconstructed ones, samples without guidance and with the default
    for a, b in zip(alone, together, strict=True):
        assert a == b._replace(frechet=a.frechet) and b.frechet == pytest.approx(a.frechet, rel=1e-4)


def test_a_process_alone_is_the_first_and_has_all():
    with joined() as first:
        assert first and position() == (0, 1)
    assert torch.equal(gathered(torch.arange(3)), torch.arange(3))


def test_fewer_samples_than_processes_are_refused(monkeypatch):
    monkeypatch.setattr("ldm_teach.models.guided.position", lambda: (0, 8))
    with pytest.raises(ValueError, match="9 conditions in batches of 8; want 8 or more in each, one for each process"):
        sample_all(make_tiny_model(), torch.arange(9) % 3, 1.0, 3, 5, batch_size=8)
