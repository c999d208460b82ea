"""Strict nbval with no flags: the same Python as the tests, the sanitizer, and a bound on each cell."""

from pathlib import Path

# Once, here: what it says where it may not write to its folder, or has no list of fonts yet, it would say in a kernel's
# stderr, which is compared. The folder that it finds for itself stands in the environment that kernels inherit.
import matplotlib.font_manager  # noqa: F401


def pytest_configure(config):
    config.option.nbval = True
    config.option.nbval_current_env = True
    config.option.nbval_sanitize_with = str(Path(__file__).parent / "tests" / "sanitize.cfg")
    config.option.nbval_cell_timeout = 300
