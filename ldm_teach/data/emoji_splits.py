"""Which emoji training never shows: some names in one of their styles, and some names altogether.

A function of the names and of a hash alone, so the same on every machine.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

from ldm_teach import checks

NUM_NAMES = 100  # held out in every style
NUM_PAIRS = 100  # held out of each style
FEWEST_STYLES = 3  # of a name of which anything is held out: where it is one style, two are left
FEWEST_NAMES = 2  # in training that have a word of a held-out name
PEOPLE = ("man", "woman", "men", "women", "person", "people")


def in_fixed_order(names: Iterable[str], salt: str = "") -> list[str]:
    """The names in the order of a hash: as good as shuffled, and for ever the same."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{salt}: {name}".encode()).digest())


def without_twins(names: Iterable[str]) -> list[str]:
    """The names, less those that differ in nothing but man, woman and person: they are often drawn nearly alike."""
    bare = {name: " ".join(word for word in name.split() if word not in PEOPLE) for name in names}
    times = Counter(bare.values())
    return [name for name in bare if times[bare[name]] == 1]


def choose_names(names: Iterable[str], eligible: Iterable[str]) -> set[str]:
    """Some of the eligible names of two words or more, each word left in FEWEST_NAMES or more of the other names."""
    left = Counter(word for name in names for word in set(name.split()))
    chosen: set[str] = set()
    for name in in_fixed_order(eligible):
        words = set(name.split())
        if len(chosen) < NUM_NAMES and len(words) > 1 and all(left[word] > FEWEST_NAMES for word in words):
            chosen.add(name)
            left.subtract(words)
    return chosen


def choose_pairs(styles_of: dict[str, set[str]], eligible: Iterable[str]) -> set[tuple[str, str]]:
    """NUM_PAIRS pairs (name, style) of each style, or as many as there are; no name twice."""
    free, chosen = set(eligible), set()
    for style in sorted(set().union(*styles_of.values())):
        found = in_fixed_order((name for name in free if style in styles_of[name]), style)[:NUM_PAIRS]
        chosen |= {(name, style) for name in found}
        free -= set(found)
    return chosen


def split_of_each(pictures: Sequence[tuple[str, str]]) -> list[str]:
    """The split of each picture, of which its name and style are given: "train", "pairs" or "names".

    "names": no style of this name is in training; it is of several words, each of which is in two other names or more
    of training.  "pairs": this style of the name is not in training, two others or more are. Names that differ in man,
    woman or person alone are all in training. Raises ValueError unless all are pairs of str.
    """
    for pair in checks.instance("pictures", pictures, list, tuple):
        if len(checks.words("an entry of pictures", pair)) != 2:
            raise ValueError(f"an entry of pictures is {pair!r}; want a name and a style")
    styles_of: dict[str, set[str]] = {}
    for name, style in pictures:
        styles_of.setdefault(name, set()).add(style)
    eligible = [name for name in without_twins(styles_of) if len(styles_of[name]) >= FEWEST_STYLES]
    names = choose_names(styles_of, eligible)
    pairs = choose_pairs(styles_of, [name for name in eligible if name not in names])
    return ["names" if name in names else "pairs" if (name, style) in pairs else "train" for name, style in pictures]
