"""The parts of docs/teaching.md that `report` writes: what the checks can say, and what a class costs a server."""

import math
from collections.abc import Sequence
from typing import Any

from ldm_teach.interactive.check import NOTEBOOKS
from ldm_teach.interactive.exercise import Exercise
from ldm_teach.measuring import tables
from ldm_teach.studies.classroom import MOVES, Row

CLASS, CORES_FOR = 40, 4  # learners on one machine; learners for each of its cores


def slips_of(exercise: Exercise) -> list[str]:
    """What the check of an exercise can say is wrong, each once."""
    known = getattr(exercise.judge, "known_slips", lambda: ())()
    return list(dict.fromkeys([*exercise.slips, *(words for words, _ in known)]))


def slips(notebook: str) -> str:
    """The exercises of a notebook ("03"), folded, with the slips that their checks name."""
    lines = []
    for name, exercise in NOTEBOOKS[notebook].items():
        lines.append(f"- `check.{name}` ({exercise.kind}, {'★' * exercise.stars}, {exercise.minutes} minutes)")
        lines += [f"  - {words}" for words in slips_of(exercise)]
    inside = "\n".join(lines)
    return f"<details><summary>What the checks can say</summary>\n\n{inside}\n\n</details>\n\n"


def served(rows: Sequence[Row], settings: dict[str, Any]) -> str:
    """What a learner costs a server, and how large one is that a class needs."""
    lab, _, panel, moved, training, *notebooks = rows
    largest, busiest = max(notebooks, key=lambda row: row.own), max(notebooks, key=lambda row: row.cpu)
    shared = max(row.resident - row.own for row in rows)
    most = math.ceil((lab.own + 2 * largest.own) / 1024)
    one, two = (math.ceil(CLASS * (lab.own + number * largest.own) / 1024 / 8) * 8 for number in (1, 2))
    cores = CLASS // CORES_FOR
    head = ("what", "its own, MiB", "CPU seconds")
    lines = [(row.what, f"{row.own:.0f}", f"{row.cpu:.0f}") for row in rows]
    return f"""`python -m ldm_teach classroom --keep` measures what one learner takes ({settings["machine"]}):

{tables.markdown([head, *lines])}

*Its own* is the memory that no other process shares, at its most; the libraries, up to {shared:.0f} MiB, are in memory
once for all learners of a machine. What waits takes next to no time of a processor: {panel.cpu:.1f} s in
{panel.seconds:.0f} s with a panel shown. A move of its slider takes {moved.cpu / MOVES:.2f} s of a core; a training
takes the cores that it gets, up to two, until it has had its {training.cpu:.0f} s.

**The limits of a learner.** {most} GiB: JupyterLab and two notebooks as large as {largest.what}, since a notebook
that is left open keeps its kernel. Two cores. `OMP_NUM_THREADS=2`: without it each kernel takes a thread for every core
of the server. `GOMP_SPINCOUNT=1000`, or threads that wait keep the cores busy. A kernel that has run nothing for two
hours is ended, also beside a page that is open: what it printed stays. Half an hour after the last page was closed, at
most three quarters, the server ends (idle culling); what is saved stays in the home.

**{CLASS} learners**, one machine: {two} GiB and {cores} cores. Memory: each with JupyterLab and two of the largest
notebooks; {one} GiB will do where everybody shuts a notebook down before opening the next. Cores: one for
{CORES_FOR} learners, since they read far longer than they run; where all start {busiest.what} at once
it has ended after some {CORES_FOR * busiest.cpu / 60:.0f} minutes. Allow 20 GiB of disk for the image and 100 MB for a
home, since the data are not copied; neither was measured, and nothing here keeps a home to it: lay the homes on a file
system with quotas.

**{10 * CLASS} learners**, ten such machines: ten hubs, or the same image by Kubernetes, with these values of "Zero to
JupyterHub". Nothing is shared between the machines but the image, which holds the data.

```yaml
singleuser:
  image: {{name: REGISTRY/ldm_teach, tag: latest}}
  cmd: [python, -P, /opt/ldm_teach/deploy/single_user.py]
  defaultUrl: /lab/tree/00_start_here.ipynb
  extraEnv: {{GOMP_SPINCOUNT: "1000", OMP_NUM_THREADS: "2"}}
  memory: {{limit: {most}G}}
  cpu: {{limit: 2}}
  storage: {{homeMountPath: /home/learner}}
cull: {{timeout: 1800}}
```

**How.** `deploy/Dockerfile` makes the image: the environment with PyTorch's wheels without CUDA, and the course,
read only. `deploy/jupyterhub_config.py` has these limits; a learner's server first runs
`python -m ldm_teach open ~/course --shared-data --no-lab`, which lays the notebooks into the home, once, and leaves
what is there. Who may log in stands in the file that `LDM_TEACH_LEARNERS` names, a name a line, who may stop others'
servers in that of `LDM_TEACH_TEACHERS`. JupyterHub's authenticators say how; by default they are accounts of the
machine. The hub listens to this machine alone: a proxy that speaks TLS stands in front of it. To try it without Docker,
on a machine of your own:

```bash
pip install -r deploy/requirements.txt && npm install -g configurable-http-proxy
LDM_TEACH_TRIAL=password jupyterhub -f deploy/jupyterhub_config.py    # http://127.0.0.1:8000, any name, that password
```

A test does this, opens the page as two learners and runs a cell; another runs a notebook, a sample and a training from
a checkout that is mounted read only. **Nobody has built the image or started it by DockerSpawner, systemd or
Kubernetes**: there was no Docker engine where this was written.
"""
