"""python data/emoji/render.py: make pictures.xz and pictures.json anew from the designers' SVG sources.

Needs the requirements beside this file, `npm` and a network; nothing else in the repository does. Each picture is
64x64, RGB, on white. Skin tones, single letters and digits are left out, and so is a drawing that cannot be matched to
a code point, that shows nothing, or that is exactly another of the same style. The same sources give the same bytes.
`matches.json` says, for the two sets that carry no code points, what the names mean that no rule explains (null: leave
it out); each entry was looked at as a picture.
"""

import argparse
import hashlib
import io
import json
import lzma
import re
import subprocess
import tarfile
import tempfile
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import resvg_py
from PIL import Image

from ldm_teach.words import plain_words

HERE = Path(__file__).parent
SETS = {  # style: its package and version
    "fluent": "@iconify-json/fluent-emoji-flat@1.2.6",
    "noto": "@iconify-json/noto@1.2.9",
    "twemoji": "@iconify-json/twemoji@1.2.5",
    "emojione": "@iconify-json/emojione@1.2.3",
    "fxemoji": "@iconify-json/fxemoji@1.2.2",
}
NAMES = "emojibase-data@17.0.0"
SIDE = 64
BLANK = 40  # grey levels: a drawing whose darkest pixel is within so many of white shows nothing
FLAGS_OF_OTHERS = {  # territories whose flag is that of another: their names would ask for the same picture
    *("Bouvet Island", "Clipperton Island", "Diego Garcia", "Heard & McDonald Islands", "St. Martin"),
    *("Ceuta & Melilla", "Svalbard & Jan Mayen", "U.S. Outlying Islands"),
}
FAMILIES = re.compile("family: (man|woman)")  # most sets draw them all alike
SYMBOLS = {"#": "hash", "*": "asterisk"}  # on keycaps
# What suits pixels: a dictionary that reaches back to like pictures, contexts of one channel, no alignment of bytes.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 64 << 20, "lc": 4, "pb": 0}]


class Source(NamedTuple):
    """The drawings of one style by name, other names of the same, and the code points of names where they are given."""

    icons: dict[str, Any]
    aliases: dict[str, Any]
    code_points: dict[str, str]


def fetch(package: str, folder: Path) -> Path:
    """The content of an npm package, unpacked below `folder`."""
    command = ["npm", "pack", "--silent", package]
    archive = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.split()[-1]
    with tarfile.open(folder / archive) as tar:
        tar.extractall(folder / archive.removesuffix(".tgz"), filter="data")
    return folder / archive.removesuffix(".tgz") / "package"


def plain_code(code: str) -> str:
    """A sequence of code points in lower case, without the selector that only asks for colour."""
    return "-".join(part for part in code.lower().split("-") if part != "fe0f")


def read_source(folder: Path) -> Source:
    found = json.loads((folder / "icons.json").read_text())
    size = {side: found.get(side, 16) for side in ("width", "height")}
    chars = json.loads((folder / "chars.json").read_text())
    codes = {name: plain_code(code) for code, name in chars.items()}
    return Source({name: size | icon for name, icon in found["icons"].items()}, found.get("aliases", {}), codes)


def squeezed(name: str) -> str:
    """A name by its letters and digits alone: "flag-vietnam", "flag: Vietnam" and "flagvietnam" are one."""
    plain = unicodedata.normalize("NFKD", name.lower())
    return "".join(re.findall(r"[a-z0-9#*]+", plain))


def known_names(labels: dict[str, str], sources: list[Source]) -> dict[str, str]:
    """Code points by squeezed name: CLDR's short names before those of the sets, their aliases and Unicode's names."""
    found = {squeezed(label): code for code, label in labels.items()}
    for source in sources:
        for name, code in source.code_points.items():
            found.setdefault(squeezed(name), code)
    for source in sources:
        for name, alias in source.aliases.items():
            if alias.keys() == {"parent"} and alias["parent"] in source.code_points:
                found.setdefault(squeezed(name), source.code_points[alias["parent"]])
    for code in labels:
        if "-" not in code:
            found.setdefault(squeezed(unicodedata.name(chr(int(code, 16)), code)), code)
    return {name: code for name, code in found.items() if code in labels}


def match(source: Source, known: dict[str, str], by_hand: dict[str, str | None]) -> dict[str, str]:
    """Code points of the drawings of a set that has names only."""
    found = {}
    for name in source.icons:
        if name in by_hand:
            code = known[squeezed(by_hand[name])] if by_hand[name] else None
        else:
            code = known.get(squeezed(name.replace("flag-for-", "flag-"))) or known.get(squeezed(name))
        if code:
            found[name] = code
    return found


def drawing(source: Source, name: str) -> dict[str, Any]:
    """A drawing by name; an alias may turn or mirror another."""
    if name in source.icons:
        return source.icons[name]
    alias = source.aliases[name]
    return drawing(source, alias["parent"]) | {key: value for key, value in alias.items() if key != "parent"}


