"""What starts for a learner: the course laid into the home, once, then JupyterHub's single-user server."""

import os
import subprocess
import sys
from pathlib import Path

home = Path.home() / "course"
subprocess.run([sys.executable, "-m", "ldm_teach", "open", str(home), "--shared-data", "--no-lab"], check=True)
command = [sys.executable, "-m", "jupyterhub.singleuser", f"--ServerApp.root_dir={home / 'notebooks'}", *sys.argv[1:]]
os.execv(sys.executable, command)
