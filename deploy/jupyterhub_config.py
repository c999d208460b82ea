"""JupyterHub for a class: everybody a container of deploy/Dockerfile, with a home of their own and one shared course.

Try it on a machine of your own, without Docker and with a common password:

    LDM_TEACH_TRIAL=password jupyterhub -f deploy/jupyterhub_config.py

What the numbers come from: "A class on one server" in docs/teaching.md.
"""

import os
import sys
from pathlib import Path

COURSE = Path(__file__).resolve().parents[1]
TRIAL = os.environ.get("LDM_TEACH_TRIAL")  # the password of everybody
IMAGE = os.environ.get("LDM_TEACH_IMAGE", "ldm_teach")

c = get_config()  # noqa: F821  given by JupyterHub
c.JupyterHub.bind_url = os.environ.get("LDM_TEACH_BIND", "http://127.0.0.1:8000")
c.Authenticator.allow_all = True

# A learner: the course is read only, opened in a home of one's own.
c.Spawner.default_url = "/lab/tree/00_start_here.ipynb"
c.Spawner.environment = {
    "GOMP_SPINCOUNT": "1000",  # threads that wait leave the cores to others
    "OMP_NUM_THREADS": "2",  # or each kernel would take a thread for every core of the server
}
c.Spawner.mem_limit = "4G"
c.Spawner.cpu_limit = 2
c.Spawner.start_timeout = c.Spawner.http_timeout = 180  # a cold disk reads the libraries slowly

if TRIAL is None:
    c.JupyterHub.spawner_class = "dockerspawner.DockerSpawner"
    c.JupyterHub.hub_ip = "0.0.0.0"  # where the containers reach it; a firewall keeps others away
    c.Spawner.cmd = ["python", "/opt/ldm_teach/deploy/single_user.py"]
    c.DockerSpawner.image = IMAGE
    c.DockerSpawner.remove = True
    c.DockerSpawner.volumes = {"ldm_teach-{username}": "/home/learner"}
else:  # processes of one user on this machine: for a trial; only containers hold the limits
    c.JupyterHub.authenticator_class = "dummy"
    c.DummyAuthenticator.password = TRIAL
    c.JupyterHub.spawner_class = "simple"
    c.Spawner.cmd = [sys.executable, str(COURSE / "deploy" / "single_user.py")]
    c.Spawner.args = ["--allow-root"] if os.geteuid() == 0 else []
    homes = os.environ.get("LDM_TEACH_HOMES", "/tmp/ldm_teach")
    c.SimpleLocalProcessSpawner.home_dir_template = f"{homes}/{{username}}"

# Who has been away for half an hour gives the memory back; what was saved stays in the home.
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["idle-culler"],
    }
]
c.JupyterHub.services = [
    {"name": "idle-culler", "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=1800"]}
]
