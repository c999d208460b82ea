"""Strict nbval with no flags: the same Python as the tests, the sanitizer, and a bound on each cell."""

from pathlib import Path


def pytest_configure(config):
    config.option.nbval = True
    config.option.nbval_current_env = True
    config.option.nbval_sanitize_with = str(Path(__file__).parent / "tests" / "sanitize.cfg")
    config.option.nbval_cell_timeout = 300
