"""What starts for a learner: the course laid into the home, once, then JupyterHub's single-user server."""

import os
import subprocess
import sys
from pathlib import Path

home = Path.home() / "course"
python = [sys.executable, "-P", "-m"]  # a file in the home, random.py say, hides no module
subprocess.run([*python, "ldm_teach", "open", str(home), "--shared-data", "--no-lab"], check=True)
settings = {
    "ServerApp.root_dir": home / "notebooks",
    "MappingKernelManager.cull_idle_timeout": 2 * 3600,  # seconds: a notebook left open gives its memory back
    "MappingKernelManager.cull_connected": True,  # also where its page is open; what it printed stays
}
options = [f"--{name}={value}" for name, value in settings.items()]
os.execv(sys.executable, [*python, "jupyterhub.singleuser", *options, *sys.argv[1:]])
