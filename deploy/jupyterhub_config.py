"""JupyterHub for a class: everybody a container of deploy/Dockerfile, with a home of their own and one shared course.

Try it on a machine of your own, without Docker and with a common password:

    LDM_TEACH_TRIAL=password jupyterhub -f deploy/jupyterhub_config.py

For a class, LDM_TEACH_LEARNERS and LDM_TEACH_TEACHERS name files with their names, one a line; a teacher may stop
anybody's server. They log in as JupyterHub's authenticator has it, by default with the accounts of this machine. In
front of the hub stands a proxy that speaks TLS. Where the numbers come from: "A class on one server" in
docs/teaching.md.
"""

import os
import sys
from pathlib import Path

COURSE = Path(__file__).resolve().parents[1]
TRIAL = os.environ.get("LDM_TEACH_TRIAL")  # the password of everybody, eight characters or more
IMAGE = os.environ.get("LDM_TEACH_IMAGE", "ldm_teach")


def names(variable: str) -> set[str]:
    """The names in the file that an environment variable names."""
    if variable not in os.environ:
        raise ValueError(f"{variable} is not set; want a file with names, one a line, or LDM_TEACH_TRIAL for a trial")
    return set(Path(os.environ[variable]).read_text(encoding="utf-8").split())


c = get_config()  # noqa: F821  given by JupyterHub
c.JupyterHub.bind_url = os.environ.get("LDM_TEACH_BIND", "http://127.0.0.1:8000")

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
    c.Authenticator.allowed_users = names("LDM_TEACH_LEARNERS")
    c.Authenticator.admin_users = names("LDM_TEACH_TEACHERS")
    # This machine as its containers see it, by default on Docker's own bridge; nobody else reaches the hub there.
    c.JupyterHub.hub_ip = c.JupyterHub.hub_connect_ip = os.environ.get("LDM_TEACH_HUB_IP", "172.17.0.1")
    c.Spawner.cmd = ["python", "/opt/ldm_teach/deploy/single_user.py"]
    c.DockerSpawner.image = IMAGE
    c.DockerSpawner.remove = True
    c.DockerSpawner.volumes = {"ldm_teach-{username}": "/home/learner"}
    c.DockerSpawner.extra_host_config = {
        "pids_limit": 512,  # processes and threads
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
    }
else:  # processes of one user on this machine: for a trial; only containers hold the limits
    c.JupyterHub.authenticator_class = "shared-password"
    c.SharedPasswordAuthenticator.user_password = TRIAL
    c.Authenticator.allow_all = True
    c.JupyterHub.spawner_class = "simple"
    c.Spawner.cmd = [sys.executable, str(COURSE / "deploy" / "single_user.py")]
    c.Spawner.args = ["--allow-root"] if os.geteuid() == 0 else []
    homes = os.environ.get("LDM_TEACH_HOMES", "/tmp/ldm_teach")
    c.SimpleLocalProcessSpawner.home_dir_template = f"{homes}/{{username}}"

# Half an hour after the last page was closed a server ends, at most three quarters; what was saved stays in the home.
# A page that is open is a sign of life: kernels that idle beside one are ended by single_user.py.
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
