import argparse

import pytest

from ldm_teach.cli.options import SAMPLERS, add_command, add_sampler, add_sampling
from ldm_teach.theory import samplers


def test_a_command_calls_its_function_and_its_docstring_is_its_help(capsys):
    """The options have the names of the function's arguments."""

    def paint(num_samples: int, num_steps: int, sampler: str, seed: int, keep: bool) -> None:
        """Paint a picture.

        And this is not in the help.
        """

    top = argparse.ArgumentParser()
    commands = top.add_subparsers()
    parser = add_command(commands, "paint", paint, aliases=("draw",))
    add_sampling(parser, steps=20, samples=100)
    add_sampler(parser)
    parser.add_argument("--keep", action="store_true", help="keep it in a-name-with-many-hyphens-" + "and-more" * 3)
    found = vars(top.parse_args(["draw", "--samples", "3"]))
    assert found == dict(command=paint, num_samples=3, num_steps=20, sampler="dpm_solver", seed=0, keep=False)
    with pytest.raises(SystemExit):
        top.parse_args(["paint", "--help"])
    out = capsys.readouterr().out
    assert "Paint a picture." in out and "not in the help" not in out
    assert "(default: 100)" in out and "(default: 0)" in out and "(default: False)" not in out
    assert "a-name-with-many-hyphens-and-moreand-moreand-more" in out


def test_every_sampler_is_offered_by_its_name_but_heun_which_needs_more_than_twenty_steps():
    assert list(SAMPLERS) == ["ddpm", "ddim", "dpm_solver", "predictor_corrector"]
    assert all(getattr(samplers, name) is sampler for name, sampler in SAMPLERS.items())