def render(icon: dict[str, Any]) -> np.ndarray:
    """A drawing as pixels: (64, 64, 3) uint8 on white."""
    width, height, body = icon["width"], icon["height"], icon["body"]
    left, top = icon.get("left", 0), icon.get("top", 0)
    if icon.get("hFlip"):
        body = f'<g transform="translate({2 * left + width} 0) scale(-1 1)">{body}</g>'
    if icon.get("vFlip") or icon.get("rotate"):
        raise ValueError("a drawing is turned or upside down, which no drawing was when this was written")
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}" width="{SIDE}" height="{SIDE}">{body}</svg>'
    )
    png = resvg_py.svg_to_bytes(svg_string=svg, background="#ffffff", skip_system_fonts=True)
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGB"))


def read_names(folder: Path) -> dict[str, dict[str, Any]]:
    """What CLDR says of each emoji, by code point: those with a group, but for the parts that emoji are made of."""
    meta = json.loads((folder / "meta" / "groups.json").read_text())
    found = {}
    for entry in json.loads((folder / "en" / "data.json").read_text()):
        group = meta["groups"].get(str(entry.get("group")))
        label = entry["label"]
        if group in (None, "component") or label.removeprefix("flag: ") in FLAGS_OF_OTHERS or FAMILIES.match(label):
            continue
        name = " ".join(plain_words("".join(SYMBOLS.get(letter, letter) for letter in label)))
        keywords = [" ".join(plain_words(tag)) for tag in entry.get("tags", [])]
        found[plain_code(entry["hexcode"])] = {
            "name": name,
            "keywords": sorted({*keywords} - {"", name}),
            "group": group,
            "subgroup": meta["subgroups"][str(entry["subgroup"])],
            "label": label,
        }
    twice = [name for name, count in Counter(each["name"] for each in found.values()).items() if count > 1]
    if twice:
        raise ValueError(f"names of two code points: {twice}")
    return found


def draw_set(style: str, source: Source, codes: dict[str, str], names: dict[str, Any]) -> dict[str, np.ndarray]:
    """The pictures of one style by code point, in the order of the names; says what is left out."""
    wanted: dict[str, str] = {}
    for name, code in codes.items():
        if code in wanted:
            print(f"  {style}: {name} means the same as {wanted[code]}")
        elif code in names:
            wanted[code] = name
    found, seen = {}, {}
    for code in names:
        if code not in wanted:
            continue
        x = render(drawing(source, wanted[code]))
        if x.shape != (SIDE, SIDE, 3) or x.min() > 255 - BLANK:
            print(f"  {style}: {wanted[code]} shows nothing")
        elif x.tobytes() in seen:
            print(f"  {style}: {names[code]['name']} is drawn as {seen[x.tobytes()]}")
        else:
            found[code], seen[x.tobytes()] = x, names[code]["name"]
    left = sorted(name for name in set(source.icons) - {*codes} if "skin-tone" not in name)
    print(f"{style}: {len(source.icons)} drawings, {len(wanted)} with a name and no skin tone, {len(found)} kept")
    print(f"  {len(left)} without a code point, skin tones aside:", *left)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE, help="the folder to write to (default: beside this file)")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        names = read_names(fetch(NAMES, Path(folder)))
        sources = {style: read_source(fetch(package, Path(folder))) for style, package in SETS.items()}
    known = known_names({code: each["label"] for code, each in names.items()}, [*sources.values()])
    by_hand = json.loads((HERE / "matches.json").read_text())
    drawn = {
        style: draw_set(style, source, source.code_points or match(source, known, by_hand[style]), names)
        for style, source in sources.items()
    }

    used = [code for code in names if any(code in pictures for pictures in drawn.values())]
    order = [(used.index(code), style, code) for style in drawn for code in used if code in drawn[style]]
    pixels = np.stack([drawn[style][code] for _, style, code in order]).tobytes()
    table = {
        "names": [
            {"code_point": code} | {key: names[code][key] for key in names[code] if key != "label"} for code in used
        ],
        "pictures": {style: [number for number, other, _ in order if other == style] for style in drawn},
    }
    lines = ",\n".join(json.dumps(entry) for entry in table["names"])
    rows = ",\n".join(f"{json.dumps(style)}: {json.dumps(numbers)}" for style, numbers in table["pictures"].items())
    text = f'{{"names": [\n{lines}\n],\n"pictures": {{\n{rows}\n}}}}\n'
    (out / "pictures.json").write_text(text)
    (out / "pictures.xz").write_bytes(lzma.compress(pixels, lzma.FORMAT_XZ, lzma.CHECK_CRC64, filters=FILTERS))
    print(f"{len(order)} pictures of {len(used)} names, {(out / 'pictures.xz').stat().st_size:,} bytes")
    for name, content in (("pictures.json", text.encode()), ("pictures.xz", pixels)):
        print(f'    "{name}": "{hashlib.sha256(content).hexdigest()}",')


if __name__ == "__main__":
    main()
