"""How long calls take, measured in turn: a machine that drifts tilts none of them."""

import time
from collections.abc import Callable, Mapping

from ldm_teach import checks
from ldm_teach.progress import progress


def in_turn(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """The seconds of `repeats` calls of each, all called in turn, after a first round that does not count."""
    if not isinstance(calls, Mapping) or not calls:
        raise ValueError(f"calls is {checks.describe(calls)}; want a dict of functions, one or more")
    for name, call in calls.items():
        checks.function(f"calls[{name!r}]", call)
    checks.count("repeats", repeats)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in progress(range(repeats + 1), "timing", "round"):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: found[1:] for name, found in times.items()}


def seconds(call: Callable[[], object], repeats: int) -> list[float]:
    """The seconds of each of `repeats` calls, after one that does not count."""
    return in_turn({"": checks.function("call", call)}, repeats)[""]


def ratios(ours: Callable[[], object], bare: Callable[[], object], repeats: int = 15) -> list[float]:
    """The time of a call of `ours` over that of the call of `bare` beside it, for each of `repeats` pairs."""
    times = in_turn(dict(ours=checks.function("ours", ours), bare=checks.function("bare", bare)), repeats)
    return [a / b for a, b in zip(times["ours"], times["bare"], strict=True)]
