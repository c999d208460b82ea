"""How much memory a process has taken."""

import sys
from pathlib import Path

STATUS = Path("/proc/self/status")  # on Linux


def peak_memory() -> float:
    """The largest resident size of this process since its program began, in MiB.

    Not `ru_maxrss` on Linux, which begins with the size of the process that started this one.
    """
    if STATUS.is_file():
        (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    import resource  # not on Windows

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
