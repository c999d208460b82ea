"""How long a call takes, and how many times as long as another."""

import statistics
import time
from collections.abc import Callable


def seconds(call: Callable[[], object], repeats: int) -> float:
    """The median wall time of a call, after one that does not count."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def ratio(ours: Callable[[], object], bare: Callable[[], object], repeats: int = 15) -> str:
    """The median of the times of `ours` over `bare`, run in turn: a drifting machine does not tilt it."""
    ours(), bare()
    ratios = []
    for _ in range(repeats):
        start = time.perf_counter()
        ours()
        middle = time.perf_counter()
        bare()
        ratios.append((middle - start) / (time.perf_counter() - middle))
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f} in {repeats} pairs)"


def in_turn(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """The median milliseconds of each call, all called in turn: a machine that drifts tilts none of them."""
    times = {name: [] for name in calls}
    for _ in range(repeats + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(found[1:]) for name, found in times.items()}
