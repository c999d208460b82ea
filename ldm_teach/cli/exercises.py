"""python -m ldm_teach exercises: try every answer that the exercises know, right ones and slips."""

import argparse
from typing import NamedTuple

from ldm_teach.cli.options import add_command
from ldm_teach.interactive.check import NOTEBOOKS
from ldm_teach.interactive.exercise import Exercise


class Trial(NamedTuple):
    """What became of the answers of one exercise; `faults`: of each that was judged otherwise than it should be."""

    notebook: str
    name: str
    exercise: Exercise
    accepted: int
    named: int
    slips: int
    faults: list[str]


def configure(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    add_command(commands, "exercises", exercises)


def exercises() -> None:
    """Try the checks of the exercises: every right answer must be accepted, every slip named.

    Raises ValueError where one is not.
    """
    done = [
        try_answers(notebook, name, exercise) for notebook, made in NOTEBOOKS.items() for name, exercise in made.items()
    ]
    print(f"{'notebook':9} {'exercise':28} {'kind':11} {'stars':5} {'minutes':>7} {'accepted':>9} {'named':>7}")
    for trial in done:
        made = trial.exercise
        accepted, named = f"{trial.accepted} of {len(made.right)}", f"{trial.named} of {trial.slips}"
        stars = "*" * made.stars
        print(f"{trial.notebook:9} {trial.name:28} {made.kind:11} {stars:5} {made.minutes:7} {accepted:>9} {named:>7}")
    faults = [f"{trial.name}: {fault}" for trial in done for fault in trial.faults]
    print(f"{len(done)} exercises, {sum(trial.accepted for trial in done)} right answers accepted, ", end="")
    print(f"{sum(trial.named for trial in done)} slips named, {len(faults)} faults")
    if faults:
        raise ValueError("; ".join(faults))


def try_answers(notebook: str, name: str, exercise: Exercise) -> Trial:
    """Judge every answer that an exercise knows."""
    refused = [said for said in map(exercise.verdict, exercise.accepted()) if not said.startswith("well done")]
    slips, unnamed = list(exercise.tried()), []
    for words, answer in slips:
        said = exercise.verdict(answer)
        if not said.startswith("not yet") or words not in said:
            unnamed.append(f"{words!r} is judged {said!r}")
    accepted, named = len(exercise.right) - len(refused), len(slips) - len(unnamed)
    return Trial(notebook, name, exercise, accepted, named, len(slips), refused + unnamed)
