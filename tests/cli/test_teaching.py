"""The written parts of the teacher's guide: every slip of every exercise, and sizes that follow from the rows."""

import re

from ldm_teach.cli.teaching import served, slips, slips_of
from ldm_teach.interactive.check import NOTEBOOKS
from ldm_teach.paths import CLONE
from ldm_teach.studies.classroom import Row

SETTINGS = dict(machine="a machine")


def test_every_slip_that_a_check_can_name_is_written_once():
    for notebook, made in NOTEBOOKS.items():
        said = slips(notebook)
        for name, exercise in made.items():
            assert said.count(f"`check.{name}`") == 1 and len(slips_of(exercise)) >= 5
            assert all(f"  - {words}\n" in said for words in slips_of(exercise)), name


def test_sizes_follow_from_what_was_measured():
    waiting = [Row(name, 100.0, 120.0, 0.0, 30.0) for name in ("lab", "kernel", "panel")]
    moved, training = Row("moved", 300.0, 500.0, 6.0, 12.0), Row("training", 900.0, 1200.0, 60.0, 40.0)
    notebooks = [Row("small", 500.0, 700.0, 20.0, 20.0), Row("large", 1900.0, 2300.0, 90.0, 60.0)]
    said = " ".join(served([*waiting, moved, training, *notebooks], SETTINGS).split())
    assert "A move of its slider takes 0.30 s of a core; a training takes the cores that it gets" in said
    assert "4 GiB: JupyterLab and two notebooks as large as large" in said  # 100 + 2 * 1900 MiB = 3.8 GiB
    assert "up to 400 MiB" in said
    assert "**40 learners**, one machine: 160 GiB and 10 cores" in said  # 40 * (100 + 2 * 1900) MiB = 152.3 GiB
    assert "80 GiB will do where everybody shuts a notebook down" in said  # 40 * 2000 MiB = 78.1 GiB
    assert "all start large at once it has ended after some 6 minutes" in said


def test_the_limits_of_the_hub_are_those_of_the_guide():
    guide, config = (CLONE / "docs/teaching.md").read_text(), (CLONE / "deploy/jupyterhub_config.py").read_text()
    memory = re.search(r"The limits of a learner.\*\* (\d+) GiB", guide)
    assert memory is not None and f'mem_limit = "{memory[1]}G"' in config and "cpu_limit = 2" in config
    assert "--timeout=1800" in config and '"OMP_NUM_THREADS": "2"' in config
