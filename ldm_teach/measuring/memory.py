"""How much memory a process has taken."""

import sys
from pathlib import Path
from typing import Any, cast

import psutil

STATUS = Path("/proc/self/status")  # on Linux


def peak_memory() -> float:
    """The largest resident size of this process since its program began, in MiB.

    Not `ru_maxrss` on Linux, which begins with the size of the process that started this one.
    """
    if STATUS.is_file():
        (line,) = (line for line in STATUS.read_text("utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    try:
        import resource
    except ImportError:  # Windows
        return cast(Any, psutil.Process().memory_info()).peak_wset / 2**20
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
