"""Strict nbval with no flags: the same Python as the tests, the sanitizer, and a bound on each cell."""

import os
from pathlib import Path

# Threads that wait give way to other processes after so many rounds: without this, trainings beside the tests slow
# both to a crawl. Read when torch is loaded, and inherited by the kernels of the notebooks.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# Once, here: what it says where it may not write to its folder, or has no list of fonts yet, it would say in a kernel's
# stderr, which is compared. The folder that it finds for itself stands in the environment that kernels inherit.
import matplotlib.font_manager  # noqa: F401


def pytest_configure(config):
    config.option.nbval = True
    config.option.nbval_current_env = True
    config.option.nbval_sanitize_with = str(Path(__file__).parent / "tests" / "sanitize.cfg")
    config.option.nbval_cell_timeout = 300


def pytest_collection_modifyitems(config, items):
    """Leave the long tests out unless `-m` speaks of them."""
    if "long" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
